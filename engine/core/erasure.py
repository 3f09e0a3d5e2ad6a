"""Taking one entity out of what is remembered of others: a person out of the account's record, and the like.

What stands for the id of somebody erased is the word "erased", wherever it was by itself: counts of different values
stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from engine.core.course_state import Course
from engine.core.digest import digest
from engine.core.members import are_drawers, forget_member
from engine.core.seen import list_evidence
from engine.core.state import Entity
from engine.core.unit_state import Underway, UnitState, Waiting
from engine.model import Reading, Signal
from engine.spec.types import FIRST_STEP

ERASED = "erased"


def masked(name: str) -> str:
    """What stands for `customer:c7` in the list of those who were erased, so that it does not name them."""
    return digest("erased", name)


def names_in(entities: Mapping[str, str]) -> set[str]:
    """The masked name of each entity that an event or a signal names."""
    return {masked(f"{kind}:{key}") for kind, key in entities.items()}


def concerns(signal: Signal, name: str) -> bool:
    """It is about the entity, or decided for it."""
    return name in (signal.unit, f"{signal.entity}:{signal.key}")


def is_underway_for(one: Underway, name: str) -> bool:
    """Is the action for somebody, or about them?"""
    return one.recipient == name or (one.signal is not None and concerns(one.signal, name))


def without(kept: Any, key: str) -> Any:
    """The same value, with "erased" wherever the key stood by itself or as a part of a compound id."""
    if isinstance(kept, str):
        return ERASED if kept == key or key in kept.split("|") else kept
    if isinstance(kept, list):
        return [without(part, key) for part in kept]
    if isinstance(kept, tuple):
        return tuple(without(part, key) for part in kept)
    if isinstance(kept, dict):
        return {without(name, key): without(part, key) for name, part in kept.items()}
    return kept


def strip_entity(entity: Entity, name: str) -> bool:
    """Take a name out of another entity's record. True if it was there."""
    if are_drawers(entity.kind):
        return forget_member(entity, name)
    kind, _, key = name.partition(":")
    list_evidence(entity)
    related = {k: v for k, v in entity.related.items() if (k, v) != (kind, key)}
    kept = (entity.slots, entity.event_ids, entity.attributes)
    fresh = tuple(without(part, key) for part in kept)
    if fresh == kept and len(related) == len(entity.related):
        return False
    entity.slots, entity.event_ids, entity.attributes = fresh
    entity.related = related
    return True


def strip_signal(signal: Signal, name: str) -> Signal:
    """The signal of another entity, without the name."""
    kind, _, key = name.partition(":")
    member = signal.member
    if member is not None:
        member = msgspec.structs.replace(
            member, facts=without(member.facts, key), attributes=without(member.attributes, key)
        )
    return msgspec.structs.replace(
        signal,
        member=member,
        related={k: v for k, v in signal.related.items() if (k, v) != (kind, key)},
        attributes=without(signal.attributes, key),
        readings=tuple(_strip_reading(one, key) for one in signal.readings),
        event_ids=without(signal.event_ids, key),
    )


def _strip_reading(reading: Reading, key: str) -> Reading:
    """What the author wrote stays; what came with events and profiles may be the name."""
    limit = without(reading.limit, key) if reading.limit_of else reading.limit
    return msgspec.structs.replace(reading, value=without(reading.value, key), limit=limit)


def strip_unit(unit: UnitState, name: str) -> None:
    """Take a name out of the unit that it belonged to: its profile, and what was to be decided or done about it."""
    key = name.partition(":")[2]
    unit.attributes.pop(name, None)
    unit.attribute_times.pop(name, None)
    unit.consent.pop(name, None)
    unit.attributes = {whose: without(known, key) for whose, known in unit.attributes.items()}
    unit.waiting = [strip_signal(signal, name) for signal in unit.waiting if not concerns(signal, name)]
    unit.candidates = [one for one in unit.candidates if not concerns(one.signal, name) and not _follows(one, name)]
    for one in unit.candidates:
        one.signal = strip_signal(one.signal, name)
        if one.answer is not None:
            sent = tuple(line for line in one.answer.sent if f" {name} " not in line)
            one.answer = msgspec.structs.replace(one.answer, sent=sent)
    unit.muting = without(unit.muting, key)
    unit.heard = [one for one in unit.heard if one.whose != name]
    for times in unit.happened.values():
        times.pop(name, None)
    unit.courses = [_without_name(course, name) for course in unit.courses if course.whose != name]
    unit.underway = [one for one in unit.underway if not is_underway_for(one, name)]
    for way in unit.underway:
        way.signal = strip_signal(way.signal, name) if way.signal is not None else None
    unit.sent = [msgspec.structs.replace(s, recipient=ERASED) if s.recipient == name else s for s in unit.sent]
    if unit.desk is not None:
        unit.desk.coming = [handover for handover in unit.desk.coming if name not in handover.about]
        unit.desk.waiting = [one for one in unit.desk.waiting if name not in one.about]
    unit.resolved = [signal_id for signal_id in unit.resolved if unit.waits_for(signal_id)]


def _follows(waiting: Waiting, name: str) -> bool:
    """Is it what somebody's reply led to, or a later step of their course? Nobody else is to get that instead."""
    if waiting.answer is not None:
        return waiting.answer.whose == name
    kind, _, key = name.partition(":")
    return waiting.step != FIRST_STEP and waiting.signal.related.get(kind) == key


def _without_name(course: Course, name: str) -> Course:
    signal = course.signal
    if signal is not None:
        course.signal = None if concerns(signal, name) else strip_signal(signal, name)
    return course


def parse(text: str, kinds: Iterable[str]) -> tuple[str, str]:
    """`customer:c7` as (kind, key). Raises ValueError with what is wrong, in words."""
    kind, colon, key = text.partition(":")
    if not colon or not key:
        raise ValueError(f"{text!r} is not KIND:KEY - write customer:c7")
    known = sorted(kinds)
    if kind not in known:
        raise ValueError(f"there is no entity {kind!r} in the project; there are: {', '.join(known)}")
    return kind, key
