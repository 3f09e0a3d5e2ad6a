"""How unlike everything before a point is: the distance to the nearest of a few dozen remembered points.

A point nearer than a small radius to a remembered one is nothing new and only refreshes it. When the memory is full, a
point not met for long gives way; is there none, the radius grows until neighbours merge. So the memory covers what was
seen evenly, the common and the rare, in a size that never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeAlias, TypeVar

REMEMBERED = 64
LONG = 8192  # points after which one that was not met again may give way
GROWTH = 1.1

Point: TypeAlias = tuple[float, float, float]
NoveltyState: TypeAlias = tuple[int, float, list[list[float]], list[int]]
P = TypeVar("P")


class _Memory(Generic[P]):
    """Points, and when each was met. What is near is for those below to say."""

    __slots__ = ("_met", "_points", "_radius", "_seen")

    def __init__(self, seen: int, radius: float, points: list[P], met: list[int]) -> None:
        self._seen, self._radius = seen, radius
        self._points, self._met = points, list(met)

    def take(self, point: P) -> float | None:
        """The distance to the nearest point so far, None for the first; then remember this one."""
        self._seen += 1
        nearest, distance = self._nearest(point)
        if nearest >= 0 and distance <= self._radius:
            self._met[nearest] = self._seen
            return distance
        if len(self._points) == REMEMBERED:
            self._make_room()
        # After a merge this point may be within the new radius. It is kept nevertheless: it was new.
        self._points.append(point)
        self._met.append(self._seen)
        return distance if nearest >= 0 else None

    def distance(self, point: P) -> float | None:
        """As `take`, but nothing is remembered."""
        nearest, distance = self._nearest(point)
        return distance if nearest >= 0 else None

    def take_later(self, point: P, waiting: list[P], delay: int) -> float | None:
        """As `take`, but it is remembered only after `delay` more; until then it is among those waiting.

        Of windows that overlap, each is like the one before. What creeps up is new all the same.
        """
        if not delay:
            return self.take(point)
        waiting.append(point)
        if len(waiting) > delay:
            self.take(waiting.pop(0))
        return self.distance(point)

    def _nearest(self, point: P) -> tuple[int, float]:
        """Which remembered point is nearest (-1 while there is none) and how far it is."""
        nearest, least = -1, float("inf")
        for number, known in enumerate(self._points):
            distance = self._between(known, point)
            if distance < least:
                nearest, least = number, distance
        return nearest, least

    def _make_room(self) -> None:
        oldest = min(range(len(self._met)), key=self._met.__getitem__)
        if self._seen - self._met[oldest] > LONG:
            self._points[oldest], self._met[oldest] = self._points[-1], self._met[-1]
            del self._points[-1], self._met[-1]
            return
        self._radius = self._radius * GROWTH if self._radius > 0.0 else self._closest()
        self._merge()
        if len(self._points) == REMEMBERED:
            # Many steps at once, as far as to the first that merges any: after a wild value there may be thousands.
            closest = self._closest()
            while self._radius < closest:
                self._radius *= GROWTH
            self._merge()

    def _closest(self) -> float:
        pairs = ((one, two) for number, one in enumerate(self._points) for two in self._points[:number])
        return min(self._between(one, two) for one, two in pairs)

    def _merge(self) -> None:
        """Keep, from the first on, only what is not within the radius of what was kept."""
        points: list[P] = []
        met: list[int] = []
        for point, when in zip(self._points, self._met, strict=True):
            close = next((n for n, kept in enumerate(points) if self._between(point, kept) <= self._radius), None)
            if close is None:
                points.append(point)
                met.append(when)
            else:
                met[close] = max(met[close], when)
        self._points, self._met = points, met

    def _between(self, one: P, two: P) -> float:
        raise NotImplementedError


class Novelty(_Memory[Point]):
    """A memory of points of three numbers, whose distance is the sum of their weighted differences.

    The first number weighs 1, the others what `weights` says; a number of weight 0 does not matter.
    """

    __slots__ = ("_second", "_third")

    def __init__(self, weights: tuple[float, float], state: NoveltyState = (0, 0.0, [], [])) -> None:
        self._second, self._third = weights
        seen, radius, points, met = state
        super().__init__(seen, radius, [_padded(numbers) for numbers in points], met)

    def state(self) -> NoveltyState:
        """What `Novelty` is made from again: at most 64 points without what does not matter, and when each was met."""
        width = 3 if self._third else 2 if self._second else 1
        return self._seen, self._radius, [list(point[:width]) for point in self._points], list(self._met)

    def _nearest(self, point: Point) -> tuple[int, float]:
        first, second, third = point
        by_second, by_third = self._second, self._third
        nearest, least = -1, float("inf")
        for number, (one, two, three) in enumerate(self._points):
            distance = abs(one - first)
            # Most points are out of question by their first number alone.
            if distance < least:
                distance += by_second * abs(two - second) + by_third * abs(three - third)
                if distance < least:
                    nearest, least = number, distance
        return nearest, least

    def _between(self, one: Point, two: Point) -> float:
        return abs(one[0] - two[0]) + self._second * abs(one[1] - two[1]) + self._third * abs(one[2] - two[2])


class Combinations(_Memory[Sequence[float]]):
    """A memory of combinations of any number of values, whose distance is the sum of their differences in `spreads`."""

    __slots__ = ("_spreads",)

    def __init__(self, spreads: Sequence[float], state: NoveltyState = (0, 0.0, [], [])) -> None:
        self._spreads = spreads
        seen, radius, points, met = state
        super().__init__(seen, radius, [*points], met)

    def state(self) -> NoveltyState:
        return self._seen, self._radius, [list(point) for point in self._points], list(self._met)

    def _between(self, one: Sequence[float], two: Sequence[float]) -> float:
        distance = 0.0
        for first, second, spread in zip(one, two, self._spreads, strict=True):
            distance += abs(first - second) / spread
        return distance


def _padded(numbers: list[float]) -> Point:
    width = len(numbers)
    return numbers[0], numbers[1] if width > 1 else 0.0, numbers[2] if width > 2 else 0.0
