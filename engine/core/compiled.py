"""What the parts of a detector are compiled to: measures to be read from an entity, and conditions to be judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from engine.core.fields import field_getter
from engine.core.state import Entity
from engine.model import Reading, Scalar
from engine.ports import NEVER, Inline, Reader, Tracker

Truth: TypeAlias = Callable[[Entity, int], bool | None]
Turn: TypeAlias = Callable[[Entity, int], int]
Story: TypeAlias = Callable[[Entity, int], list[Reading]]
Value: TypeAlias = Callable[[Entity, int], Scalar]
Closed: TypeAlias = Callable[[Entity, int, int], Sequence[Scalar] | None]
Verdicts: TypeAlias = Callable[[Entity, int, int], Sequence[Sequence[float | None]] | None]


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A measure ready to be read from an entity. `at` are the indexes of the trackers it reads.

    `is_sampled`: it changes at its `turn`, by being read, and not with each event. `verdicts` are of one that says what
    is usual: value, usual and spread of the newest closed periods, newest first. `period` is that of the calendar that
    it is measured by, "" if none.
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
    period: str = ""


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


def told_of(name: str, field: str) -> Measure:
    """What the entity's own profile says: it keeps no memory, and what it was before is not known."""
    read = field_getter(field)

    def value(entity: Entity, now: int) -> Scalar:
        found = read(entity.attributes)
        return found if isinstance(found, str | int | float | bool) else None

    return Measure(
        name=name,
        value=value,
        closed=lambda entity, now, periods: [value(entity, now)] * periods,
        moves="both",
        settles_ms=0,
        inline=None,
        at=(),
        events=(),
        turn=lambda entity, now: NEVER,
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
        is_sampled=any(part.is_sampled for part in parts),
    )
