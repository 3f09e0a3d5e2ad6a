"""The express way of the detect stage: a keyed event from its bytes to its entity's memory in one go.

A plan reads few of an event's attributes, so only those are decoded, and no event is made of them. Whatever is not
ordinary (an entity seen with others than before, a repeat, an event of before, a timer that is due, a number of another
kind) is not taken and goes the long way, which comes to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Protocol, TypeAlias, cast

import msgspec
from msgspec import UNSET, Meta

from engine.core.detect import Detect
from engine.core.noting import Note, Steps, Way, compile_steps, noting, way_of
from engine.core.plan import Plan
from engine.core.shapes import REFUSALS, Fields, Scalar, can_be_told
from engine.shells.kafka.link import Record

# Numbers below this are one object however often they are decoded, and note() tells a repeat by the object.
_SMALL = 257

# Takes records from a place on, as long as it can and nothing is raised. Gives the place of the first that is left, and
# the event time of the one before it if that one raised a signal, else 0.
TakeKeyed: TypeAlias = Callable[[Sequence[Record], int], tuple[int, int]]


class Keyed(Protocol):
    """An event as far as it is read here."""

    id: str
    event: str
    at: int
    stream: str
    entities: dict[str, str]
    attributes: Fields
    body: int
    id_is_weak: bool
    entity: str
    key: str


def taking_keyed(detect: Detect) -> TakeKeyed:
    """What takes the ordinary ones among the keyed events of a plan."""
    plan, effects, models = detect.plan, detect.effects, detect.stalls.models
    places = _Places()
    ways = _Ways(plan, {kind: compile_steps(each, places.place_of) for kind, each in plan.kinds.items()}, detect)
    decode, known, find = places.decoder(), ways.known.get, ways.find
    if decode is None:
        return lambda records, begin: (begin, 0)

    def take(records: Sequence[Record], begin: int) -> tuple[int, int]:
        for number in range(begin, len(records)):
            record = records[number]
            if record.key is None:
                return number, 0
            try:
                event = decode(record.value or b"")
            except REFUSALS:
                return number, 0
            kind, entities = event.entity, event.entities
            found = known((kind, event.stream, event.event)) or find(kind, event.stream, event.event)
            if found is None or event.id_is_weak or event.body < _SMALL:
                return number, 0
            note, way = found
            key, at = event.key or entities.get(kind), event.at
            others = entities if len(entities) > 1 else None
            if not key or not note(way, key, event.id, at, event.attributes, event.body, record.offset, others):
                return number, 0
            if effects.signals or models.examples:
                return number + 1, at
        return len(records), 0

    return take


class _Ways:
    """How the events of a (kind, stream, type) are taken, worked out when the first of them comes."""

    def __init__(self, plan: Plan, steps: Mapping[str, Steps], detect: Detect) -> None:
        self.known: dict[tuple[str, str, str], tuple[Note, Way]] = {}
        self._steps = steps
        self._profiles = {stream.name for stream in plan.configuration.project.streams if stream.describes}
        self._notes = {kind: noting(detect, plan.kinds[kind]) for kind in steps}

    def find(self, kind: str, stream: str, event: str) -> tuple[Note, Way] | None:
        steps = self._steps.get(kind, {})
        if event not in steps or stream in self._profiles:
            return None
        found = self.known[kind, stream, event] = self._notes[kind], way_of(steps, stream, event)
        return found


class _Places:
    """Which attributes are read, and the names that they have in a decoded event."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}

    def place_of(self, field: str) -> str:
        return self._places.setdefault(field, f"f{len(self._places)}")

    def decoder(self) -> Callable[[bytes], Keyed] | None:
        """None where an attribute has a name that JSON may write in several ways."""
        if not all(can_be_told(name) for name in self._places):
            return None
        rename = {place: name for name, place in self._places.items()}
        read = [(place, Scalar, UNSET) for place in self._places.values()]
        attributes = msgspec.defstruct("Attributes", read, rename=rename, gc=False)
        named: Any = Annotated[str, Meta(min_length=1)]
        fields: list[Any] = [("id", named), ("event", str), ("at", int), ("stream", str), ("entities", dict[str, str])]
        fields += [("attributes", attributes), ("body", int, 0), ("id_is_weak", bool, False)]
        fields += [("entity", str, ""), ("key", str, "")]
        record = msgspec.defstruct("Keyed", fields, gc=False)
        return cast("Callable[[bytes], Keyed]", msgspec.json.Decoder(record).decode)
