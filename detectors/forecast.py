"""How many will come in the next hours or days, by what is usual at that time of the week.

Use it to see beforehand that a queue will get more than its people can take. The value is what is expected in all of
the time ahead together, the running period included; with `at: 80%` it is the number that four in five such times do
not exceed. With `as: busiest` it is that of the busiest period among them. It says nothing before it has seen two
weeks. It knows nothing of holidays, or of what is new.

    watch:
      arrivals: {count: ticket.opened, every: 1h}
      coming:   {forecast_of: arrivals, ahead: 4h, at: 80%}
    when: {coming: {above: 40}}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec

from engine.core.models.demand import Demand
from engine.core.models.stored import stored
from engine.core.periods import MONDAY_MS, local_ms
from engine.model import DAY_MS, HOUR_MS, WEEK_MS, Scalar
from engine.ports import As, Known, Learner, OptionProblem, Sampling, Slot
from engine.spec.usual import LENGTHS_MS

# Before that, a forecast is a guess.
WEEKS = 2


As_: TypeAlias = Literal["total", "busiest", "hours_until_busiest"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    of: Annotated[tuple[str, ...], As.MEASURES, "the measure, by the calendar: a count per hour or day"]
    ahead: Annotated[int, As.DURATION, "how far ahead: some of its periods, all of them together; a week at most"]
    at: Annotated[float, As.SHARE, "the number that this share of such times do not exceed; else what is expected"] = 0
    as_: Annotated[
        As_, As.TEXT, "all of them together, the busiest one, or how many hours it is until that one begins"
    ] = msgspec.field(default="total", name="as")


class Forecast:
    """Slot: [what is coming by what was asked, or None; the model]; 1.7 kB for hours. Several that look ahead from the
    same measure share it, however far and how surely each is to look.
    """

    def __init__(self, options: Options, period_ms: int) -> None:
        self.identity = f"forecast {period_ms}"
        self._period_ms, self._places = period_ms, WEEK_MS // period_ms
        look = (max(1, options.ahead // period_ms), options.at, options.as_)
        self._asked = " ".join(map(str, look))
        self.looks = {self._asked: look}

    def join(self, other: Learner) -> None:
        """What the other is asked is answered here as well."""
        assert isinstance(other, Forecast), other
        self.looks = dict(sorted((self.looks | other.looks).items()))

    def fresh(self) -> Slot:
        return [None, None]

    def take(self, slot: Slot, at: int, values: Sequence[Scalar], known: Known) -> None:
        """Learn what came in the period that `at` was the end of, and look ahead from there."""
        model = Demand(self._places, slot[1])
        came = values[0]
        if isinstance(came, int | float):
            model.learn(self._place(at, known.zone), max(0.0, float(came)))
            slot[1] = stored(model.state())
        slot[0] = None
        if model.weeks >= WEEKS:
            slot[0] = {asked: self._coming(model, at, known.zone, *each) for asked, each in self.looks.items()}

    def _coming(self, model: Demand, at: int, zone: str, periods: int, share: float, as_: As_) -> float:
        # The middle of each period, which is in it also when the clocks change.
        middles = [at + round((ahead + 0.5) * self._period_ms) for ahead in range(periods)]
        places = [self._place(middle, zone) for middle in middles]
        if as_ == "total":
            return _number(model, places, share)
        numbers = [_number(model, [place], share) for place in places]
        most = max(numbers)
        return most if as_ == "busiest" else numbers.index(most) * self._period_ms // HOUR_MS

    def _place(self, at: int, zone: str) -> int:
        """In the week as it is there, from Monday on."""
        return (local_ms(at, zone) - MONDAY_MS) % WEEK_MS // self._period_ms

    def value(self, slot: Slot) -> Scalar:
        said: dict[str, float] = slot[0] or {}
        return said.get(self._asked)


class ForecastOf:
    words = ("forecast_of",)
    options = Options
    samples_per_window = 1

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        if len(options.of) > 1:
            return [OptionProblem("of", "too-many-measures", "it looks ahead for one measure - write a line for each")]
        return ()

    def percentile(self, word: str, share: float) -> float | None:
        return None

    def period_problems(self, word: str, options: Options, period: str) -> Sequence[OptionProblem]:
        """Periods that have a place in the week, and as many of them as make the time ahead."""
        name, period_ms = options.of[0], _length_ms(period)
        if not period_ms:
            fault = f"it looks ahead by hours or days - give '{name}' every: 1h or every: 1d"
            return [OptionProblem("of", "bad-forecast", fault)]
        if options.ahead % period_ms or options.ahead > WEEK_MS:
            fault = f"'ahead' is made of whole periods of '{name}', here {period}, and a week is the most"
            return [OptionProblem("ahead", "bad-forecast", fault)]
        return ()

    def learner(self, word: str, options: Options, sampling: Sampling) -> Learner:
        return Forecast(options, _length_ms(sampling.period))


def _number(model: Demand, places: Sequence[int], share: float) -> float:
    return model.most_of(places, share) if share else model.expected_of(places)


def _length_ms(period: str) -> int:
    """0 for what has no place in the week."""
    length_ms = LENGTHS_MS.get(period, 0)
    return length_ms if length_ms <= DAY_MS else 0


KINDS = (ForecastOf(),)
