"""One setting scores every series: the rare is rare on normal data of any kind, and a restart changes nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec
import pytest

from engine.core.models.anomaly import Anomaly, AnomalyState
from engine.core.models.rest import Rest

FIVE_MINUTES_MS = 300_000
DAY_MS = 86_400_000
BUDGET_BYTES = 11_000

Kind = Callable[[random.Random, int], float]


def even(chance: random.Random, _at_ms: int) -> float:
    return chance.random()


def daily(at_ms: int) -> float:
    return math.sin(2 * math.pi * at_ms / DAY_MS)


NORMAL: dict[str, Kind] = {
    "bell-shaped": lambda chance, at_ms: chance.gauss(50, 10),
    "of tiny unit": lambda chance, at_ms: chance.gauss(5, 1) * 1e-6,
    "of huge unit": lambda chance, at_ms: chance.gauss(5, 1) * 1e9,
    "with a long tail": lambda chance, at_ms: math.exp(chance.gauss(0, 1)),
    "with days and nights": lambda chance, at_ms: 100 + 30 * daily(at_ms) + chance.gauss(0, 5),
    "counts": lambda chance, at_ms: float(sum(chance.random() < 0.06 + 0.04 * daily(at_ms) for _ in range(100))),
}


def series(kind: Kind, count: int, seed: int = 1) -> list[tuple[int, float]]:
    chance = random.Random(seed)
    return [(number * FIVE_MINUTES_MS, kind(chance, number * FIVE_MINUTES_MS)) for number in range(count)]


def scores(values: list[tuple[int, float]]) -> list[float]:
    model = Anomaly()
    return [model.take(at_ms, value) for at_ms, value in values]


def stored(model: Anomaly) -> bytes:
    return msgspec.msgpack.encode(model.state())


def restored(state: bytes) -> Anomaly:
    return Anomaly(msgspec.msgpack.decode(state, type=AnomalyState))


@pytest.mark.parametrize("kind", NORMAL)
def test_on_normal_data_p99_is_about_one_in_a_hundred(kind: str) -> None:
    given = scores(series(NORMAL[kind], 8_000))[500:]
    assert 0.004 <= sum(score >= 2.0 for score in given) / len(given) <= 0.02
    assert sum(score >= 3.0 for score in given) / len(given) <= 0.005


def test_a_series_without_a_tail_is_told_of_less_often() -> None:
    given = scores(series(even, 4_000))[500:]
    assert sum(score >= 2.0 for score in given) / len(given) <= 0.01


def test_a_repeated_course_is_never_unusual() -> None:
    given = scores([(at_ms, float(at_ms % DAY_MS >= DAY_MS // 2)) for at_ms, _ in series(even, 3_000)])
    assert max(given[1_000:]) < 2.0


@pytest.mark.parametrize("off", [-40.0, 40.0, 200.0])
def test_what_stands_out_is_told_at_once(off: float) -> None:
    values = series(NORMAL["bell-shaped"], 2_000)
    values[1_500] = (values[1_500][0], 50 + off + (math.copysign(30, off)))
    assert scores(values)[1_500] >= 3.0


def test_a_value_usual_by_day_is_unusual_by_night() -> None:
    values = [(at_ms, 10 + 10 * math.copysign(1, daily(at_ms)) + 0.1 * (at_ms % 7)) for at_ms, _ in series(even, 3_100)]
    at_night = 2_880 + 216  # six in the evening of the eleventh day, when nights begin at noon
    values = values[: at_night + 1]
    assert daily(values[at_night][0]) < 0
    usual = scores(values)[at_night]
    for number in range(at_night - 5, at_night + 1):
        values[number] = (values[number][0], 20.0)
    assert max(scores(values)[-6:]) > max(3.0, usual)


def test_two_certain_alarms_are_told_apart() -> None:
    values = series(NORMAL["bell-shaped"], 1_000)
    told = []
    for far in (1e3, 1e6, 1e12):
        values[-1] = (values[-1][0], far)
        told.append(scores(values)[-1])
    assert told[0] < told[1] < told[2]


def test_scores_never_look_ahead() -> None:
    values = series(NORMAL["counts"], 600)
    assert scores(values)[:400] == scores(values[:400])


@pytest.mark.parametrize("kind", NORMAL)
def test_a_restart_at_any_value_changes_no_score_and_no_byte(kind: str) -> None:
    values = series(NORMAL[kind], 700)
    straight, broken = Anomaly(), Anomaly()
    for at_ms, value in values:
        assert straight.take(at_ms, value) == broken.take(at_ms, value)
        broken = restored(stored(broken))
    assert stored(broken) == stored(straight)


@pytest.mark.parametrize("kind", NORMAL)
def test_the_state_stays_within_its_budget(kind: str) -> None:
    model = Anomaly()
    for at_ms, value in series(NORMAL[kind], 5_000):
        model.take(at_ms, value)
    assert len(stored(model)) <= BUDGET_BYTES


def test_the_first_values_are_never_unusual() -> None:
    assert max(scores([(number, float(number % 2 * 1e9)) for number in range(50)])) == 0.0


def test_after_an_alarm_it_rests_also_over_a_restart() -> None:
    rest = Rest(level=3.0, points=4)
    told = []
    for score in (1.0, 3.5, 9.0, 9.0, 9.0, 9.0, 4.0, 9.0):
        told.append(rest.take(score))
        rest = Rest(level=3.0, points=4, left=rest.state())
    assert told == [1.0, 3.5, 0.0, 0.0, 0.0, 0.0, 4.0, 0.0]


def test_an_infinite_value_is_unusual_and_all_scores_stay_finite() -> None:
    values = series(NORMAL["bell-shaped"], 1_000)
    values[600] = (values[600][0], math.inf)
    given = scores(values)
    assert given[600] > 3.0
    assert all(math.isfinite(score) for score in given)
