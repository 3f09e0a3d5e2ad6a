"""From a decoded row to events: one compiled reader per stream, or one per map where a stream maps its rows.

`shape_reader` takes rows in the event shape and CloudEvents 1.0, `map_reader` whatever an EventMap describes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import xxhash

from engine.core.cloudevents import in_event_shape, is_cloud_event
from engine.core.decode import ID_CHARS, Reason, Refused, compound, id_text, shown
from engine.core.digest import stream_seed
from engine.core.entity_ids import EntityReader
from engine.core.fields import Getter, field_getter, value_getter
from engine.core.instants import BadInstant, TimeReader, time_reader
from engine.model import Event, Json
from engine.spec.types import EventMap, StreamSpec, TimeFrom, ValueFrom

EARLIEST = 946_684_800_000  # 2000-01-01
LATEST = 4_102_444_800_000  # 2100-01-01: later than any clock's error, and microseconds taken for milliseconds are
SCHEMA_MAJOR = 1

_digest = xxhash.xxh3_64_intdigest


class Origin(Protocol):
    """Where a row came from, as far as its events tell."""

    @property
    def source(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def arrived_at(self) -> int: ...


class EventReader(NamedTuple):
    """`when` is the event's time, None where the row holds no such event; `read` is the event. Both may refuse."""

    when: Callable[[dict[str, Json]], int | None]
    read: Callable[[dict[str, Json], Origin], Event | None]


def shape_reader(stream: StreamSpec, entities: EntityReader, max_ahead_ms: int) -> EventReader:
    """Reads rows in the event shape. The hot path: the row itself becomes the event's attributes, uncopied."""
    name, seed = stream.name, stream_seed(stream.name)
    time_of = _named_time(time_reader(TimeFrom()), "at")
    default_type = "profile.updated" if stream.family == "profile" else ""

    def read(fields: dict[str, Json], row: Origin) -> Event:
        if "specversion" in fields or "schema_version" in fields:
            fields = _current_shape(fields)
        at = fields.get("at")
        if type(at) is not int:
            at = time_of(at)
        arrived = row.arrived_at or at
        if not EARLIEST <= at < LATEST or at - arrived > max_ahead_ms:
            _refuse_time(at, arrived)
        event = fields.get("event")
        if type(event) is not str or not 0 < len(event) <= ID_CHARS:
            event = _event_type(event, default_type)
        id_ = fields.get("id")
        if type(id_) is not str or not 0 < len(id_) <= ID_CHARS:
            id_ = id_text(id_, "id")
        body = _digest(row.raw)
        found = entities(fields)
        if id_:
            seen = _digest(id_.encode(), seed)
            return Event(id_, event, at, name, found, fields, arrived, body, False, seen)  # noqa: FBT003
        return Event(weak_id(name, row, body), event, at, name, found, fields, arrived, body, True)  # noqa: FBT003

    def when(fields: dict[str, Json]) -> int:
        return time_of(fields.get("time" if is_cloud_event(fields) else "at"))

    return EventReader(when, read)


def map_reader(stream: StreamSpec, index: int, entities: EntityReader, max_ahead_ms: int) -> EventReader:
    """Reads the events that one of the stream's maps describes."""
    spec = stream.maps[index]
    when = _mapped_time(spec)
    id_of = _mapped_id(spec)
    type_of = _mapped_type(spec, stream)
    attributes_of = _mapped_attributes(spec)
    # One id for several events of a row would make the second look like a repeat of the first.
    part = f"#{index + 1}" if len(stream.maps) > 1 else ""

    def read(fields: dict[str, Json], row: Origin) -> Event | None:
        at = when(fields)
        if at is None:
            return None
        arrived = row.arrived_at or at
        if not EARLIEST <= at < LATEST or at - arrived > max_ahead_ms:
            _refuse_time(at, arrived)
        event, id_, body = type_of(fields), id_of(fields), _digest(row.raw)
        whole_id = (id_ or weak_id(stream.name, row, body)) + part
        found, attributes = entities(fields), attributes_of(fields)
        return Event(whole_id, event, at, stream.name, found, attributes, arrived, body, not id_)

    return EventReader(when, read)


