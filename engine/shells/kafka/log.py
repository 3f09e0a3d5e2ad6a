"""The log of one stage partition: what it remembers, one record per batch, in order, with one writer at a time.

A batch's record holds every change of state and the input position, so both count or neither. Fencing is done on
reading: whoever takes a partition over appends a marker with a name of its own, and a record is valid only behind its
own writer's marker, with no other in between. So a paused worker that wakes up may still append, but what it appends
is void, and it notices: the offset that its record got is not the one that comes after its last.

A record that would be too large for the broker is cut into parts, and is there once the last of them is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias

import msgspec
from aiokafka import ConsumerRecord

from engine.errors import OperatorError
from engine.shells.journal import EntityRow, UnitRow
from engine.shells.kafka.link import Link

# 2 brought tails.
VERSION = 2
# Below the 1 MiB that a broker takes by default.
PART_BYTES = 900_000

# (kind, key, seen_at, tail): what ordinary events have added to an entity's row, see `core.tails`.
TailRow: TypeAlias = tuple[str, str, int, bytes]


class Fenced(Exception):
    """Somebody else has taken this partition over. Nothing that was appended since counts."""


class Marker(msgspec.Struct, frozen=True, array_like=True, tag="own"):
    """Ownership: from here on only this writer's records count. `anew`: all that is live stands behind it."""

    writer: str
    version: int = VERSION
    anew: bool = False


class Part(msgspec.Struct, frozen=True, array_like=True, tag="part"):
    """The `number`th of `of` parts of a commit, numbered from 0. `batch` counts the writer's commits."""

    writer: str
    batch: int
    number: int
    of: int
    body: bytes
    version: int = VERSION


class Commit(msgspec.Struct, array_like=True):
    """What one batch changed: absolute values, so that taking one in twice does no harm, and tails, which know the
    position that they bring an entity to.

    `positions`: the next offset to read, by topic. `facts`: small things by name. `gone`, `gone_units`:
    what was forgotten.
    `rows`: anything else by (table, key), None = deleted.
    """

    positions: dict[str, int] = {}
    facts: dict[str, bytes] = {}
    layouts: list[bytes] = []
    entities: list[EntityRow] = []
    gone: list[tuple[str, str]] = []
    units: list[UnitRow] = []
    gone_units: list[str] = []
    rows: list[tuple[str, str, bytes | None]] = []
    tails: list[TailRow] = []


class Replayed(msgspec.Struct, frozen=True):
    """A commit that counts, the offset of its first part, and who wrote it."""

    begin: int
    owner: str
    commit: Commit


_ENCODER = msgspec.msgpack.Encoder()
_RECORD: msgspec.msgpack.Decoder[Marker | Part] = msgspec.msgpack.Decoder(Marker | Part)
_COMMIT = msgspec.msgpack.Decoder(Commit)


