"""The two ways between deciding and dispatch besides that of actions: what became of them, and what is taken back.

Both are tables beside the ledger, written in its transactions. `receipts` is an inbox: what a result leads to is stored
in the transaction that takes it out. `recalls` are actions that must not be sent any more, kept like the ledger's rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from engine.model import Recall, Receipt

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS receipts (seq INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS recalls (
        id TEXT PRIMARY KEY, why TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
)


class Returns:
    """Those tables on a connection. Methods that write run inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # ---- what became of actions

    def put(self, receipt: Receipt) -> None:
        """Something has become of an action that deciding is to know."""
        self._db.execute("INSERT INTO receipts (record) VALUES (?)", (msgspec.msgpack.encode(receipt),))

    def waiting(self) -> list[tuple[int, Receipt]]:
        """What deciding does not know yet, by number, in the order in which it happened."""
        rows = self._db.execute("SELECT seq, record FROM receipts ORDER BY seq").fetchall()
        return [(seq, msgspec.msgpack.decode(record, type=Receipt)) for seq, record in rows]

    def taken(self, until: int) -> None:
        """Deciding knows all up to that number."""
        self._db.execute("DELETE FROM receipts WHERE seq <= ?", (until,))

    def erase(self, name: str) -> None:
        """Forget what has become of the actions for somebody (`customer:c7`)."""
        gone = [(seq,) for seq, receipt in self.waiting() if name in names_in(receipt)]
        self._db.executemany("DELETE FROM receipts WHERE seq = ?", gone)

    # ---- what is taken back

    def recall(self, recalls: Iterable[Recall]) -> None:
        """Let these actions not be sent any more. Those that wait are looked at next."""
        for recall in recalls:
            rows = [(action_id, recall.why, recall.at) for action_id in recall.action_ids]
            self._db.executemany("INSERT OR IGNORE INTO recalls (id, why, at) VALUES (?, ?, ?)", rows)
            self._db.executemany(
                "UPDATE actions SET next_at = 0 WHERE id = ? AND state IN ('pending', 'retry')",
                [(action_id,) for action_id in recall.action_ids],
            )

    def why_recalled(self, action_id: str) -> str:
        """Why an action must not be sent any more, "" if it may."""
        found = self._db.execute("SELECT why FROM recalls WHERE id = ?", (action_id,)).fetchone()
        return str(found[0]) if found else ""

    def prune(self, before: int) -> int:
        """Forget recalls from before that time, as their actions have been. Returns how many."""
        return self._db.execute("DELETE FROM recalls WHERE at < ?", (before,)).rowcount


def names_in(receipt: Receipt) -> set[str]:
    """Whom it is for and about, each as `customer:c7`."""
    return {receipt.unit, receipt.recipient, *(f"{kind}:{key}" for kind, key in receipt.entities.items())}
