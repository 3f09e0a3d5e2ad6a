"""`anomaly_of`: rare is rare on normal data of any kind, also of several measures, and one story is told once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import msgspec
import pytest

from detectors.anomaly import AnomalyOf, Oddness, Options
from engine.core.state import Entity, Stalls
from engine.model import DAY_MS, HOUR_MS, Scalar
from engine.ports import Slot

FIVE_MINUTES_MS = 300_000
MOST_BYTES_EACH = 12_500

Row = Callable[[random.Random, int], Sequence[float]]


def daily(at: int) -> float:
    return math.sin(2 * math.pi * at / DAY_MS)


def how_many(chance: random.Random, mean: float) -> float:
    total, count = chance.expovariate(1.0), 0
    while total < mean:
        total += chance.expovariate(1.0)
        count += 1
    return float(count)


def same_course(chance: random.Random, at: int) -> Sequence[float]:
    course = chance.gauss(0, 1)
    return 50 + 10 * course, 1e-3 * (0.95 * course + 0.31 * chance.gauss(0, 1))


def calls_and_failures(chance: random.Random, at: int) -> Sequence[float]:
    calls = how_many(chance, 8 + 5 * daily(at))
    return calls, float(sum(chance.random() < 0.2 for _ in range(int(calls))))


NORMAL: dict[str, Row] = {
    "one": lambda chance, at: (chance.gauss(0, 1),),
    "independent": lambda chance, at: (chance.gauss(50, 10), chance.gauss(0, 1e-3), chance.gauss(5, 1) * 1e6),
    "correlated": same_course,
    "of days and nights": lambda chance, at: (90 + 30 * daily(at) + chance.gauss(0, 5), daily(at) + chance.gauss(0, 1)),
    "counted": calls_and_failures,
}  # fmt: skip


class Account:
    """What is said of one account's samples, one every five minutes."""

    def __init__(self, series: int, **options: int) -> None:
        self.learner = Oddness(Options(of=tuple(str(each) for each in range(series)), **options))
        self.slot: Slot = self.learner.fresh()
        self.known = Entity("account", "acme", 1, Stalls())
        self.at = 0

    def take(self, *values: Scalar) -> float | None:
        self.at += FIVE_MINUTES_MS
        self.learner.take(self.slot, self.at, values, self.known)
        said = self.learner.value(self.slot)
        assert said is None or isinstance(said, float)
        return said


def lived(kind: str, samples: int, **options: int) -> tuple[Account, list[float]]:
    chance = random.Random(2)
    account = Account(len(NORMAL[kind](random.Random(0), 0)), **options)
    said = [account.take(*NORMAL[kind](chance, account.at)) for _ in range(samples)]
    return account, [score for score in said if score is not None]


@pytest.mark.parametrize("kind", NORMAL)
def test_on_normal_data_p99_is_about_one_in_a_hundred(kind: str) -> None:
    _account, said = lived(kind, 5_000, needs=500, rest=0)
    limit = AnomalyOf().percentile("anomaly_of", 0.99)
    assert limit == 2.0
    assert 0.004 <= sum(score >= limit for score in said) / len(said) <= 0.02


def test_a_combination_that_is_never_seen_is_rare_though_each_value_is_ordinary() -> None:
    account, _said = lived("correlated", 2_000, rest=0)
    ordinary = []
    for place, value in enumerate((62.0, -1.2e-3)):
        one, chance = Account(1, rest=0), random.Random(2)
        for _ in range(2_000):
            one.take(same_course(chance, one.at)[place])
        ordinary.append(one.take(value) or 0.0)
    assert max(ordinary) < 2.0
    together = account.take(62.0, -1.2e-3)
    assert together is not None
    assert together > 4.0


def test_it_says_nothing_before_it_has_seen_so_many() -> None:
    account = Account(1, needs=80)
    chance = random.Random(1)
    assert [account.take(chance.gauss(0, 1)) for _ in range(80)] == [None] * 80
    assert account.take(0.0) is not None


