"""Conditions compiled once into closures over an entity's slots.

Truth has three values: True, False, and None for unknown, which neither opens nor closes a signal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any, Literal, TypeAlias, assert_never

import msgspec

from engine.core.matching import holds
from engine.core.state import Entity
from engine.model import HOUR_MS, Reading, Scalar
from engine.ports import NEVER, Condition, Inline, Reader, Tracker
from engine.spec.departures import PEERS, USUAL, Departs
from engine.spec.types import AllOf, AnyOf, Compare, ConditionSpec, Kept

ORDER: dict[str, Callable[[Any, Any], bool]] = {"above": gt, "at_least": ge, "below": lt, "at_most": le}

Truth: TypeAlias = Callable[[Entity, int], bool | None]
Turn: TypeAlias = Callable[[Entity, int], int]
Story: TypeAlias = Callable[[Entity, int], list[Reading]]
Value: TypeAlias = Callable[[Entity, int], Scalar]
Closed: TypeAlias = Callable[[Entity, int, int], Sequence[Scalar] | None]
Verdicts: TypeAlias = Callable[[Entity, int, int], Sequence[Sequence[float | None]] | None]


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A measure ready to be read from an entity. `at` are the indexes of the trackers it reads.

    `is_sampled`: it changes at its `turn`, by being read, and not with each event. `verdicts` are of one that says what
    is usual: value, usual and spread of the newest closed periods, newest first.
    """

    name: str
    value: Value
    closed: Closed | None
    moves: str
    settles_ms: int
    inline: Inline | None
    at: tuple[int, ...]
    events: tuple[str, ...]
    turn: Turn
    is_sampled: bool = False
    verdicts: Verdicts | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A measure of the tracker `at` held against a number, as source."""

    at: int
    inline: Inline
    comparator: str
    limit: float


class Joined(msgspec.Struct, frozen=True):
    """Several conditions of which all (`and`) or any (`or`) must hold."""

    word: Literal["and", "or"]
    parts: tuple[Quick, ...]


# A condition taken apart as far as it can be written as source; what cannot is asked as it is.
Quick: TypeAlias = "Limit | Joined | Truth"


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A condition ready to be judged.

    `timed`: it can become true without an event, so `wait` (when next to look while nothing is pending) counts.
    `turn`: when next to look while pending or firing. `at`: the trackers it reads. `quick` holds exactly when `truth`
    is True.
    """

    truth: Truth
    quick: Quick
    story: Story
    timed: bool
    wait: Turn
    turn: Turn
    at: tuple[int, ...]


def is_of_limits(quick: Quick) -> bool:
    """Is it written as source in all its parts?"""
    if isinstance(quick, Joined):
        return all(map(is_of_limits, quick.parts))
    return isinstance(quick, Limit)


def slot_of(entity: Entity, at: int, tracker: Tracker) -> list[object]:
    """The entity's slot, made on first use."""
    slot = entity.slots[at]
    if slot is None:
        slot = entity.slots[at] = tracker.empty(entity)
    return slot


def measure_of(name: str, at: int, tracker: Tracker, reader: Reader) -> Measure:
    """A measure read by a plugin's reader out of one tracker's slot."""
    read, read_closed = reader.value, reader.closed

    def value(entity: Entity, now: int) -> Scalar:
        slot = entity.slots[at]
        return read(slot_of(entity, at, tracker) if slot is None else slot, now, entity)

    def closed(entity: Entity, now: int, periods: int) -> Sequence[Scalar] | None:
        assert read_closed is not None
        return read_closed(slot_of(entity, at, tracker), now, entity, periods)

    return Measure(
        name=name,
        value=value,
        closed=closed if read_closed else None,
        moves=reader.moves,
        settles_ms=reader.settles_ms,
        inline=reader.inline,
        at=(at,),
        events=tracker.events,
        turn=lambda entity, now: tracker.turn(slot_of(entity, at, tracker), now, entity),
    )


