"""A measure held against another one: more is coming than can be taken, fewer were answered than opened.

Each moment has a value on both sides, and while either is unknown, so is the comparison. Where one side is a count that
has to be small, it says nothing before there was time to count, as with a limit that is a number. Two measures by the
same calendar are compared period by period.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.comparing import LESS, MORE, settled, settled_turn
from engine.core.compiled import Compiled, Measure, Truth, Turn
from engine.core.matching import holds
from engine.core.state import Entity
from engine.model import Reading, Scalar
from engine.spec.types import Compare


class _Side:
    """One of the two: `is_small` if it has to be a small count, `is_closed` if it is read of periods that are over."""

    def __init__(self, measure: Measure, *, is_small: bool, is_closed: bool) -> None:
        self.measure = measure
        self.is_small = is_small
        self.is_closed = is_closed

    def values(self, entity: Entity, now: int, periods: int) -> Sequence[Scalar] | None:
        """Newest first; None where they cannot be known yet."""
        measure = self.measure
        if self.is_small and not self._may_be_small(entity, now):
            return None
        if self.is_closed and measure.closed:
            return measure.closed(entity, now, periods)
        return [measure.value(entity, now)] * periods

    def _may_be_small(self, entity: Entity, now: int) -> bool:
        """Has there been time to count, with streams that flow?"""
        if not self.is_closed and now < settled(entity, self.measure):
            return False
        return not entity.stalled_ms(self.measure.events, now - 1, now)

    @property
    def may_wait(self) -> bool:
        """Is it not simply what the measure says now?"""
        return self.is_small or self.is_closed

    @property
    def wait(self) -> Turn:
        return settled_turn(self.measure) if self.is_small and not self.is_closed else self.measure.turn


def against(spec: Compare, measure: Measure, limit: Measure, *, in_range: bool = False) -> Compiled:
    """`in_range`: another limit of the measure already asks for events, so that few of them need no waiting."""
    one, other = _sides(spec, measure, limit, in_range=in_range)
    periods = spec.in_a_row or 1
    truth = _by_period(spec, one, other) if one.may_wait or other.may_wait else _now(spec, measure, limit)

    def story(entity: Entity, now: int) -> list[Reading]:
        value, held = ((side.values(entity, now, periods) or [None])[0] for side in (one, other))
        met = truth(entity, now) is True
        told = Reading(spec.measure, value, spec.comparator, held, spec.in_a_row, met=met, limit_of=spec.limit_of)
        return [told]

    return Compiled(
        truth=truth,
        quick=truth,
        story=story,
        timed=_is_timed(spec, one, other),
        wait=lambda entity, now: min(one.wait(entity, now), other.wait(entity, now)),
        turn=lambda entity, now: min(measure.turn(entity, now), limit.turn(entity, now)),
        at=tuple(dict.fromkeys((*measure.at, *limit.at))),
    )


def _now(spec: Compare, measure: Measure, limit: Measure) -> Truth:
    """Both as they are: what each event asks, so it goes straight to the two."""
    value, other = measure.value, limit.value
    return lambda entity, now: _holds(value(entity, now), spec, other(entity, now))


def _by_period(spec: Compare, one: _Side, other: _Side) -> Truth:
    periods = spec.in_a_row or 1

    def truth(entity: Entity, now: int) -> bool | None:
        values, limits = one.values(entity, now, periods), other.values(entity, now, periods)
        if values is None or limits is None:
            return None
        judged = [_holds(value, spec, limit) for value, limit in zip(values, limits, strict=True)]
        return False if False in judged else None if None in judged else True

    return truth


def _sides(spec: Compare, measure: Measure, limit: Measure, *, in_range: bool) -> tuple[_Side, _Side]:
    few = spec.comparator in LESS and measure.moves == "up" and not in_range
    few_allowed = spec.comparator in MORE and limit.moves == "up"
    is_closed = spec.in_a_row > 0 or (few and measure.closed is not None)
    limit_is_closed = few_allowed and limit.closed is not None
    if measure.period and measure.period == limit.period:  # never half of a period beside a whole one
        is_closed = limit_is_closed = is_closed or limit_is_closed
    one = _Side(measure, is_small=few, is_closed=is_closed)
    return one, _Side(limit, is_small=few_allowed, is_closed=limit_is_closed)


def _is_timed(spec: Compare, one: _Side, other: _Side) -> bool:
    """Can it become true without an event?"""
    rises = one.measure.moves == "down" and spec.comparator in MORE
    falls = other.measure.moves == "down" and spec.comparator in LESS
    sides = any(side.may_wait or side.measure.is_sampled for side in (one, other))
    return sides or rises or falls


def _holds(value: Scalar, spec: Compare, limit: Scalar) -> bool | None:
    return None if value is None or limit is None else holds(value, spec.comparator, limit)
