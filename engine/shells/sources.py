"""Reading a project's finite input: all files of all streams, merged into one order of time.

The order is (event time, stream name, path, position), so it does not depend on how fast a file is read. A row that is
out of order within its file stays where its file has it; `sort: true` puts a stream in order first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import TypeAlias

from engine.core.route import FILES, Router, Row
from engine.errors import OperatorError
from engine.shells.files import STDIN, Beginning, FilePlace, StreamFile, files_of, rows_of, start_at
from engine.spec.types import ProjectSpec, StreamSpec

Places: TypeAlias = Mapping[str, FilePlace]
TimedRow: TypeAlias = tuple[int, Row]
# What decides between rows, and last the number of the lane, so that rows themselves are never compared.
_Turn: TypeAlias = tuple[int, str, str, int, int]


def read_all(project: ProjectSpec, data: Path, router: Router, positions: Places | None = None) -> MergedRows:
    """All rows of all streams from `positions` on, in the order of time. Raises OperatorError if there is no input."""
    places = positions or {}
    files = [file for stream in project.streams if not stream.sort for file in files_of(stream, data)]
    in_bulk = [stream for stream in project.streams if stream.sort and files_of(stream, data)]
    if not files and not in_bulk:
        raise OperatorError(f"no stream has a file in {data} - see `from` in the project file")
    longest = project.bounds.event_bytes
    reader = _Reader(router, longest, is_alone=len(files) + len(in_bulk) == 1)
    lanes = [reader.lane_of_file(file, places.get(file.key)) for file in files]
    lanes += [reader.lane_in_order(stream, files_of(stream, data), places) for stream in in_bulk]
    return MergedRows(lanes)


def without_files(project: ProjectSpec, data: Path) -> list[str]:
    """The streams that name files of which there are none, so that a shell can say so."""
    return [stream.name for stream in project.streams if stream.source and not files_of(stream, data)]


class _Lane:
    """One file, or one stream put in order, and how far it was consumed."""

    def __init__(self, key: str, rows: Iterator[TimedRow], beginning: Beginning, start: int) -> None:
        self.key = key
        self.rows = rows
        self.consumed = start
        self._beginning = beginning

    def place(self) -> FilePlace:
        return self._beginning.place(self.consumed)


class MergedRows:
    """Rows in order. `positions` says, after any row, where to go on so that nothing is lost or repeated."""

    def __init__(self, lanes: list[_Lane]) -> None:
        self._lanes = lanes
        self._waiting: list[tuple[_Turn, Row]] = []
        self._to_fill = list(range(len(lanes)))

    def __iter__(self) -> Iterator[Row]:
        return self._only(self._lanes[0]) if len(self._lanes) == 1 else self

    def __next__(self) -> Row:
        # A lane is refilled only when the next row is asked for: reading stdin ahead would wait for it.
        for number in self._to_fill:
            self._fill(number)
        self._to_fill.clear()
        if not self._waiting:
            raise StopIteration
        turn, row = heapq.heappop(self._waiting)
        number = turn[-1]
        self._lanes[number].consumed = row.after
        self._to_fill.append(number)
        return row

    @staticmethod
    def _only(lane: _Lane) -> Iterator[Row]:
        """The rows of a single lane, which has no other to wait for. A later call goes on where this one was left."""
        for _at, row in lane.rows:
            lane.consumed = row.after
            yield row

    def positions(self) -> dict[str, FilePlace]:
        """Where to go on, per file, having consumed every row given so far."""
        return {lane.key: lane.place() for lane in self._lanes}

    def _fill(self, number: int) -> None:
        timed = next(self._lanes[number].rows, None)
        if timed:
            at, row = timed
            heapq.heappush(self._waiting, ((at, row.stream, row.source, row.position, number), row))


class _Reader:
    """Opens lanes. A single file needs no times, as there is nothing to merge it with."""

    def __init__(self, router: Router, longest: int, *, is_alone: bool) -> None:
        self._router = router
        self._longest = longest
        self._is_alone = is_alone

    def lane_of_file(self, file: StreamFile, place: FilePlace | None) -> _Lane:
        start = start_at(file, place)
        beginning = Beginning(place if place and start else FilePlace(0))
        return _Lane(file.key, self._timed(file, start, beginning), beginning, start)

    def lane_in_order(self, stream: StreamSpec, files: list[StreamFile], places: Places) -> _Lane:
        """The whole stream sorted by time; its place is the number of rows consumed."""
        key = f"{stream.name}:in order"
        start = places[key].offset if key in places else 0
        return _Lane(key, self._in_order(files, start), Beginning(FilePlace(0)), start)

    def _timed(self, file: StreamFile, start: int, beginning: Beginning) -> Iterator[TimedRow]:
        if self._is_alone:
            return zip(repeat(0), rows_of(file, start, FILES, self._longest, beginning), strict=False)
        if file.source == STDIN:
            return map(self._router.when, rows_of(file, start, FILES, self._longest, beginning))
        return map(self._router.when, self._opened_late(file, start, beginning))

    def _opened_late(self, file: StreamFile, start: int, beginning: Beginning) -> Iterator[Row]:
        """A file waits closed, with its first row known, until its time has come: a stream may have thousands."""
        reading = rows_of(file, start, FILES, self._longest, beginning)
        first = next(reading, None)
        del reading
        if first is not None:
            yield first
            yield from rows_of(file, first.after, FILES, self._longest, beginning)

    def _in_order(self, files: list[StreamFile], start: int) -> Iterator[TimedRow]:
        rows = (row for file in files for row in rows_of(file, 0, FILES, self._longest))
        whole = [part for row in rows for part in self._router.parts(row)]
        whole.sort(key=lambda timed: (timed[0], timed[1].source, timed[1].position, timed[1].part))
        for number, (at, row) in enumerate(whole[start:], start=start + 1):
            yield at, row.going_on_at(number)