def mapped_getters(spec: EventMap) -> dict[str, Sequence[tuple[str, Getter]]]:
    """Per entity kind a map names, the named getters of its id's parts."""
    return {kind: [_named(part) for part in _parts(source)] for kind, source in spec.entities.items()}


def weak_id(stream: str, row: Origin, body: int) -> str:
    """An id for a row without one, in order of position. A rotated file uses positions again, hence the body."""
    return f"{stream}/{row.source[-100:]}@{row.position:012d}-{body:016x}"


def _parts(source: ValueFrom | tuple[ValueFrom, ...]) -> tuple[ValueFrom, ...]:
    return source if isinstance(source, tuple) else (source,)


def _named(part: ValueFrom) -> tuple[str, Getter]:
    return part.field or "value", value_getter(part)


def _current_shape(fields: dict[str, Json]) -> dict[str, Json]:
    if is_cloud_event(fields):
        return in_event_shape(fields)
    version = str(fields.get("schema_version", "1")).partition(".")[0]
    if version.isascii() and version.isdigit() and int(version[:9]) > SCHEMA_MAJOR:
        raise Refused(Reason.FUTURE_SCHEMA, f"schema_version is {version[:20]}: this version of the engine reads 1")
    return fields


def _named_time(read: TimeReader, field: str) -> TimeReader:
    def named(value: Json) -> int:
        if value is None or value == "":
            raise Refused(Reason.MISSING_FIELD, f"{field!r}, the time of the event, is missing")
        try:
            return read(value)
        except BadInstant as error:
            raise Refused(Reason.BAD_TIME, f"{field!r}: {error}") from None

    return named


def _mapped_time(spec: EventMap) -> Callable[[dict[str, Json]], int | None]:
    raw = field_getter(spec.at.field)
    time_of = _named_time(time_reader(spec.at), spec.at.field)

    def when(fields: dict[str, Json]) -> int | None:
        value = raw(fields)
        if spec.when_present and (value is None or value == ""):
            return None
        return time_of(value)

    return when


def _mapped_id(spec: EventMap) -> Callable[[dict[str, Json]], str]:
    fields_of_id = [(name, field_getter(name)) for name in spec.id]
    return lambda fields: compound([id_text(get(fields), name) for name, get in fields_of_id])


def _mapped_type(spec: EventMap, stream: StreamSpec) -> Callable[[dict[str, Json]], str]:
    raw = value_getter(spec.event)
    default = "profile.updated" if stream.family == "profile" else ""
    return lambda fields: _event_type(raw(fields), default, spec.event.field or "event")


def _mapped_attributes(spec: EventMap) -> Callable[[dict[str, Json]], dict[str, Json]]:
    if spec.attributes is None:
        return lambda fields: fields
    getters = [(name, value_getter(source)) for name, source in spec.attributes.items()]

    def read(fields: dict[str, Json]) -> dict[str, Json]:
        values = [(name, get(fields)) for name, get in getters]
        return {name: value for name, value in values if value is not None}

    return read


def _event_type(value: Json, default: str, field: str = "event") -> str:
    if value is None or value == "":
        if default:
            return default
        raise Refused(Reason.MISSING_FIELD, f"{field!r}, the type of the event, is missing")
    if not isinstance(value, str) or len(value) > ID_CHARS:
        raise Refused(Reason.WRONG_TYPE, f"{field!r} is {shown(value)}: expected a short text like 'ticket.opened'")
    return value


def _refuse_time(at: int, arrived: int) -> None:
    if at < EARLIEST:
        raise Refused(Reason.FAR_PAST, f"the time {at} ms is before the year 2000: declare its `unit`")
    if at >= LATEST:
        raise Refused(Reason.FAR_FUTURE, f"the time {at} ms is after the year 2099: declare its `unit`")
    raise Refused(Reason.FAR_FUTURE, f"the time is {(at - arrived) // 1000} s ahead of arrival, more than `max_ahead`")
