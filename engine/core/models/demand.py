"""How many will come in a coming period, with an interval: a fading mean per place of the week, times how the last
weeks went against those means.

Counts vary more than chance alone explains (one outage brings many tickets), so how much more is learned too, and the
interval is that of a negative binomial distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeAlias

NEWEST = 0.03  # the least weight of the newest count in the mean of its place
LEVEL_WEEKS = 6.0  # over which the level follows
FEWEST = 1e-3  # of expected arrivals, so that a place that was always empty has a forecast too
MOST = 1e9  # more than that never comes
# So many counts follow a bell closely, and the chance of none is near what a float can hold.
MOST_COUNTED = 500.0

DemandState: TypeAlias = tuple[int, list[float], list[int], float, float]


class Demand:
    """Counts of one queue per period, `places` of which make a week: 7 for days, 168 for hours.

    The state is a mean and a count per place and two numbers: 2 kB for hours.
    """

    __slots__ = ("_counts", "_excess", "_level", "_means", "_seen")

    def __init__(self, places: int, state: DemandState | None = None) -> None:
        self._seen, self._level, self._excess = 0, 1.0, 1.0
        self._means, self._counts = [0.0] * places, [0] * places
        if state is not None:
            self._seen, means, counts, self._level, self._excess = state
            self._means, self._counts = list(means), list(counts)

    def state(self) -> DemandState:
        return self._seen, list(self._means), list(self._counts), self._level, self._excess

    @property
    def weeks(self) -> float:
        """For how long it has learned; before two weeks a forecast is a guess."""
        return self._seen / len(self._means)

    def expected(self, period: int) -> float:
        """How many in that period, which is counted from any Monday, in the past or to come."""
        return max(FEWEST, self._means[period % len(self._means)] * self._level)

    def expected_of(self, periods: Sequence[int]) -> float:
        """How many in all of them together."""
        return math.fsum(map(self.expected, periods))

    def most(self, period: int, share: float) -> int:
        """The smallest number that at least this share of such periods do not exceed."""
        return self.most_of((period,), share)

    def most_of(self, periods: Sequence[int], share: float) -> int:
        """As `most`, for all of them together."""
        mean = self.expected_of(periods)
        if -self._log_none(mean) > MOST_COUNTED:
            wide = NormalDist(mean, math.sqrt(mean * max(1.0, self._excess)))
            return math.ceil(wide.inv_cdf(share))
        total, chance, count = 0.0, math.exp(self._log_none(mean)), 0
        while total + chance < share:
            total += chance
            chance *= self._grows(mean, count)
            count += 1
            # Where the chances have become too small to add up, what is left is smaller still.
            if chance < 1e-12 and count > mean:
                break
        return count

    def learn(self, period: int, count: float) -> None:
        """What came in a period that is over; each is given once, in order, empty ones too."""
        place, mean, count = period % len(self._means), self.expected(period), min(count, MOST)
        if self._counts[place]:
            known = self._means[place]
            pace = 1.0 / (LEVEL_WEEKS * len(self._means))
            share = max(FEWEST, known) * len(self._means) / max(FEWEST, math.fsum(self._means))
            # A busy place says more of the level than a quiet one.
            ratio = count / max(FEWEST, known)
            self._level = max(0.1, self._level + min(0.5, pace * share) * (min(ratio, 10.0) - self._level))
            off = min((count - mean) ** 2 / mean, 100.0)
            self._excess += max(0.01, 1.0 / (self._seen + 1)) * (off - self._excess)
        self._seen += 1
        self._counts[place] = min(self._counts[place] + 1, 1000)
        self._means[place] += max(NEWEST, 1.0 / self._counts[place]) * (count - self._means[place])

    def _log_none(self, mean: float) -> float:
        """The logarithm of the chance that none come."""
        excess = max(1.0, self._excess)
        return -mean if excess < 1.001 else -mean * math.log(excess) / (excess - 1.0)

    def _grows(self, mean: float, count: int) -> float:
        """How much likelier one more than `count` is than `count`."""
        excess = max(1.0, self._excess)
        if excess < 1.001:
            return mean / (count + 1)
        return (mean / (excess - 1.0) + count) / (count + 1) * (excess - 1.0) / excess
