"""Models obey the law too: whatever way the records are carried through, the same is learned and the same is done."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

import orjson
import pytest

from engine.core.chain import Chain
from engine.core.examples import Example, who_of
from engine.core.learning import Learn
from engine.core.route import Router
from engine.core.teaching import LearnState
from engine.model import DAY_MS
from engine.shells.model_state import kept_models
from tests.core import leavers
from tests.core.leavers import DETECTOR, PROJECT, finish, partition, rows, take
from tests.laws import carrying, crowd

HORIZON = 5 * DAY_MS


carried = partial(carrying.carried, leavers)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], bytes]:
    return carried(tmp_path_factory.mktemp("straight"), 1_000)


def test_there_is_something_to_compare(straight: tuple[list[bytes], bytes]) -> None:
    decisions = [orjson.loads(line) for line in straight[0]]
    assert len(decisions) > 20
    versions = {decision["versions"]["model of leaving"] for decision in decisions}
    assert len(versions) > 10
    assert all("makes it" in decision["why"] or "ordinary" in decision["why"] for decision in decisions)


@pytest.mark.parametrize("size", [1, 7])
def test_batches_make_no_difference(size: int, tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carried(tmp_path, size) == straight


@pytest.mark.parametrize("restart_every", [1, 4])
def test_restarts_make_no_difference(restart_every: int, tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carried(tmp_path, 37, restart_every) == straight


def test_a_backtest_decides_the_same(tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carrying.backtested(leavers, tmp_path) == straight[0]


class Watching(Learn):
    """Looks on while another learns."""

    seen: list[tuple[int, Example]]

    def on_tick(self, at: int) -> None:
        before = dict(self.waiting)
        super().on_tick(at)
        self.seen += [(at, example) for key, example in before.items() if key not in self.waiting]


def watched(folder: Path) -> list[tuple[int, Example]]:
    plan = partition(folder).plan
    chain, router = Chain(plan), Router(plan.configuration.project, plan.watched)
    watching = Watching(plan.models, chain.stalls.models, LearnState())
    watching.seen = []
    chain.learn = watching
    chain.take_all(router.route_all(rows(), []))
    chain.take_all(router.end())
    return watching.seen


def test_nothing_is_learned_before_its_answer_was_known_and_every_answer_is_true(tmp_path: Path) -> None:
    events = defaultdict(list)
    for row in rows():
        fields = orjson.loads(row.raw)
        events[fields["customer"]].append((fields["at"], fields["event"]))
    of_whom = {digest_of(name): known for name, known in events.items()}
    seen = watched(tmp_path)
    assert len(seen) > 300
    for learned_at, example in seen:
        known, ends = of_whom[example.who], example.asked_at + HORIZON
        left = [at for at, event in known if event == "left" and example.asked_at < at <= ends]
        assert learned_at > example.known_at
        assert example.happened == bool(left)
        assert example.came_at == (left[0] if left else 0)
        assert example.known_at == ends
        assert example.values[0] == orders_at(known, example.asked_at)


def orders_at(known: list[tuple[int, str]], at: int) -> int:
    """In a window of 4 days of 60 panes."""
    pane = 4 * DAY_MS // 60
    return sum(event == "order" and at // pane - 60 < when // pane and when < at for when, event in known)


def digest_of(name: str) -> int:
    return who_of("customer", name)


def test_a_model_that_needs_more_than_there_is_never_says_anything(tmp_path: Path) -> None:
    part = partition(tmp_path, DETECTOR.replace("needs: 20", "needs: 100000"), PROJECT)
    take(part, rows())
    finish(part)
    assert list(part.store.decisions()) == []
    assert sum(teaching.examples for teaching in kept_models(part.store)[0].models.values()) > 300


def test_how_often_time_is_told_makes_no_difference(tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    plan = partition(tmp_path).plan
    records = list(Router(plan.configuration.project, plan.watched).route_all(rows(), []))
    seldom = list(crowd.with_ticks_before_each_event(records))
    often = list(crowd.with_ticks_every(records, 3_600_000))
    assert crowd.straight(plan, often) == crowd.straight(plan, seldom)


def test_a_model_that_is_asked_again_after_a_while_begins_anew(tmp_path: Path) -> None:
    some, without = rows(), DETECTOR.replace("within: 5d", "within: 4d")
    third, found = len(some) // 3, []
    for number, detector in enumerate((DETECTOR, without, DETECTOR)):
        part = partition(tmp_path, detector)
        take(part, some[number * third : (number + 1) * third])
        (name, teaching), *others = part.chain.learn.state.models.items()
        kept = [(snapshot.model, snapshot.version) for snapshot in part.chain.stalls.models.all()]
        found.append((name, teaching.version, others, kept[-1]))
        part.store.close()
    assert found[0][0] == found[2][0] != found[1][0]
    for name, version, others, newest in found:
        assert (others, newest) == ([], (name, version)), "what was learned is what is in force"
