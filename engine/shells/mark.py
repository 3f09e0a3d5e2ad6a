"""A number beside the database that only grows, to notice that the database was replaced by an older copy."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import OperatorError

NAME = "ledger.mark"
_DIGITS = 20


class Mark:
    """The file `ledger.mark` in the data folder. It is small enough to be written in place, as one disk sector."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def read(self) -> int | None:
        """The number, or None where there is no file."""
        try:
            return int(self._path.read_text("ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise OperatorError(f"{self._path} cannot be read; see docs/delivery.md before you remove it") from error

    def write(self, number: int) -> None:
        """Have the number on the disk before this returns. Raises OperatorError where that cannot be."""
        try:
            created = not self._path.exists()
            self._put(f"{number:0{_DIGITS}d}\n".encode())
            if created:
                _sync_folder(self._path.parent)
        except OSError as error:
            raise OperatorError(f"{self._path} cannot be written, so nothing is sent: {error.strerror}") from error

    def _put(self, line: bytes) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.pwrite(file, line, 0)
            os.fsync(file)
        finally:
            os.close(file)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
