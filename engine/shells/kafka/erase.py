"""Forgetting somebody whom workers know: word to every stage, in order with everything else, and when topics forget.

The stages do it: detect, decide and dispatch drop what they hold, refuse what still comes, and write their logs anew.
Here the word is sent, the other names are taken back, and it is watched until every stage has taken it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from engine.model import DAY_MS
from engine.shells.erasing import blocked, name_of
from engine.shells.kafka import wire
from engine.shells.kafka.browse import linked, partitions_of, patiently, records_of
from engine.shells.kafka.cluster import reached
from engine.shells.kafka.link import Link, acknowledged
from engine.shells.kafka.topics import TopicSpec, topics_of
from engine.shells.times import iso, wall_ms
from engine.spec.types import ProjectSpec

# For topics that keep everything: as good as for ever.
FOREVER_MS = 100 * 365 * DAY_MS
LOOK_EVERY_S = 0.3

Place: TypeAlias = tuple[str, int]


class Expiry(msgspec.Struct, frozen=True):
    """When the last record that may hold the name is gone from a topic (ms), 0 = never."""

    topic: str
    at: int
    is_ours: bool


class Erasure(msgspec.Struct, kw_only=True):
    """What came of it. `waiting` are the stages' partitions that have not taken it, `rewriting` the logs that still
    hold it. `is_known`: there was a record of its own in a log. Nothing about it is taken before `until` (ms)."""

    names: Sequence[str]
    until: int
    is_known: bool = True
    waiting: Sequence[Place] = ()
    rewriting: Sequence[Place] = ()
    expiries: Sequence[Expiry] = ()

    @property
    def is_done(self) -> bool:
        return not self.waiting and not self.rewriting


async def erase(
    project: ProjectSpec, connection: dict[str, Any], text: str, wait_ms: int, *, dry_run: bool = False
) -> Erasure:
    """Erase `customer:c7`; wait so long for the stages. Raises OperatorError."""
    kind, key = name_of(text, project)
    specs, now = topics_of(project).all(), wall_ms()
    async with reached(connection) as kafka:
        states = await kafka.topics(spec.name for spec in specs)
        configs = await kafka.configs(spec.name for spec in specs if not states[spec.name].error)
    expiries = [_expiry(spec, configs[spec.name].values, now) for spec in specs if spec.name in configs]
    kept = [expiry for expiry in expiries if expiry is not None]
    async with linked(connection) as link:
        return await _Erasing(link, project).run(kind, key, kept, wait_ms, now, dry_run=dry_run)


def _expiry(spec: TopicSpec, configs: Mapping[str, str], now: int) -> Expiry | None:
    """Kafka drops whole segments, so what is written now is gone when its segment has closed and then expired.

    None for the logs, which are cut as soon as they have been written anew.
    """
    if spec.role.startswith("log_"):
        return None
    key = "max.compaction.lag.ms" if spec.cleanup == "compact" else "retention.ms"
    set_to = {**spec.configs, **configs}
    kept_ms, closed_ms = int(set_to[key]), int(set_to["segment.ms"])
    is_endless = kept_ms < 0 or kept_ms > FOREVER_MS
    return Expiry(spec.name, 0 if is_endless else now + kept_ms + closed_ms, not spec.is_raw)


class _Erasing:
    def __init__(self, link: Link, project: ProjectSpec) -> None:
        self._link = link
        self._group = project.kafka.group
        self._partitions = project.kafka.partitions
        self._topics = topics_of(project)

    async def run(
        self, kind: str, key: str, expiries: Sequence[Expiry], wait_ms: int, now: int, *, dry_run: bool
    ) -> Erasure:
        known = await self._aliases(kind)
        primary = known[key][0] if key in known else key
        aliases = {alias: partition for alias, (of, partition) in known.items() if of == primary}
        keys = [primary, *sorted(aliases)]
        until = max([expiry.at for expiry in expiries if expiry.at], default=now)
        if not all(expiry.at for expiry in expiries):
            until = now + FOREVER_MS
        is_known = bool(aliases) or await self._is_held(kind, primary)
        names = [f"{kind}:{each}" for each in keys]
        found = Erasure(names=names, until=until, is_known=is_known, expiries=expiries)
        if dry_run:
            return found
        logs = await self._ends_of_logs()
        sent = await self._send([wire.Erase(kind, each, now, until) for each in keys])
        await self._take_back(kind, aliases)
        await self._watch(found, sent, logs, wait_ms)
        return found

    async def _is_held(self, kind: str, key: str) -> bool:
        """Does its own partition of a log hold the key, as a part of another one perhaps?"""
        partition = wire.partition_of(f"{kind}:{key}".encode(), self._partitions)
        for log in (self._topics.log_detect, self._topics.log_decide):
            async with self._link.reader(log, partition) as reader:
                async for records in patiently(reader.read(await reader.begin(), await reader.end())):
                    if any(key.encode() in (record.value or b"") for record in records):
                        return True
        return False

    async def _aliases(self, kind: str) -> dict[str, tuple[str, int]]:
        """Other name -> the id it stands for, and the partition that says so."""
        known: dict[str, tuple[str, int]] = {}
        async for record in records_of(self._link, self._topics.aliases):
            of, _, alias = (record.key or b"").decode().partition(" ")
            if of == kind and record.value is None:
                known.pop(alias, None)
            elif of == kind:
                known[alias] = ((record.value or b"").decode(), record.partition)
        return known

    async def _take_back(self, kind: str, aliases: Mapping[str, int]) -> None:
        """Kafka compacts a segment once a record comes after it, so there is one for every partition each time."""
        topic = self._topics.aliases
        places = [(alias, partition) for alias, partition in aliases.items()]
        places += [("", partition) for partition in range(await partitions_of(self._link, topic))]
        for alias, partition in places:
            await acknowledged(await self._link.send(topic, partition, [(f"{kind} {alias}".encode(), None)]))

    async def _send(self, erasures: Sequence[wire.Erase]) -> dict[Place, int]:
        """To every partition of every stage. Returns the offsets of the last ones."""
        sent: dict[Place, int] = {}
        for topic in (self._topics.events, self._topics.candidates, self._topics.actions):
            for partition in range(await partitions_of(self._link, topic)):
                for one in erasures:
                    sent[topic, partition] = await self._link.append(topic, partition, wire.encode(one))
        return sent

    async def _ends_of_logs(self) -> dict[Place, int]:
        topics = (self._topics.log_detect, self._topics.log_decide, self._topics.log_dispatch)
        places = [(topic, number) for topic in topics for number in range(await partitions_of(self._link, topic))]
        return {place: end for place, end in (await self._link.ends(places)).items() if end}

    async def _watch(self, found: Erasure, sent: Mapping[Place, int], logs: Mapping[Place, int], wait_ms: int) -> None:
        until = time.monotonic() + wait_ms / 1000
        while True:
            taken = await self._link.committed(self._group, list(sent))
            begins = await self._link.begins(list(logs))
            found.waiting = sorted(place for place, at in sent.items() if taken.get(place, 0) <= at)
            found.rewriting = sorted(place for place, end in logs.items() if begins[place] < end)
            if found.is_done or time.monotonic() >= until:
                return
            await asyncio.sleep(LOOK_EVERY_S)


def as_text(erasure: Erasure, *, dry_run: bool) -> str:
    """What a person is told."""
    first, *others = erasure.names
    also = f", with its other names {', '.join(others)}" if others else ""
    lines = [f"{'would erase' if dry_run else 'erased'} {first}{also}"]
    if not erasure.is_known:
        lines = [f"{first}: no worker has a record of anybody of that name; {blocked(erasure.until, dry_run=dry_run)}"]
    if not dry_run:
        lines += list(_progress(erasure))
    lines += ["", "what was written before is gone from"]
    width = max(len(expiry.topic) for expiry in erasure.expiries)
    lines += [f"  {expiry.topic:<{width}}  {_when(expiry)}" for expiry in erasure.expiries]
    return "\n".join(lines)


def _progress(erasure: Erasure) -> list[str]:
    if erasure.is_done:
        return ["every stage has taken it, and the logs hold it no longer"]
    lines = [f"not taken yet: {topic}/{partition}" for topic, partition in erasure.waiting]
    if erasure.waiting:
        lines.append("a worker takes it as soon as it comes to it; run this again to see")
    return lines + [f"still being written anew: {topic}/{partition}" for topic, partition in erasure.rewriting]


def _when(expiry: Expiry) -> str:
    whose = "" if expiry.is_ours else ", which your systems write to"
    if not expiry.at:
        return f"never: it keeps everything{whose}"
    return f"by {iso(expiry.at)[:10]}{whose}"
