"""The probability that something will happen, from a few numbers known beforehand, learned one answer at a time.

A logistic regression whose steps are those of Newton: beside the weights it keeps how sure it is of each combination of
them, so one pass over the answers does what many passes of gradient steps do, and there is no step size to choose. It
forgets slowly, but never past what it knew at the beginning.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TypeAlias

KEPT = 0.99999  # of what is known, per answer: half is gone after 70,000
STEEPEST = 30.0  # log odds beyond which a probability would round to 0 or 1

ChanceState: TypeAlias = tuple[int, list[float], list[list[float]]]


class Chance:
    """Give it numbers of ordinary size (logarithms of counts, shares), always the same ones in the same order.

    One of them should be the constant 1. The state has n + n*n floats for n numbers: one model for many entities.
    """

    __slots__ = ("_answers", "_begun", "_doubt", "_weights")

    def __init__(self, numbers: int, state: ChanceState | None = None, begun: Sequence[float] = ()) -> None:
        """`begun` says how far from 0 each weight may lie before anything is known, squared; 1 if left out."""
        self._answers = 0
        self._weights = [0.0] * numbers
        self._begun = begun or (1.0,) * numbers
        self._doubt = [[far if at == row else 0.0 for at in range(numbers)] for row, far in enumerate(self._begun)]
        if state is not None:
            self._answers, weights, doubt = state
            self._weights, self._doubt = list(weights), [list(row) for row in doubt]

    def state(self) -> ChanceState:
        return self._answers, list(self._weights), [list(row) for row in self._doubt]

    @property
    def answers(self) -> int:
        """How many answers it has learned from; whoever acts on it asks for enough of them."""
        return self._answers

    def log_odds(self, numbers: Sequence[float]) -> float:
        """0 stands for even odds; it grows without bound, so no two chances are equal because both are near 1."""
        return math.fsum(weight * number for weight, number in zip(self._weights, numbers, strict=True))

    def predict(self, numbers: Sequence[float]) -> float:
        """A probability above 0 and below 1."""
        return 1.0 / (1.0 + math.exp(-max(-STEEPEST, min(STEEPEST, self.log_odds(numbers)))))

    def reasons(self, numbers: Sequence[float]) -> list[float]:
        """What each number adds to the log odds."""
        return [weight * number for weight, number in zip(self._weights, numbers, strict=True)]

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        """What came of what was known then."""
        chance = self.predict(numbers)
        moved = [math.fsum(map(operator.mul, row, numbers)) for row in self._doubt]
        spread = chance * (1.0 - chance)
        scale = 1.0 + spread * math.fsum(a * b for a, b in zip(moved, numbers, strict=True))
        step = ((1.0 if happened else 0.0) - chance) / scale
        self._weights = [weight + step * along for weight, along in zip(self._weights, moved, strict=True)]
        less = spread / scale
        kept = KEPT if all(self._doubt[at][at] <= KEPT * far for at, far in enumerate(self._begun)) else 1.0
        self._doubt = [
            [(known - less * down * along) / kept for known, along in zip(row, moved, strict=True)]
            for row, down in zip(self._doubt, moved, strict=True)
        ]
        self._answers += 1
