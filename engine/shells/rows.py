"""From lines to rows: JSON Lines, and CSV whose quoted fields may run over several lines."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from engine.core.decode import Reason
from engine.core.route import Row
from engine.errors import OperatorError
from engine.model import Json
from engine.shells.lines import Line
from engine.spec.types import StreamSpec

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class RowMaker(Protocol):
    """Turns lines into rows; a row that needs further lines waits for them until `last`."""

    def take(self, lines: Iterable[Line], *, last: bool) -> list[Row]: ...


class Origin:
    """What all rows of a file have in common. `arrived_at` is set before each take when reading live."""

    def __init__(self, stream: StreamSpec, source: str, clock: str) -> None:
        self.stream, self.source, self.clock = stream, source, clock
        self._stream = stream.name
        self.arrived_at = 0

    def row(self, line: Line, fields: dict[str, Json] | None = None, fault: str = "") -> Row:
        place = (self._stream, self.source, line.start, line.raw, fields, self.arrived_at)
        if line.digest:
            return Row(*place, Reason.TOO_LARGE, self.clock, line.after, -1, line.size, line.digest)
        return Row(*place, fault, self.clock, line.after)


def row_maker(origin: Origin, longest: int, columns: list[str]) -> RowMaker:
    """The maker for the stream's format; `columns` is the header when reading goes on in the middle of a CSV file."""
    return CsvRows(origin, longest, columns) if origin.stream.format == "csv" else JsonRows(origin)


class JsonRows:
    """One line, one row. Empty lines are skipped; a byte order mark at the start of a file is no part of its event."""

    def __init__(self, origin: Origin) -> None:
        self._row = origin.row

    def take(self, lines: Iterable[Line], *, last: bool) -> list[Row]:
        # Only the first line can hold a byte order mark, and only files from Windows end their lines with "\r".
        cleaned = [_clean(line) if line.start == 0 or line.raw.endswith(b"\r") else line for line in lines]
        return [self._row(line) for line in cleaned if line.raw]


class CsvRows:
    """Rows under a header. What disagrees with the header, or with the rules of quoting, is a row with a fault."""

    def __init__(self, origin: Origin, longest: int, columns: list[str]) -> None:
        self.columns = columns
        self._origin = origin
        self._longest = longest
        self._lines: deque[Line] = deque()
        self._taken: list[Line] = []
        self._starved = False
        # The csv module refuses fields of more than 128 KiB unless told; the bound that counts is `event_bytes`.
        csv.field_size_limit(max(csv.field_size_limit(), longest + 1))

    def take(self, lines: Iterable[Line], *, last: bool) -> list[Row]:
        self._lines.extend(lines)
        rows: list[Row] = []
        while self._lines:
            row = self._next(last=last)
            if self._starved and row is None:
                break
            if row is not None:
                rows.append(row)
        return rows

    def _next(self, *, last: bool) -> Row | None:
        """The next row, or None: the header, an empty line, or (`_starved`) a record whose end has not come yet."""
        self._taken, self._starved = [], False
        if self._lines[0].digest:
            return self._origin.row(self._lines.popleft())
        try:
            values = next(csv.reader(self._texts(), delimiter=self._origin.stream.delimiter, strict=True))
        except UnicodeDecodeError:
            return self._broken(Reason.BAD_ENCODING)
        except csv.Error:
            if self._starved and not last:
                self._lines.extendleft(reversed(self._taken))
                return None
            self._starved = False
            return self._broken(Reason.BAD_CSV)
        except StopIteration:
            return None
        return self._record(values)

    def _texts(self) -> Iterator[str]:
        size = 0
        while self._lines and not self._lines[0].digest:
            line = self._lines.popleft()
            self._taken.append(line)
            size += len(line.raw) + 1
            if size > self._longest + 1:
                raise csv.Error("a record longer than event_bytes")
            text = line.raw if line.start else line.raw.removeprefix(BYTE_ORDER_MARK)
            yield text.decode() + "\n"
        self._starved = not self._lines

    def _broken(self, reason: Reason) -> Row:
        """The first line is at fault (a quote never closed swallows what follows); the others get their own chance."""
        first, *others = self._taken
        self._lines.extendleft(reversed(others))
        return self._origin.row(first, fault=reason)

    def _record(self, values: list[str]) -> Row | None:
        line = _joined(self._taken)
        if not line.raw.strip(b"\r\n"):
            return None
        if not self.columns:
            self.columns = _columns(values, self._origin.source)
            return None
        if len(values) != len(self.columns):
            return self._origin.row(line, fault=Reason.BAD_CSV)
        return self._origin.row(line, fields=dict(zip(self.columns, values, strict=True)))


def _columns(names: list[str], source: str) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OperatorError(f"{source}: the header names the column {twice[0]!r} twice - give each column its own name")
    return names


def _joined(lines: list[Line]) -> Line:
    if len(lines) == 1:
        return _clean(lines[0])
    return Line(lines[0].start, lines[-1].after, b"\n".join(line.raw for line in lines))


def _clean(line: Line) -> Line:
    raw = line.raw
    if raw.endswith(b"\r"):
        line = msgspec.structs.replace(line, raw=raw[:-1])
    if line.start == 0 and raw.startswith(BYTE_ORDER_MARK):
        line = msgspec.structs.replace(line, raw=line.raw[len(BYTE_ORDER_MARK) :])
    return line
