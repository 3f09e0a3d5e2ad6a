"""`explain --kafka` without a broker: what the topics say is what a state folder says of the same week."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.core.plan import Plan
from engine.errors import OperatorError
from engine.model import DAY_MS, Decision
from engine.shells import wiring
from engine.shells.about import about, as_text
from engine.shells.explain import explain
from engine.shells.histories import StoreHistory, TopicHistory
from engine.shells.kafka import browse, wire
from engine.shells.kafka import explain as telling
from engine.shells.kafka.topics import Topics, topics_of
from engine.shells.local import RunOptions, run
from engine.shells.starting import init
from engine.shells.store import Store, read_only
from tests.kafka.memory_link import MemoryCluster, MemoryReader, Record
from tests.kill.project import make, write_events

PARTITIONS = 4
# After all of it, so that only what has been is asked for.
FAR = 2_000_000_000_000


class Week:
    """What a run remembers, and the same signals and decisions on topics as workers write them."""

    def __init__(self, folder: Path) -> None:
        configuration = wiring.load_configuration(folder / "config")
        self.plan: Plan = wiring.plan_of(configuration)
        self.store: Store = read_only(folder / "state")
        self.topics: Topics = topics_of(configuration.project)
        self.link: Any = MemoryCluster()

    async def _put(self) -> None:
        """Some of it twice, as it is where a worker has died; and what is no signal among the candidates."""
        source, topics = self.topics.events + "/0", self.topics
        rows = self.store.db.execute("SELECT DISTINCT detector, key FROM signals").fetchall()
        for number, signal in enumerate(one for row in rows for one in self.store.signals(*row)):
            candidate = wire.Candidate(signal.unit, signal.at, source, number, 0, signal=signal)
            await self._send(topics.candidates, signal.unit, wire.encode(candidate))
            await self._send(topics.candidates, signal.unit, wire.encode(wire.Candidate(signal.unit, 1, source, 1, 1)))
        for number, decision in enumerate(self.store.decisions()):
            for _ in range(1 + (number % 7 == 0)):
                await self._send(topics.decisions, decision.unit, wire.encode(decision), decision.at)
        for topic in (topics.candidates, topics.decisions):
            for partition in range(PARTITIONS):
                await self.link.send(topic, partition, [])
        await self.link.send(topics.candidates, 0, [(None, wire.encode(wire.Mark(source, 1)))])

    async def _send(self, topic: str, unit: str, value: bytes, written_at: int = 0) -> None:
        partition = wire.partition_of(unit.encode(), PARTITIONS)
        await self.link.send(topic, partition, [(unit.encode(), value)])
        self.link.places[topic, partition].records[-1].timestamp = written_at

    async def told(self, asked: telling.Asked) -> TopicHistory:
        return await (await self.gathering()).run(asked)

    async def gathering(self, seen: telling.Told = lambda *_: None) -> telling.Gathering:
        if not self.link.places:
            await self._put()
        self.link.read.clear()
        return telling.Gathering(self.link, self.plan.configuration.project, seen)

    def kept(self) -> StoreHistory:
        """The same without what is known of the present, which topics do not tell."""
        history = StoreHistory(self.store, self.plan)
        history.chain = None
        return history


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Week:
    """Whoever belongs to an account is decided for with it."""
    folder = tmp_path_factory.mktemp("northwind")
    init(folder)
    return Week(lived(folder))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody is decided for alone."""
    folder = make(tmp_path_factory.mktemp("alone"))
    write_events(folder, seed=5, count=600)
    return lived(folder)


@pytest.fixture
def customers(alone: Path) -> Week:
    return Week(alone)


def lived(folder: Path) -> Path:
    options = RunOptions(
        config=folder / "config", data=folder / "data", state=folder / "state", dry_run=True, event_clock=True
    )
    run(wiring.load_configuration(options.config), options)
    return folder


async def test_the_topics_tell_of_a_detector_what_a_state_folder_tells(company: Week) -> None:
    pairs = {(one.detector, one.key) for one in company.store.decisions()}
    assert len(pairs) > 20
    for detector, key in sorted(pairs):
        history = await company.told(telling.asked_of(company.plan, detector, key, FAR))
        assert explain(history, company.plan, detector, key, FAR) == explain(
            company.kept(), company.plan, detector, key, FAR
        )


async def test_the_topics_tell_of_somebody_what_a_state_folder_tells(company: Week) -> None:
    names = {one.unit for one in company.store.decisions()} | {one.recipient for one in company.store.decisions()}
    names = {name for name in names if name.partition(":")[0] in ("account", "customer", "region")}
    assert len(names) > 20
    for name in sorted(names):
        history = await company.told(telling.asked_about(company.plan, name, None))
        found = about(history, company.plan, name, None, FAR)
        assert found.decisions == about(company.kept(), company.plan, name, None, FAR).decisions


def some(week: Week) -> Decision:
    return next(one for one in week.store.decisions() if one.detector == "break-in")


