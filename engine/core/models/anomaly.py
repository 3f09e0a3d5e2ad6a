"""How unusual the newest value of a series is, whatever the series: one setting for all, nothing known beforehand.

How it works. Four views of the series are held against all that they showed before: the last three values, the last
three steps, the slow course, and the last three distances from what is usual at this time of day or week. Each has a
memory of 64 points; the distance to the nearest of them is how new the view is, and a learned tail says how rare so
much novelty is in this series. The most astonished view counts in full, the others with three tenths. Measured on
normal data of many kinds, the sum is brought to a scale on which 2 is seen once in a hundred values, 3 once in a
thousand, and so on without end.

What it cannot do: it says nothing for the first 50 values, and it learns what lasts, so a new level is unusual only
until it has become the usual one. A value a million times the usual one unsettles the slow course for 300 values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from engine.core.models.novelty import Novelty, NoveltyState, Point
from engine.core.models.profile import Profile, ProfileState
from engine.core.models.tail import Tail, TailState

OTHERS = 0.3
# Where the sum of the views stands for one in a hundred and one in a thousand on normal data, and its slope below.
HUNDREDTH, THOUSANDTH = 2.5, 4.0
BODY = 1.07
SLOW = 0.05  # weight of the newest value in the slow course
FARTHEST = 1e100  # so that no distance is infinite
VALUES, STEPS, COURSE, DAILY = range(4)
# What the value before and the one before that weigh in the distance of each view.
WEIGHTS = ((1.0, 1.0), (0.5, 0.25), (0.0, 0.0), (0.5, 0.25))

ViewState: TypeAlias = tuple[NoveltyState, TailState]
# The values at hand, the distances from the daily course, values seen, the slow course, the profile, the views, and
# what waits to be remembered by each view.
WaitingState: TypeAlias = list[list[list[float]]]
AnomalyState: TypeAlias = tuple[list[float], list[float], int, float, ProfileState, list[ViewState], WaitingState]


class Anomaly:
    """Scores each value of one series against those before it, then learns it.

    Values are numbers in any unit; what is beyond 1e100 is taken for 1e100. `at_ms` matters for the time of day and of
    the week only. Where values overlap, as windows that slide do, `delay` says with how many later ones each of them
    does: so long none is held against it. The state is at most 11,000 bytes as msgpack, and 112 for each of the delay.
    """

    __slots__ = ("_course", "_daily", "_delay", "_profile", "_seen", "_values", "_views", "_waiting")

    def __init__(self, state: AnomalyState | None = None, delay: int = 0) -> None:
        self._delay = delay
        self._waiting: list[list[Point]] = [[] for _ in WEIGHTS]
        self._values: list[float] = []
        self._daily: list[float] = []
        self._seen, self._course = 0, 0.0
        self._profile = Profile()
        self._views = [(Novelty(weights), Tail()) for weights in WEIGHTS]
        if state is not None:
            values, daily, self._seen, self._course, profile, views, waiting = state
            self._waiting = [[(one, two, three) for one, two, three in points] for points in waiting]
            self._values, self._daily, self._profile = list(values), list(daily), Profile(profile)
            self._views = [
                (Novelty(weights, novelty), Tail(tail)) for weights, (novelty, tail) in zip(WEIGHTS, views, strict=True)
            ]

    def state(self) -> AnomalyState:
        views = [(novelty.state(), tail.state()) for novelty, tail in self._views]
        waiting = [[list(point) for point in points] for points in self._waiting]
        return list(self._values), list(self._daily), self._seen, self._course, self._profile.state(), views, waiting

    def take(self, at_ms: int, value: float) -> float:
        """How rare the value is, as -log10 of its chance on normal data (2 is p99, 3 is p99.9); then learn it."""
        assert not math.isnan(value)
        value = max(-FARTHEST, min(FARTHEST, value))
        scores = []
        for view, point in self._points(at_ms, value):
            novelty, tail = self._views[view]
            distance = novelty.take_later(point, self._waiting[view], self._delay)
            if distance is not None:
                scores.append(tail.score(distance))
                tail.learn(distance)
        return rarity_of(scores)

    def _points(self, at_ms: int, value: float) -> list[tuple[int, Point]]:
        """What each view shows now; a view that has too little yet is left out."""
        points: list[tuple[int, Point]] = []
        self._seen += 1
        self._course += max(SLOW, 1.0 / self._seen) * (value - self._course)
        self._values = [*self._values[-3:], value]
        if self._seen >= 3:
            values = self._values
            points.append((VALUES, (value, values[-2], values[-3])))
            before = values[-3] - values[-4] if self._seen >= 4 else 0.0
            points.append((STEPS, (value - values[-2], values[-2] - values[-3], before)))
            points.append((COURSE, (self._course, 0.0, 0.0)))
        off = self._profile.off(at_ms, value)
        self._profile.learn(at_ms, value)
        if off is not None:
            self._daily = [*self._daily[-2:], off]
            if len(self._daily) == 3:
                points.append((DAILY, (self._daily[2], self._daily[1], self._daily[0])))
        return points


def rarity_of(scores: Sequence[float]) -> float:
    """What several views of one thing say together, on the scale on which 2 is one in a hundred on normal data."""
    most = max(scores, default=0.0)
    astonishment = most + OTHERS * (math.fsum(scores) - most)
    if astonishment < HUNDREDTH:
        return max(0.0, 2.0 - BODY * (HUNDREDTH - astonishment))
    return 2.0 + (astonishment - HUNDREDTH) / (THOUSANDTH - HUNDREDTH)
