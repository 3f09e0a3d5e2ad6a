"""A broker in memory, as far as a log needs one: records in order, an end, a beginning that may move."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Record:
    offset: int
    value: bytes
    key: bytes | None = None
    timestamp: int = 0


@dataclass
class MemoryLink:
    """Every partition of every topic is the same one."""

    records: list[Record] = field(default_factory=list)
    next_offset: int = 0
    begin: int = 0

    async def append(self, topic: str, partition: int, value: bytes) -> int:
        self.records.append(Record(self.next_offset, value))
        self.next_offset += 1
        return self.next_offset - 1

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        self.begin = offset
        self.records = [record for record in self.records if record.offset >= offset]

    @asynccontextmanager
    async def reader(self, topic: str, partition: int) -> AsyncIterator[MemoryReader]:
        yield MemoryReader(self)


@dataclass
class MemoryReader:
    link: MemoryLink

    async def begin(self) -> int:
        return self.link.begin

    async def end(self) -> int:
        return self.link.next_offset

    async def at(self, written_at: int) -> int:
        later = (record.offset for record in self.link.records if record.timestamp >= written_at)
        return next(later, self.link.next_offset)

    async def read(self, since: int, until: int) -> AsyncIterator[list[Record]]:
        found = [record for record in self.link.records if since <= record.offset < until]
        for at in range(0, len(found), 3):
            yield found[at : at + 3]


class MemoryCluster:
    """Topics with partitions, as far as the stages need them; what is sent is there at once."""

    def __init__(self) -> None:
        self.places: defaultdict[tuple[str, int], MemoryLink] = defaultdict(MemoryLink)
        # What was read back, in the order of its reading.
        self.read: list[tuple[str, int]] = []

    async def send(self, topic: str, partition: int, pairs: Iterable[tuple[bytes | None, bytes]]) -> list[Any]:
        link = self.places[topic, partition]
        for key, value in pairs:
            link.records.append(Record(link.next_offset, value, key))
            link.next_offset += 1
        return []

    async def append(self, topic: str, partition: int, value: bytes) -> int:
        return await self.places[topic, partition].append(topic, partition, value)

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        await self.places[topic, partition].delete_before(topic, partition, offset)

    async def ends(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return {place: self.places[place].next_offset for place in places}

    async def begins(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        return {place: self.places[place].begin for place in places}

    async def partitions(self, topic: str) -> int:
        return 1 + max((number for name, number in self.places if name == topic), default=-1)

    @asynccontextmanager
    async def reader(self, topic: str, partition: int) -> AsyncIterator[MemoryReader]:
        self.read.append((topic, partition))
        yield MemoryReader(self.places[topic, partition])

    def since(self, topic: str, partition: int, offset: int, most: int) -> list[Record]:
        """What a stage would be given next."""
        return self.places[topic, partition].records[offset : offset + most]
