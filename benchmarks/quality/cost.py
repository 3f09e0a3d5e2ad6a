"""What each model and measure costs: microseconds to judge and learn one thing, and bytes of state, beside River's own
estimator for the same; and what a measure adds to each event that goes through the engine.
"""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from river import anomaly, drift, linear_model, preprocessing, stats, time_series

import detectors
from engine.core.chain import Chain
from engine.core.meanings import departure_of
from engine.core.models.anomaly import Anomaly
from engine.core.models.chance import Chance
from engine.core.models.demand import Demand
from engine.core.models.rhythm import Rhythm
from engine.core.state import Entity, Stalls
from engine.model import Event, Record, Routed, Tick
from engine.ports import Learner, Sampling
from engine.shells.wiring import load_configuration, plan_of
from engine.spec.departures import UsualSpec

VALUES = 5_000
NUMBERS = 10
FIVE_MINUTES_MS = 300_000
HOURS = 168
MONDAY_MS = 1_767_571_200_000
ACCOUNTS, EVENTS = 100, 60_000

# A measure by each word of its own, as a detector would have it: its options, and the period or "" for sliding windows.
WORDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "anomaly_of_1": ("anomaly_of", {"of": ("a",)}, ""),
    "anomaly_of_3": ("anomaly_of", {"of": ("a", "b", "c")}, ""),
    "drift_of_adwin": ("drift_of", {"of": ("a",)}, ""),
    "drift_of_page_hinkley": ("drift_of", {"of": ("a",), "by": "page_hinkley"}, ""),
    "forecast_of": ("forecast_of", {"of": ("a",), "ahead": 4 * 3_600_000, "at": 0.8}, "1h"),
}
PROJECT = """
project: cost
entities: {account: account}
streams: {app: {events: [app.used]}}
sinks: {log: {kind: stdout}}
channels: {desk: log}
"""
HEAD = "detector: one\nowner: care\nreason: cost\nper: account\nwatch:\n  uses: {count: app.used, "
# The same events under each of these.
WATCHED = {
    "a_count": "over: 1h}\nwhen: {uses: {above: 1000}}\n",
    "usual_by_hour": "every: 1h}\nwhen: {uses: {above_usual_by: 9sd}}\n",
    "anomaly_of": "over: 1h}\n  odd: {anomaly_of: uses}\nwhen: {odd: {above: 99}}\n",
    "drift_of": "over: 1h}\n  shift: {drift_of: uses}\nwhen: {shift: {above: 99}}\n",
    "forecast_of": "every: 1h}\n  next: {forecast_of: uses, ahead: 4h}\nwhen: {next: {above: 9999}}\n",
}


def us_each(step: Callable[[int], object], count: int = VALUES) -> float:
    began = time.process_time()
    for number in range(count):
        step(number)
    return round((time.process_time() - began) / count * 1e6, 1)


def models(chance: random.Random) -> Iterator[tuple[str, float, object]]:
    """What a model takes while it is held in memory."""
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


def measures(chance: random.Random) -> Iterator[tuple[str, float, object]]:
    """What a sample takes in an entity's record, from which the model is made anew each time."""
    yield taken("usual_by_day", departure_of(UsualSpec(), "1d", "count", 1), 1, chance)
    yield taken("usual_by_hour", departure_of(UsualSpec(), "1h", "count", 1), 1, chance)
    for name, (word, options, period) in WORDS.items():
        kind: Any = detectors.load()[word]
        made = kind.options(**options)
        learner = kind.learner(word, made, Sampling(period=period, overlap=0 if period else 11))
        yield taken(name, learner, len(made.of), chance)


def taken(name: str, learner: Learner, series: int, chance: random.Random) -> tuple[str, float, object]:
    known, slot = Entity("account", "acme", 1, Stalls()), learner.fresh()
    rows = [[float(round(chance.gauss(50, 10))) for _ in range(series)] for _ in range(VALUES)]

    def take(number: int) -> None:
        learner.take(slot, MONDAY_MS + number * 3_600_000, rows[number], known)

    return name, us_each(take), slot


