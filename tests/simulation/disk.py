"""The disk: what was committed survives a crash, what was not is gone. Under it is the real store, in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from io import BytesIO
from typing import Any

from engine.shells import store
from engine.shells.attempts import DEATHS_MOST
from engine.shells.ledger import Ledger
from engine.shells.store import Store
from tests.simulation.fate import Fate


class Disk(sqlite3.Connection):
    """A database in memory in which every writing statement is a step, and so is the moment after a commit."""

    fate: Fate

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql.startswith(("SELECT", "CREATE", "PRAGMA", "ROLLBACK")):
            return super().execute(sql, parameters)
        self.fate.step("before a write")
        result = super().execute(sql, parameters)
        if sql == "COMMIT":
            self.fate.step("after a commit")
        return result

    def executemany(self, sql: str, parameters: Iterable[Any]) -> sqlite3.Cursor:
        self.fate.step("before a write")
        return super().executemany(sql, parameters)


class Mark:
    """`ledger.mark`, which no backup restores."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self.number: int | None = None

    def read(self) -> int | None:
        return self.number

    def write(self, number: int) -> None:
        self._fate.step("before the mark")
        self.number = number
        self._fate.step("after the mark")


class Folder:
    """Files in memory: as much of `Path` as the engine asks of its state folder."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def __truediv__(self, name: str) -> File:
        return File(self, name)

    def row_deaths(self) -> int:
        """How often the process has died on the row that it is taking alone, if it dies now."""
        attempt = json.loads(self.files.get("attempt") or b"{}")
        return max([int(n) for n in attempt.get("rows", {}).values()], default=0)


class File:
    def __init__(self, folder: Folder, name: str) -> None:
        self._folder = folder
        self._name = name

    def read_bytes(self) -> bytes:
        if self._name not in self._folder.files:
            raise FileNotFoundError(self._name)
        return self._folder.files[self._name]

    def touch(self, mode: int = 0o666) -> None:
        self._folder.files.setdefault(self._name, b"")

    def open(self, _mode: str, buffering: int = -1) -> Opened:
        return Opened(self._folder.files, self._name)

    def unlink(self, missing_ok: bool = False) -> None:
        self._folder.files.pop(self._name, None)


class Opened(BytesIO):
    """A file being written, each write of which is there at once."""

    def __init__(self, files: dict[str, bytes], name: str) -> None:
        super().__init__(files[name])
        self._files = files
        self._name = name

    def truncate(self, size: int | None = None, /) -> int:
        length = super().truncate(size)
        self._files[self._name] = self.getvalue()
        return length


@cache
def _blank() -> bytes:
    """The image of a state database in which nothing has happened yet."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for statement in (*store._TABLES, *Ledger.SCHEMA):
            db.execute(statement)
        return db.serialize()


class Machine:
    """What outlives a process: the database, the files beside it."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self.disk = self._disk_of(_blank())
        self.mark = Mark(fate)
        self.folder = Folder()

    def may_not_die_now(self) -> bool:
        return self.folder.row_deaths() >= DEATHS_MOST

    def snapshot(self) -> bytes:
        return self.disk.serialize()

    def restore(self, image: bytes) -> None:
        self.disk.close()
        self.disk = self._disk_of(image)

    def _disk_of(self, image: bytes) -> Disk:
        disk = sqlite3.connect(":memory:", isolation_level=None, factory=Disk)
        disk.deserialize(image)
        disk.fate = self._fate
        return disk

    def start_store(self) -> Store:
        """The store as a process that has just started opens it."""
        if self.disk.in_transaction:
            self.disk.execute("ROLLBACK")
        opened = Store.__new__(Store)
        opened.folder = self.folder  # type: ignore[assignment]
        opened.db = self.disk
        opened.ledger = Ledger(self.disk, opened.transaction, self.mark)  # type: ignore[arg-type]
        return opened