def formula_of(name: str, parts: Sequence[Measure], evaluate: Callable[[Sequence[Scalar]], Scalar]) -> Measure:
    """A measure computed from others; unknown where one of them is."""

    def closed(entity: Entity, now: int, periods: int) -> Sequence[Scalar] | None:
        columns = [part.closed(entity, now, periods) for part in parts if part.closed]
        if any(column is None for column in columns):
            return None
        return [evaluate(row) for row in zip(*(column or () for column in columns), strict=True)]

    return Measure(
        name=name,
        value=lambda entity, now: evaluate([part.value(entity, now) for part in parts]),
        closed=closed if all(part.closed for part in parts) else None,
        moves="both",
        settles_ms=0,
        inline=None,
        at=tuple(dict.fromkeys(at for part in parts for at in part.at)),
        events=tuple(dict.fromkeys(event for part in parts for event in part.events)),
        turn=lambda entity, now: min(part.turn(entity, now) for part in parts),
    )


def compile_condition(
    spec: ConditionSpec, measures: dict[str, Measure], kept: Callable[[Kept], tuple[int, Condition]]
) -> Compiled:
    """`kept` gives the slot index and the logic of a plugin condition."""
    if isinstance(spec, Compare):
        return _compare(spec, measures[spec.measure])
    if isinstance(spec, Departs):
        prefix = PEERS if spec.against == "peers" else USUAL
        return _departs(spec, measures[prefix + spec.measure])
    if isinstance(spec, Kept):
        return _kept(*kept(spec))
    if isinstance(spec, AllOf):
        return _combine([_part_of_all(part, spec, measures, kept) for part in spec.parts], "and")
    if isinstance(spec, AnyOf):
        return _combine([compile_condition(part, measures, kept) for part in spec.parts], "or")
    assert_never(spec)


# ---- a measure against a limit


def _part_of_all(
    part: ConditionSpec, whole: AllOf, measures: dict[str, Measure], kept: Callable[[Kept], tuple[int, Condition]]
) -> Compiled:
    """The upper bound of a range needs no full window: its lower bound already asks for events."""
    floors = {p.measure for p in whole.parts if isinstance(p, Compare) and p.comparator in ("above", "at_least")}
    if isinstance(part, Compare) and part.measure in floors and not part.in_a_row:
        return _compare(part, measures[part.measure], in_range=True)
    return compile_condition(part, measures, kept)


def _compare(spec: Compare, measure: Measure, *, in_range: bool = False) -> Compiled:
    periods = spec.in_a_row
    low = _is_low(spec, measure) and not in_range
    if low and measure.closed and not periods:
        periods = 1  # a low count of an open period says nothing until the period closes
    truth = _in_a_row(spec, measure, periods) if periods else _now(spec, measure, low)
    rises = measure.moves == "down" and spec.comparator in ("above", "at_least")
    timed = bool(periods) or low or measure.is_sampled or rises
    wait = _settled_turn(measure) if low and not periods else measure.turn

    def story(entity: Entity, now: int) -> list[Reading]:
        return [_reading(spec, measure, periods, entity, now, truth)]

    quick = truth if periods or low else _quick(spec, measure, truth)
    return Compiled(truth=truth, quick=quick, story=story, timed=timed, wait=wait, turn=measure.turn, at=measure.at)


def _is_low(spec: Compare, measure: Measure) -> bool:
    """Only time can make it true: a count that should be small, or zero."""
    if measure.moves != "up":
        return False
    return spec.comparator in ("below", "at_most") or (spec.comparator == "is" and spec.limit == 0)


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
        return None if found is None else ordered(found, limit)

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
        if now < _settled(entity, measure) or entity.stalled_ms(measure.events, now - 1, now):
            return None
        return holds(value(entity, now), spec.comparator, spec.limit)

    return truth


