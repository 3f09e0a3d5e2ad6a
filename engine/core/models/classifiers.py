"""The learners that `chance_of` can choose from: how likely something is, from a few numbers, one answer at a time.

One that learns stays with its owner. What it gives away is frozen, and from that anybody can tell the same chance. Of
our own both are plain lists of numbers; a model of River is taken apart into numbers and names. No code ever travels
with them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Protocol, TypeAlias

from engine.core.models.cautious import Cautious
from engine.core.models.chance import STEEPEST, Chance, ChanceState
from engine.core.models.river_learner import RiverLearner, odds_of, trouble_with
from engine.ports import Slot
from engine.spec.learners import RIVER

# What is given away: of our own learners numbers, of River's a model that was taken apart. Empty: it knows too little.
Frozen: TypeAlias = list[float] | bytes

# Of all models of River in one snapshot: a record of Kafka holds a third less, as it is written as text.
MOST_TOGETHER = 700 * 1024
# Answers of each kind before naive Bayes says anything, and the least spread that it takes a number to have.
LEAST_OF_A_KIND, LEAST_SPREAD = 2, 0.05


class Classifier(Protocol):
    """Learns from answers. `numbers` are always the same ones in the same order, the first the constant 1."""

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        """What came of what was known then."""

    def state(self) -> Slot:
        """All that it has learned, to go on from."""

    def frozen(self) -> Frozen:
        """As much of it as it takes to tell chances."""


class LogisticRegression:
    """Newton's steps, one per answer. State: that of a `Cautious`. Frozen: a weight for each number."""

    def __init__(self, numbers: int, state: Slot | None = None) -> None:
        self._chance = Cautious(numbers, state)

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        self._chance.learn(numbers, happened=happened)

    def state(self) -> Slot:
        return self._chance.state()

    def frozen(self) -> list[float]:
        return self._chance.weights()


class NaiveBayes:
    """Each number by itself, as if it knew nothing of the others, with its evidence then set right against the answers.

    State: [how many, means, sums of squares] of no and of yes, and the `Chance` that sets the evidence right. Frozen:
    its two weights, then for each number the mean and spread of no and of yes; nothing while it knows too little.
    """

    def __init__(self, numbers: int, state: Slot | None = None) -> None:
        nothing = [[0, [0.0] * numbers, [0.0] * numbers] for _ in range(2)]
        self._kinds: list[Slot] = [list(kind) for kind in state[:2]] if state else nothing
        self._set_right = Chance(2, _chance_state(state[2]) if state else None)

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        moments = self._moments()
        if moments:
            self._set_right.learn([1.0, _evidence(moments, numbers)], happened=happened)
        kind = self._kinds[happened]
        kind[0] += 1
        for place, number in enumerate(numbers):
            off = number - kind[1][place]
            kind[1][place] += off / kind[0]
            kind[2][place] += off * (number - kind[1][place])

    def state(self) -> Slot:
        return [*([n, list(means), list(squares)] for n, means, squares in self._kinds), list(self._set_right.state())]

    def frozen(self) -> list[float]:
        moments = self._moments()
        return [*self._set_right.state()[1], *moments] if moments else []

    def _moments(self) -> list[float]:
        if min(kind[0] for kind in self._kinds) < LEAST_OF_A_KIND:
            return []
        found: list[float] = []
        for place in range(len(self._kinds[0][1])):
            for count, means, squares in self._kinds:
                found += [means[place], max(LEAST_SPREAD, math.sqrt(squares[place] / count))]
        return found


CLASSIFIERS: dict[str, type[LogisticRegression | NaiveBayes]] = {
    "logistic_regression": LogisticRegression,
    "naive_bayes": NaiveBayes,
}


# Goes up when our own learn in another way.
OWN = "1"


def stamp_of(name: str) -> str:
    """By which version of its code a learner of that name learns. What was learned by another is not gone on from."""
    return f"{RIVER} {_version_of_river()}" if is_of_river(name) else OWN


