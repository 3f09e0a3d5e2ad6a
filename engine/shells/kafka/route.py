"""The route stage: raw rows in, keyed events out, and the passing of time to every partition of detect.

It remembers nothing of its own, except the other names that entities go by, which all routers share in a compacted
topic. A row that is read again gives the same events with the same ids, which detect knows again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from engine.core.effects import Effects
from engine.core.plan import Plan
from engine.core.progress import Noted
from engine.core.route import Router, Row
from engine.model import DeadLetter, Routed
from engine.shells.faults import fault_point
from engine.shells.kafka import wire
from engine.shells.kafka.poison import Poisoned
from engine.shells.kafka.stage import Out, RawRecord, Shared
from engine.shells.times import wall_ms

STAGE = "route"
LOG_APPEND_TIME = 1
# When there is much to catch up with, no source is taken further ahead of the others than this.
AHEAD_MOST_MS = 60_000
# Read to its end, and silent for so long: time may follow the wall clock, if that is so everywhere.
QUIET_AFTER_MS = 1_000
TURNS = 5


class Routing:
    """What the route partitions of one process share: the router, and the names that it and others have learnt."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._joined: dict[str, dict[str, str]] = {}
        self._following: asyncio.Task[None] | None = None
        self._read_to: dict[int, int] = {}
        self._waiting: dict[str, int] = {}
        self._moved = asyncio.Condition()
        # How far the sources have come that are not quiet.
        self.reached: dict[str, int] = {}
        self.take_plan(shared.plan)

    def take_plan(self, plan: Plan) -> None:
        """Route under this plan from now on."""
        project = plan.configuration.project
        watched = plan.watched
        self.noted = Noted(project.streams)
        self.router = Router(project, watched, self.noted)
        self.router.adopt_aliases(self._joined)
        self.streams = {self._shared.topics.raw[spec.name]: spec for spec in project.streams}

    async def open(self) -> None:
        """Read every name that was ever learnt, and follow what other routers learn. Raises KafkaError."""
        count = await self._shared.link.partitions(self._shared.topics.aliases)
        for partition in range(count):
            await self._catch_up(partition)
        self._following = asyncio.create_task(self._follow(count))
        self.expects = await self._sources()

    async def _sources(self) -> tuple[str, ...]:
        found = [(topic, await self._shared.link.partitions(topic)) for topic in self.streams]
        return tuple(f"{topic}/{number}" for topic, count in found for number in range(count))

    async def _catch_up(self, partition: int) -> None:
        topic = self._shared.topics.aliases
        async with self._shared.link.reader(topic, partition) as reader:
            end, begin = await reader.end(), self._read_to.get(partition, 0)
            if begin >= end:
                return
            async for records in reader.read(max(begin, await reader.begin()), end):
                for record in records:
                    self._learn((record.key or b"").decode(), record.value)
            self._read_to[partition] = end

    def _learn(self, name: str, primary: bytes | None) -> None:
        kind, _, alias = name.partition(" ")
        if primary is None:
            self._joined.get(kind, {}).pop(alias, None)
            return
        self._joined.setdefault(kind, {})[alias] = primary.decode()
        self.router.adopt_aliases({kind: {alias: primary.decode()}})

    async def _follow(self, partitions: int) -> None:
        has_some = any(kind.also_known_as for kind in self._shared.plan.configuration.project.entities)
        while has_some:
            await asyncio.sleep(1)
            for partition in range(partitions):
                await self._catch_up(partition)

    async def turn(self, source: str, reached: int) -> None:
        """Wait while a source that also has something to take is far behind this one in event time."""
        if reached <= min(self.reached.values(), default=0) + AHEAD_MOST_MS:
            return
        self._waiting[source] = reached
        async with self._moved:
            self._moved.notify_all()
            try:
                # Those that have just been taken are given the time to come again.
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                await self._moved.wait_for(lambda: reached <= min(self._waiting.values()) + AHEAD_MOST_MS)
            finally:  # also when the partition goes to another worker meanwhile: nobody may wait for it here
                del self._waiting[source]
                self._moved.notify_all()

    def put_learnt(self, learnt: Mapping[str, Mapping[str, str]], out: Out) -> None:
        """Names that this router has just learnt, for all others."""
        for kind, names in learnt.items():
            self._joined.setdefault(kind, {}).update(names)
            for alias, primary in names.items():
                out.keyed(self._shared.topics.aliases, f"{kind} {alias}".encode(), primary.encode())

    @property
    def fault(self) -> BaseException | None:
        """Why names can no longer be followed, which must end the process."""
        task = self._following
        return task.exception() if task is not None and task.done() and not task.cancelled() else None

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()


