"""A disk that loses what was not synced when the power goes, and whose sync can fail: a layer under SQLite.

Each file has a durable image. Writes reach it at a sync; at a power cut each later write is kept, torn or lost, in any
combination, as disks do that reorder.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import apsw

SECTOR = 512


class PowerCut(Exception):
    """Nothing reaches the disk any more."""


class Power(apsw.VFS):
    """Register one per life of the machine. `fuse` is after how many writes and syncs the power goes, -1 = never."""

    def __init__(self, name: str, random: Random) -> None:
        super().__init__(name, "")
        self.name = name
        self.random = random
        self.fuse = -1
        self.sync_fails_in = -1
        self.is_off = False
        self.images: dict[str, bytearray] = {}
        self.pending: dict[str, list[tuple[int, bytes]]] = {}

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802  named by SQLite
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  named by SQLite
        if self.is_off:
            return
        self.images.pop(filename, None)
        self.pending.pop(filename, None)
        super().xDelete(filename, syncdir)

    def step(self) -> None:
        if self.is_off:
            raise PowerCut
        self.fuse -= 1
        if self.fuse == 0:
            self.is_off = True
            raise PowerCut

    def cut(self) -> None:
        """The power goes, and what is left is written where the next start will find it."""
        self.is_off = True
        for name, image in self.images.items():
            for offset, written in self.pending.get(name, []):
                self._perhaps(image, offset, written)
            Path(name).write_bytes(bytes(image))

    def _perhaps(self, image: bytearray, offset: int, written: bytes) -> None:
        kept = self.random.choice((0, len(written), self.random.randrange(len(written) + 1) // SECTOR * SECTOR))
        put(image, offset, written[:kept])


class _File(apsw.VFSFile):
    def __init__(self, power: Power, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._power = power
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        if self._name and self._name not in power.images:
            path = Path(self._name)
            power.images[self._name] = bytearray(path.read_bytes() if path.exists() else b"")
            power.pending[self._name] = []

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  named by SQLite
        self._power.step()
        if self._name:
            self._power.pending[self._name].append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  named by SQLite
        self._power.step()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  named by SQLite
        self._power.step()
        self._power.sync_fails_in -= 1
        if self._power.sync_fails_in == 0:
            raise apsw.IOError("the sync failed")
        super().xSync(flags)
        for offset, written in self._power.pending.get(self._name, []):
            put(self._power.images[self._name], offset, written)
        self._power.pending[self._name] = []


def put(image: bytearray, offset: int, written: bytes) -> None:
    if written and len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(written)] = written
