"""A measure held against a limit that the author has written.

Truth has three values: True, False, and None for unknown, which neither opens nor closes a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any

from engine.core.compiled import Compiled, Limit, Measure, Quick, Truth, Turn
from engine.core.matching import holds
from engine.core.state import Entity
from engine.model import HOUR_MS, Reading
from engine.ports import NEVER
from engine.spec.types import Compare

MORE, LESS = ("above", "at_least"), ("below", "at_most")
ORDER: dict[str, Callable[[Any, Any], bool]] = {"above": gt, "at_least": ge, "below": lt, "at_most": le}


def compare(spec: Compare, measure: Measure, *, in_range: bool = False) -> Compiled:
    """`in_range`: another limit of it already asks for events, so that few of them need no waiting."""
    periods = spec.in_a_row
    low = _is_low(spec, measure) and not in_range
    if low and measure.closed and not periods:
        periods = 1  # a low count of an open period says nothing until the period closes
    truth = _in_a_row(spec, measure, periods) if periods else _now(spec, measure, low)
    rises = measure.moves == "down" and spec.comparator in MORE
    timed = bool(periods) or low or measure.is_sampled or rises
    wait = settled_turn(measure) if low and not periods else measure.turn

    def story(entity: Entity, now: int) -> list[Reading]:
        return [_reading(spec, measure, periods, entity, now, truth)]

    quick = truth if periods or low else _quick(spec, measure, truth)
    return Compiled(truth=truth, quick=quick, story=story, timed=timed, wait=wait, turn=measure.turn, at=measure.at)


def _is_low(spec: Compare, measure: Measure) -> bool:
    """Only time can make it true: a count that should be small, or zero."""
    if measure.moves != "up":
        return False
    return spec.comparator in LESS or (spec.comparator == "is" and spec.limit == 0)


def _now(spec: Compare, measure: Measure, low: bool) -> Truth:
    value, limit, comparator = measure.value, spec.limit, spec.comparator
    if low:
        return _low(spec, measure)
    ordered = ORDER.get(comparator)
    if ordered is None or isinstance(limit, str | bool | tuple) or limit is None:

        def general(entity: Entity, now: int) -> bool | None:
            found = value(entity, now)
            return None if found is None else holds(found, comparator, limit)

        return general

    def plain(entity: Entity, now: int) -> bool | None:
        found = value(entity, now)
        if found is None:
            return None
        # What events say may be a text or a flag, which is neither more nor less than a number.
        return not isinstance(found, str | bool) and ordered(found, limit)

    return plain


def _quick(spec: Compare, measure: Measure, truth: Truth) -> Quick:
    limit = spec.limit
    if measure.inline is None or spec.comparator not in ORDER or type(limit) not in (int, float):
        return truth
    assert isinstance(limit, int | float)
    if not isfinite(limit):
        return truth
    return Limit(at=measure.at[0], inline=measure.inline, comparator=spec.comparator, limit=limit)


def _low(spec: Compare, measure: Measure) -> Truth:
    """A low count is known only when a whole window has been seen, and not while its stream is stalled."""
    value = measure.value

    def truth(entity: Entity, now: int) -> bool | None:
        if now < settled(entity, measure) or entity.stalled_ms(measure.events, now - 1, now):
            return None
        return holds(value(entity, now), spec.comparator, spec.limit)

    return truth


def settled(entity: Entity, measure: Measure) -> int:
    """When a whole window has been seen: since the entity was first seen, or since the measure was added."""
    begun = entity.begun or {}
    return max(entity.first_seen, *(begun.get(at, 0) for at in measure.at)) + measure.settles_ms


def settled_turn(measure: Measure) -> Turn:
    """When next to look at a low count: when it comes to mean something, then each time that it changes."""

    def turn(entity: Entity, now: int) -> int:
        known_from = settled(entity, measure)
        if now < known_from:
            return known_from
        stalled = entity.stalled_ms(measure.events, now - 1, now)
        return min(measure.turn(entity, now), now + HOUR_MS if stalled else NEVER)

    return turn


def _in_a_row(spec: Compare, measure: Measure, periods: int) -> Truth:
    closed = measure.closed
    assert closed is not None

    def truth(entity: Entity, now: int) -> bool | None:
        values = closed(entity, now, periods)
        if values is None or (_is_low(spec, measure) and entity.stalled_ms(measure.events, now - 1, now)):
            return None
        unknown = False
        for value in values:
            if value is None:
                unknown = True
            elif not holds(value, spec.comparator, spec.limit):
                return False
        return None if unknown else True

    return truth


def _reading(spec: Compare, measure: Measure, periods: int, entity: Entity, now: int, truth: Truth) -> Reading:
    value = measure.value(entity, now)
    if periods and measure.closed:
        values = measure.closed(entity, now, periods)
        value = values[0] if values else None
    return Reading(spec.measure, value, spec.comparator, spec.limit, periods, met=truth(entity, now) is True)
