"""Few answers: what is believed of them, and that it does not matter when they were put away."""

from __future__ import annotations

import math
import random

import pytest

from engine.core.models.cautious import FIRST, SETTLED, TRIED, Cautious
from engine.core.models.chance import Chance

NOISE = 12


def answers(seed: int, count: int) -> list[tuple[list[float], bool]]:
    """A mood of small spread that decides, and numbers of large spread that mean nothing."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        mood = chance.uniform(-0.3, 0.3)
        happens = chance.random() < 1 / (1 + math.exp(2 + 10 * mood))
        found.append(([1.0, mood, *(chance.gauss(0, 3) for _ in range(NOISE))], happens))
    return found


def ranked_right(weights: list[float], tested: list[tuple[list[float], bool]]) -> float:
    scores = [(sum(a * b for a, b in zip(weights, numbers, strict=True)), yes) for numbers, yes in tested]
    pairs = [here > there for here, yes in scores if yes for there, no in scores if not no]
    return sum(pairs) / len(pairs)


def test_from_few_answers_it_believes_less_of_what_means_nothing() -> None:
    cautious, plain = 0.0, 0.0
    for seed in range(8):
        model, chance = Cautious(2 + NOISE), Chance(2 + NOISE)
        for numbers, happened in answers(seed, 100):
            model.learn(numbers, happened=happened)
            chance.learn(numbers, happened=happened)
        tested = answers(100 + seed, 300)
        cautious += ranked_right(model.weights(), tested) / 8
        plain += ranked_right(chance.state()[1], tested) / 8
    assert cautious > plain + 0.02


def test_from_many_answers_it_says_the_same() -> None:
    model, chance = Cautious(2 + NOISE), Chance(2 + NOISE)
    for numbers, happened in answers(1, 3_000):
        model.learn(numbers, happened=happened)
        chance.learn(numbers, happened=happened)
    tested = answers(2, 500)
    assert ranked_right(model.weights(), tested) == pytest.approx(ranked_right(chance.state()[1], tested), abs=0.01)


@pytest.mark.parametrize("every", [1, 7, FIRST, FIRST + 1])
def test_it_goes_on_from_its_state_as_if_nothing_had_been(every: int) -> None:
    model = stopped = Cautious(2 + NOISE)
    for number, (numbers, happened) in enumerate(answers(3, 2 * FIRST + 5)):
        if number % every == 0:
            stopped = Cautious(2 + NOISE, stopped.state())
        model.learn(numbers, happened=happened)
        if stopped is not model:
            stopped.learn(numbers, happened=happened)
        assert stopped.weights() == model.weights()
    assert stopped.state() == model.state()


def test_the_first_answers_are_put_away_once_they_are_learned_and_one_way_is_settled_on() -> None:
    model = Cautious(2 + NOISE)
    assert model.weights() == [0.0] * (2 + NOISE)
    kept = []
    for numbers, happened in answers(4, SETTLED):
        model.learn(numbers, happened=happened)
        first, attempts = model.state()
        kept.append((len(first), len(attempts)))
    assert kept[FIRST - 2 : FIRST] == [(FIRST - 1, 0), (0, len(TRIED))]
    assert kept[SETTLED - 2 :] == [(0, len(TRIED)), (0, 1)]


def test_what_shows_clearly_is_believed_soon() -> None:
    model, chance = Cautious(3), Chance(3)
    for numbers, happened in clear(1, 300):
        model.learn(numbers, happened=happened)
        chance.learn(numbers, happened=happened)
    assert model.weights() == pytest.approx(chance.state()[1], abs=0.5)


def clear(seed: int, count: int) -> list[tuple[list[float], bool]]:
    chance = random.Random(seed)
    rows = [[1.0, chance.gauss(0, 1), chance.gauss(0, 1)] for _ in range(count)]
    return [(row, chance.random() < 1 / (1 + math.exp(2 - 3 * row[1] + 2 * row[2]))) for row in rows]
