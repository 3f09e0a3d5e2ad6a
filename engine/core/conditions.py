"""Conditions compiled once into closures over an entity's slots.

Truth has three values: True, False, and None for unknown, which neither opens nor closes a signal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, assert_never

from engine.core.against import against
from engine.core.comparing import MORE, compare
from engine.core.compiled import Compiled, Joined, Measure, Truth, slot_of
from engine.core.state import Entity
from engine.model import Reading
from engine.ports import Condition
from engine.spec.departures import PEERS, USUAL, Departs
from engine.spec.types import AllOf, AnyOf, Compare, ConditionSpec, Kept


def compile_condition(
    spec: ConditionSpec, measures: dict[str, Measure], kept: Callable[[Kept], tuple[int, Condition]]
) -> Compiled:
    """`kept` gives the slot index and the logic of a plugin condition."""
    if isinstance(spec, Compare):
        return _limited(spec, measures)
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


def _limited(spec: Compare, measures: Mapping[str, Measure], *, in_range: bool = False) -> Compiled:
    """Against a limit of the author's, or against another measure."""
    measure = measures[spec.measure]
    if spec.limit_of:
        return against(spec, measure, measures[spec.limit_of], in_range=in_range)
    return compare(spec, measure, in_range=in_range)


def _part_of_all(
    part: ConditionSpec, whole: AllOf, measures: dict[str, Measure], kept: Callable[[Kept], tuple[int, Condition]]
) -> Compiled:
    """The upper bound of a range needs no full window: its lower bound already asks for events."""
    floors = {p.measure for p in whole.parts if isinstance(p, Compare) and p.comparator in MORE}
    if isinstance(part, Compare) and part.measure in floors and not part.in_a_row:
        return _limited(part, measures, in_range=True)
    return compile_condition(part, measures, kept)


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
