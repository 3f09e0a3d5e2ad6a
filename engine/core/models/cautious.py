"""A `Chance` that believes of few answers only as much as turns out right.

How far from 0 a weight may lie before anything is known is a guess: where it is wide, few answers make it believe what
is not so; where it is narrow, it takes long to believe what is. So some are tried beside one another, from narrow to
wide, and whose chances were the least surprised by the answers is listened to. It depends on how far a number spreads,
too: a mood between -1 and 1 needs a larger weight than a count of hundreds; so the first answers are kept until the
spreads are known, and then learned. What this is worth: benchmarks/quality/README.md, few answers.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from engine.core.models.chance import Chance
from engine.ports import Slot

FIRST = 30
# After so many answers one of them is gone on with: more say little of where it began, and each costs its time.
SETTLED = 1_000
# How far from 0 the weight of a number that spreads by 1 may lie, squared; and that of any number at most.
TRIED, FURTHEST = (0.02, 0.2, 2.0), 2.0
# So much less surprised a wider one has to be than the one before it: where answers are alike, it only looks better.
MARGIN = 5.0
# What spread less among the first, such as a flag that nobody had, tells nothing of its spread: a usual one is taken.
LEAST_SPREAD, USUAL_SPREAD = 0.02, 0.2


class Attempt:
    """One that began with its weights so far away, and how surprised it was by the answers since. State: in order."""

    def __init__(self, begun: Sequence[float], state: Slot | None = None) -> None:
        self.begun = list(begun)
        loss, answers, weights, doubt = state or (0.0, 0, [], [])
        self.loss: float = loss
        self.chance = Chance(len(begun), (answers, weights, doubt) if state else None, self.begun)

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        chance = self.chance.predict(numbers)
        self.loss -= math.log(chance if happened else 1.0 - chance)
        self.chance.learn(numbers, happened=happened)

    def state(self) -> Slot:
        return [self.begun, self.loss, *self.chance.state()]


class Cautious:
    """One of the numbers, the first, is the constant 1.

    State: [the first answers, attempts], where the first answers are [what came of it, number, ...] until they are
    learned; there are no attempts until then, and one when it has settled.
    """

    def __init__(self, numbers: int, state: Slot | None = None) -> None:
        self._numbers = numbers
        first, attempts = state or ([], [])
        self._first: list[list[float]] = [list(each) for each in first]
        self._attempts = [Attempt(begun, known) for begun, *known in attempts]

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        """What came of what was known then."""
        if not self._attempts:
            self._first.append([float(happened), *numbers])
            if len(self._first) == FIRST:
                self._attempts, self._first = _attempts(self._first), []
            return
        for attempt in self._attempts:
            attempt.learn(numbers, happened=happened)
        if len(self._attempts) > 1 and self._attempts[0].chance.answers >= SETTLED:
            self._attempts = [_best(self._attempts)]

    def state(self) -> Slot:
        return [[list(each) for each in self._first], [attempt.state() for attempt in self._attempts]]

    def weights(self) -> list[float]:
        """For each number; all 0 where nothing was learned."""
        attempts = self._attempts or _attempts(self._first)
        return _best(attempts).chance.state()[1] if attempts else [0.0] * self._numbers


def _attempts(first: Sequence[Sequence[float]]) -> list[Attempt]:
    """All that are tried, after the first answers; none where there are none."""
    if not first:
        return []
    _happened, _constant, *columns = zip(*first, strict=True)
    spreads = [statistics.pstdev(column) for column in columns]
    taken = [spread if spread >= LEAST_SPREAD else USUAL_SPREAD for spread in spreads]
    # The constant is free, as most things are rare.
    found = [Attempt([1.0, *(min(FURTHEST, far / spread**2) for spread in taken)]) for far in TRIED]
    for happened, *numbers in first:
        for attempt in found:
            attempt.learn(numbers, happened=happened > 0)
    return found


def _best(attempts: Sequence[Attempt]) -> Attempt:
    """The one that was surprised least; a wider one has to earn it."""
    _, best = min(enumerate(attempts), key=lambda each: each[1].loss + MARGIN * each[0])
    return best
