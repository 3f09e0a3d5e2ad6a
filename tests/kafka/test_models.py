"""Models over the partitions of detect and decide: whichever was quicker, what is learned and decided is the same."""

from __future__ import annotations

from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import msgspec
import pytest

from engine.core.examples import IN_FORCE_AFTER_MS, Example, Snapshot, sealed, who_of
from engine.core.judged import Judged
from engine.core.kept import Shelf
from engine.core.route import Router
from engine.model import DAY_MS, Decision, Routed
from engine.shells.backtest import Backtest, decision_lines
from engine.shells.kafka import wire
from engine.shells.kafka.decide import DecidePartition
from engine.shells.kafka.detect import DetectPartition
from engine.shells.kafka.learning import BLOCKS
from engine.shells.kafka.stage import Shared, text_of
from engine.shells.kafka.topics import topics_of
from engine.shells.model_state import kept_models
from engine.shells.wiring import load_configuration
from engine.spec.models import MOST_EXAMPLES
from tests.core import leavers, rivers, schools, watched_models
from tests.core.worlds import MONDAY
from tests.kafka.memory_link import MemoryCluster

SOURCE = "raw/0"
Stage = DetectPartition | DecidePartition


class Cluster:
    """Every partition of both stages, each with a place that it has read to; route is the test itself."""

    def __init__(self, folder: Path, partitions: int, people: ModuleType) -> None:
        """`people` are a world of tests/core."""
        self.link: Any = MemoryCluster()
        self.people = people
        self.plan = people.partition(folder).plan
        self.topics = topics_of(self.plan.configuration.project)
        self.shared = Shared(
            link=self.link,
            topics=self.topics,
            partitions=partitions,
            state=folder / "stages",
            config=folder / "config",
            plan=self.plan,
            event_clock=True,
        )
        self.stages: dict[tuple[str, int], Stage] = {}
        self._opened = 0

    async def feed(self, random: Random, since: int = 0, until: int | None = None) -> None:
        """Recorded events, and now and then how far their source has come. `until` None: to the end."""
        if not since:
            self._router = Router(self.plan.configuration.project, self.plan.watched)
            await self._mark(wire.Mark(SOURCE, 0, expects=(SOURCE,)))
        for row in self.people.rows()[since:until]:
            for record in self._router.route(row):
                if isinstance(record, Routed):
                    key = wire.key_of(record)
                    place = wire.partition_of(key, self.shared.partitions)
                    await self.link.send(self.topics.events, place, [(key, wire.encode(wire.addressed(record)))])
                    at = record.event.at
            if random.random() < 0.1:
                await self._mark(wire.Mark(SOURCE, at))
        await self._mark(wire.Mark(SOURCE, at, ended=until is None))

    async def configure(self, folder: Path) -> None:
        """Another configuration, for every partition."""
        configure = wire.Configure(load_configuration(folder).version, text_of(folder))
        for topic in (self.topics.events, self.topics.candidates):
            for number in range(self.shared.partitions):
                await self.link.send(topic, number, [(None, wire.encode(configure))])

    async def _mark(self, mark: wire.Mark) -> None:
        for number in range(self.shared.partitions):
            await self.link.send(self.topics.events, number, [(None, wire.encode(mark))])

    async def work(self, random: Random, restart: float) -> None:
        """In batches of any size, by whichever partition comes next, now and then one taken over by another."""
        topics = self.topics.events, self.topics.candidates
        places = [(topic, number) for topic in topics for number in range(self.shared.partitions)]
        while waiting := [place for place in places if self._is_behind(place)]:
            place = random.choice(waiting)
            if place not in self.stages or random.random() < restart:
                await self._open(place)
            stage = self.stages[place]
            await stage.take(self.link.since(*place, stage.position, random.choice((1, 20, 500))))

    def _is_behind(self, place: tuple[str, int]) -> bool:
        position = self.stages[place].position if place in self.stages else 0
        return bool(self.link.places[place].next_offset > position)

    async def _open(self, place: tuple[str, int]) -> None:
        if place in self.stages:
            await self.stages[place].close(is_ours=False)
        self._opened += 1
        made = DetectPartition if place[0] == self.topics.events else DecidePartition
        self.stages[place] = made(self.shared, place[1], f"writer-{self._opened}")
        await self.stages[place].open()

    def decisions(self) -> list[bytes]:
        found: dict[str, Decision] = {}
        for number in range(self.shared.partitions):
            for record in self.link.places[self.topics.decisions, number].records:
                decision = msgspec.json.decode(record.value, type=Decision)
                found.setdefault(decision.id, decision)
        return decision_lines(found.values())


