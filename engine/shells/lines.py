"""Cutting a stream of bytes into lines with their places, in bounded memory."""

from __future__ import annotations

import hashlib

import msgspec

from engine.core.decode import RAW_KEPT


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line without its end, and the places (bytes) where it starts and where the next one does.

    Of a line longer than the limit `raw` is only the beginning; `size` and `digest` (hex) are then the whole's.
    """

    start: int
    after: int
    raw: bytes
    size: int = 0
    digest: str = ""


class LineCutter:
    """Takes chunks, gives whole lines; what follows the last newline waits for more."""

    def __init__(self, start: int, longest: int) -> None:
        self.place = start  # where the next line begins
        self._longest = longest
        self._rest = b""
        self._long: _LongLine | None = None

    def feed(self, chunk: bytes) -> list[Line]:
        """The lines that `chunk` completes."""
        lines: list[Line] = []
        if self._long:
            chunk = self._end_long_line(chunk, lines)
        *whole, rest = (self._rest + chunk).split(b"\n")
        for text in whole:
            if len(text) <= self._longest:  # as in `_line`, without a call for each
                start = self.place
                self.place = after = start + len(text) + 1
                lines.append(Line(start, after, text))
            else:
                lines.append(self._line(text))
        self._rest = rest
        if len(rest) > self._longest:
            self._long, self._rest = _LongLine(rest), b""
        return lines

    def finish(self) -> list[Line]:
        """The last line, if the bytes ended without a newline."""
        if self._long:
            return [self._cut_long_line(0)]
        rest, self._rest = self._rest, b""
        return [self._line(rest, newline=0)] if rest else []

    def _line(self, text: bytes, newline: int = 1) -> Line:
        start = self.place
        self.place = start + len(text) + newline
        if len(text) <= self._longest:
            return Line(start, self.place, text)
        return Line(start, self.place, text[:RAW_KEPT], len(text), hashlib.sha256(text).hexdigest())

    def _end_long_line(self, chunk: bytes, lines: list[Line]) -> bytes:
        assert self._long
        text, newline, chunk = chunk.partition(b"\n")
        self._long.add(text)
        if newline:
            lines.append(self._cut_long_line(1))
        return chunk

    def _cut_long_line(self, newline: int) -> Line:
        assert self._long
        long, start, self._long = self._long, self.place, None
        self.place = start + long.size + newline
        return Line(start, self.place, long.beginning, long.size, long.hash.hexdigest())


class _LongLine:
    """What is kept of a line too long to hold: its beginning, its size and a running digest."""

    def __init__(self, beginning: bytes) -> None:
        self.beginning = beginning[:RAW_KEPT]
        self.size = len(beginning)
        self.hash = hashlib.sha256(beginning)

    def add(self, more: bytes) -> None:
        self.beginning += more[: RAW_KEPT - len(self.beginning)]
        self.size += len(more)
        self.hash.update(more)
