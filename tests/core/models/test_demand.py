"""What is expected follows the week and the level, and the interval holds what it promises."""

from __future__ import annotations

import math
import random

import msgspec
import pytest

from engine.core.models.demand import Demand, DemandState

WEEK = (20.0, 18.0, 18.0, 16.0, 12.0, 1.0, 0.0)


def arrivals(weeks: int, burst: float = 0.0, growth: float = 0.0) -> list[int]:
    """Poisson counts whose mean itself varies from day to day by `burst` and grows week by week."""
    chance, found = random.Random(8), []
    for day in range(7 * weeks):
        mean = WEEK[day % 7] * (1 + growth) ** (day / 7) * math.exp(chance.gauss(0, burst) if burst else 0.0)
        total, count = chance.expovariate(1.0), 0
        while total < mean:
            total += chance.expovariate(1.0)
            count += 1
        found.append(count)
    return found


def test_each_day_of_the_week_has_its_own_expectation() -> None:
    model = Demand(7)
    for day, count in enumerate(arrivals(60)):
        model.learn(day, count)
    for day, mean in enumerate(WEEK):
        assert model.expected(7 * 60 + day) == pytest.approx(mean, abs=2.0)
    assert model.weeks == 60


@pytest.mark.parametrize("burst", [0.0, 0.4])
def test_the_interval_holds_its_share(burst: float) -> None:
    model, inside = Demand(7), []
    for day, count in enumerate(arrivals(120, burst)):
        if day >= 7 * 20 and WEEK[day % 7] > 10:
            inside.append(model.most(day, 0.1) <= count <= model.most(day, 0.9))
        model.learn(day, count)
    assert 0.75 <= sum(inside) / len(inside) <= 0.95


def test_growth_is_followed() -> None:
    model, counts = Demand(7), arrivals(80, growth=0.02)
    for day, count in enumerate(counts):
        model.learn(day, count)
    assert model.expected(7 * 80) == pytest.approx(20 * 1.02**80, rel=0.25)


def test_nothing_known_is_nothing_expected() -> None:
    model = Demand(168)
    assert model.expected(5) < 0.01
    assert model.most(5, 0.9) == 0


def test_it_goes_on_after_a_restart() -> None:
    straight, broken = Demand(7), Demand(7)
    for day, count in enumerate(arrivals(10)):
        straight.learn(day, count)
        broken.learn(day, count)
        stored = msgspec.msgpack.encode(broken.state())
        broken = Demand(7, msgspec.msgpack.decode(stored, type=DemandState))
    assert broken.state() == straight.state()
