"""A `Chance` that thinks little of a number at first, so that few answers do not make it believe what is not so.

How much a weight may mean depends on how far its number spreads: a mood between -1 and 1 needs a larger weight than
a count of hundreds. So the first answers are kept until the spreads are known, and then learned. From 50 answers on it
ranks as well as the best single measure, which it did not before: benchmarks/quality/README.md, few answers.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from engine.core.models.chance import Chance
from engine.ports import Slot

FIRST = 30
# How far from 0 a weight is thought to lie, squared, for a number that spreads by 1; and at most.
FAR, FURTHEST = 0.02, 2.0
# What spread less among the first, such as a flag that nobody had, tells nothing of its spread: a usual one is taken.
LEAST_SPREAD, USUAL_SPREAD = 0.02, 0.2


class Cautious:
    """One of the numbers, the first, is the constant 1.

    State: [answers, weights, doubt, how far each weight was thought to lie, the first answers], where the first answers
    are [what came of it, number, ...] until they are learned, and the others are empty until then.
    """

    def __init__(self, numbers: int, state: Slot | None = None) -> None:
        self._numbers = numbers
        answers, weights, doubt, begun, first = state or (0, [], [], [], [])
        self._first: list[list[float]] = [list(each) for each in first]
        self._begun: list[float] = list(begun)
        self._chance = Chance(numbers, (answers, weights, doubt), begun) if begun else None

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        """What came of what was known then."""
        if self._chance is not None:
            self._chance.learn(numbers, happened=happened)
            return
        self._first.append([float(happened), *numbers])
        if len(self._first) == FIRST:
            self._begun = _begun(self._first)
            self._chance, self._first = self._learned(self._begun), []

    def state(self) -> Slot:
        known = self._chance.state() if self._chance else (0, [], [])
        return [*known, list(self._begun), [list(each) for each in self._first]]

    def weights(self) -> list[float]:
        """For each number; all 0 where nothing was learned."""
        if self._chance is None and not self._first:
            return [0.0] * self._numbers
        return (self._chance or self._learned(_begun(self._first))).state()[1]

    def _learned(self, begun: Sequence[float]) -> Chance:
        chance = Chance(self._numbers, begun=begun)
        for happened, *numbers in self._first:
            chance.learn(numbers, happened=happened > 0)
        return chance


def _begun(first: Sequence[Sequence[float]]) -> list[float]:
    """How far each weight may lie; that of the constant is free, as most things are rare."""
    _happened, _constant, *columns = zip(*first, strict=True)
    spreads = [statistics.pstdev(column) for column in columns]
    taken = [spread if spread >= LEAST_SPREAD else USUAL_SPREAD for spread in spreads]
    return [1.0, *(min(FURTHEST, FAR / spread**2) for spread in taken)]
