"""How unusual the newest values of several series are together, though each may be ordinary by itself.

Many calls and few failures, few calls and all of them failures: all of that may be usual, and many failures of many
calls not. So the values are looked at in two ways. One holds them against a mean per series and how the series vary
with one another, in which the past fades: the distance from there, in spreads and with what they have in common taken
out. It sees at once what breaks a close relation. The other remembers 64 combinations and takes the distance to the
nearest, so it knows any shape. A learned tail for each says how rare so great a distance is, and they count together as
the views of `Anomaly` do.

It knows no time of day; that is the business of `Anomaly` for each series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from engine.core.models.anomaly import rarity_of
from engine.core.models.novelty import Combinations, NoveltyState
from engine.core.models.tail import Tail, TailState

NEWEST = 0.002  # the least weight of the newest values: a past of 500
FARTHEST = 1e100  # so that no distance is infinite
# Values beyond so many spreads for each series teach only as if they were there: one wild value is soon forgotten.
OUTLIER = 4.0
# What of each spread is taken to be the series' own, however closely it has followed the others.
OWN = 0.001
STEADIEST = 1e-9  # of the mean: less than this is no change but a rounding
FIRST = 50  # values that say what is usual before any is held against it

TogetherState: TypeAlias = tuple[
    int, list[float], list[list[float]], TailState, NoveltyState, TailState, list[list[float]]
]


class Together:
    """Scores the values of `series` series against those before, then learns them.

    Where values overlap with those before, `delay` is as for `Anomaly`. The state has 64 combinations and n + n*n / 2
    numbers for n series: 1.8 kB for two, 2.5 kB for three.
    """

    __slots__ = ("_common", "_delay", "_means", "_new", "_novelty", "_seen", "_tail", "_waiting")

    def __init__(self, series: int, state: TogetherState | None = None, delay: int = 0) -> None:
        self._seen, self._delay = 0, delay
        self._waiting: list[Sequence[float]] = []
        self._means = [0.0] * series
        # How far series vary with one another: for each, with those up to itself.
        self._common = [[0.0] * (place + 1) for place in range(series)]
        self._tail, self._new = Tail(), Tail()
        self._novelty: NoveltyState = (0, 0.0, [], [])
        if state is not None:
            self._seen, means, common, tail, self._novelty, new, waiting = state
            self._waiting = [*waiting]
            self._means, self._common = list(means), [list(row) for row in common]
            self._tail, self._new = Tail(tail), Tail(new)

    def state(self) -> TogetherState:
        common = [list(row) for row in self._common]
        tails, waiting = (self._tail.state(), self._new.state()), [list(values) for values in self._waiting]
        return self._seen, list(self._means), common, tails[0], self._novelty, tails[1], waiting

    def take(self, values: Sequence[float]) -> float:
        """How rare they are together, on the scale of `Anomaly`: -log10 of the chance on normal data."""
        values = [max(-FARTHEST, min(FARTHEST, value)) for value in values]
        off = [value - mean for value, mean in zip(values, self._means, strict=True)]
        spreads = self._spreads()
        unlike = self._unlike(values, spreads)
        score, weight = 0.0, 1.0
        # What is made of the first few would be far from all the others.
        if self._seen >= FIRST:
            distance = self._distance(off, spreads)
            weight = min(1.0, OUTLIER * math.sqrt(len(values)) / max(distance, 1e-9))
            score = rarity_of((_learned(self._tail, distance), _learned(self._new, unlike)))
        self._learn(off, weight)
        return score

    def _unlike(self, values: Sequence[float], spreads: Sequence[float]) -> float:
        """How far from the nearest combination that is remembered."""
        memory = Combinations(spreads, self._novelty)
        distance = memory.take_later(values, self._waiting, self._delay)
        self._novelty = memory.state()
        return distance or 0.0

    def _spreads(self) -> list[float]:
        """Of what has never changed there is none: it tells nothing here, and `Anomaly` sees its first change."""
        found = []
        for place, (row, mean) in enumerate(zip(self._common, self._means, strict=True)):
            spread = math.sqrt(row[place])
            found.append(spread if spread > STEADIEST * abs(mean) else math.inf)
        return found

    def _learn(self, off: Sequence[float], weight: float) -> None:
        self._seen += 1
        newest = max(NEWEST, 1.0 / self._seen)
        off = [weight * each for each in off]
        for place, row in enumerate(self._common):
            for other in range(place + 1):
                row[other] = (1.0 - newest) * (row[other] + newest * off[place] * off[other])
        self._means = [mean + newest * each for mean, each in zip(self._means, off, strict=True)]

    def _distance(self, off: Sequence[float], spreads: Sequence[float]) -> float:
        """From what is usual, in spreads that are independent of each other (the distance of Mahalanobis)."""
        # Each series is cleared of what it has in common with those before it (a Cholesky decomposition).
        cleared: list[float] = []
        shared: list[list[float]] = []
        for place, row in enumerate(self._common):
            along: list[float] = []
            for other, theirs in enumerate(shared):
                common = (1.0 - OWN) * row[other] / (spreads[place] * spreads[other])
                along.append((common - _product(along, theirs)) / theirs[other])
            own = math.sqrt(max(OWN, 1.0 - _product(along, along)))
            cleared.append((off[place] / spreads[place] - _product(along, cleared)) / own)
            shared.append([*along, own])
        return math.hypot(*cleared)


def _learned(tail: Tail, distance: float) -> float:
    score = tail.score(distance)
    tail.learn(distance)
    return score


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    """Of as many as the shorter has."""
    return math.fsum(a * b for a, b in zip(one, other, strict=False))