class RoutePartition:
    """One partition of a raw topic."""

    def __init__(self, shared: Shared, routing: Routing, topic: str, partition: int) -> None:
        self.partition = partition
        self._shared = shared
        self._routing = routing
        self._topic = topic
        self._source = f"{topic}/{partition}"
        self._poisoned = Poisoned(shared.state / STAGE / topic / str(partition), self._source)
        self._reached = 0
        self._flowed = 0
        self._marked = -1
        self._heard = time.monotonic()
        self._is_ended = False
        self._writing = asyncio.Lock()
        self._load()

    def _load(self) -> None:
        self._out = Out(self._shared)
        self._letters: list[DeadLetter] = []
        self._flows: list[wire.Mark] = []

    def _again(self) -> None:
        """The batch comes once more. What was told of its streams is not found a second time, and stays told."""
        flows = self._flows
        self._load()
        for mark in flows:
            self._tell(mark)

    async def open(self) -> None:
        """Let time wait for every source there is, before anything of this one moves it. Raises KafkaError."""
        await self._mark(wire.Mark(self._source, 0, expects=self._routing.expects))

    async def close(self, *, is_ours: bool) -> None:
        """Let go of it."""
        self._routing.reached.pop(self._source, None)
        self._poisoned.clear()

    async def take(self, records: Sequence[RawRecord]) -> None:
        """Take a batch. When this returns, all of it counts. Raises KafkaError, OperatorError."""
        if not records:
            return
        await self._routing.turn(self._source, self._reached)
        poisoned = self._poisoned.keep_trying(records, self._step, lambda: None, self._again)
        self._tell_flows()
        out, letters = self._out, self._letters
        self._load()
        stream = self._routing.streams[self._topic].name
        for letter in [*letters, *(_of_stream(letter, stream) for letter in poisoned)]:
            out.dead_letter(letter)
        self._heard, self._is_ended = time.monotonic(), False
        self._note_progress(out)
        fault_point("R2")
        async with self._writing:
            await out.write()
        fault_point("R3")
        effects = Effects()
        effects.dead_letters = letters
        self._shared.told(STAGE, self.partition, effects)
        if self._reached:
            self._shared.arrived(self._reached)

    def _step(self, records: Sequence[RawRecord]) -> None:
        spec, router = self._routing.streams[self._topic], self._routing.router
        now = 0 if self._shared.event_clock else wall_ms()
        source, put, topic = self._source, self._out.keyed, self._shared.topics.events
        encode, addressed, key_of = wire.encode, wire.addressed, wire.key_of
        noted = self._routing.noted
        noted.source, to_tell = source, noted.to_tell
        rows = (
            Row(
                spec.name,
                source,
                record.offset,
                record.value or b"",
                None,
                (record.timestamp if now and record.timestamp_type == LOG_APPEND_TIME else now),
            )
            for record in records
        )
        for found in router.route_all(rows, self._letters):
            if type(found) is Routed:
                if to_tell:
                    self._tell_flows()
                reached = 0 if now else router.reached(source)
                put(topic, key_of(found), encode(addressed(found, reached if reached > found.event.at else 0)))

    def _tell_flows(self) -> None:
        """Before the event that ends a silence, or detect would judge what it is to know of only afterwards."""
        to_tell = self._routing.noted.to_tell
        for stream, at in to_tell:
            self._tell(wire.Mark(self._source, self._reached, stream=stream, flowed=at))
        to_tell.clear()

    def _tell(self, mark: wire.Mark) -> None:
        self._flows.append(mark)
        self._out.to_all(self._shared.topics.events, mark)

    def _note_progress(self, out: Out) -> None:
        """Behind the events of a batch: how far their source has come."""
        changes = self._routing.router.changes()
        self._routing.put_learnt(changes.aliases, out)
        self._reached = max(self._reached, changes.progress.reached.get(self._source, 0))
        self._routing.reached[self._source] = self._reached
        self._flowed = max(self._flowed, self._routing.noted.latest(self._source))
        out.to_all(self._shared.topics.events, self._now())

    def _now(self, *, idle: bool = False, quiet: bool = False, wall: int = 0) -> wire.Mark:
        return wire.Mark(
            self._source,
            self._reached,
            wall=wall,
            idle=idle,
            quiet=quiet,
            ended=self._is_ended,
            stream=self._routing.streams[self._topic].name if self._flowed else "",
            flowed=self._flowed,
        )

    def beat(self, *, is_caught_up: bool) -> wire.Mark | None:
        """Now and then: what detect is to be told if nothing comes from here."""
        silent_ms = (time.monotonic() - self._heard) * 1000
        # While a batch is being written, a mark could come before the events that it stands for.
        if not is_caught_up or self._writing.locked() or (silent_ms < QUIET_AFTER_MS and self._reached):
            return None
        self._routing.reached.pop(self._source, None)
        if self._shared.event_clock:
            if self._is_ended:
                return None
            self._is_ended = True
            return self._now()
        is_idle = silent_ms >= self._routing.streams[self._topic].idle_after_ms
        return self._now(idle=is_idle, quiet=True, wall=wall_ms())

    async def _mark(self, mark: wire.Mark) -> None:
        out = Out(self._shared)
        out.to_all(self._shared.topics.events, mark)
        async with self._writing:
            await out.write()


def _of_stream(letter: DeadLetter, stream: str) -> DeadLetter:
    """Poison of the route stage is a row of its stream, and can be taken again as one."""
    return DeadLetter(
        letter.reason,
        letter.detail,
        stream,
        letter.source,
        letter.position,
        letter.raw,
        letter.raw_size,
        letter.raw_digest,
        letter.arrived_at,
    )
