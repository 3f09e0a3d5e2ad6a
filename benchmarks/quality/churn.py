"""Who will not buy within 90 days: each customer every 28 days after the first purchase, predicted with what was known
on that day by a model that had seen only answers 90 days old.
"""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from measures import auc, average_precision, calibration_error, precision_at_share
from river import linear_model, preprocessing

from engine.core.models.chance import Chance
from engine.core.models.rhythm import DAY_MS, NAMES, Rhythm

LOG = "CDNOW_master.txt.gz"
EVERY_DAYS = 28
HORIZON_DAYS = 90
TESTED_DAYS = 84  # the last snapshots of each customer


@dataclass(frozen=True)
class Purchase:
    day: int
    customer: str
    units: int
    amount: float


@dataclass
class Snapshot:
    """A customer on a day, and what was said then."""

    day: int
    customer: str
    times: int
    since_days: int
    numbers: list[float]
    chance: float = 0.0


def purchases(path: Path) -> list[Purchase]:
    with gzip.open(path, "rt") as lines:
        rows = [line.split() for line in lines]
    days = [date(int(at[:4]), int(at[4:6]), int(at[6:])).toordinal() for _, at, _, _ in rows]
    found = [
        Purchase(day - min(days), customer, int(units), float(amount))
        for day, (customer, _, units, amount) in zip(days, rows, strict=True)
    ]
    return sorted(found, key=lambda one: (one.day, one.customer))


def snapshots(log: list[Purchase]) -> Iterator[Snapshot]:
    """In order of time, from what each customer's own state says on that day."""
    rhythms: dict[str, Rhythm] = {}
    bought: dict[str, tuple[int, int]] = {}
    due: dict[int, list[str]] = {}
    waiting = deque(log)
    last = log[-1].day - HORIZON_DAYS
    for day in range(last + 1):
        while waiting and waiting[0].day == day:
            one = waiting.popleft()
            if one.customer not in rhythms:
                rhythms[one.customer] = Rhythm()
                due.setdefault(day + EVERY_DAYS, []).append(one.customer)
            rhythms[one.customer].learn(day * DAY_MS, one.amount, one.units)
            times, latest = bought.get(one.customer, (0, -1))
            bought[one.customer] = (times + (latest != day), day)
        for customer in due.pop(day, []):
            due.setdefault(day + EVERY_DAYS, []).append(customer)
            times, latest = bought[customer]
            yield Snapshot(day, customer, times, day - latest, rhythms[customer].numbers(day * DAY_MS))


def answers(log: list[Purchase]) -> Callable[[Snapshot], bool]:
    """Whether a customer bought nothing within 90 days after a snapshot."""
    days: dict[str, list[int]] = {}
    for one in log:
        days.setdefault(one.customer, []).append(one.day)
    return lambda taken: not any(taken.day < day <= taken.day + HORIZON_DAYS for day in days[taken.customer])


class Learner(Protocol):
    def predict(self, numbers: Sequence[float]) -> float: ...
    def learn(self, numbers: Sequence[float], *, happened: bool) -> None: ...


class Rivers:
    """River's logistic regression over the same numbers."""

    def __init__(self) -> None:
        self._model = preprocessing.StandardScaler() | linear_model.LogisticRegression()

    def predict(self, numbers: Sequence[float]) -> float:
        return float(self._model.predict_proba_one(dict(zip(NAMES, numbers, strict=True)))[True])

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        self._model.learn_one(dict(zip(NAMES, numbers, strict=True)), happened)


def predicted(log: list[Purchase], model: Learner) -> list[Snapshot]:
    """All snapshots with the chance that was said at the time."""
    churned = answers(log)
    waiting: deque[Snapshot] = deque()
    done = []
    for one in snapshots(log):
        while waiting and waiting[0].day + HORIZON_DAYS <= one.day:
            old = waiting.popleft()
            model.learn(old.numbers, happened=churned(old))
        one.chance = model.predict(one.numbers)
        waiting.append(one)
        done.append(one)
    return done


def last_of(done: list[Snapshot]) -> list[Snapshot]:
    last = {one.customer: one.day for one in done}
    return [one for one in done if one.day > last[one.customer] - TESTED_DAYS]


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    log = purchases(data / LOG)
    churned = answers(log)
    tested = last_of(predicted(log, Chance(len(NAMES))))
    rivers = [one.chance for one in last_of(predicted(log, Rivers()))]
    for name, chosen in (("all", tested), ("repeat", [one for one in tested if one.times >= 2])):
        truths = [churned(one) for one in chosen]
        stays = [not truth for truth in truths]
        chances, rule = [one.chance for one in chosen], [float(one.since_days) for one in chosen]
        note(f"churn_tested_{name}", len(chosen))
        note(f"churn_share_{name}", round(sum(truths) / len(truths), 4))
        note(f"churn_auc_{name}", round(auc(chances, truths), 4))
        note(f"churn_auc_{name}_recency", round(auc(rule, truths), 4))
        river = [chance for chance, one in zip(rivers, tested, strict=True) if name == "all" or one.times >= 2]
        note(f"churn_auc_{name}_river", round(auc(river, truths), 4))
        note(f"churn_calibration_error_{name}", round(calibration_error(chances, truths), 4))
        for kind, scores in (("", chances), ("_recency", rule)):
            staying = [-score for score in scores]
            note(f"churn_average_precision_of_staying_{name}{kind}", round(average_precision(staying, stays), 4))
            note(f"churn_precision_top_tenth_{name}{kind}", round(precision_at_share(scores, truths, 0.1), 4))
            note(
                f"churn_precision_of_staying_top_tenth_{name}{kind}", round(precision_at_share(staying, stays, 0.1), 4)
            )
