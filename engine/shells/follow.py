"""Reading files live: rows as they are appended, through rotation and truncation, each once.

A file is known by its inode while it is open and by its beginning after a restart, so a renamed file is not read again
and a new one under an old name is read from its start. A last line without its newline waits for the rest.
"""

from __future__ import annotations

import gzip
import heapq
import os
import select
import sys
import zlib
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from engine.core.route import Router, Row
from engine.shells.files import (
    CHUNK,
    STDIN,
    Beginning,
    Content,
    FilePlace,
    StreamFile,
    files_of,
    header_of,
    open_file,
    start_at,
)
from engine.shells.lines import Line, LineCutter
from engine.shells.rows import Origin, row_maker
from engine.spec.types import ProjectSpec, StreamSpec

# Marks the place of a file that was rotated away and not read to its end yet.
_ROTATED = "~rotated:"


class Follower:
    """Follows all files of all streams. Each file is a source of its own; its rows carry `key` as their clock."""

    def __init__(
        self, project: ProjectSpec, data: Path, router: Router, positions: Mapping[str, FilePlace] | None = None
    ) -> None:
        self._project = project
        self._data = data
        self._router = router
        self._kept = dict(positions or {})
        self._is_settled = False
        self._tails: dict[str, _Tail] = {}
        self._leaving: list[_Tail] = []  # rotated away under a name of no stream: read to their end, then let go

    def poll(self, limit: int, now_ms: int = 0) -> list[Row]:
        """At most `limit` rows that are there now, in order of time; never waits. `now_ms` becomes their arrival."""
        self._look_around(now_ms)
        tails = [*self._leaving, *self._tails.values()]
        waiting = [(tail.turn(), number) for number, tail in enumerate(tails) if tail.has_row(now_ms)]
        heapq.heapify(waiting)
        rows: list[Row] = []
        while waiting and len(rows) < limit:
            number = waiting[0][1]
            rows.append(tails[number].take())
            if tails[number].has_row(now_ms):
                heapq.heapreplace(waiting, (tails[number].turn(), number))
            else:
                heapq.heappop(waiting)
        return rows

    def positions(self) -> dict[str, FilePlace]:
        """Where to go on, having consumed every row given so far."""
        leaving = {f"{tail.file.key}{_ROTATED}{tail.inode}": tail.place() for tail in self._leaving}
        return self._kept | leaving | {key: tail.place() for key, tail in self._tails.items()}

    def idle(self, now_ms: int) -> list[str]:
        """The clocks of sources from which nothing has come for their stream's `idle_after`."""
        return [key for key, tail in self._tails.items() if now_ms - tail.heard_at >= tail.file.stream.idle_after_ms]

    def close(self) -> None:
        for tail in [*self._leaving, *self._tails.values()]:
            tail.close()

    def _look_around(self, now_ms: int) -> None:
        """Notice new, rotated and truncated files, and let go of those that were read to the end."""
        found = {file.key: file for stream in self._project.streams for file in files_of(stream, self._data)}
        if not self._is_settled:
            self._settle_after_restart(found, now_ms)
            self._is_settled = True
        self._notice_rotation(found)
        for key, file in found.items():
            if key not in self._tails:
                self._tails[key] = self._tail_of(file, now_ms)
        for tail in list(self._leaving):
            if tail.is_done(now_ms):
                tail.close()
                self._leaving.remove(tail)

    def _notice_rotation(self, found: Mapping[str, StreamFile]) -> None:
        inodes = {(file.stream.name, _inode(file.path)): key for key, file in found.items()}
        for key, tail in list(self._tails.items()):
            if not tail.was_replaced():
                continue
            del self._tails[key]
            renamed = inodes.get((tail.file.stream.name, tail.inode))
            if renamed and renamed != key:
                tail.rename(found[renamed])
                self._tails[renamed] = tail
            else:
                tail.leave()
                self._leaving.append(tail)

    def _settle_after_restart(self, found: Mapping[str, StreamFile], now_ms: int) -> None:
        """Set apart the places of files that have another name now, and finish those no stream reads any more."""
        for key in [key for key, place in self._kept.items() if not (key in found and start_at(found[key], place))]:
            self._kept[f"{key.partition(_ROTATED)[0]}{_ROTATED}{key}"] = self._kept.pop(key)
        streams = {stream.name: stream for stream in self._project.streams}
        for key in [key for key in self._kept if _ROTATED in key]:
            name, _, source = key.partition(_ROTATED)[0].partition(":")
            file = _found_again(streams[name], self._data / source, self._kept[key]) if name in streams else None
            if file and file.path not in {each.path for each in found.values()}:
                self._leaving.append(_Tail(file, self._kept.pop(key), self._router, self._project, now_ms))

    def _tail_of(self, file: StreamFile, now_ms: int) -> _Tail:
        """Open a file where it was left, under this name or the one it had before the restart."""
        place = self._kept.pop(file.key, None)
        for key in [] if place else [key for key in self._kept if key.startswith(f"{file.stream.name}:")]:
            if _ROTATED in key and start_at(file, self._kept[key]):
                place = self._kept.pop(key)
                break
        return _Tail(file, place or FilePlace(0), self._router, self._project, now_ms)


