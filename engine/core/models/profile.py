"""What is usual at this time: a mean per quarter of an hour of the day, and one per hour of the week, in which the past
fades. A value is held against the one that it is nearer to, so a quiet Sunday is as usual as a quiet night.
"""

from __future__ import annotations

from typing import TypeAlias

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_HOURS = 168
QUARTERS = 96
# The least weight of the newest value against all before: a day has up to a few values per quarter, a week a dozen.
BY_DAY, BY_WEEK = 0.3, 0.1
MOST = 100  # a count tells nothing more once the weight has come to its least

MeansState: TypeAlias = tuple[list[float], list[int]]
ProfileState: TypeAlias = tuple[MeansState, MeansState]


class _Means:
    """A fading mean per place of a cycle."""

    __slots__ = ("_counts", "_means", "_newest")

    def __init__(self, places: int, newest: float, state: MeansState) -> None:
        means, counts = state
        self._newest = newest
        self._means = list(means) or [0.0] * places
        self._counts = list(counts) or [0] * places

    def state(self) -> MeansState:
        return list(self._means), list(self._counts)

    def of(self, place: int) -> float | None:
        return self._means[place] if self._counts[place] else None

    def learn(self, place: int, value: float) -> None:
        self._counts[place] = min(self._counts[place] + 1, MOST)
        self._means[place] += max(self._newest, 1.0 / self._counts[place]) * (value - self._means[place])


class Profile:
    """The usual course of a day and of a week (UTC, unless the caller shifts the time)."""

    __slots__ = ("_day", "_week")

    def __init__(self, state: ProfileState = (([], []), ([], []))) -> None:
        day, week = state
        self._day = _Means(QUARTERS, BY_DAY, day)
        self._week = _Means(WEEK_HOURS, BY_WEEK, week)

    def state(self) -> ProfileState:
        return self._day.state(), self._week.state()

    def off(self, at_ms: int, value: float) -> float | None:
        """How far above (or below) the usual; None at a time of day at which nothing was seen on any day."""
        by_day, by_week = self._day.of(_quarter(at_ms)), self._week.of(_hour(at_ms))
        if by_day is None:
            return None
        off = value - by_day
        return off if by_week is None or abs(off) <= abs(value - by_week) else value - by_week

    def learn(self, at_ms: int, value: float) -> None:
        self._day.learn(_quarter(at_ms), value)
        self._week.learn(_hour(at_ms), value)


def _quarter(at_ms: int) -> int:
    return at_ms % DAY_MS * QUARTERS // DAY_MS


def _hour(at_ms: int) -> int:
    return at_ms // HOUR_MS % WEEK_HOURS
