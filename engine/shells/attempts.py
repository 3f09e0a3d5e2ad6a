"""Remembers, through the death of the process, which row it was busy with, to notice a row that kills it.

The file is written without waiting for the disk: it must outlive the process, not the machine.
"""

from __future__ import annotations

from io import FileIO
from pathlib import Path

import msgspec

NAME = "attempt"
# A row is set aside after the process has died on it this many times.
DEATHS_MOST = 3


class Attempt(msgspec.Struct):
    """`batch` names where a batch begins; `rows` counts the deaths on rows of it, by their number in the batch."""

    batch: str = ""
    rows: dict[int, int] = {}


class Attempts:
    """After a death the batch is taken a row at a time, so that a second death names the row."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: FileIO | None = None
        self._before = self._read()

    def _read(self) -> Attempt:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Attempt)
        except (FileNotFoundError, msgspec.DecodeError):
            return Attempt()

    def begin(self, batch: str) -> bool:
        """A batch is about to be taken. True if the process died on it before, so that care is needed."""
        again = self._before.batch == batch
        if not again:
            self._before = Attempt(batch)
        self._write(self._before)
        return again

    def is_deadly(self, row: int) -> bool:
        """Has the process died on this row of the batch too often?"""
        return self._before.rows.get(row, 0) >= DEATHS_MOST

    def at_row(self, row: int) -> None:
        """This row of the batch is about to be taken by itself. It counts as a death unless a later call follows."""
        rows = self._before.rows
        self._write(Attempt(self._before.batch, {**rows, row: rows.get(row, 0) + 1}))

    def clear(self) -> None:
        """The process stops of its own will."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._path.unlink(missing_ok=True)

    def _write(self, attempt: Attempt) -> None:
        """In place: a file that is emptied first is sent to the disk by some file systems, and that is waited for."""
        if self._file is None:
            self._path.touch(mode=0o640)
            self._file = self._path.open("r+b", buffering=0)
        self._file.seek(0)
        self._file.write(msgspec.json.encode(attempt))
        self._file.truncate()
