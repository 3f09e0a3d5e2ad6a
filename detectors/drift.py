"""Whether the level of a measure has shifted for good, how far, and which way.

Use it for what turns slowly or stays changed: an account's response times since a release, the mood of its messages.
The value is the newest shift as long as it is news: 1.5 is up by one and a half times its usual spread, -1.5 down; with
`as: percent` it is a part of what it was before. It is news until as many samples as it needs have made the new level
the usual one; then it is 0. It cannot say when exactly the shift began.

    watch:
      latency: {average: page.loaded, field: took_ms, every: 1h}
      shift:   {drift_of: latency, as: percent}
    when: {shift: {above: 15%}}
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Annotated, Any, Literal

import msgspec

from engine.core.models.drift import Adwin, Hinkley, Shift
from engine.core.models.stored import stored
from engine.core.models.usual import BELL, STEADIEST
from engine.model import Scalar
from engine.ports import As, Known, Learner, OptionProblem, Sampling, Slot

NEEDS, LEAST_NEEDED, MOST_NEEDED = 30, 8, 400
SURE, TOLERANCE, THRESHOLD = 0.998, 0.5, 12.0
# One wild value is no shift: beyond so many spreads, it counts as one of so many.
FARTHEST = 4.0
# So many of the newest values say how far a shift has gone.
RECENT = 8
LARGEST = 1e100  # so that no difference is infinite
VALUE, NEWEST, SEEN, MIDDLE, SPREAD, MODEL = range(6)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    of: Annotated[tuple[str, ...], As.MEASURES, "the measure"]
    by: Annotated[
        Literal["adwin", "page_hinkley"], As.TEXT, "how shifts are found: adwin needs no size, page_hinkley is quicker"
    ] = "adwin"
    as_: Annotated[Literal["spreads", "percent"], As.TEXT, "what the shift is told in: spreads or percent"] = (
        msgspec.field(default="spreads", name="as")
    )
    needs: Annotated[
        int, As.COUNT, "how many samples make a level known, before anything is said and after a shift"
    ] = NEEDS
    sure: Annotated[float, As.SHARE, "for adwin: how sure it has to be that there was a shift"] = SURE
    tolerance: Annotated[float, As.NUMBER, "for page_hinkley: how many spreads off a level are none yet"] = TOLERANCE
    threshold: Annotated[float, As.NUMBER, "for page_hinkley: to how many spreads the rest has to add up"] = THRESHOLD
    step: Annotated[int, As.DURATION, "how often sliding windows are looked at; else once per window"] = 0


class Drift:
    """Slot: [newest shift or None, newest values, how many are known of the level, its middle, its spread, the model].

    It has at most 900 bytes, and 9 for each of the first samples while a level is not known yet.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        shown = (options.by, options.as_, options.needs, options.sure, options.tolerance, options.threshold)
        self.identity = f"drift {shown}"

    def fresh(self) -> Slot:
        return [None, [], 0, 0.0, 0.0, None]

    def take(self, slot: Slot, at: int, values: Sequence[Scalar], known: Known) -> None:
        """A sample whose value is unknown is left out."""
        value = values[0]
        if not isinstance(value, int | float):
            return
        slot[NEWEST].append(max(-LARGEST, min(LARGEST, float(value))))
        if slot[SEEN] >= self._options.needs:
            del slot[NEWEST][:-RECENT]
            self._hold(slot, slot[NEWEST][-1])
            return
        slot[SEEN] += 1
        if slot[SEEN] == self._options.needs:
            self._get_to_know(slot)

    def _get_to_know(self, slot: Slot) -> None:
        """The level is known now, and the shift that led to it no news any more."""
        first = [*slot[NEWEST]]
        slot[VALUE], slot[MIDDLE] = 0.0, median(first)
        slot[SPREAD] = _spread(first, slot[MIDDLE])
        slot[NEWEST] = []
        for value in first:
            slot[NEWEST].append(value)
            self._hold(slot, value)
            if not slot[SEEN]:
                return

    def _hold(self, slot: Slot, value: float) -> None:
        """Hold a value against what was before, in spreads."""
        model = self._model(slot[MODEL])
        shift = model.take(max(-FARTHEST, min(FARTHEST, (value - slot[MIDDLE]) / slot[SPREAD])))
        slot[MODEL] = stored(model.state())
        if shift is not None:
            slot[:] = [self._told(slot, shift), [], 0, 0.0, 0.0, None]

    def _model(self, state: Any) -> Adwin | Hinkley:
        options = self._options
        if options.by == "page_hinkley":
            return Hinkley(options.tolerance, options.threshold, options.needs, state=state)
        chance = 1.0 - options.sure
        return Adwin(chance, 1, state) if state else Adwin(chance, 1)

    def _told(self, slot: Slot, shift: Shift) -> float | None:
        """How far up or down; None as a part of nothing. How far it went is seen in the values themselves."""
        before: float = slot[MIDDLE] + shift.before * slot[SPREAD]
        off: float = median(slot[NEWEST][-shift.since :]) - before
        unit: float = slot[SPREAD] if self._options.as_ == "spreads" else abs(before)
        return off / unit if unit else None

    def value(self, slot: Slot) -> Scalar:
        shift: float | None = slot[VALUE]
        return shift


def _spread(values: Sequence[float], middle: float) -> float:
    """The root of the mean square, where what lies far out counts as three spreads."""
    off = [abs(value - middle) for value in values]
    rough = BELL * median(off)
    tamed = [min(each, 3.0 * rough) for each in off] if rough else off
    return max(math.sqrt(math.fsum(each * each for each in tamed) / len(tamed)), STEADIEST * abs(middle), 1e-9)


class DriftOf:
    words = ("drift_of",)
    options = Options
    samples_per_window = 1  # else two samples would share events, and be alike for that

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        low = [field for field in ("tolerance", "threshold") if getattr(options, field) <= 0]
        found = [OptionProblem(field, "bad-drift", f"'{field}' has to be more than nothing") for field in low]
        if len(options.of) > 1:
            found.append(OptionProblem("of", "too-many-measures", "it holds one measure - write another line for each"))
        if not LEAST_NEEDED <= options.needs <= MOST_NEEDED:
            fault = f"a level is known from {LEAST_NEEDED} samples or more, and {MOST_NEEDED} are the most"
            found.append(OptionProblem("needs", "bad-needs", fault))
        return found + list(_unused(options))

    def percentile(self, word: str, share: float) -> float | None:
        return None

    def period_problems(self, word: str, options: Options, period: str) -> Sequence[OptionProblem]:
        return ()

    def learner(self, word: str, options: Options, sampling: Sampling) -> Learner:
        return Drift(options)


def _unused(options: Options) -> Sequence[OptionProblem]:
    """What belongs to the other way of finding shifts."""
    defaults = {"sure": SURE} if options.by == "page_hinkley" else {"tolerance": TOLERANCE, "threshold": THRESHOLD}
    other = "adwin" if options.by == "page_hinkley" else "page_hinkley"
    return [
        OptionProblem(field, "unused-option", f"'{field}' goes with by: {other}")
        for field, default in defaults.items()
        if getattr(options, field) != default
    ]


KINDS = (DriftOf(),)
