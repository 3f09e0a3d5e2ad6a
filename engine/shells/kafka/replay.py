"""Dead letters on Kafka, put back where they came from after a fix.

A row goes back into the partition of the raw topic that it came from; a record of ours that a stage could not take goes
back to that stage's topic. What was put back is noted behind the letters, under a key that no letter has, so that a
second replay leaves it alone.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any, TypeAlias

import msgspec
from aiokafka import ConsumerRecord

from engine.model import DeadLetter
from engine.shells.kafka import wire
from engine.shells.kafka.browse import linked, partitions_of, records_of
from engine.shells.kafka.link import Link, Pair, acknowledged
from engine.shells.kafka.topics import Topics, topics_of
from engine.shells.replaying import Replay, Wanted, why_not
from engine.spec.types import ProjectSpec

NOTED = b"replayed"
AT_ONCE = 500
# A candidate that comes back belongs to no partition of detect any more.
SOURCE = "replay"

Offsets: TypeAlias = "defaultdict[int, set[int]]"


class Noted(msgspec.Struct, frozen=True):
    """These letters of one partition of the dead letters have been put back."""

    partition: int
    offsets: tuple[int, ...]


class Unreplayable(Exception):
    """A record that nobody can take again; says why."""


_NOTED = msgspec.json.Decoder(Noted)


async def replay(project: ProjectSpec, connection: dict[str, Any], wanted: Wanted, *, dry_run: bool) -> Replay:
    """Put back what is wanted. Raises OperatorError where Kafka cannot be reached."""
    async with linked(connection) as link:
        return await _Replaying(link, project, dry_run=dry_run).run(wanted)


class _Replaying:
    def __init__(self, link: Link, project: ProjectSpec, *, dry_run: bool) -> None:
        self._link = link
        self._project = project
        self._topics: Topics = topics_of(project)
        self._dry_run = dry_run
        self._found = Replay()
        self._partitions: dict[str, int] = {}
        self._batch: defaultdict[tuple[str, int], list[Pair]] = defaultdict(list)
        self._offsets: Offsets = defaultdict(set)
        self._number = time.time_ns() // 1_000

    async def run(self, wanted: Wanted) -> Replay:
        done, count = await self._noted(), 0
        async for record in records_of(self._link, self._topics.dead_letters):
            if record.key == NOTED or (wanted.limit and count == wanted.limit):
                continue
            letter = wire.read_letter(record.value or b"")
            if not wanted.has(letter, record.timestamp):
                continue
            if record.offset in done[record.partition]:
                self._found.before += 1
            elif await self._put(letter, record):
                count += 1
        await self._write()
        return self._found

    async def _noted(self) -> Offsets:
        done: Offsets = defaultdict(set)
        async for record in records_of(self._link, self._topics.dead_letters):
            if record.key == NOTED:
                noted = _NOTED.decode(record.value or b"")
                done[noted.partition].update(noted.offsets)
        return done

    async def _put(self, letter: DeadLetter, record: ConsumerRecord[bytes, bytes]) -> bool:
        """True if it goes back."""
        try:
            topic, partition, pair = await self._way_back(letter)
        except Unreplayable as why:
            self._found.left[str(why)] += 1
            return False
        self._found.put[topic] += 1
        self._batch[topic, partition].append(pair)
        self._offsets[record.partition].add(record.offset)
        if sum(len(offsets) for offsets in self._offsets.values()) >= AT_ONCE:
            await self._write()
        return True

    async def _way_back(self, letter: DeadLetter) -> tuple[str, int, Pair]:
        """(topic, partition, record). Raises Unreplayable."""
        if why := why_not(letter, self._project):
            raise Unreplayable(why)
        if not letter.stream:
            return await self._to_stage(letter)
        topic = self._topics.raw[letter.stream]
        came_from, _, number = letter.source.rpartition("/")
        count = await self._count(topic)
        if came_from == topic and number.isdecimal() and int(number) < count:
            return topic, int(number), (None, letter.raw)
        return topic, wire.partition_of(letter.raw, count), (None, letter.raw)

    async def _to_stage(self, letter: DeadLetter) -> tuple[str, int, Pair]:
        topics, topic = self._topics, letter.source.rpartition("/")[0]
        try:
            if topic == topics.events:
                event = wire.read_event(letter.raw)
                key, value = wire.key_of(wire.routed_of(event, 0)), letter.raw
            elif topic == topics.candidates:
                key, value = self._candidate(letter.raw)
            elif topic == topics.actions:
                key, value = wire.read_action(letter.raw).unit.encode(), letter.raw
            else:
                raise Unreplayable(f"nobody reads {topic or 'what it came from'} here")
        except (msgspec.DecodeError, KeyError) as fault:
            raise Unreplayable("it is no event of ours, and nobody could take it") from fault
        return topic, wire.partition_of(key, await self._count(topic)), (key, value)

    def _candidate(self, raw: bytes) -> tuple[bytes, bytes]:
        """Decide takes what comes from one source in order only, so it comes from another one, and later."""
        self._number += 1
        old = wire.read_candidate(raw)
        fresh = msgspec.structs.replace(old, source=SOURCE, offset=self._number, number=0)
        return old.unit.encode(), wire.encode(fresh)

    async def _count(self, topic: str) -> int:
        if topic not in self._partitions:
            self._partitions[topic] = await partitions_of(self._link, topic)
        return self._partitions[topic]

    async def _write(self) -> None:
        """First the records, then the note: a crash in between means that they come twice, which their ids tell."""
        batch, self._batch = self._batch, defaultdict(list)
        offsets, self._offsets = self._offsets, defaultdict(set)
        if self._dry_run:
            return
        for (topic, partition), pairs in batch.items():
            await acknowledged(await self._link.send(topic, partition, pairs))
        for partition, some in offsets.items():
            note = wire.encode(Noted(partition, tuple(sorted(some))))
            await acknowledged(await self._link.send(self._topics.dead_letters, partition, [(NOTED, note)]))
