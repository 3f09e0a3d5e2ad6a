"""The two parts of the anomaly score, each for itself."""

from __future__ import annotations

import random

import pytest

from engine.core.models.novelty import REMEMBERED, Novelty
from engine.core.models.tail import Tail


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("score", "share"), [(2.0, 0.01), (3.0, 0.001)])
def test_a_tail_says_how_rare_a_number_is_in_any_unit(scale: float, score: float, share: float) -> None:
    chance, tail = random.Random(3), Tail()
    seen = []
    for _ in range(40_000):
        number = chance.expovariate(1.0) * scale
        seen.append(tail.score(number))
        tail.learn(number)
    late = seen[2_000:]
    assert share / 2 <= sum(one >= score for one in late) / len(late) <= share * 2


def test_a_tail_follows_what_has_grown() -> None:
    chance, tail = random.Random(3), Tail()
    for scale in (1.0, 10.0):
        for _ in range(6_000):
            tail.learn(chance.expovariate(1.0) * scale)
    assert tail.score(6.0) == 0.0
    assert tail.score(100.0) > 3.0


def test_one_absurd_number_does_not_make_absurd_numbers_usual() -> None:
    chance = random.Random(3)
    numbers = [chance.expovariate(1.0) for _ in range(2_000)]
    calm, shocked = Tail(), Tail()
    for number in numbers:
        calm.learn(number)
        shocked.learn(number)
    shocked.learn(1e9)
    assert shocked.score(12.0) > 0.8 * calm.score(12.0)


def test_nothing_is_said_before_the_warm_up() -> None:
    tail = Tail()
    for number in range(49):
        tail.learn(float(number))
    assert not tail.warm
    assert tail.score(1e9) == 0.0
    tail.learn(50.0)
    assert tail.warm
    assert tail.score(1e9) > 3.0


def test_a_memory_of_few_points_answers_like_a_memory_of_all() -> None:
    chance, memory = random.Random(5), Novelty((1.0, 1.0))
    past: list[tuple[float, float, float]] = []
    worst = 0.0
    for number in range(3_000):
        point = (chance.gauss(0, 1), chance.gauss(0, 1), 0.0)
        told = memory.take(point)
        if number > 500:
            exact = min(abs(point[0] - one[0]) + abs(point[1] - one[1]) for one in past)
            assert told is not None
            assert told >= exact - 1e-12
            worst = max(worst, told - exact)
        past.append(point)
    # Never surer than the truth that something is known, and not far off where it is new.
    assert worst < 1.5
    assert len(memory.state()[2]) <= REMEMBERED


def test_what_weighs_nothing_does_not_matter() -> None:
    memory = Novelty((0.0, 0.0))
    assert memory.take((1.0, 5.0, 5.0)) is None
    assert memory.take((1.5, -5.0, 0.0)) == 0.5
    assert memory.distance((1.0, 99.0, 99.0)) == 0.0


def test_what_was_not_met_for_long_gives_way_to_what_is_new() -> None:
    memory = Novelty((0.0, 0.0))
    memory.take((-1_000.0, 0.0, 0.0))
    for number in range(20_000):
        # A course that never comes back.
        memory.take((number / 100, 0.0, 0.0))
    distance = memory.distance((-1_000.0, 0.0, 0.0))
    assert distance is not None
    assert distance > 900