def _found_again(stream: StreamSpec, path: Path, place: FilePlace) -> StreamFile | None:
    """The file beside `path` that begins like the one which was read up to `place`."""
    if not path.parent.is_dir():
        return None
    beside = (StreamFile(stream, each, path.name) for each in sorted(path.parent.iterdir()) if each.is_file())
    return next((file for file in beside if start_at(file, place)), None)


class _Tail:
    """One open file, and its rows that were read but not given out yet."""

    def __init__(self, file: StreamFile, place: FilePlace, router: Router, project: ProjectSpec, now_ms: int) -> None:
        longest = project.bounds.event_bytes
        self.file = file
        self.heard_at = now_ms
        self.inode = _inode(file.path)
        self._content: Content | None = None if file.source == STDIN else open_file(file.path)
        self._origin = Origin(file.stream, file.source, file.key)
        self._cutter = LineCutter(place.offset, longest)
        self._maker = row_maker(self._origin, longest, header_of(file, longest) if place.offset else [])
        self._router = router
        self._rows: deque[tuple[int, Row]] = deque()
        self._read_to = self._consumed = place.offset
        self._beginning = Beginning(place)
        self._was_cut = False
        self._damaged_at_size = -1
        self._must_seek = place.offset > 0

    def turn(self) -> tuple[int, str, str, int]:
        at, row = self._rows[0]
        return at, row.stream, row.source, row.position

    def has_row(self, now_ms: int) -> bool:
        """Whether there is a row now, reading on if need be."""
        while not self._rows:
            chunk = self._read()
            if not chunk:
                return False
            self._read_to += len(chunk)
            self._beginning.add(chunk)
            self._take(self._cutter.feed(chunk), now_ms, last=False)
        return True

    def take(self) -> Row:
        row = self._rows.popleft()[1]
        self._consumed = row.after
        return row

    def leave(self) -> None:
        """The name is another file's now. If it was cut short there is nothing more to read: only newer content."""
        self._was_cut = _inode(self.file.path) == self.inode

    def is_done(self, now_ms: int) -> bool:
        """Nothing more can come: its last line counts as whole then, and may give the last rows.

        Writers keep a rotated file open for a while, so it is watched until it has been quiet for `idle_after`.
        """
        is_waiting = 0 < now_ms < self.heard_at + self.file.stream.idle_after_ms
        if self.has_row(now_ms) or (is_waiting and not self._was_cut):
            return False
        self._take(self._cutter.finish(), now_ms, last=True)
        return not self._rows

    def place(self) -> FilePlace:
        return self._beginning.place(self._consumed)

    def was_replaced(self) -> bool:
        """Another file has this name now, or this one was cut shorter than what was read of it."""
        if self.file.source == STDIN:
            return False
        if _inode(self.file.path) != self.inode:
            return True
        return self.file.path.suffix != ".gz" and self.file.path.stat().st_size < self._read_to

    def rename(self, file: StreamFile) -> None:
        self.file = file

    def close(self) -> None:
        if self._content:
            self._content.close()

    def _take(self, lines: list[Line], now_ms: int, *, last: bool) -> None:
        self._origin.arrived_at = now_ms
        rows = self._maker.take(lines, last=last)
        self._rows.extend(self._router.when(row) for row in rows)
        if rows:
            self.heard_at = now_ms

    def _read(self) -> bytes:
        if self._content is None:
            return _waiting_on_stdin()
        if self._was_cut:
            return b""
        if self.file.path.suffix == ".gz":
            return self._read_packed()
        return self._next_chunk(self._content)

    def _next_chunk(self, content: Content) -> bytes:
        if self._must_seek:
            content.seek(self._read_to)
            self._must_seek = False
        return content.read1(CHUNK)

    def _read_packed(self) -> bytes:
        """A packed file that is still being written ends too early: try again when it has grown."""
        size = self.file.path.stat().st_size if self.file.path.exists() else 0
        if self._content is None or size == self._damaged_at_size:
            return b""
        try:
            return self._next_chunk(self._content)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            self._damaged_at_size = size
            self._content.close()
            self._content, self._must_seek = open_file(self.file.path), True
            return b""


def _waiting_on_stdin() -> bytes:
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return os.read(sys.stdin.fileno(), CHUNK) if ready else b""


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
