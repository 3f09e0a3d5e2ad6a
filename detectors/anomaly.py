"""How unusual measures are just now, each against its own past and all of them together.

Use it where no limit can be named beforehand: how odd this hour's calls and failures are for this account. The value
says how rare that is: 2 is met once in a hundred samples of normal data, 3 once in a thousand, and a limit may be
written `p99` or `p99.9`. It learns all the time, so what lasts becomes usual. It cannot say what is wrong.

    watch:
      calls:   {count: api.call, over: 1h}
      failing: {share: api.call, where: {status: failed}, over: 1h}
      oddness: {anomaly_of: [calls, failing], needs: 500}
    when: {oddness: {above: p99}}
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import msgspec

from engine.core.models.anomaly import Anomaly
from engine.core.models.rest import LEVEL, POINTS, Rest
from engine.core.models.stored import stored
from engine.core.models.together import Together
from engine.core.periods import local_ms
from engine.model import Scalar
from engine.ports import As, Known, Learner, OptionProblem, Sampling, Slot

# A series is known well enough after so many samples; before, nothing is said.
NEEDS = 200
MOST_SERIES = 8
# While it stays beyond p99 without a break, an alarm goes on, and is not put to rest.
GOES_ON = 2.0
# What several series and all of them together see is partly the same, so that fewer chances are their own; measured.
OWN_CHANCES = 0.8
# With more later samples than that, one is taken to have nothing in common.
MOST_DELAY = 24
SAMPLES, SCORE, EACH, TOGETHER, LEFT = range(5)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    of: Annotated[tuple[str, ...], As.MEASURES, "the measure, or a list of measures that are looked at together"]
    needs: Annotated[int, As.COUNT, "how many samples it has to have seen before it says anything"] = NEEDS
    step: Annotated[int, As.DURATION, "how often sliding windows are looked at; else a twelfth of the shortest"] = 0
    rest: Annotated[int, As.NUMBER, "for how many samples it is quiet once one beyond p99.9 is over"] = POINTS


class Oddness:
    """Slot: [samples seen, score or None, state per series, state of all together, samples left to rest].

    It has up to 13 kB for each series. With so much `overlap`, a sample shares events with as many before it.
    """

    def __init__(self, options: Options, overlap: int = 0) -> None:
        self.identity = f"anomaly {options.needs} {options.rest} {overlap}"
        self._delay = min(overlap, MOST_DELAY)
        self._series, self._needs, self._rest = len(options.of), options.needs, int(options.rest)

    def fresh(self) -> Slot:
        return [0, None, [None] * self._series, None, 0]

    def take(self, slot: Slot, at: int, values: Sequence[Scalar], known: Known) -> None:
        """Where a value is unknown, nothing is said of the others, and nothing is learned from them."""
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if len(numbers) < self._series:
            slot[SCORE] = None
            return
        slot[SAMPLES] += 1
        rarity = self._rarity(slot, local_ms(at, known.zone), numbers)
        slot[SCORE] = self._rested(slot, rarity) if slot[SAMPLES] > self._needs else None

    def _rarity(self, slot: Slot, at: int, numbers: Sequence[float]) -> float:
        scores = []
        for place, number in enumerate(numbers):
            model = Anomaly(slot[EACH][place], self._delay)
            scores.append(model.take(at, number))
            slot[EACH][place] = stored(model.state())
        if self._series == 1:
            return scores[0]
        together = Together(self._series, slot[TOGETHER], self._delay)
        scores.append(together.take(numbers))
        slot[TOGETHER] = stored(together.state())
        # Who looks at several has as many chances to be astonished.
        return max(0.0, max(scores) - OWN_CHANCES * math.log10(len(scores)))

    def _rested(self, slot: Slot, rarity: float) -> float:
        """What follows an alarm closely is the same story. While it goes on it is told, afterwards not again: once it
        has fallen below the level of an alarm it may only fall further, so that no limit is passed twice.
        """
        rest, before = Rest(points=self._rest, left=slot[LEFT]), slot[SCORE] or 0.0
        rests, told = slot[LEFT] > 0, rest.take(rarity)
        slot[LEFT] = rest.state()
        if not rests or min(before, rarity) < GOES_ON:
            return told
        return rarity if before >= LEVEL else min(before, rarity)

    def value(self, slot: Slot) -> Scalar:
        score: float | None = slot[SCORE]
        return score


class AnomalyOf:
    words = ("anomaly_of",)
    options = Options

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        found = []
        if len(options.of) > MOST_SERIES:
            found.append(OptionProblem("of", "too-many-measures", f"{MOST_SERIES} measures are the most"))
        if len(set(options.of)) < len(options.of):
            found.append(OptionProblem("of", "same-measure-twice", "the same measure stands here twice"))
        if options.rest < 0 or options.rest != int(options.rest):
            found.append(OptionProblem("rest", "bad-rest", "a rest is a whole number of samples, 0 for none"))
        return found

    def percentile(self, word: str, share: float) -> float | None:
        return round(-math.log10(1.0 - share), 12) if 0.5 <= share < 1.0 else None

    def learner(self, word: str, options: Options, sampling: Sampling) -> Learner:
        return Oddness(options, sampling.overlap)


KINDS = (AnomalyOf(),)
