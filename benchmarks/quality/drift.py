"""How soon a model that got worse is noticed, and how often it is said of one that did not, in made-up answers.

Fifty answers a day reach a real model, each asked by the newest snapshot and learned by the next midnight. On a day of
the second half year the world changes. What the model was judged to be on each day goes through `drift_of`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from detectors.drift import Drift, Options
from engine.core.examples import Example, Models, numbers_of
from engine.core.judged import Judged
from engine.core.learning import Learn
from engine.core.models.classifiers import chance_at, mark_of
from engine.core.state import Entity, Stalls
from engine.core.teaching import ModelSpec
from engine.model import DAY_MS

ANSWERS, NEEDS = 50, 200
CHANGE, DAYS, YEAR = 240, 360, 365
WORLDS = 20
FROM = 30  # before it, the model still learns what there is to know
SPEC = ModelSpec(
    id="m", name="m.m", learner="logistic_regression", learners=("logistic_regression",), inputs=("a", "b"),
    needs=NEEDS, within_ms=DAY_MS,
)  # fmt: skip


class World(NamedTuple):
    """Log odds: of somebody average, and for each unit of either measure."""

    odds: float
    a: float
    b: float


BEFORE = World(-2.2, 1.2, -0.8)
CHANGES = {
    "none": BEFORE,
    "rarer": World(-3.2, 1.2, -0.8),
    "half_more": World(-1.7, 1.2, -0.8),
    "twice": World(-1.2, 1.2, -0.8),
    "nothing_foretells": World(-1.65, 0.0, 0.0),
    "the_reverse": World(-2.2, -1.2, 0.8),
}


def judged_days(change: World, days: int, seed: int) -> Iterator[tuple[int, Judged]]:
    """What each day was judged to be, where anything was said."""
    random, models = Random(seed), Models()
    learn = Learn({SPEC.id: SPEC}, models)
    learn.on_tick(0)
    learn.state.until = DAY_MS
    for day in range(days):
        learn.take(_answers(random, models, BEFORE if day < CHANGE else change, day))
        learn.on_tick((day + 1) * DAY_MS)
        snapshot = learn.given[-1]
        learn.given.clear()
        if snapshot.judged:
            yield day, snapshot.judged[SPEC.learner]


def _answers(random: Random, models: Models, world: World, day: int) -> Iterator[Example]:
    at = day * DAY_MS + DAY_MS // 2
    snapshot = models.in_force(SPEC.id, at)
    for who in range(ANSWERS):
        # Such as `numbers_of` makes into numbers that spread like the bell.
        values = tuple(math.copysign(math.expm1(abs(each)), each) for each in (random.gauss(0, 1), random.gauss(0, 1)))
        _one, a, _squared, _unknown, b, *_rest = numbers_of(values)
        happens = random.random() < chance_at(world.odds + world.a * a + world.b * b)
        knows = snapshot is not None and snapshot.is_enough(NEEDS)
        chances = (chance_at(snapshot.log_odds(SPEC.learner, values)),) if snapshot and knows else ()
        told_by = (mark_of(SPEC.learner),) if chances else ()
        came_at = at if happens else 0
        yield Example(SPEC.id, at, who, day * DAY_MS, values, came_at, chances=chances, told_by=told_by)


FIGURES: dict[str, Callable[[Judged], float]] = {
    "log_loss": lambda day: day.log_loss,
    "off_by": lambda day: day.off_by,
    "surplus": lambda day: (day.came - day.expected) / day.answers,
}
WAYS = {
    "adwin": Options(of=("x",)),
    "page_hinkley": Options(of=("x",), by="page_hinkley"),
    "page_hinkley_8": Options(of=("x",), by="page_hinkley", threshold=8),
}


def shifts(days: Sequence[tuple[int, float]], options: Options) -> Iterator[tuple[int, float]]:
    """(day, how far) of each shift that is news."""
    drift, known = Drift(options), Entity("model", "m.m", 1, Stalls())
    slot, said = drift.fresh(), 0.0
    for day, value in days:
        drift.take(slot, day, [value], known)
        found = drift.value(slot)
        if isinstance(found, float) and found and found != said:
            yield day, found
        said = found if isinstance(found, float) else 0.0


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    """Days of answers from the change until a shift is told, and how many are told in a year without a change.

    Of what should be low, a shift up; of the surplus, either way.
    """
    for change, world in CHANGES.items():
        days = YEAR + CHANGE if change == "none" else DAYS
        told = [list(judged_days(world, days, seed)) for seed in range(WORLDS)]
        for figure, of in FIGURES.items():
            series = [[(day, of(judged)) for day, judged in one if day >= FROM] for one in told]
            for way, options in WAYS.items():
                is_low = figure != "surplus"
                told_of = [[day for day, far in shifts(one, options) if far > 0 or not is_low] for one in series]
                _note(f"drift_{change}_{figure}_{way}", told_of, note)


def _note(name: str, told: Sequence[Sequence[int]], note: Callable[[str, float], None]) -> None:
    if "_none_" in name:
        note(f"{name}_a_year", round(sum(day >= CHANGE for one in told for day in one) / len(told), 3))
        return
    first = [next((day - CHANGE + 1 for day in one if day >= CHANGE), 0) for one in told]
    found = [days for days in first if days]
    note(f"{name}_found", round(len(found) / len(first), 3))
    note(f"{name}_days", median(found) if found else 0)
