"""Transactions on a connection in autocommit mode."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

# Opens a write transaction and commits it, or rolls it back when an exception passes through. Whoever owns the
# connection owns this; `immediate` is the plain one.
Transacting: TypeAlias = Callable[[], AbstractContextManager[object]]


def immediate(connection: sqlite3.Connection) -> Transacting:
    """Transactions on a connection of one's own."""

    @contextmanager
    def transaction() -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    return transaction