def test_an_unknown_value_is_neither_judged_nor_counted() -> None:
    account, _said = lived("independent", 300, needs=300)
    assert account.take(50.0, None, 5e6) is None
    assert account.take(50.0, 0.0, 5e6) is not None


def test_an_alarm_is_told_while_it_goes_on_and_then_not_again_for_a_rest() -> None:
    account, _said = lived("one", 1_000, rest=50)
    jumps = [account.take(value) for value in (40.0, 80.0, 160.0)]
    assert all(score is not None and score >= 3.0 for score in jumps)
    # Back to where it was is a jump too.
    after = [account.take(0.1 * (number % 5)) for number in range(30)]
    assert after[-1] == 0.0
    assert account.take(500.0) == 0.0


def test_in_an_alarm_that_goes_on_no_limit_is_passed_twice() -> None:
    oddness = Oddness(Options(of=("it",), rest=50))
    slot = [1_000, 0.0, [None], None, 0]
    told = []
    for rarity in (2.5, 3.5, 9.0, 3.1, 2.4, 6.0, 2.2, 2.3, 1.0, 7.0):
        slot[1] = oddness._rested(slot, rarity)
        told.append(slot[1])
    assert told == [2.5, 3.5, 9.0, 3.1, 2.4, 2.4, 2.2, 2.2, 0.0, 0.0]


def test_what_creeps_up_within_a_window_is_seen_though_each_look_is_like_the_one_before() -> None:
    """Looks at a window that slides share most of their events."""
    told = []
    for overlap in (0, 11):
        oddness = Oddness(Options(of=("calls", "failing"), rest=0), overlap)
        slot, known, chance = oddness.fresh(), Entity("account", "acme", 1, Stalls()), random.Random(4)
        said: list[float] = []
        for number in range(3_000):
            at, busy = number * FIVE_MINUTES_MS, number // 12 % 24 in range(8, 18)
            row = (chance.gauss(20, 3), chance.gauss(0.05, 0.02)) if busy else (1.0, float(number // 12 % 3 == 0))
            if number >= 2_990:
                row = (20.0, 0.05 + 0.06 * (number - 2_990))
            oddness.take(slot, at, row, known)
            said.append(float(oddness.value(slot) or 0.0))
        told.append(max(said[-8:]))
    assert told[1] > max(2.5, told[0])


def test_without_a_rest_it_is_told_again_at_once() -> None:
    account, _said = lived("one", 1_000, rest=0)
    told = [account.take(value) for value in (40.0, 0.1, -90.0)]
    assert told[0] is not None
    assert told[0] >= 3.0
    assert told[2] is not None
    assert told[2] >= 3.0


def test_two_certain_alarms_are_told_apart() -> None:
    told = []
    for far in (1e3, 1e6, 1e12):
        account, _said = lived("correlated", 700)
        told.append(account.take(50.0, far))
    assert told == sorted(set(told), key=lambda score: score or 0.0)


@pytest.mark.parametrize("kind", NORMAL)
def test_its_memory_is_bounded(kind: str) -> None:
    account, _said = lived(kind, 2_000)
    series = len(NORMAL[kind](random.Random(0), 0))
    assert len(msgspec.msgpack.encode(account.slot)) <= MOST_BYTES_EACH * series


def test_the_day_is_the_one_of_the_place() -> None:
    """What is usual at nine in the morning stays so when the clocks change."""
    told = []
    for zone in ("UTC", "America/New_York"):
        account = Account(1, needs=200, rest=0)
        account.known.zone = zone
        chance = random.Random(4)
        # Forty days around 2026-03-08, with work from nine to five by the clock of New York.
        account.at = 1_770_000_000_000
        said = []
        for _ in range(40 * 24):
            account.at += HOUR_MS - FIVE_MINUTES_MS
            offset = 5 if account.at < 1_772_953_200_000 else 4
            working = 9 <= (account.at // HOUR_MS - offset) % 24 < 17
            said.append(account.take((40.0 if working else 4.0) + chance.random()))
        told.append(max(score for score in said[35 * 24 // 2 :] if score is not None))
    assert told[1] <= told[0]
