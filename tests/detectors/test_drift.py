"""`drift_of`: a level that has shifted for good is told with its size and its way, for as long as it is news."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from detectors.drift import DriftOf, Options
from engine.core.state import Entity, Stalls
from engine.model import Scalar
from engine.ports import Sampling

BYTES = 900
NORMAL: dict[str, Callable[[random.Random], float]] = {
    "bell-shaped": lambda chance: chance.gauss(50, 10),
    "with a long tail": lambda chance: chance.expovariate(1),
    "counts": lambda chance: float(sum(chance.random() < 0.05 for _ in range(60))),
    "never changing": lambda chance: 7.0,
}
both = pytest.mark.parametrize("by", ["adwin", "page_hinkley"])


class Account:
    def __init__(self, **options: Any) -> None:
        self.learner = DriftOf().learner("drift_of", Options(of=("it",), **options), Sampling())
        self.slot = self.learner.fresh()
        self.known = Entity("account", "acme", 1, Stalls())
        self.most_bytes = 0

    def take(self, value: Scalar) -> Scalar:
        self.learner.take(self.slot, 0, [value], self.known)
        self.most_bytes = max(self.most_bytes, len(msgspec.msgpack.encode(self.slot)))
        return self.learner.value(self.slot)

    def take_all(self, values: Iterable[float]) -> list[Scalar]:
        return [self.take(value) for value in values]


def around(level: float, count: int, spread: float = 10.0, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(level, spread) for _ in range(count)]


@both
@pytest.mark.parametrize("to", [75.0, 25.0])
def test_a_shift_is_told_in_spreads_and_with_its_way(by: str, to: float) -> None:
    account = Account(by=by)
    before, after = account.take_all(around(50, 100)), account.take_all(around(to, 40, seed=2))
    assert before == [None] * 29 + [0.0] * 71
    (size,) = {value for value in after if value}
    assert size == pytest.approx((to - 50) / 10, abs=1.2)


@both
def test_in_percent_it_is_a_part_of_what_was(by: str) -> None:
    account = Account(by=by, as_="percent")
    account.take_all(around(200, 100, spread=4.0))
    after = account.take_all(around(250, 40, spread=4.0))
    (size,) = {value for value in after if value}
    assert size == pytest.approx(0.25, abs=0.03)


def test_of_a_steady_series_the_whole_shift_is_told() -> None:
    account = Account(as_="percent")
    account.take_all([200.0] * 60)
    assert account.take_all([300.0] * 30)[-1] == pytest.approx(0.5)


def test_it_is_news_until_the_new_level_is_known() -> None:
    account = Account(needs=20)
    account.take_all(around(50, 100))
    after = account.take_all(around(90, 60))
    first = next(number for number, value in enumerate(after) if value)
    assert all(after[first : first + 20])
    assert set(after[first + 20 :]) == {0.0}


def test_one_wild_value_is_no_shift() -> None:
    account = Account()
    said = account.take_all([*around(50, 100), 1e9, *around(50, 60), -1e9, *around(50, 60)])
    assert set(said) == {None, 0.0}


@both
@pytest.mark.parametrize("kind", NORMAL)
def test_a_steady_series_seldom_shifts(kind: str, by: str) -> None:
    told = 0
    for seed in range(5):
        chance = random.Random(seed)
        said = Account(by=by).take_all(NORMAL[kind](chance) for _ in range(800))
        told += sum(bool(new) and new != old for old, new in pairwise(said))
    assert told <= 5


def test_a_part_of_nothing_is_unknown() -> None:
    account = Account(as_="percent")
    account.take_all([0.0] * 60)
    assert account.take_all([5.0] * 30)[-1] is None


def test_an_unknown_value_is_left_out() -> None:
    account, other = Account(), Account()
    values = [*around(50, 60), *around(90, 40)]
    assert [said for value in values for said in (account.take(value), account.take(None))][::2] == other.take_all(
        values
    )


@both
def test_its_memory_is_bounded(by: str) -> None:
    account = Account(by=by)
    account.take_all(around(50, 3_000))
    assert account.most_bytes <= BYTES
