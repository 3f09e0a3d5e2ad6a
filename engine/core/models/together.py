"""How unusual the newest values of several series are together, though each may be ordinary by itself.

Many calls and few failures, few calls and few failures: all of that may be usual, and many failures on few calls not.
So the values are held against what was usual for all of them at once: a mean per series and how they vary with one
another, in which the past fades. The distance from there, in spreads and with what the series have in common taken out,
goes through a learned tail, which says how rare so great a distance is.

It knows shapes like an ellipse only, and no time of day; both are the business of `Anomaly` for each series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from engine.core.models.tail import Tail, TailState

NEWEST = 0.002  # the least weight of the newest values: a past of 500
FARTHEST = 1e100  # so that no distance is infinite
# Values beyond so many spreads for each series teach only as if they were there: one wild value is soon forgotten.
OUTLIER = 4.0
# What of each spread is taken to be the series' own, however closely it has followed the others.
OWN = 0.001
STEADIEST = 1e-9  # of the mean: no series is so steady that less than this is a spread

TogetherState: TypeAlias = tuple[int, list[float], list[list[float]], TailState]


class Together:
    """Scores the values of `series` series against those before, then learns them.

    The state has n + n*n / 2 numbers for n series: 130 bytes for three, beside the 50 values of a warm-up.
    """

    __slots__ = ("_common", "_means", "_seen", "_tail")

    def __init__(self, series: int, state: TogetherState | None = None) -> None:
        self._seen = 0
        self._means = [0.0] * series
        # How far series vary with one another: for each, with those up to itself.
        self._common = [[0.0] * (place + 1) for place in range(series)]
        self._tail = Tail()
        if state is not None:
            self._seen, means, common, tail = state
            self._means, self._common, self._tail = list(means), [list(row) for row in common], Tail(tail)

    def state(self) -> TogetherState:
        return self._seen, list(self._means), [list(row) for row in self._common], self._tail.state()

    def take(self, values: Sequence[float]) -> float:
        """How rare they are together, on the scale of `Anomaly`: -log10 of the chance on normal data."""
        series = len(self._means)
        off = [max(-FARTHEST, min(FARTHEST, value)) - mean for value, mean in zip(values, self._means, strict=True)]
        score, weight = 0.0, 1.0
        # Before that, no direction can be told from another.
        if self._seen > 2 * series:
            distance = self._distance(off)
            score = self._tail.score(distance)
            self._tail.learn(distance)
            weight = min(1.0, OUTLIER * math.sqrt(series) / max(distance, 1e-9))
        self._learn(off, weight)
        return score

    def _learn(self, off: Sequence[float], weight: float) -> None:
        self._seen += 1
        newest = max(NEWEST, 1.0 / self._seen)
        off = [weight * each for each in off]
        for place, row in enumerate(self._common):
            for other in range(place + 1):
                row[other] = (1.0 - newest) * (row[other] + newest * off[place] * off[other])
        self._means = [mean + newest * each for mean, each in zip(self._means, off, strict=True)]

    def _distance(self, off: Sequence[float]) -> float:
        """From what is usual, in spreads that are independent of each other (the distance of Mahalanobis)."""
        spreads = [
            max(math.sqrt(row[place]), STEADIEST * max(1e-3, abs(mean)))
            for place, (row, mean) in enumerate(zip(self._common, self._means, strict=True))
        ]
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


def _product(one: Sequence[float], other: Sequence[float]) -> float:
    """Of as many as the shorter has."""
    return math.fsum(a * b for a, b in zip(one, other, strict=False))