@pytest.mark.parametrize(
    ("partitions", "seed", "people", "least"),
    [
        (1, 0, leavers, 20),
        (1, 1, leavers, 20),
        (3, 2, leavers, 20),
        (3, 3, leavers, 20),
        (4, 9, watched_models, 20),
        (16, 8, watched_models, 20),
        (4, 10, rivers, 10),
        (1, 4, schools, 6),
        (4, 5, schools, 6),
        (16, 7, schools, 6),
    ],
)
async def test_what_was_learned_over_partitions_leads_to_what_a_backtest_decides(
    partitions: int, seed: int, people: ModuleType, least: int, tmp_path: Path
) -> None:
    cluster = Cluster(tmp_path, partitions, people)
    await cluster.feed(Random(seed))
    await cluster.work(Random(seed), restart=0.02 * (seed % 2))
    for stream in {row.stream for row in people.rows()}:
        lines = [row.raw + b"\n" for row in people.rows() if row.stream == stream]
        (tmp_path / f"{stream}.jsonl").write_bytes(b"".join(lines))
    run = Backtest(cluster.plan, tmp_path)
    run.run()
    assert len(run.decisions) > least
    assert cluster.decisions() == decision_lines(run.decisions)


async def test_the_end_of_the_input_is_told_though_the_owner_has_a_word_behind_it(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 1, leavers)
    events, candidates = cluster.topics.events, cluster.topics.candidates
    for message in (wire.Mark(SOURCE, MONDAY, expects=(SOURCE,)), wire.Mark(SOURCE, MONDAY, ended=True)):
        await cluster.link.send(events, 0, [(None, wire.encode(message))])
    await cluster.link.send(events, 0, [(None, wire.encode(wire.Learned(MONDAY)))])
    detect = DetectPartition(cluster.shared, 0, "writer")
    await detect.open()
    await detect.take(cluster.link.since(events, 0, 0, 3))
    told = [msgspec.json.decode(record.value) for record in cluster.link.places[candidates, 0].records]
    assert [mark.get("ended", False) for mark in told] == [True]


async def test_an_answer_that_is_on_its_way_when_somebody_is_erased_is_forgotten_too(tmp_path: Path) -> None:
    cluster, before, after = Cluster(tmp_path, 1, leavers), MONDAY + 1, MONDAY + 3
    model, source = next(iter(cluster.plan.models)), f"{cluster.topics.events}/0"

    def answer(customer: str, asked_at: int, offset: int) -> wire.Candidate:
        example = Example(model, asked_at + DAY_MS, who_of("customer", customer), asked_at, (1.0, 2.0, 3.0, 4.0))
        return wire.Candidate("", after, source, offset, 0, example=example)

    messages = [
        answer("c1", before, 0),
        answer("c2", before, 1),
        wire.Erase("customer", "c1", before, MONDAY + 400 * DAY_MS),
        answer("c1", before + 1, 2),
        wire.Mark(source, after + 1),
    ]
    topic = cluster.topics.candidates
    for message in messages:
        key = b"" if isinstance(message, wire.Candidate) else None
        await cluster.link.send(topic, 0, [(key, wire.encode(message))])
    decide = DecidePartition(cluster.shared, 0, "writer")
    await decide.open()
    await decide.take(cluster.link.since(topic, 0, 0, 2))
    await decide.take(cluster.link.since(topic, 0, 2, 3))
    kept = [msgspec.msgpack.decode(row, type=Example) for row in decide.replica.head.rows["answers"].values()]
    assert [example.who for example in kept] == [who_of("customer", "c2")]


ALONE = leavers.DETECTOR.replace(", challenger: naive_bayes", "") + "mode: shadow\n"


@pytest.mark.parametrize(("partitions", "seed"), [(1, 0), (3, 1)])
async def test_a_learner_that_is_added_knows_what_it_would_know_locally(
    partitions: int, seed: int, tmp_path: Path
) -> None:
    part = leavers.partition(tmp_path / "local", leavers.DETECTOR + "mode: shadow\n")
    leavers.take(part, leavers.rows())
    leavers.finish(part)
    (known,) = kept_models(part.store)[0].models.values()
    part.store.close()
    cluster, before = Cluster(tmp_path, partitions, leavers), tmp_path / "before"
    cluster.plan = cluster.shared.plan = leavers.partition(before, ALONE).plan
    cluster.shared.config = before / "config"
    await cluster.feed(Random(seed), until=700)
    await cluster.work(Random(seed), restart=0.02 * seed)
    await cluster.configure(tmp_path / "local" / "config")
    await cluster.feed(Random(seed), since=700)
    await cluster.work(Random(seed), restart=0.02 * seed)
    owner = cluster.stages[cluster.topics.candidates, 0]
    assert isinstance(owner, DecidePartition)
    (made,) = owner.learned.models.values()
    assert made.learned == known.learned
    assert made.rebuilt.keys() == {"naive_bayes"}
    assert 100 < made.rebuilt["naive_bayes"] < made.kept == known.kept
    assert made.tracks["naive_bayes"].answers > 100


