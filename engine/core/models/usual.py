"""What is usual for one entity: the middle of its own past periods of the same kind, moved along with its trend.

A Monday is held against Mondays, an hour against the same hour, so that a quiet week-end is no drop. Middles (medians)
throughout, because one wild day must not move what is usual. The trend is the middle of the slopes between all pairs of
whole cycles (a week of days, a day of hours), so a single bad week does not bend it either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from engine.core.periods import MONDAY_MS, local_ms
from engine.model import HOUR_MS, WEEK_MS, Scalar
from engine.ports import Known, Slot

# The spread of a bell-shaped series is that many times the middle distance from its middle.
BELL = 1.4826
# Fewer whole cycles than this show no trend, and no trend is taken for steeper than doubling or halving.
CYCLES, STEEPEST = 4, 2.0
# Of what is usual, or of one: no series is so steady that less than this is out of the ordinary by its spread.
STEADIEST = 0.01


class Departure:
    """Slot: [values, places of them, verdicts], each newest first. A verdict is [value, usual, spread].

    A value that is unknown is None, and so are usual and spread as long as fewer than `needs` periods of the same kind
    are known. `remembered` periods are kept, the verdicts of the newest `kept`. With `of_counts`, chance alone spreads
    a value by the root of what is usual, and no less is taken for its spread.
    """

    def __init__(self, *, same: str, cycle: int, remembered: int, needs: int, kept: int, of_counts: bool) -> None:
        self.identity = f"usual {same} {remembered} {needs}"
        self._same, self._cycle, self._remembered = same, cycle, remembered
        self._needs, self._kept, self._of_counts = needs, kept, of_counts

    def fresh(self) -> Slot:
        return [[], [], []]

    def take(self, slot: Slot, at: int, values: Sequence[Scalar], known: Known) -> None:
        value = values[0] if isinstance(values[0], int | float) else None
        past, places, verdicts = slot
        place = self._place(at, known.zone)
        verdicts.insert(0, [value, *self._expected(past, places, place)])
        del verdicts[self._kept :]
        past.insert(0, value)
        places.insert(0, place)
        del past[self._remembered :], places[self._remembered :]

    def value(self, slot: Slot) -> Scalar:
        """What was usual for the newest period, in four digits, as it is read by people."""
        return in_four_digits(slot[2][0][1] if slot[2] else None)

    def verdicts(self, slot: Slot, periods: int) -> Sequence[Sequence[float | None]] | None:
        """(value, usual, spread) of the newest periods, newest first; None if there have not been so many."""
        found: Sequence[Sequence[float | None]] = slot[2][:periods]
        return found if len(found) == periods else None

    def _place(self, at: int, zone: str) -> int:
        hour_of_week = (local_ms(at, zone) - MONDAY_MS) % WEEK_MS // HOUR_MS
        weekday, hour = divmod(hour_of_week, 24)
        return {"weekday": weekday, "hour": hour, "hour_of_week": hour_of_week}.get(self._same, 0)

    def _expected(
        self, past: Sequence[float | None], places: Sequence[int], place: int
    ) -> tuple[float | None, float | None]:
        alike: dict[int, list[float]] = {}
        for value, where in zip(past, places, strict=True):
            if value is not None:
                alike.setdefault(where, []).append(value)
        if len(alike.get(place, ())) < self._needs:
            return None, None
        middles = {where: median(values) for where, values in alike.items()}
        usual = middles[place] * self._level(past, places, middles)
        off = [abs(v - middles[where]) for v, where in zip(past, places, strict=True) if v is not None]
        # The past lies closer to its own middle than what comes will, the more so the less of it there is.
        count = len(alike[place])
        further = math.sqrt((count + 2) / max(1, count - 1))
        return usual, max(BELL * further * median(off), least_spread(usual, of_counts=self._of_counts))

    def _level(self, past: Sequence[float | None], places: Sequence[int], middles: dict[int, float]) -> float:
        """How the present stands to the middle of what is remembered, by the trend of whole cycles."""
        ratios = [
            value / middles[where] if value is not None and middles[where] > 0 else None
            for value, where in zip(past, places, strict=True)
        ]
        cycles = []
        for begin in range(0, len(ratios) - self._cycle + 1, self._cycle):
            known = [ratio for ratio in ratios[begin : begin + self._cycle] if ratio is not None]
            if known:
                cycles.append((-(begin + (self._cycle - 1) / 2 + 1), median(known)))
        if len(cycles) < CYCLES:
            return 1.0
        slope = median((a[1] - b[1]) / (a[0] - b[0]) for place, a in enumerate(cycles) for b in cycles[place + 1 :])
        now = median(level - slope * when for when, level in cycles)
        return min(STEEPEST, max(1 / STEEPEST, now))


def least_spread(usual: float, *, of_counts: bool) -> float:
    """No less is taken for the spread around what is usual; chance alone spreads counts by its root."""
    least = STEADIEST * max(abs(usual), 1.0)
    return max(least, math.sqrt(max(usual, 1.0))) if of_counts else least


def in_four_digits(usual: float | None) -> int | float | None:
    """As people read it."""
    if usual is None:
        return None
    short = float(f"{usual:.4g}")
    return int(short) if short.is_integer() else short


def cycle_of(same: str, period_ms: int, remembered: int) -> int:
    """How many periods make a cycle: a week of days, a day or week of hours; else an eighth of what is remembered."""
    whole = {"weekday": 168, "hour": 24, "hour_of_week": 168}.get(same, 0) * HOUR_MS
    return max(1, whole // period_ms if whole >= period_ms else remembered // 8)