def rivers(chance: random.Random) -> Iterator[tuple[str, float, object]]:
    rows = [{f"x{place}": chance.gauss(0, 1) for place in range(NUMBERS)} for _ in range(VALUES)]
    values = [row["x0"] for row in rows]
    for series in (1, 3):
        trees = anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=7)
        few = [{f"x{place}": row[f"x{place}"] for place in range(series)} for row in rows]
        yield f"river_half_space_trees_{series}", us_each(judging(trees, [(row,) for row in few])), trees
    pairs = [(None, value) for value in values]
    bell, deviation = anomaly.GaussianScorer(), anomaly.StandardAbsoluteDeviation()
    yield "river_gaussian_scorer", us_each(judging(bell, pairs)), bell
    yield "river_standard_absolute_deviation", us_each(judging(deviation, pairs)), deviation
    quantile, windows, sums = stats.RollingQuantile(0.5, 56), drift.ADWIN(clock=1), drift.PageHinkley()
    yield "river_rolling_quantile_of_56", us_each(following(quantile, values)), quantile
    yield "river_adwin", us_each(lambda number: windows.update(values[number])), windows
    yield "river_page_hinkley", us_each(lambda number: sums.update(values[number])), sums
    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    yield "river_logistic_regression_of_10_numbers", us_each(answering(model, rows)), model
    winters = time_series.HoltWinters(alpha=0.1, beta=0.05, gamma=0.1, seasonality=24)
    yield "river_holt_winters", us_each(looking_ahead(winters, values)), winters
    arima = time_series.SNARIMAX(p=1, d=0, q=1, m=24, sp=1, sq=1)
    yield "river_snarimax", us_each(looking_ahead(arima, values), VALUES // 5), arima


def judging(scorer: Any, given: Sequence[tuple[Any, ...]]) -> Callable[[int], object]:
    def step(number: int) -> None:
        scorer.score_one(*given[number])
        scorer.learn_one(*given[number])

    return step


def following(statistic: Any, values: Sequence[float]) -> Callable[[int], object]:
    def step(number: int) -> None:
        statistic.update(values[number])
        statistic.get()

    return step


def answering(model: Any, rows: Sequence[dict[str, float]]) -> Callable[[int], object]:
    def step(number: int) -> None:
        model.predict_proba_one(rows[number])
        model.learn_one(rows[number], rows[number]["x0"] > 0)

    return step


def looking_ahead(forecaster: Any, values: Sequence[float]) -> Callable[[int], object]:
    def step(number: int) -> None:
        forecaster.learn_one(abs(values[number]))
        if number > 2 * 24:
            forecaster.forecast(horizon=4)

    return step


def records() -> list[Record]:
    """One event a minute for each account."""
    found: list[Record] = []
    for number in range(EVENTS):
        key, at = f"a{number % ACCOUNTS}", MONDAY_MS + number * 60_000 // ACCOUNTS
        event = Event(f"e{number}", "app.used", at, "app", {"account": key}, {})
        found.append(Routed("account", key, number, event))
        if number % ACCOUNTS == 0:
            found.append(Tick(at))
    return found


def us_per_event(watched: str, given: Sequence[Record]) -> float:
    with TemporaryDirectory() as folder:
        config = Path(folder)
        (config / "detectors").mkdir()
        (config / "beforehand.yml").write_text(PROJECT)
        (config / "detectors" / "one.yml").write_text(HEAD + watched)
        chain = Chain(plan_of(load_configuration(config)))
    began = time.process_time()
    chain.take_all(given)
    return round((time.process_time() - began) / EVENTS * 1e6, 1)


def measure(_data: Path, note: Callable[[str, float], None]) -> None:
    for kind in (models, measures):
        for name, took_us, state in kind(random.Random(7)):
            note(f"cost_{name}_us", took_us)
            note(f"cost_{name}_bytes", len(msgspec.msgpack.encode(state)))
    for name, took_us, model in rivers(random.Random(7)):
        note(f"cost_{name}_us", took_us)
        # River has no other form to keep a model in; ours are never pickled.
        note(f"cost_{name}_bytes", len(pickle.dumps(model)))
    given = records()
    for name, watched in WATCHED.items():
        note(f"cost_event_under_{name}_us", us_per_event(watched, given))
