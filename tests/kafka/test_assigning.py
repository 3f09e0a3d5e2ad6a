"""Tasks of many units for few owners, over the partitions of decide: which was quicker makes no difference."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from engine.core.chain import Chain
from engine.core.digest import digest
from engine.model import Decision, Mode, Severity, Signal, Tick
from engine.shells.backtest import decision_lines
from engine.shells.kafka import wire
from engine.shells.kafka.decide import DecidePartition
from engine.shells.kafka.stage import Shared
from engine.shells.kafka.topics import topics_of
from engine.shells.wiring import load_configuration, plan_of
from tests.core.worlds import MONDAY
from tests.kafka.memory_link import MemoryCluster
from tests.kill.project import add_tasks, make

DAY, HOUR = 86_400_000, 3_600_000
END = MONDAY + 6 * DAY
# Partition, key and value of a record.
Row = tuple[int, bytes | None, bytes]


def signals_of(random: Random) -> list[Signal]:
    """Signals of detectors with tasks for colleagues, in order of time; some of them close again."""
    found = []
    for number in range(120):
        customer, name = f"c{random.randrange(12)}", random.choice(("break-in", "gone-quiet", "unhappy"))
        at = MONDAY + random.randrange(4 * 24) * HOUR
        firing = Signal(
            id=digest(name, customer, str(number)),
            detector=name,
            version="1",
            entity="customer",
            key=customer,
            unit=f"customer:{customer}",
            state="firing",
            at=at,
            started_at=at,
            severity=Severity.WATCH,
            mode=Mode.LIVE,
            reason="because",
            owner="support",
        )
        found.append(firing)
        if random.random() < 0.4:
            found.append(_closed(firing, at + random.randrange(1, 40) * HOUR))
    return sorted(found, key=lambda one: one.at)


def _closed(signal: Signal, at: int) -> Signal:
    return msgspec.structs.replace(signal, state="resolved", at=at)


class Cluster:
    """The partitions of decide, each with a place that it has read to; detect is the test itself."""

    def __init__(self, folder: Path, config: Path, partitions: int) -> None:
        self.link: Any = MemoryCluster()
        plan = plan_of(load_configuration(config))
        topics = topics_of(plan.configuration.project)
        self.shared = Shared(
            link=self.link, topics=topics, partitions=partitions, state=folder, config=config, plan=plan
        )
        self.stages: dict[int, DecidePartition] = {}
        self._opened = 0

    async def feed(self, signals: list[Signal], random: Random) -> None:
        """Each partition of detect has the customers of its own, and is as quick as it likes."""
        count, topic = self.shared.partitions, self.shared.topics.candidates
        streams = [self._stream(signals, source) for source in range(count)]
        while any(streams):
            for partition, key, value in random.choice([rows for rows in streams if rows]).pop(0):
                await self.link.send(topic, partition, [(key, value)])

    def _stream(self, signals: list[Signal], source: int) -> list[list[Row]]:
        """What a partition of detect writes at each of its moments, and how far it has come then."""
        count, name = self.shared.partitions, f"{self.shared.topics.events}/{source}"
        ours = [one for one in signals if wire.partition_of(one.key.encode(), count) == source]
        moments = []
        for at in sorted({one.at for one in ours} | {END}):
            rows: list[Row] = []
            for signal in (one for one in ours if one.at == at):
                unit, offset = signal.unit.encode(), ours.index(signal)
                one = wire.Candidate(signal.unit, at, name, offset, 0, signal=signal)
                rows.append((wire.partition_of(unit, count), unit, wire.encode(one)))
            rows += [(number, None, wire.encode(wire.Mark(name, at))) for number in range(count)]
            moments.append(rows)
        return moments

    async def work(self, random: Random, restart: float) -> None:
        """In batches of any size, by whichever partition comes next, now and then one taken over by another."""
        while waiting := [number for number in range(self.shared.partitions) if self._behind(number)]:
            number = random.choice(waiting)
            if number not in self.stages or random.random() < restart:
                await self._open(number)
            stage = self.stages[number]
            await stage.take(self.link.since(stage.topic, number, stage.position, random.choice((1, 3, 50))))

    def _behind(self, number: int) -> bool:
        place = self.shared.topics.candidates, number
        position = self.stages[number].position if number in self.stages else 0
        return bool(self.link.places[place].next_offset > position)

    async def _open(self, number: int) -> None:
        if number in self.stages:
            await self.stages[number].close(is_ours=False)
        self._opened += 1
        self.stages[number] = DecidePartition(self.shared, number, f"writer-{self._opened}")
        await self.stages[number].open()

    def decisions(self) -> list[bytes]:
        found: dict[str, Decision] = {}
        for (topic, _), link in self.link.places.items():
            for record in link.records if topic == self.shared.topics.decisions else ():
                decision = msgspec.json.decode(record.value, type=Decision)
                found.setdefault(decision.id, decision)
        return decision_lines(found.values())


@pytest.mark.parametrize("partitions", [1, 2, 4])
@pytest.mark.parametrize("seed", range(4))
async def test_whichever_partition_was_quicker(partitions: int, seed: int, tmp_path: Path) -> None:
    config = make(tmp_path / "world") / "config"
    add_tasks(config)
    signals = signals_of(Random(seed))
    cluster = Cluster(tmp_path / "state", config, partitions)
    await cluster.feed(signals, Random(seed))
    await cluster.work(Random(seed), restart=0.1 * (seed % 2))
    chain = Chain(cluster.shared.plan)
    for at in sorted({signal.at for signal in signals} | {END}):
        chain.take(Tick(at - 1))
        for signal in signals:
            if signal.at == at:
                chain.decide.on_signal(signal)
        chain.take(Tick(at))
    assert cluster.decisions() == decision_lines(chain.drain().decisions)
