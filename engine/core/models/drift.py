"""Has the level of a series shifted for good? Two well-known tests that need no fixed window.

`Adwin` (adaptive windowing, Bifet and Gavalda 2007) keeps as much of the past as agrees with itself: where an older
part and a newer one differ by more than chance allows, there was a shift. It needs no size beforehand, and is slow to
be sure. `Hinkley` (the test of Page and Hinkley, 1954) adds up how far values lie off their mean beyond a tolerance:
quicker for large shifts. Both find shifts at the same values as River's do with the same settings, but their state is
lists and numbers, which lie in an entity's record and are never unpickled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias


class Shift(NamedTuple):
    """The means before and after it, and how many values there were after it."""

    before: float
    after: float
    since: int


# How many buckets there may be of each size before the two oldest become one of twice the size.
BUCKETS = 5
# How many values each side of a shift has, and how many were seen before the first look.
LEAST_SIDE, GRACE = 5, 10

# Values seen, their total, their sum of squares about the mean, and the totals of the buckets: for each size those of
# that size, oldest first, the smallest size first.
AdwinState: TypeAlias = tuple[int, float, float, list[list[float]]]
# Values seen, their mean, the two sums with their lowest and highest, and the values since each of those two: how many
# and their total.
HinkleyState: TypeAlias = tuple[int, float, list[float], list[float], list[float], list[float]]


class Adwin:
    """For values from 0 to 1: where there is no shift, it finds one with at most that `chance`.

    It looks at every `look_every`th value. What it found starts it anew. The state has at most 5 numbers for each
    doubling of how many it has seen: 500 bytes for a thousand.
    """

    __slots__ = ("_chance", "_look_every", "_rows", "_seen", "_squares", "_total")

    def __init__(self, chance: float = 0.002, look_every: int = 32, state: AdwinState = (0, 0.0, 0.0, [])) -> None:
        self._chance, self._look_every = chance, look_every
        self._seen, self._total, self._squares, rows = state
        self._rows = [list(totals) for totals in rows]

    def state(self) -> AdwinState:
        return self._seen, self._total, self._squares, [list(totals) for totals in self._rows]

    def take(self, value: float) -> Shift | None:
        """The shift of which this value has made sure, if it has."""
        if self._seen:
            off = value - self._total / self._seen
            self._squares += self._seen * off * off / (self._seen + 1)
        self._seen += 1
        self._total += value
        self._put(0, value)
        if self._seen % self._look_every or self._seen <= GRACE:
            return None
        clearest, shift = max(self._places(), default=(0.0, Shift(0.0, 0.0, 0)))
        if clearest <= 1.0:
            return None
        self._seen, self._total, self._squares, self._rows = 0, 0.0, 0.0, []
        return shift

    def _put(self, row: int, total: float) -> None:
        """A bucket of 2 ** row values."""
        if row == len(self._rows):
            self._rows.append([])
        totals = self._rows[row]
        totals.append(total)
        if len(totals) > BUCKETS:
            both = totals[0] + totals[1]
            del totals[:2]
            self._put(row + 1, both)

    def _places(self) -> Iterator[tuple[float, Shift]]:
        """At each place, how many times more older and newer values differ than chance allows, and the shift there."""
        doubt = math.log(2.0 * math.log(self._seen) / self._chance)
        spread = math.sqrt(2.0 * doubt * self._squares / self._seen)
        older, total = 0, 0.0
        for size, bucket in self._buckets():
            older += size
            total += bucket
            newer = self._seen - older
            if newer < LEAST_SIDE:
                return
            if older >= LEAST_SIDE:
                few = 1.0 / (older - LEAST_SIDE + 1) + 1.0 / (newer - LEAST_SIDE + 1)
                before, after = total / older, (self._total - total) / newer
                chance = spread * math.sqrt(few) + 2.0 / 3.0 * doubt * few
                yield abs(before - after) / chance, Shift(before, after, newer)

    def _buckets(self) -> Iterator[tuple[int, float]]:
        """How many values, and their total, the oldest first."""
        for row in range(len(self._rows) - 1, -1, -1):
            for total in self._rows[row]:
                yield 1 << row, total


class Hinkley:
    """A shift is found once values off their mean by more than the `tolerance` have added up to the `threshold`, both
    in the unit of the values, and at least `needs` were seen. Older ones fade by `kept` per value.
    """

    __slots__ = ("_down", "_high", "_kept", "_low", "_mean", "_needs", "_seen", "_threshold", "_tolerance", "_up")

    def __init__(
        self,
        tolerance: float = 0.005,
        threshold: float = 50.0,
        needs: int = 30,
        kept: float = 0.9999,
        state: HinkleyState | None = None,
    ) -> None:
        self._tolerance, self._threshold, self._needs, self._kept = tolerance, threshold, needs, kept
        self._begin()
        if state is not None:
            self._seen, self._mean, up, down, low, high = state
            self._up, self._down, self._low, self._high = list(up), list(down), list(low), list(high)

    def _begin(self) -> None:
        self._seen, self._mean = 0, 0.0
        # Each sum with its lowest or highest so far, and the values since that: how many, their total.
        self._up, self._down = [0.0, math.inf], [0.0, -1.0]
        self._low, self._high = [0.0, 0.0], [0.0, 0.0]

    def state(self) -> HinkleyState:
        return self._seen, self._mean, [*self._up], [*self._down], [*self._low], [*self._high]

    def take(self, value: float) -> Shift | None:
        """The shift of which this value has made sure, if it has. What it found starts it anew."""
        self._seen += 1
        self._mean += (value - self._mean) / self._seen
        off = value - self._mean
        up, down = self._up, self._down
        up[0] = self._kept * up[0] + off - self._tolerance
        down[0] = self._kept * down[0] + off + self._tolerance
        _count(self._low, value, anew=up[0] < up[1])
        _count(self._high, value, anew=down[0] > down[1])
        up[1], down[1] = min(up[1], up[0]), max(down[1], down[0])
        if self._seen < self._needs:
            return None
        risen, fallen = up[0] - up[1], down[1] - down[0]
        if max(risen, fallen) <= self._threshold:
            return None
        count, total = self._low if risen > fallen else self._high
        before = (self._mean * self._seen - total) / max(1.0, self._seen - count)
        self._begin()
        return Shift(before, total / count, int(count))


def _count(since: list[float], value: float, *, anew: bool) -> None:
    """The values after the one at which the sum turned."""
    since[:] = [0.0, 0.0] if anew else [since[0] + 1.0, since[1] + value]
