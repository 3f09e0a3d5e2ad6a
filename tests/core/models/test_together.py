"""Series are looked at together: a combination may be rare though each value in it is ordinary."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import msgspec
import pytest

from engine.core.models.together import Together, TogetherState

Row = Callable[[random.Random], Sequence[float]]
BUDGET_BYTES = {2: 2_400, 3: 3_100, 8: 6_700}


def together(common: float) -> Row:
    """Two bell-shaped series of other units that have so much in common."""

    def row(chance: random.Random) -> Sequence[float]:
        first, own = chance.gauss(0, 1), chance.gauss(0, 1)
        return 50 + 10 * first, 1e-3 * (common * first + math.sqrt(1 - common**2) * own)

    return row


def apart(chance: random.Random) -> Sequence[float]:
    return [chance.gauss(0, 1) for _ in range(8)]


NORMAL: dict[str, Row] = {
    "apart": apart,
    "loosely together": together(0.5),
    "closely together": together(0.99),
    "one and the same": together(1.0),
    "one of them never changing": lambda chance: (chance.gauss(0, 1), 5.0),
    "with long tails": lambda chance: (chance.expovariate(1), math.exp(chance.gauss(0, 0.5))),
}


def scores(rows: Sequence[Sequence[float]]) -> list[float]:
    model = Together(len(rows[0]))
    return [model.take(row) for row in rows]


def rows_of(kind: Row, count: int) -> list[Sequence[float]]:
    chance = random.Random(5)
    return [kind(chance) for _ in range(count)]


@pytest.mark.parametrize("kind", NORMAL)
def test_on_normal_data_p99_is_about_one_in_a_hundred(kind: str) -> None:
    given = scores(rows_of(NORMAL[kind], 6_000))[300:]
    assert 0.004 <= sum(score >= 2.0 for score in given) / len(given) <= 0.02


@pytest.mark.parametrize("common", [0.95, 1.0])
def test_what_never_goes_together_is_told_at_once(common: float) -> None:
    rows = rows_of(together(common), 800)
    usual, broken = scores([*rows, (65.0, 0.0015)])[-1], scores([*rows, (65.0, -0.0015)])[-1]
    assert usual < 2.0
    assert broken > 4.0


def test_a_combination_of_no_simple_shape_is_told_too() -> None:
    """Few calls may all fail; many never did."""
    chance = random.Random(3)
    rows = [
        (1.0, float(chance.random() < 0.3))
        if chance.random() < 0.4
        else (chance.gauss(20, 3), chance.gauss(0.05, 0.02))
        for _ in range(2_000)
    ]
    assert scores([*rows, (20.0, 0.7)])[-1] > 3.0
    assert scores([*rows, (1.0, 1.0)])[-1] < 2.0


def test_what_never_changed_is_left_to_its_own_series() -> None:
    rows = [(value, 5.0) for value, _ in rows_of(together(0.5), 400)]
    given = scores([*rows, (50.0, 9.0), *rows])
    assert max(given[401:]) < 4.0


def test_what_is_usual_from_now_on_becomes_usual() -> None:
    rows = rows_of(together(0.95), 800) + [(a, -b) for a, b in rows_of(together(0.95), 1_500)]
    given = scores(rows)
    assert max(given[800:900]) > 4.0
    assert sum(score >= 2.0 for score in given[-500:]) <= 15


@pytest.mark.parametrize("far", [1e3, 1e100])
def test_one_wild_row_teaches_little(far: float) -> None:
    rows = rows_of(together(0.95), 1_200)
    wild = [*rows[:600], (far, -far), *rows[600:]]
    assert scores(wild)[600] > 4.0
    # The next rows are as ordinary as they would have been, and a broken one is still found.
    assert max(scores(wild)[601:620]) < 3.0
    assert scores([*wild[:700], (65.0, -0.0015)])[-1] > 2.0


def test_two_certain_alarms_are_told_apart() -> None:
    rows = rows_of(together(0.95), 800)
    told = [scores([*rows, (far, -far)])[-1] for far in (1e3, 1e6, 1e12, 1e50)]
    assert told == sorted(set(told))


def test_nothing_is_said_of_the_first_rows() -> None:
    assert max(scores(rows_of(apart, 60))) == 0.0


@pytest.mark.parametrize("kind", NORMAL)
def test_a_restart_at_any_row_changes_no_score_and_no_byte(kind: str) -> None:
    rows = rows_of(NORMAL[kind], 300)
    straight, broken = Together(len(rows[0])), Together(len(rows[0]))
    for row in rows:
        assert straight.take(row) == broken.take(row)
        read = msgspec.msgpack.decode(msgspec.msgpack.encode(broken.state()), type=TogetherState)
        broken = Together(len(row), read)
    assert msgspec.msgpack.encode(broken.state()) == msgspec.msgpack.encode(straight.state())


@pytest.mark.parametrize("series", BUDGET_BYTES)
def test_the_state_stays_within_its_budget(series: int) -> None:
    model, chance = Together(series), random.Random(1)
    sizes = []
    for _ in range(300):
        model.take([chance.gauss(0, 1) for _ in range(series)])
        sizes.append(len(msgspec.msgpack.encode(model.state())))
    assert max(sizes) <= BUDGET_BYTES[series]
