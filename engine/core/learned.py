"""Measures of measures: what a learner says about the newest sample of others, taken now and then.

A sample is taken where a calendar period of the measures has closed; of sliding windows every `step_ms`, aligned to
1970, once a whole window has been seen. Whoever reads such a measure has it look whether a sample is due, so the
detectors that read one have timers at those moments. Between two samples it says what it said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from engine.core.asking import Asking
from engine.core.compiled import Measure, Turn, slot_of
from engine.core.models.usual import Departure
from engine.core.periods import period_of
from engine.core.state import Entity
from engine.model import Event, Scalar
from engine.ports import NEVER, Joining, Known, Learner, Slot

Values: TypeAlias = Sequence[Scalar]
# A moment of what was measured, and the values; None where there is nothing to take.
Sample: TypeAlias = tuple[int, Values] | None
# Called with the entity, the present, and until when nothing was due (0 = it never looked): what is due, and until
# when nothing will be.
Clock: TypeAlias = Callable[[Entity, int, int], tuple[Sample, int]]


class Memory:
    """The tracker of a learner: no event feeds it but answers to what it asks. Slot: [until when no sample is due, the
    learner's memory].
    """

    columns: tuple[str, ...] = ()

    def __init__(self, identity: str, learner: Learner) -> None:
        self.identity = identity
        self.learner = learner
        self.events: tuple[str, ...] = learner.events if isinstance(learner, Asking) else ()

    def empty(self, known: Known) -> Slot:
        return [0, self.learner.fresh()]

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        if isinstance(self.learner, Asking):
            self.learner.hear(slot[1], event, known)
        return None

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        return NEVER

    def begin(self, slot: Slot, now: int) -> None:
        """What was measured before it was added is not learned: there are no samples of it."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot


def caught_up(entity: Entity, now: int, at: int, memory: Memory, clock: Clock) -> Slot:
    """The slot for this entity, with the sample that is due by now taken."""
    slot: Slot = entity.slots[at] or slot_of(entity, at, memory)
    if now >= slot[0]:
        sample, slot[0] = clock(entity, now, slot[0])
        if sample is not None:
            memory.learner.take(slot[1], *sample, entity)
    return slot


def learned_of(name: str, at: int, memory: Memory, parts: Sequence[Measure], clock: Clock) -> Measure:
    """What a learner says about these measures, as a measure."""

    def value(entity: Entity, now: int) -> Scalar:
        return memory.learner.value(caught_up(entity, now, at, memory, clock)[1])

    return Measure(
        name=name,
        value=value,
        closed=None,
        moves="both",
        settles_ms=0,
        inline=None,
        at=(at, *dict.fromkeys(place for part in parts for place in part.at)),
        events=tuple(dict.fromkeys(event for part in parts for event in part.events)),
        turn=turn_of(at, memory, clock),
        is_sampled=True,
    )


def told_by(name: str, chance: Measure, say: Callable[[Slot], Scalar], memory: Memory, clock: Clock) -> Measure:
    """What else is to be said of a chance, as a measure that texts can name."""
    at = chance.at[0]

    def value(entity: Entity, now: int) -> Scalar:
        return say(caught_up(entity, now, at, memory, clock)[1])

    return msgspec.structs.replace(chance, name=name, value=value)


def joined(made: Measure, learner: Learner, memory: Memory, clock: Clock) -> Measure:
    """The same, as another learner reads it out of the memory that it shares."""
    assert isinstance(memory.learner, Joining), made.name
    memory.learner.join(learner)
    return told_by(made.name, made, learner.value, memory, clock)


def turn_of(at: int, memory: Memory, clock: Clock) -> Turn:
    def turn(entity: Entity, now: int) -> int:
        until: int = caught_up(entity, now, at, memory, clock)[0]
        return until

    return turn


def usual_of(name: str, at: int, memory: Memory, part: Measure, period: str) -> Measure:
    """What is usual for a measure by the calendar, as a measure that has verdicts on each period."""
    departure, clock = memory.learner, by_period((part,), period)
    assert isinstance(departure, Departure), name

    def verdicts(entity: Entity, now: int, periods: int) -> Sequence[Sequence[float | None]] | None:
        return departure.verdicts(caught_up(entity, now, at, memory, clock)[1], periods)

    return msgspec.structs.replace(learned_of(name, at, memory, (part,), clock), verdicts=verdicts)


def by_period(parts: Sequence[Measure], period: str) -> Clock:
    """When a calendar period has closed, what it held. One that was not wholly seen is no sample."""

    def clock(entity: Entity, now: int, until: int) -> tuple[Sample, int]:
        start, end = period_of(now, period, entity.zone)
        end = max(end, now + 1)
        columns = [part.closed(entity, now, 1) for part in parts if part.closed]
        if not until or any(column is None for column in columns):
            return None, end
        values = [column[0] if column else None for column in columns]
        begun = period_of(start - 1, period, entity.zone)[0]
        return (start - 1, _sure(parts, values, entity, begun, start)), end

    return clock


def by_step(parts: Sequence[Measure], step_ms: int, *, is_patient: bool = True) -> Clock:
    """Every so often, what the sliding windows hold, once whole windows have been seen.

    Without being patient, of somebody new as well: whoever learns from it knows how new they are.
    """
    settles_ms = max(part.settles_ms for part in parts)
    places = [at for part in parts for at in part.at]

    def clock(entity: Entity, now: int, until: int) -> tuple[Sample, int]:
        due = now // step_ms * step_ms
        after = due + step_ms
        begun = entity.begun or {}
        settled = max([entity.first_seen, *(begun[at] + settles_ms for at in places if at in begun)])
        if is_patient:
            settled = max(settled, entity.first_seen + settles_ms)
        if not until or due < settled:
            return None, after
        values = [part.value(entity, now) for part in parts]
        return (due, _sure(parts, values, entity, due - step_ms, due)), after

    return clock


def _sure(parts: Sequence[Measure], values: Values, entity: Entity, since: int, until: int) -> Values:
    """Nothing is known of what was measured while its stream was stalled."""
    return [
        None if entity.stalled_ms(part.events, since, until) else value
        for part, value in zip(parts, values, strict=True)
    ]
