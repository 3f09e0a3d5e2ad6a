"""`forecast_of`: what is coming follows the week as it is at the place, and says nothing before two weeks."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from detectors.forecast import ForecastOf, Options
from engine.core.state import Entity, Stalls
from engine.model import DAY_MS, HOUR_MS, WEEK_MS, Scalar
from engine.ports import Joining, Sampling

MONDAY = 1_767_571_200_000  # 2026-01-05
SPRING_FORWARD = 1_774_746_000_000  # 2026-03-29 01:00 UTC, in Berlin


class Queue:
    def __init__(self, period: str = "1h", zone: str = "UTC", **options: Any) -> None:
        given = Options(of=("arrivals",), **options)
        assert not ForecastOf().period_problems("forecast_of", given, period)
        self.learner = ForecastOf().learner("forecast_of", given, Sampling(period=period))
        self.slot = self.learner.fresh()
        self.known = Entity("queue", "billing", 1, Stalls())
        self.known.zone = zone

    def take(self, end: int, count: Scalar) -> Scalar:
        """What came in the period that ends there."""
        self.learner.take(self.slot, end - 1, [count], self.known)
        return self.learner.value(self.slot)


def hour_in_berlin(at: int) -> int:
    return (at // HOUR_MS + (2 if at >= SPRING_FORWARD else 1)) % 24


def busy(hour: int) -> float:
    """Twelve an hour from eight to four on working days."""
    return 12.0 if hour // 24 % 7 < 5 and 8 <= hour % 24 < 16 else 0.5


def arrivals(chance: random.Random, mean: float) -> int:
    total, count = chance.expovariate(1.0), 0
    while total < mean:
        total += chance.expovariate(1.0)
        count += 1
    return count


def lived(queue: Queue, weeks: int, seed: int = 3) -> list[Scalar]:
    chance = random.Random(seed)
    hours = range(168 * weeks)
    return [queue.take(MONDAY + (hour + 1) * HOUR_MS, arrivals(chance, busy(hour))) for hour in hours]


def test_it_says_nothing_before_two_weeks() -> None:
    said = lived(Queue(ahead=4 * HOUR_MS), 3)
    assert set(said[:335]) == {None}
    assert None not in said[335:]


def test_what_is_expected_is_added_up_over_the_hours_ahead() -> None:
    said = lived(Queue(ahead=4 * HOUR_MS), 20)
    last_week = said[-168:]
    assert last_week[7] == pytest.approx(48, rel=0.2)  # Monday at eight: eight to twelve
    assert last_week[5] == pytest.approx(25, rel=0.2)  # at six: two quiet hours and two busy ones
    assert last_week[24 * 5 + 7] == pytest.approx(2, abs=1.5)  # Saturday at eight


@pytest.mark.parametrize(("ahead", "share"), [(1, 0.8), (4, 0.8), (4, 0.95)])
def test_so_many_are_not_exceeded_in_that_share_of_times(ahead: int, share: float) -> None:
    chance, queue = random.Random(5), Queue(ahead=ahead * HOUR_MS, at=share)
    counts = [arrivals(chance, busy(hour)) for hour in range(168 * 30)]
    kept = []
    for hour, count in enumerate(counts):
        most = queue.take(MONDAY + (hour + 1) * HOUR_MS, count)
        came = sum(counts[hour + 1 : hour + 1 + ahead])
        if hour > 168 * 10 and most is not None and busy(hour + 1) > 1:
            assert isinstance(most, int)
            kept.append(came <= most)
    assert share - 0.04 <= sum(kept) / len(kept) <= share + 0.09


def test_hundreds_an_hour_are_foreseen_as_well() -> None:
    chance, queue = random.Random(5), Queue(ahead=8 * HOUR_MS, at=0.9)
    said: Scalar = None
    for hour in range(168 * 4):
        said = queue.take(MONDAY + (hour + 1) * HOUR_MS, round(chance.gauss(400, 20)))
    assert isinstance(said, int)
    assert 3_200 < said < 3_400


def test_the_place_of_the_week_is_that_of_the_clock_on_the_wall() -> None:
    """Work begins at eight in Berlin, before and after the clocks change."""
    queue, told = Queue(zone="Europe/Berlin", ahead=HOUR_MS), []
    begin = SPRING_FORWARD - 8 * WEEK_MS
    for hour in range(10 * 168):
        end = begin + (hour + 1) * HOUR_MS
        said = queue.take(end, 12 if 8 <= hour_in_berlin(end - 1) < 16 else 0)
        if hour > 6 * 168:
            told.append((hour_in_berlin(end), said))
    assert {hour for hour, said in told if isinstance(said, float) and said > 6} == set(range(8, 16))


def test_by_day_it_knows_the_days_of_the_week() -> None:
    queue = Queue("1d", ahead=DAY_MS)
    said = [queue.take(MONDAY + (day + 1) * DAY_MS, 0 if day % 7 > 4 else 20) for day in range(70)]
    assert [value is None for value in said[:15]] == [True] * 13 + [False] * 2
    assert [round(float(value or 0)) for value in said[-7:]] == [20, 20, 20, 20, 0, 0, 20]


def test_a_day_on_which_nothing_was_known_is_not_learned() -> None:
    queue = Queue("1d", ahead=DAY_MS)
    for day in range(70):
        queue.take(MONDAY + (day + 1) * DAY_MS, None if day % 14 == 2 else 20)
    said = queue.learner.value(queue.slot)
    assert isinstance(said, float)
    assert math.isclose(said, 20, rel_tol=0.01)


def test_the_busiest_hour_is_seen_hours_before_it_begins() -> None:
    """At four in the morning the working day is eight hours long, and no hour of it is like the others' sum."""
    busiest = Queue(ahead=8 * HOUR_MS, as_="busiest")
    until = Queue(ahead=8 * HOUR_MS, as_="hours_until_busiest")
    chance = random.Random(3)
    for hour in range(168 * 6 + 29):  # until Tuesday at five
        count = arrivals(chance, busy(hour) + (9 if hour % 24 == 10 else 0))
        said, hours = (
            busiest.take(MONDAY + (hour + 1) * HOUR_MS, count),
            until.take(MONDAY + (hour + 1) * HOUR_MS, count),
        )
    assert isinstance(said, float)
    assert 16 < said < 28
    assert hours == 5


def test_what_is_expected_lies_between_its_ends() -> None:
    queues = [Queue(ahead=4 * HOUR_MS, **at) for at in ({"at": 0.1}, {}, {"at": 0.9})]
    said = [[float(value or 0) for value in lived(queue, 4)[-168:]] for queue in queues]
    busy_times = [each for each in zip(*said, strict=True) if each[1] > 3]
    assert len(busy_times) > 50
    assert all(low < middle < high for low, middle, high in busy_times)


def test_several_that_look_ahead_from_one_measure_keep_one_memory() -> None:
    one, other, hourly = Queue(ahead=4 * HOUR_MS), Queue(ahead=8 * HOUR_MS, at=0.9), Queue("2h", ahead=4 * HOUR_MS)
    assert one.learner.identity == other.learner.identity != hourly.learner.identity
    assert isinstance(one.learner, Joining)
    one.learner.join(other.learner)
    assert [value for value in lived(one, 3) if value is not None]
    assert lived(other, 3)[-1] == other.learner.value(one.slot)
    assert other.learner.value(other.learner.fresh()) is None
