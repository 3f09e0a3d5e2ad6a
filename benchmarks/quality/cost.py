"""What each model costs: microseconds to score and learn one thing, and bytes of state, beside River's for the same."""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from river import anomaly, linear_model, preprocessing, time_series

from engine.core.models.anomaly import Anomaly
from engine.core.models.chance import Chance
from engine.core.models.demand import Demand
from engine.core.models.rhythm import Rhythm

VALUES = 5_000
NUMBERS = 10
FIVE_MINUTES_MS = 300_000
HOURS = 168


def us_each(step: Callable[[int], object], count: int = VALUES) -> float:
    began = time.process_time()
    for number in range(count):
        step(number)
    return round((time.process_time() - began) / count * 1e6, 1)


def ours(chance: random.Random) -> Iterator[tuple[str, float, object]]:
    values = [chance.gauss(50, 10) for _ in range(VALUES)]
    rows = [[1.0, *(chance.gauss(0, 1) for _ in range(NUMBERS - 1))] for _ in range(VALUES)]
    unusual, model, rhythm, demand = Anomaly(), Chance(NUMBERS), Rhythm(), Demand(HOURS)

    def answer(number: int) -> None:
        model.predict(rows[number])
        model.learn(rows[number], happened=rows[number][1] > 0)

    def buy(number: int) -> None:
        rhythm.learn(number * FIVE_MINUTES_MS, 10.0)
        rhythm.numbers(number * FIVE_MINUTES_MS)

    def count(number: int) -> None:
        demand.learn(number, abs(values[number]))
        demand.expected(number + HOURS)

    yield "anomaly", us_each(lambda number: unusual.take(number * FIVE_MINUTES_MS, values[number])), unusual.state()
    yield "chance_of_10_numbers", us_each(answer), model.state()
    yield "rhythm", us_each(buy), rhythm.state()
    yield "demand_by_hour", us_each(count), demand.state()


def rivers(chance: random.Random) -> Iterator[tuple[str, float, object]]:
    rows = [{f"x{place}": chance.gauss(0, 1) for place in range(NUMBERS)} for _ in range(VALUES)]
    trees = anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=7)
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    winters = time_series.HoltWinters(alpha=0.1, beta=0.05, gamma=0.1, seasonality=24)

    def score(number: int) -> None:
        trees.score_one({"x": rows[number]["x0"]})
        trees.learn_one({"x": rows[number]["x0"]})

    def answer(number: int) -> None:
        model.predict_proba_one(rows[number])
        model.learn_one(rows[number], rows[number]["x0"] > 0)

    def count(number: int) -> None:
        winters.learn_one(abs(rows[number]["x0"]))
        if number > 2 * 24:
            winters.forecast(horizon=1)

    yield "river_half_space_trees", us_each(score), trees
    yield "river_logistic_regression_of_10_numbers", us_each(answer), model
    yield "river_holt_winters", us_each(count), winters


def measure(_data: Path, note: Callable[[str, float], None]) -> None:
    for name, took_us, state in ours(random.Random(7)):
        note(f"cost_{name}_us", took_us)
        note(f"cost_{name}_bytes", len(msgspec.msgpack.encode(state)))
    for name, took_us, model in rivers(random.Random(7)):
        note(f"cost_{name}_us", took_us)
        # River has no other form to keep a model in; ours are never pickled.
        note(f"cost_{name}_bytes", len(pickle.dumps(model)))
