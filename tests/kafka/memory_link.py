"""A broker in memory, as far as a log needs one: records in order, an end, a beginning that may move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


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

    async def read(self, since: int, until: int) -> AsyncIterator[list[Record]]:
        found = [record for record in self.link.records if since <= record.offset < until]
        for at in range(0, len(found), 3):
            yield found[at : at + 3]