class PartitionLog:
    """One partition of a stage's log, as its owner sees it. `end` is the offset that its next record must get."""

    def __init__(self, link: Link, topic: str, partition: int, writer: str) -> None:
        self.topic = topic
        self.partition = partition
        self.end = -1
        self._link = link
        self.writer = writer
        self._batch = 0
        self._turn = asyncio.Lock()

    async def take_over(self) -> int:
        """Append the marker of ownership. Returns its offset: what comes before it is what there is to restore."""
        offset = await self._append(_ENCODER.encode(Marker(self.writer)))
        self.end = offset + 1
        return offset

    async def append(self, commit: Commit) -> int:
        """Write a commit and wait until it is on the broker. Returns its size in bytes.

        Raises Fenced, or KafkaError if nobody can tell.
        """
        body = _ENCODER.encode(commit)
        async with self._turn:
            self._batch += 1
            chunks = [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)]
            for number, chunk in enumerate(chunks):
                part = _ENCODER.encode(Part(self.writer, self._batch, number, len(chunks), chunk))
                await self._append_next(part)
        return len(body)

    async def _append_next(self, value: bytes) -> None:
        offset = await self._append(value)
        if offset != self.end and await self._is_taken(self.end, offset):
            raise Fenced(f"{self.topic}/{self.partition} has another owner (offset {offset}, not {self.end})")
        self.end = offset + 1

    async def _is_taken(self, since: int, until: int) -> bool:
        """Was there a marker among the records that somebody else wrote? Those of a former owner are void anyway."""
        async with self._link.reader(self.topic, self.partition) as reader:
            async for records in reader.read(max(since, await reader.begin()), until):
                if any(isinstance(self._read(record), Marker) for record in records):
                    return True
        return False

    async def _append(self, value: bytes) -> int:
        offset = await self._link.append(self.topic, self.partition, value)
        return offset if offset >= 0 else await self._found(value)

    async def _found(self, value: bytes) -> int:
        """Where a record went whose acknowledgement was lost: it is looked for among the latest."""
        async with self._link.reader(self.topic, self.partition) as reader:
            end = await reader.end()
            async for records in reader.read(max(await reader.begin(), self.end, 0), end):
                for record in records:
                    if record.value == value:
                        return record.offset
        raise Fenced(f"{self.topic}/{self.partition}: a record that was said to be written is not there")

    async def begin(self) -> int:
        """The offset that the log begins at now. All that is live stands behind it."""
        async with self._link.reader(self.topic, self.partition) as reader:
            return await reader.begin()

    async def end_now(self) -> int:
        """The offset that the next record of anybody will get."""
        place = (self.topic, self.partition)
        return (await self._link.ends([place]))[place]

    async def replay(self, since: int, until: int, owner: str) -> AsyncIterator[Replayed]:
        """Every commit that counts, from `since` (or what is left from there) and before `until`.

        `owner` is the writer whose marker is the latest before `since`, "" for a log that is read from its beginning,
        which always is a marker. Raises OperatorError where a newer version has written.
        """
        parts, first = _Parts(), 0
        async with self._link.reader(self.topic, self.partition) as reader:
            begin = await reader.begin()
            if since < begin:
                since, owner = begin, ""
            is_cut = 0 < since == begin
            async for records in reader.read(since, until):
                for record in records:
                    found = self._read(record)
                    if is_cut and not (isinstance(found, Marker) and found.anew):
                        raise OperatorError(f"{self._place(record)} is not where it may begin: somebody has cut it")
                    is_cut = False
                    if isinstance(found, Marker):
                        owner, parts = found.writer, _Parts()
                        continue
                    if found.writer != owner:
                        continue
                    first = record.offset if found.number == 0 else first
                    if (body := parts.add(found)) is not None:
                        yield Replayed(first, owner, _COMMIT.decode(body))

    def _read(self, record: ConsumerRecord[bytes, bytes]) -> Marker | Part:
        try:
            found = _RECORD.decode(record.value or b"")
        except msgspec.DecodeError as fault:
            raise OperatorError(f"{self._place(record)} cannot be read: {fault}") from fault
        if found.version > VERSION:
            raise OperatorError(
                f"{self._place(record)} was written by a newer beforehand (version {found.version}, this one knows "
                f"{VERSION}); upgrade this worker"
            )
        return found

    def _place(self, record: ConsumerRecord[bytes, bytes]) -> str:
        return f"{self.topic}/{self.partition} at offset {record.offset}"

    async def begin_anew(self) -> int:
        """Append a marker that the log may begin with, once all that is live has been written behind it. Its offset.

        Raises Fenced.
        """
        async with self._turn:
            await self._append_next(_ENCODER.encode(Marker(self.writer, anew=True)))
            return self.end - 1

    async def truncate(self, before: int) -> None:
        """Drop what is not needed any more."""
        await self._link.delete_before(self.topic, self.partition, before)


class _Parts:
    """Puts the parts of a commit together."""

    def __init__(self) -> None:
        self._batch = -1
        self._bodies: list[bytes] = []

    def add(self, part: Part) -> bytes | None:
        """The whole body once its last part has come."""
        if part.batch != self._batch or part.number != len(self._bodies):
            self._batch, self._bodies = part.batch, []
        if part.number == len(self._bodies):
            self._bodies.append(part.body)
        return b"".join(self._bodies) if len(self._bodies) == part.of else None
