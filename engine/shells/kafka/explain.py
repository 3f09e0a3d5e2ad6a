"""What `explain` is told by the topics of workers: decisions and signals about somebody, read while the work goes on.

Both topics are keyed by unit. Where an entity is its own unit, one partition of each is read, else all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from engine.core.plan import Plan
from engine.core.units import is_own_unit
from engine.errors import OperatorError
from engine.model import HOUR_MS, Decision, Signal
from engine.shells.about import entity_of
from engine.shells.explain import judges_of
from engine.shells.histories import TopicHistory, is_decided_for
from engine.shells.kafka import wire
from engine.shells.kafka.browse import linked, partitions_of, patiently
from engine.shells.kafka.link import Link, Record
from engine.shells.kafka.topics import topics_of
from engine.shells.times import iso, moment
from engine.spec.types import ProjectSpec

# How wrong the clock of a worker may be.
CLOCKS_MS = HOUR_MS

# Told of a topic, how many records of it are read, and of how many.
Told: TypeAlias = Callable[[str, int, int], None]
_DECISION = msgspec.json.Decoder(Decision)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Whom it is about: `key` is the id of an entity of one of these `kinds`.

    `since`: only what was decided from then on is of interest (ms). `signals`: so are the signals, and what else was
    decided for the same unit. `now`: so is how it stands now.
    """

    kinds: tuple[str, ...]
    key: str
    since: int = 0
    signals: bool = False
    now: bool = True


def asked_about(plan: Plan, name: str, since: int | None) -> Asked:
    """All that was decided about `customer:c7`. Raises OperatorError for a kind that there is not."""
    kind, key = entity_of(plan, name)
    return Asked(kinds=(kind,), key=key, since=since or 0)


def asked_of(plan: Plan, detector: str, key: str, until: int | None) -> Asked:
    """What a detector saw in an entity, or in a group that it is a member of. Raises OperatorError."""
    judges = judges_of(plan, detector)
    at = {judge.index for judge in judges}
    per = judges[0].spec.per
    members = [clause.spec.kind for clause in plan.kinds[per].clauses if clause.judge in at]
    return Asked(kinds=tuple(dict.fromkeys((per, *members))), key=key, signals=True, now=until is None)


async def gather(project: ProjectSpec, connection: dict[str, Any], asked: Asked, told: Told) -> TopicHistory:
    """Raises OperatorError where Kafka cannot be reached or stops to answer, and where a topic is not ours."""
    async with linked(connection) as link:
        return await Gathering(link, project, told).run(asked)


class Gathering:
    """One reading of the topics, up to where they end as it begins."""

    def __init__(self, link: Link, project: ProjectSpec, told: Told) -> None:
        self._link = link
        self._project = project
        self._told = told
        self._topics = topics_of(project)
        self._kinds = [entity.kind for entity in project.entities]
        self._expired: dict[str, int] = {}

    async def run(self, asked: Asked) -> TopicHistory:
        """Raises OperatorError, KafkaError, TimeoutError."""
        own = all(is_own_unit(self._project.unit, kind, self._kinds) for kind in asked.kinds)
        units = {f"{kind}:{asked.key}" for kind in asked.kinds} if own else set()
        decisions = await self._decisions(asked, units)
        signals = await self._signals(asked, units) if asked.signals else []
        return TopicHistory(signals, decisions, self._untold(asked))

    async def _decisions(self, asked: Asked, units: Collection[str]) -> list[Decision]:
        found: list[Decision] = []
        if not units:
            ending = _ending(asked.key)

            def meant(record: Record, where: str) -> None:
                if ending in (record.value or b""):
                    decision = _read(_DECISION.decode, record, where)
                    found.extend([decision] if _is_meant(decision, asked) else [])

            await self._sweep(self._topics.decisions, (), asked.since, meant)
            if not asked.signals:
                return found
            units = {decision.unit for decision in found}
        keys = {unit.encode() for unit in units}

        def of_units(record: Record, where: str) -> None:
            if record.key in keys:
                found.append(_read(_DECISION.decode, record, where))

        if units:
            await self._sweep(self._topics.decisions, units, asked.since, of_units)
        return found

    async def _signals(self, asked: Asked, units: Collection[str]) -> list[Signal]:
        found: list[Signal] = []
        ending = _ending(asked.key)

        def take(record: Record, where: str) -> None:
            if record.key is not None and ending in (record.value or b""):
                signal = _read(wire.read_candidate, record, where).signal
                found.extend([signal] if signal is not None and signal.key == asked.key else [])

        await self._sweep(self._topics.candidates, units, asked.since, take)
        return found

    async def _sweep(self, topic: str, units: Collection[str], since: int, take: Callable[[Record, str], None]) -> None:
        """Every record that the partitions of these units hold now, or those of all if there are none.

        What was decided from `since` on was written from then on: event time is ahead of the clock by `max_ahead` at
        most.
        """
        partitions: Iterable[int] = range(await partitions_of(self._link, topic))
        if units:
            partitions = sorted({wire.partition_of(each.encode(), self._project.kafka.partitions) for each in units})
        places = [(topic, partition) for partition in partitions]
        begins, ends = await self._link.begins(places), await self._link.ends(places)
        of, done = sum(ends[place] - begins[place] for place in places), 0
        for place in places:
            async for records in self._batches(place, begins[place], ends[place], since):
                for record in records:
                    take(record, f"{topic}/{place[1]} at offset {record.offset}")
                self._told(topic, done + records[-1].offset + 1 - begins[place], of)
            done += ends[place] - begins[place]

    async def _batches(
        self, place: tuple[str, int], begin: int, end: int, since: int
    ) -> AsyncIterator[Sequence[Record]]:
        """One partition, and a note where not all that was ever written there is to be had."""
        async with self._link.reader(*place) as reader:
            later = await reader.at(since - self._project.max_ahead_ms - CLOCKS_MS) if since else begin
            lacks_some = 0 < begin >= later
            if lacks_some:
                self._expired.setdefault(place[0], 0)
            async for records in patiently(reader.read(max(begin, later), end)):
                if lacks_some:
                    self._expired[place[0]] = max(self._expired[place[0]], records[0].timestamp)
                    lacks_some = False
                yield records

    def _untold(self, asked: Asked) -> Sequence[str]:
        lines = []
        for topic, at in self._expired.items():
            since = f"before {moment(iso(at))}" if at else "earlier"
            lines.append(f"What was written on topic {topic} {since} has expired, and is not told here.")
        if asked.now:
            name = f"{asked.kinds[0]}:{asked.key}"
            lines.append(
                "How it stands now, and what still waits, is in the workers' memory and not on these topics: "
                f"beforehand export {name} --kafka"
            )
        return lines


def _ending(key: str) -> bytes:
    """How a JSON text ends that is the key, or a name such as `customer:c7`."""
    return msgspec.json.encode(key)[1:]


def _is_meant(decision: Decision, asked: Asked) -> bool:
    if asked.signals:
        return decision.key == asked.key
    return any(is_decided_for(decision, f"{kind}:{asked.key}") for kind in asked.kinds)


def _read(decode: Callable[[bytes], Any], record: Record, where: str) -> Any:
    try:
        return decode(record.value or b"")
    except msgspec.DecodeError as fault:
        raise OperatorError(f"{where} is not what a worker writes there: {fault}") from fault
