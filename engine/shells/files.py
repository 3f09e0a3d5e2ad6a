"""The files of a stream: which they are, where reading them goes on after a restart, and their rows."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec
import xxhash

from engine.core.decode import Reason
from engine.core.route import Row
from engine.errors import OperatorError
from engine.shells.lines import Line, LineCutter
from engine.shells.rows import CsvRows, Origin, row_maker
from engine.spec.types import StreamSpec

# Both give with read1 what can be had at once, so that nothing before a damaged place is lost.
Content: TypeAlias = io.BufferedReader | gzip.GzipFile

STDIN = "-"
CHUNK = 262_144
_HEAD = 1_024


class FilePlace(msgspec.Struct, frozen=True):
    """How far a file was read (bytes, of the unpacked content) and by which beginning to know it again.

    A file that was replaced or renamed is recognised by the digest of its first bytes, never by its name alone.
    """

    offset: int
    head_size: int = 0
    head: int = 0


class StreamFile(msgspec.Struct, frozen=True):
    """One file of a stream. `source` is its path below the data folder."""

    stream: StreamSpec
    path: Path
    source: str

    @property
    def key(self) -> str:
        """Names its place and its clock."""
        return f"{self.stream.name}:{self.source}"


def files_of(stream: StreamSpec, data: Path) -> list[StreamFile]:
    """The files a stream's `from` names, in order of name. Raises OperatorError for one outside the data folder."""
    if stream.source == STDIN:
        return [StreamFile(stream, Path(STDIN), STDIN)]
    if not stream.source:
        return []
    if Path(stream.source).is_absolute() or ".." in Path(stream.source).parts:
        raise OperatorError(f"stream {stream.name!r} reads {stream.source!r}, which is outside the data folder")
    paths = sorted(path for path in data.glob(stream.source) if path.is_file())
    return [StreamFile(stream, path, path.relative_to(data).as_posix()) for path in paths]


def open_file(path: Path) -> Content:
    """The file's content, unpacked where its name ends in .gz."""
    try:
        if path.suffix == ".gz":
            return gzip.open(path)
        return path.open("rb")
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror}") from error


class Beginning:
    """Remembers how a file begins while it is read, as its name may belong to another file by then."""

    def __init__(self, start: FilePlace) -> None:
        self._start = start
        self._bytes = b""

    def add(self, chunk: bytes) -> None:
        """The next bytes of a file that is read from its start."""
        if len(self._bytes) < _HEAD:
            self._bytes = (self._bytes + chunk)[:_HEAD]

    def place(self, offset: int) -> FilePlace:
        """The place to keep once `offset` bytes were consumed."""
        if self._start.head_size:
            return FilePlace(offset, self._start.head_size, self._start.head)
        head = self._bytes[:offset]
        return FilePlace(offset, len(head), xxhash.xxh3_64_intdigest(head)) if head else FilePlace(offset)


def start_at(file: StreamFile, place: FilePlace | None) -> int:
    """Where to go on: at the place kept, or at 0 if this is not the file that was read then."""
    if place is None or not place.head_size or file.source == STDIN:
        return 0
    beginning = _beginning(file.path, place.head_size)
    is_same = xxhash.xxh3_64_intdigest(beginning) == place.head
    is_shorter = file.path.suffix != ".gz" and file.path.stat().st_size < place.offset
    return place.offset if is_same and not is_shorter else 0


def rows_of(
    file: StreamFile, start: int, clock: str, longest: int, beginning: Beginning | None = None
) -> Iterator[Row]:
    """The rows from `start` to the file's end, read in chunks."""
    origin = Origin(file.stream, file.source, clock)
    maker = row_maker(origin, longest, header_of(file, longest) if start else [])
    cutter = LineCutter(start, longest)
    with _opened(file) as content:
        try:
            if start:
                content.seek(start)
            while chunk := content.read1(CHUNK):
                if beginning and start == 0:
                    beginning.add(chunk)
                yield from maker.take(cutter.feed(chunk), last=False)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            yield from maker.take(cutter.finish(), last=True)
            yield origin.row(Line(cutter.place, cutter.place, b""), fault=Reason.BAD_GZIP)
            return
        yield from maker.take(cutter.finish(), last=True)


def header_of(file: StreamFile, longest: int) -> list[str]:
    """The column names of a CSV file, [] for other formats."""
    if file.stream.format != "csv" or file.source == STDIN:
        return []
    maker, cutter = CsvRows(Origin(file.stream, file.source, ""), longest, []), LineCutter(0, longest)
    with open_file(file.path) as content:
        while not maker.columns and (chunk := content.read1(CHUNK)):
            maker.take(cutter.feed(chunk), last=False)
    return maker.columns


def _opened(file: StreamFile) -> Content:
    if file.source == STDIN:
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), "rb", closefd=False))
    return open_file(file.path)


def _beginning(path: Path, size: int) -> bytes:
    try:
        with open_file(path) as content:
            return content.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error, OperatorError):
        return b""
