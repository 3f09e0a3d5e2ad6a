"""How far out in its own tail a number lies, learned from the numbers before it with three numbers of state.

Above a level that one number in 25 exceeds, the excess is taken to fall off exponentially. Level and mean excess are
followed by small steps, so they forget at the same pace at which they learn. The answer is -log10 of the chance to see
as much or more. It grows without bound: two alarms are never equal because both are "certain".
"""

from __future__ import annotations

import math
from typing import TypeAlias

SHARE = 0.04  # of numbers lie above the level
RATE = 0.01  # the smallest step with which level and mean excess are corrected
WARM_UP = 50  # numbers before the first answer
FIRST_SHARE = 0.1  # of the warm-up lie above the first level
OUTLIER = 8.0  # mean excesses; what lies further out corrects the mean excess by its logarithm only
LINEAR = 60.0  # powers of ten; beyond, the answer grows with the logarithm
SMALLEST = 1e-12

TailState: TypeAlias = tuple[int, float, float, list[float]]


class Tail:
    """Learns where the tail of a stream of non-negative numbers begins and how fast it falls off."""

    __slots__ = ("_early", "_excess", "_level", "_seen")

    def __init__(self, state: TailState = (0, 0.0, 0.0, [])) -> None:
        self._seen, self._level, self._excess, early = state
        self._early = list(early)

    def state(self) -> TailState:
        """What `Tail` is made from again: at most 50 numbers while it warms up, afterwards three."""
        return self._seen, self._level, self._excess, list(self._early)

    @property
    def warm(self) -> bool:
        return self._seen >= WARM_UP

    def score(self, number: float) -> float:
        """-log10 of the chance of `number` or more; 0.0 for what is not in the tail, and during the warm-up."""
        if self._seen < WARM_UP or number <= self._level:
            return 0.0
        powers = (number - self._level) / max(self._excess, SMALLEST) / math.log(10.0)
        return -math.log10(SHARE) + (powers if powers <= LINEAR else LINEAR + math.log10(powers / LINEAR))

    def learn(self, number: float) -> None:
        if self._seen < WARM_UP:
            self._early.append(number)
            self._seen += 1
            if self._seen == WARM_UP:
                self._begin()
            return
        self._seen += 1
        # Large steps at first: what the warm-up has shown is little.
        step = max(RATE, 1.0 / ((self._seen - WARM_UP + WARM_UP * SHARE) * SHARE + 1.0))
        above = number > self._level
        if above:
            self._excess += step * (self._tamed(number - self._level) - self._excess)
        self._level = max(0.0, self._level + step * self._excess * ((1.0 if above else 0.0) - SHARE))

    def _begin(self) -> None:
        ordered = sorted(self._early)
        first = int(WARM_UP * (1.0 - FIRST_SHARE))
        self._excess = math.fsum(number - ordered[first] for number in ordered[first:]) / (WARM_UP - first)
        self._level = ordered[first] + self._excess * math.log(FIRST_SHARE / SHARE)
        self._early = []

    def _tamed(self, excess: float) -> float:
        """One absurd value must not teach that absurd values are usual."""
        most = OUTLIER * self._excess
        return excess if excess <= most or most <= 0.0 else most + self._excess * math.log(excess / most)
