"""Whatever way the records are carried through, the same is usual among peers, and the same is done about it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
import orjson
import pytest

from engine.core.chain import Chain
from engine.core.examples import who_of
from engine.core.route import Router
from engine.model import DAY_MS
from engine.shells.model_state import forget, kept_models
from tests.core import schools
from tests.core.schools import AT, BAD_DAY, DAYS, SCHOOLS, partition, rows, take
from tests.laws import carrying, crowd

carried = partial(carrying.carried, schools)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], bytes]:
    return carried(tmp_path_factory.mktemp("straight"), 1_000)


def test_each_is_told_once_for_its_own_bad_day_and_nobody_for_the_holidays(
    straight: tuple[list[bytes], bytes],
) -> None:
    found = [orjson.loads(line) for line in straight[0]]
    told = sorted((decision["key"], round((decision["at"] - AT) / DAY_MS - 2)) for decision in found)
    # In the holidays as well, and not the first one, which has no peers as its plan is not known.
    own = sorted((f"s{number}", BAD_DAY + number) for number in range(1, SCHOOLS) if BAD_DAY + number < DAYS - 2)
    assert told == own
    assert all("model of peers_logins" in decision["versions"] for decision in found)


@pytest.mark.parametrize("size", [1, 7])
def test_batches_make_no_difference(size: int, tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carried(tmp_path, size) == straight


@pytest.mark.parametrize("restart_every", [1, 4])
def test_restarts_make_no_difference(restart_every: int, tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carried(tmp_path, 61, restart_every) == straight


def test_a_backtest_decides_the_same(tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carrying.backtested(schools, tmp_path) == straight[0]


def test_how_often_time_is_told_makes_no_difference(tmp_path: Path) -> None:
    plan = partition(tmp_path).plan
    records = list(Router(plan.configuration.project, plan.watched).route_all(rows(), []))
    seldom = list(crowd.with_ticks_before_each_event(records))
    often = list(crowd.with_ticks_every(records, 3_600_000))
    assert crowd.straight(plan, often) == crowd.straight(plan, seldom)


def test_whoever_is_erased_leaves_no_value_behind(tmp_path: Path) -> None:
    part = partition(tmp_path)
    take(part, rows())
    who = who_of("customer", "s5")
    assert forget(part.store, who) > 1
    state, waiting = kept_models(part.store)
    crowds = [crowd for teaching in state.models.values() for crowd in teaching.crowds.values()]
    assert all(who not in values for crowd in crowds for values in crowd.values.values())
    assert who not in {example.who for example in waiting}
    assert forget(part.store, who) == 0


def test_the_learn_step_forgets_as_well(tmp_path: Path) -> None:
    part = partition(tmp_path)
    chain = Chain(part.plan)
    chain.take_all(Router(part.plan.configuration.project, part.plan.watched).route_all(rows(), []))
    chain.drain()
    before = msgspec.msgpack.encode(chain.learn.state)
    chain.learn.saved()
    chain.learn.forget(who_of("customer", "s5"))
    assert chain.learn.has_changed
    assert msgspec.msgpack.encode(chain.learn.state) != before
