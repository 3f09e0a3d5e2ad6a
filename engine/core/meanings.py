"""What a detector's measures are, whatever they are called: two of the same meaning are kept once."""

from __future__ import annotations

from typing import Literal

from engine.core.models.usual import Departure, cycle_of
from engine.ports import Sampling
from engine.spec.departures import Departs, UsualSpec
from engine.spec.types import DetectorSpec, MeasureSpec
from engine.spec.usual import LENGTHS_MS, departures_of, remembered_of, same_of

COUNTED = ("count", "distinct")


def meaning_of(name: str, spec: DetectorSpec) -> tuple[object, ...]:
    """A measure without the names that the author has given to it and to what it reads."""
    measure = next(each for each in spec.watch if each.name == name)
    if measure.inputs:
        return (measure.word, measure.options.source, *(meaning_of(each, spec) for each in measure.inputs))
    return (measure.word, measure.options)


def sampling_of(measure: MeasureSpec, spec: DetectorSpec) -> Sampling:
    """How a measure that learns is to take samples of what it reads."""
    by_name = {each.name: each for each in spec.watch}
    reads = [by_name[name] for name in measure.inputs]
    if not measure.step_ms:
        return Sampling(period=next((read.period for read in reads if read.period), ""))
    windows = [each for read in reads for each in ([by_name[name] for name in read.inputs] or [read])]
    longest = max((getattr(each.options, "over", 0) for each in windows), default=0)
    return Sampling(overlap=max(0, -(-longest // measure.step_ms) - 1))


def departure_of(usual: UsualSpec, period: str, word: str, in_a_row: int) -> Departure:
    """What learns what is usual for a measure of that word and period."""
    remembered, same = remembered_of(usual, period), same_of(usual, period)
    cycle = cycle_of(same, LENGTHS_MS[period], remembered)
    of_counts = word in COUNTED
    return Departure(
        same=same, cycle=cycle, remembered=remembered, needs=usual.needs, kept=in_a_row, of_counts=of_counts
    )


def held_against(against: Literal["usual", "peers"], spec: DetectorSpec) -> list[str]:
    """The measures that are held against what is usual for the entity, or among its peers."""
    return sorted({departure.measure for departure in _departures(spec) if departure.against == against})


def most_in_a_row(spec: DetectorSpec) -> int:
    """In how many periods in a row one of either has to be out of the ordinary."""
    return max((departure.in_a_row for departure in _departures(spec)), default=1)


def _departures(spec: DetectorSpec) -> list[Departs]:
    conditions = (spec.when, spec.resolve_when) if spec.resolve_when else (spec.when,)
    return list(departures_of(conditions))