def is_of_river(name: str) -> bool:
    return name.startswith(f"{RIVER} ")


@cache
def mark_of(name: str) -> int:
    """A short number for a learner, which stands beside each chance that it tells."""
    return zlib.crc32(name.encode())


@cache
def _version_of_river() -> str:
    return version(RIVER)


def classifier(name: str, numbers: int, state: Slot | None = None) -> Classifier:
    """A new one, or one that goes on from a state."""
    return RiverLearner(name, numbers, state) if is_of_river(name) else CLASSIFIERS[name](numbers, state)


def trouble_of(name: str, state: Slot) -> tuple[int, int]:
    """Since how many answers it stands still, as it is too large to be kept (0 = it does not), and how many answers it
    could not take.
    """
    return trouble_with(state) if state and is_of_river(name) else (0, 0)


def within_a_record(learned: Mapping[str, Frozen], first: Sequence[str]) -> dict[str, Frozen]:
    """As many of them as go out in one snapshot. If it has to be, those that are only compared stay behind."""
    size, found = 0, {}
    for name in sorted(learned, key=lambda name: (name not in first, name)):
        frozen = learned[name]
        size += len(frozen) if isinstance(frozen, bytes) else 0
        if size <= MOST_TOGETHER:
            found[name] = frozen
    return found


def log_odds_of(name: str, frozen: Frozen, numbers: Sequence[float]) -> float | None:
    """What a learner of that name says by what it has given away; None where that says nothing."""
    if isinstance(frozen, bytes):
        return odds_of(name, frozen, numbers) if is_of_river(name) else None
    return math.fsum(parts_of(name, frozen, numbers))


def pushes_of(name: str, frozen: Frozen, numbers: Sequence[float], means: Sequence[float], size: int) -> list[float]:
    """By how much each measure, which is `size` numbers behind the constant, moves the log odds away from those of
    somebody average. Of River's models: how much they would move if that measure were average.
    """
    if not isinstance(frozen, bytes):
        here, there = parts_of(name, frozen, numbers), parts_of(name, frozen, means)
        off = [a - b for a, b in zip(here, there, strict=True)]
        return [math.fsum(off[at : at + size]) for at in range(1, len(off), size)]
    whole = log_odds_of(name, frozen, numbers) or 0.0
    without = [[*numbers[:at], *means[at : at + size], *numbers[at + size :]] for at in range(1, len(numbers), size)]
    return [whole - (log_odds_of(name, frozen, each) or 0.0) for each in without]


def parts_of(name: str, frozen: Sequence[float], numbers: Sequence[float]) -> list[float]:
    """What each number adds to the log odds, by what a learner of that name has given away."""
    if not frozen:
        return [0.0] * len(numbers)
    if name == "naive_bayes":
        base, weight, *moments = frozen
        return [base + weight * ratio if not place else weight * ratio for place, ratio in _ratios(moments, numbers)]
    return [weight * number for weight, number in zip(frozen, numbers, strict=True)]


def chance_at(log_odds: float) -> float:
    """A probability above 0 and below 1."""
    return 1.0 / (1.0 + math.exp(-max(-STEEPEST, min(STEEPEST, log_odds))))


def _evidence(moments: Sequence[float], numbers: Sequence[float]) -> float:
    return math.fsum(ratio for _place, ratio in _ratios(moments, numbers))


def _ratios(moments: Sequence[float], numbers: Sequence[float]) -> list[tuple[int, float]]:
    """By how much more each number is at home among yes than among no, as logarithms."""
    found = []
    for place, number in enumerate(numbers):
        no, no_spread, yes, yes_spread = moments[4 * place : 4 * place + 4]
        off = (((number - no) / no_spread) ** 2 - ((number - yes) / yes_spread) ** 2) / 2
        found.append((place, max(-STEEPEST, min(STEEPEST, off + math.log(no_spread / yes_spread)))))
    return found


def _chance_state(state: Slot | None) -> ChanceState | None:
    return (state[0], state[1], state[2]) if state else None