async def test_one_partition_is_read_where_that_is_enough(customers: Week) -> None:
    topics, one = customers.topics, some(customers)
    partition = wire.partition_of(one.unit.encode(), PARTITIONS)
    await customers.told(telling.asked_about(customers.plan, one.unit, None))
    assert customers.link.read == [(topics.decisions, partition)]
    await customers.told(telling.asked_of(customers.plan, one.detector, one.key, None))
    assert customers.link.read == [(topics.decisions, partition), (topics.candidates, partition)]


async def test_since_a_time_only_what_was_written_then_is_read(customers: Week) -> None:
    last = [*customers.store.decisions()][-1]
    asked = telling.asked_about(customers.plan, last.unit, last.at)
    seen: list[tuple[int, int]] = []
    gathering = await customers.gathering(lambda _, done, of: seen.append((done, of)))
    found = about(await gathering.run(asked), customers.plan, last.unit, last.at, None)
    assert [one.id for one in found.decisions] == [last.id]
    assert found.since.startswith("2026-")
    assert seen[-1][0] == seen[-1][1]
    assert len(seen) < seen[-1][1] / 6, "it began behind most of them"


async def test_what_topics_do_not_tell_is_said(customers: Week) -> None:
    one = some(customers)
    asked = telling.asked_about(customers.plan, one.unit, None)
    found = about(await customers.told(asked), customers.plan, one.unit, None, None)
    assert found.untold == (
        "How it stands now, and what still waits, is in the workers' memory and not on these topics: "
        f"beforehand export {one.unit} --kafka",
    )
    assert as_text(found).endswith(f"\n\n{found.untold[0]}")
    earlier = telling.asked_of(customers.plan, one.detector, one.key, one.at)
    assert (await customers.told(earlier)).untold == []


async def test_what_has_expired_is_said_with_what_is_left_of_it(customers: Week) -> None:
    one, topics = some(customers), customers.topics
    partition = wire.partition_of(one.unit.encode(), PARTITIONS)
    await customers.gathering()
    candidates = customers.link.places[topics.candidates, partition]
    await customers.link.delete_before(topics.candidates, partition, candidates.next_offset)
    history = await customers.told(telling.asked_of(customers.plan, one.detector, one.key, None))
    lines = explain(history, customers.plan, one.detector, one.key).splitlines()
    version = one.versions["detector"]
    assert any(
        line.endswith(f"  decided [urgent], detector version {version}; when it fired is not kept any more")
        for line in lines
    )
    assert any(line.startswith("  fails is 3, at least 3: yes") for line in lines)
    assert f"What was written on topic {topics.candidates} earlier has expired, and is not told here." in lines
    decisions = customers.link.places[topics.decisions, partition]
    await customers.link.delete_before(topics.decisions, partition, 1)
    decisions.records[0].timestamp = one.at + DAY_MS
    asked = telling.asked_about(customers.plan, one.unit, None)
    assert (await customers.told(asked)).untold[0].startswith(f"What was written on topic {topics.decisions} before 20")


async def test_nothing_decided_is_said_in_words(customers: Week) -> None:
    asked = telling.asked_about(customers.plan, "customer:nobody", None)
    said = as_text(about(await customers.told(asked), customers.plan, "customer:nobody", None, None))
    assert said.startswith("Nothing was decided about customer:nobody: no signal that leads to a play has opened.")
    history = await customers.told(telling.asked_of(customers.plan, "break-in", "nobody", None))
    said = explain(history, customers.plan, "break-in", "nobody")
    assert said.startswith("break-in, customer nobody\n\nIt has not fired yet.\n\nHow it stands now")


async def test_a_broker_that_falls_silent_is_waited_for_so_long_and_no_longer(
    customers: Week, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "PATIENCE_S", 0.05)

    async def silent(*_: object) -> AsyncIterator[list[Record]]:
        await asyncio.sleep(60)
        yield []

    monkeypatch.setattr(MemoryReader, "read", silent)
    with pytest.raises(TimeoutError):
        await customers.told(telling.asked_about(customers.plan, "customer:c1", None))


async def test_what_is_wrong_is_said_in_one_sentence(customers: Week) -> None:
    with pytest.raises(OperatorError, match="there is no detector 'break-out'; there are: break-in, "):
        telling.asked_of(customers.plan, "break-out", "c1", None)
    with pytest.raises(OperatorError, match="there is no kind of entity 'costumer'; there are: customer"):
        telling.asked_about(customers.plan, "costumer:c1", None)
    topic, partition = customers.topics.decisions, wire.partition_of(b"customer:c1", PARTITIONS)
    await customers.gathering()
    await customers.link.send(topic, partition, [(b"customer:c1", b"{}")])
    with pytest.raises(
        OperatorError, match=f"{topic}/{partition} at offset [0-9]+ is not what a worker writes there: "
    ):
        await customers.told(telling.asked_about(customers.plan, "customer:c1", None))