def _settled(entity: Entity, measure: Measure) -> int:
    """When a whole window has been seen: since the entity was first seen, or since the measure was added."""
    begun = entity.begun or {}
    return max(entity.first_seen, *(begun.get(at, 0) for at in measure.at)) + measure.settles_ms


def _settled_turn(measure: Measure) -> Turn:
    def turn(entity: Entity, now: int) -> int:
        settled = _settled(entity, measure)
        if now < settled:
            return settled
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


# ---- a measure against what is usual


def _departs(spec: Departs, usual: Measure) -> Compiled:
    verdicts = usual.verdicts
    assert verdicts is not None, spec

    def truth(entity: Entity, now: int) -> bool | None:
        found = verdicts(entity, now, spec.in_a_row)
        if found is None:
            return None
        judged = [_is_beyond(spec, *verdict) for verdict in found]
        return False if False in judged else None if None in judged else True

    def story(entity: Entity, now: int) -> list[Reading]:
        found = verdicts(entity, now, 1)
        limit = f"{spec.share * 100:g}%" if spec.share else f"{spec.spreads:g}sd"
        value = found[0][0] if found else None
        met = truth(entity, now) is True
        return [Reading(spec.measure, value, f"{spec.side}_{spec.against}_by", limit, spec.in_a_row, met=met)]

    return Compiled(truth=truth, quick=truth, story=story, timed=True, wait=usual.turn, turn=usual.turn, at=usual.at)


def _is_beyond(spec: Departs, value: float | None, usual: float | None, spread: float | None) -> bool | None:
    """Of nothing, no part can be told; spreads can."""
    if value is None or usual is None or spread is None or (spec.share and usual == 0):
        return None
    off = value - usual if spec.side == "above" else usual - value
    return off > (spec.share * abs(usual) if spec.share else spec.spreads * spread)


# ---- plugin conditions, and combinations


def _kept(at: int, condition: Condition) -> Compiled:
    def truth(entity: Entity, now: int) -> bool | None:
        return condition.truth(slot_of(entity, at, condition), now, entity)

    def turn(entity: Entity, now: int) -> int:
        return condition.turn(slot_of(entity, at, condition), now, entity)

    def story(entity: Entity, now: int) -> list[Reading]:
        return list(condition.readings(slot_of(entity, at, condition), now, entity))

    return Compiled(truth=truth, quick=truth, story=story, timed=condition.timed, wait=turn, turn=turn, at=(at,))


def _all_of(truths: tuple[Truth, ...]) -> Truth:
    if len(truths) == 2:
        first, second = truths

        def both(entity: Entity, now: int) -> bool | None:
            one = first(entity, now)
            if one is False:
                return False
            other = second(entity, now)
            return other if one or other is False else None

        return both

    def every(entity: Entity, now: int) -> bool | None:
        found: bool | None = True
        for truth in truths:
            one = truth(entity, now)
            if one is False:
                return False
            if one is None:
                found = None
        return found

    return every


def _any_of(truths: tuple[Truth, ...]) -> Truth:
    def either(entity: Entity, now: int) -> bool | None:
        found: bool | None = False
        for truth in truths:
            one = truth(entity, now)
            if one:
                return True
            if one is None:
                found = None
        return found

    return either


def _combine(parts: list[Compiled], word: Literal["and", "or"]) -> Compiled:
    if len(parts) == 1:
        return parts[0]
    how = _all_of if word == "and" else _any_of
    timed = [part for part in parts if part.timed]
    return Compiled(
        truth=how(tuple(part.truth for part in parts)),
        quick=Joined(word, tuple(part.quick for part in parts)),
        story=lambda entity, now: [reading for part in parts for reading in part.story(entity, now)],
        timed=bool(timed),
        wait=lambda entity, now: min(part.wait(entity, now) for part in timed),
        turn=lambda entity, now: min(part.turn(entity, now) for part in parts),
        at=tuple(dict.fromkeys(at for part in parts for at in part.at)),
    )