@pytest.mark.parametrize("late", [False, True])
async def test_what_was_judged_is_told_once_in_all_partitions_however_late_it_comes(late: bool, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 4, watched_models)
    cluster.shared.event_clock = False
    (model,) = [name for name, spec in cluster.plan.judged.items() if spec.name == "may-leave.leaving"]
    bad = Judged(answers=50, came=20, expected=5.0, log_loss=1.0, off_by=0.5, auc=0.6, lift=1.2)
    snapshot = Snapshot(model, 1, leavers.AT, 300, 50, [], {}, judged={"logistic_regression": bad})
    learned = wire.encode(wire.Learned(leavers.AT + DAY_MS, (sealed(snapshot, b""),)))
    due = leavers.AT + IN_FORCE_AFTER_MS
    marks = [wire.encode(wire.Mark(SOURCE, at)) for at in (leavers.AT, due, due + DAY_MS // 2)]
    for number in range(4):
        records = [marks[0], marks[1], marks[2], learned] if late else [marks[0], learned, marks[1], marks[2]]
        await cluster.link.send(cluster.topics.events, number, [(None, each) for each in [*records, learned]])
    await cluster.work(Random(1), restart=0.4)
    raised = [
        wire.read_candidate(record.value).signal
        for number in range(4)
        for record in cluster.link.places[cluster.topics.candidates, number].records
        if record.key is not None
    ]
    assert [(each.detector, each.key, each.at) for each in raised if each] == [("surprised", "may-leave.leaving", due)]


async def test_who_is_erased_is_in_no_answer_that_the_owner_keeps(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 1, leavers)
    await cluster.feed(Random(0), until=1_400)
    await cluster.work(Random(0), restart=0)
    owner = cluster.stages[cluster.topics.candidates, 0]
    assert isinstance(owner, DecidePartition)
    before = kept_about(owner, "c1")
    assert len(before) > 5
    erase = wire.Erase("customer", "c1", 0, leavers.AT)
    await cluster.link.send(cluster.topics.candidates, 0, [(None, wire.encode(erase))])
    await cluster.feed(Random(0), since=1_400, until=1_500)
    await cluster.work(Random(0), restart=1)
    owner = cluster.stages[cluster.topics.candidates, 0]
    assert isinstance(owner, DecidePartition)
    assert not set(kept_about(owner, "c1")) & set(before)
    assert len(kept_about(owner, "c2")) > 5
    ((model, teaching),) = owner.learned.models.items()
    shelf = Shelf(MOST_EXAMPLES, owner.replica.head.rows[BLOCKS], owner.plan.models)
    assert teaching.kept == shelf.count(model) < teaching.examples


def kept_about(owner: DecidePartition, key: str) -> list[int]:
    """When the kept questions about a customer were asked."""
    shelf = Shelf(MOST_EXAMPLES, owner.replica.head.rows[BLOCKS], owner.plan.models)
    (model,) = owner.plan.models
    return [lesson.asked_at for lesson in shelf.of(model) if lesson.who == who_of("customer", key)]


async def test_a_large_snapshot_is_written_once_and_not_with_each_batch(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 1, leavers)
    events, model = cluster.topics.events, next(iter(cluster.plan.models))
    large = Snapshot(model, 1, MONDAY, 900, 90, [0.5] * 40_000, {})
    told = wire.Learned(MONDAY + DAY_MS, (sealed(large, b""),))
    await cluster.link.send(events, 0, [(None, wire.encode(wire.Mark(SOURCE, MONDAY, expects=(SOURCE,))))])
    await cluster.link.send(events, 0, [(None, wire.encode(told))])
    detect = DetectPartition(cluster.shared, 0, "writer")
    await detect.open()
    await detect.take(cluster.link.since(events, 0, 0, 2))
    before = written_by(cluster, detect)
    assert before > 9 * 40_000
    for minute in range(20):
        await cluster.link.send(events, 0, [(None, wire.encode(wire.Mark(SOURCE, MONDAY + minute * 60_000)))])
        await detect.take(cluster.link.since(events, 0, 2 + minute, 1))
    assert written_by(cluster, detect) - before < 40_000
    await detect.close(is_ours=True)
    again = DetectPartition(cluster.shared, 0, "another")
    await again.open()
    assert [kept.version for kept in again._stalls.models.all()] == [1]


def written_by(cluster: Cluster, detect: DetectPartition) -> int:
    """Bytes in the log of a partition."""
    log = detect.replica.log
    return sum(len(record.value or b"") for record in cluster.link.places[log.topic, log.partition].records)
