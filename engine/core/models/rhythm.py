"""How often and how lately somebody did something, in ten numbers of state, as numbers that `Chance` learns from.

Logarithms throughout: between one and two purchases lies as much as between ten and twenty.
"""

from __future__ import annotations

import math
from typing import TypeAlias

DAY_MS = 86_400_000
HALF_LIVES_DAYS = (30.0, 90.0, 180.0)
WEEK_DAYS = 7.0
# Until somebody's own gaps are known, half a gap of 60 days is taken for granted.
GAP_DAYS, GAP_WEIGHT = 60.0, 0.5

RhythmState: TypeAlias = tuple[int, int, int, float, float, float, list[float]]

NAMES = (
    *("constant", "since last", "known for", "times"),
    *("since last, squared", "since last x known for", "since last x times"),
    *("known for x times", "times, squared", "known for, squared"),
    *(f"times, half-life {days:.0f} d" for days in HALF_LIVES_DAYS),
    *("value per time", "units", "last value", "since last in own gaps", "own gap", "last gap"),
)


class Rhythm:
    """Learns the times at which one entity did something, each with a value and a number of units (both at least 0)."""

    __slots__ = ("_fading", "_first_ms", "_gap_ms", "_last_ms", "_last_value", "_times", "_units", "_values")

    def __init__(self, state: RhythmState = (0, 0, 0, 0.0, 0.0, 0.0, [])) -> None:
        self._times, self._first_ms, self._last_ms, self._gap_ms, self._values, self._units, rest = state
        self._last_value, *self._fading = rest or [0.0, 0.0, 0.0, 0.0]

    def state(self) -> RhythmState:
        rest = [self._last_value, *self._fading]
        return self._times, self._first_ms, self._last_ms, self._gap_ms, self._values, self._units, rest

    def learn(self, at_ms: int, value: float = 0.0, units: float = 1.0) -> None:
        """Several at the same time count once, with their values added; so does what comes late, at the latest time."""
        assert value >= 0.0
        assert units >= 0.0
        self._values += value
        self._units += units
        self._last_value = value
        if self._times and at_ms <= self._last_ms:
            return
        if self._times:
            self._gap_ms = float(at_ms - self._last_ms)
        else:
            self._first_ms = at_ms
        self._fading = [known + 1.0 for known in self._faded(at_ms)]
        self._last_ms = at_ms
        self._times += 1

    def numbers(self, now_ms: int) -> list[float]:
        """What `NAMES` names, at that time; there must have been a first one before."""
        assert self._times > 0
        assert now_ms >= self._last_ms
        log = math.log1p
        since_days = (now_ms - self._last_ms) / DAY_MS
        active_days = (self._last_ms - self._first_ms) / DAY_MS
        since, known = log(since_days / WEEK_DAYS), log((now_ms - self._first_ms) / DAY_MS / WEEK_DAYS)
        times = math.log(self._times)
        gap_days = (active_days + GAP_DAYS * GAP_WEIGHT) / (self._times - 1 + GAP_WEIGHT)
        return [
            *(1.0, since, known, times),
            *(since * since / 4, since * known / 4, since * times / 4),
            *(known * times / 4, times * times / 4, known * known / 4),
            *map(log, self._faded(now_ms)),
            *(log(self._values / self._times) / 4, log(self._units), log(self._last_value) / 4),
            *(log(since_days / (gap_days + 1.0)), log(gap_days) / 4, log(self._gap_ms / DAY_MS) / 4),
        ]

    def _faded(self, at_ms: int) -> list[float]:
        passed_days = (at_ms - self._last_ms) / DAY_MS
        return [kept * 2.0 ** (-passed_days / half) for kept, half in zip(self._fading, HALF_LIVES_DAYS, strict=True)]
