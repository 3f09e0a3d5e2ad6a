"""A stream of the project file: where its rows are, and how each becomes events."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from engine.model import SECOND_MS
from engine.ports import As
from engine.spec.kafka import judge_topic
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode
from engine.spec.reading import RAW, Written, read
from engine.spec.report import unknown
from engine.spec.texts import read_text
from engine.spec.types import EventMap, StreamSpec, TimeFrom, ValueFrom
from engine.spec.values import NOWHERE, Scope, Span, field, path
from engine.spec.zones import judge_zone

FROM_ZERO = Span(0)
NOTHING = MappingNode(NOWHERE, ())


class StreamDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A stream as it is written."""

    family: Annotated[
        Literal["usage", "ticket", "sentiment", "logistics", "profile", "outcome", "other"], "what kind of events"
    ] = "other"
    from_: Annotated[Node | None, RAW, "a path or pattern below the data folder; - is standard input"] = msgspec.field(
        default=None, name="from"
    )
    topic: Annotated[str, As.TEXT, "the Kafka topic that a worker reads; left out, one named after the stream"] = ""
    format: Annotated[Literal["jsonl", "csv"], "how the rows are written; .gz is read as gzip"] = "jsonl"
    delimiter: Annotated[str, As.TEXT, "what separates the columns of a csv"] = ","
    map: Annotated[Node | None, RAW, "how rows that are not in the event shape become events"] = None
    events: Annotated[tuple[str, ...], As.EVENTS, "the event types that come here"] = ()
    describes: Annotated[str, As.TEXT, "for a profile stream: the entity whose attributes come"] = ""
    lateness: Annotated[int, As.DURATION, FROM_ZERO, "how late an event may come"] = 5 * SECOND_MS
    idle_after: Annotated[int, As.DURATION, "how long a silent source is waited for"] = 30 * SECOND_MS
    stalled_after: Annotated[int, As.DURATION, FROM_ZERO, "how long before silence proves nothing any more"] = 0
    sort: Annotated[bool, As.FLAG, "read whole and put in order of time first"] = False
    strict_json: Annotated[bool, As.FLAG, "refuse rows with a repeated key"] = False
    text: Annotated[Node | None, RAW, "how events with a text and no score get one"] = None


class ValueDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mapped value comes from, if a column's name is not enough."""

    from_: Annotated[str, As.FIELD, "the column or (dotted) field"] = msgspec.field(default="", name="from")
    value: Annotated[Node | None, RAW, "a constant"] = None
    as_: Annotated[Literal["text", "number", "whole", "flag"] | None, "what the text is read as"] = msgspec.field(
        default=None, name="as"
    )
    values: Annotated[dict[str, str], As.MAPPING, "raw texts and what they mean"] = {}
    only_listed: Annotated[bool, As.FLAG, "refuse what 'values' does not list"] = False


class TimeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How event time is read, if it is not ISO 8601 in a column of its own."""

    from_: Annotated[str, As.FIELD, "the column or (dotted) field"] = msgspec.field(default="at", name="from")
    unit: Annotated[Literal["iso", "s", "ms", "us", "ns"], "iso texts, or numbers since 1970"] = "iso"
    format: Annotated[str, As.TEXT, "the strptime format of the texts"] = ""
    zone: Annotated[str, As.TEXT, "the time zone of times without an offset"] = ""


class MapDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How one raw row becomes one event."""

    event: Annotated[Node | None, RAW, "the event type: a column, or {value: order.placed}"] = None
    at: Annotated[Node | None, RAW, "the time: a column, or {from: column, format: ..., zone: ...}"] = None
    id: Annotated[tuple[str, ...], As.TEXTS, "the column that identifies the event, or several"] = ("id",)
    entities: Annotated[Node | None, RAW, "each entity's id: a column, several, or {value: acme}"] = None
    attributes: Annotated[Node | None, RAW, "the attributes; left out, the whole row"] = None
    when_present: Annotated[bool, As.FLAG, "no such event where the time is empty"] = False


def read_stream(key: ScalarNode, node: Node, entities: frozenset[str], scope: Scope) -> StreamSpec | None:
    """Read one stream; its problems go to the report."""
    written = read(node, StreamDocument, scope)
    if written is None:
        return None
    document = written.value
    _judge(key, written, entities, scope)
    maps = _maps(document.map, entities, scope)
    return StreamSpec(
        name=key.text,
        family=document.family,
        source=_source(document.from_, scope),
        topic=document.topic,
        format=document.format,
        delimiter=document.delimiter,
        maps=maps,
        events=document.events,
        describes=document.describes,
        lateness_ms=document.lateness,
        idle_after_ms=document.idle_after,
        stalled_after_ms=document.stalled_after,
        sort=document.sort,
        strict_json=document.strict_json,
        text=read_text(document.text, maps, document.family, scope),
        place=key.place,
    )


def _source(node: Node | None, scope: Scope) -> str:
    return "" if node is None else path(node, scope) or ""


def _judge(key: ScalarNode, written: Written[StreamDocument], entities: frozenset[str], scope: Scope) -> None:
    document, nodes, report = written.value, written.nodes, scope.report
    judge_topic(nodes.get("topic"), document.topic, scope)
    if len(document.delimiter) != 1:
        report.error(nodes["delimiter"], "bad-delimiter", f"'{document.delimiter}' is not a single character")
    if "delimiter" in nodes and document.format != "csv":
        report.error(nodes["delimiter"], "unused-option", "'delimiter' goes with 'format: csv'")
    if document.describes and document.describes not in entities:
        report.error(nodes["describes"], "unknown-entity", unknown("entity", document.describes, entities))
    if document.family == "profile" and not document.describes:
        report.error(key, "missing-key", "missing key 'describes': the entity whose attributes this stream carries")
    if "describes" in nodes and document.family != "profile":
        report.error(nodes["describes"], "unused-option", "'describes' goes with 'family: profile'")
    if "events" in nodes and "*" in document.events:
        report.error(nodes["events"], "bad-event", "list the event types, or leave 'events' out")


# ---- mapping rows


def _maps(node: Node | None, entities: frozenset[str], scope: Scope) -> tuple[EventMap, ...]:
    if node is None:
        return ()
    items = node.items if isinstance(node, ListNode) else (node,)
    found = [_map(item, entities, scope) for item in items]
    return tuple(item for item in found if item)


def _map(node: Node, entities: frozenset[str], scope: Scope) -> EventMap | None:
    written = read(node, MapDocument, scope)
    if written is None:
        return None
    document = written.value
    return EventMap(
        event=ValueFrom(field="event") if document.event is None else _value(document.event, scope),
        at=TimeFrom() if document.at is None else _time(document.at, scope),
        id=document.id,
        entities=_entity_ids(document.entities, entities, scope),
        attributes=None if document.attributes is None else _attributes(document.attributes, scope),
        when_present=document.when_present,
    )


def _value(node: Node, scope: Scope) -> ValueFrom:
    if not isinstance(node, MappingNode):
        return ValueFrom(field=field(node, scope) or "")
    written = read(node, ValueDocument, scope)
    assert written is not None, node
    document = written.value
    if ("from_" in written.nodes) == ("value" in written.nodes):
        scope.report.error(node, "missing-key", "a value has either 'from', a column, or 'value', a constant")
    if document.only_listed and not document.values:
        scope.report.error(node, "missing-key", "'only_listed' needs 'values', the list")
    return ValueFrom(
        field=document.from_,
        constant=_constant(document.value, scope),
        as_=document.as_ or "",
        values=document.values,
        only_listed=document.only_listed,
    )


def _constant(node: Node | None, scope: Scope) -> str | int | float | bool | None:
    if node is None or isinstance(node, ScalarNode):
        return node.value if node else None
    scope.report.error(node, "wrong-type", "a constant is a single value")
    return None


def _time(node: Node, scope: Scope) -> TimeFrom:
    if not isinstance(node, MappingNode):
        return TimeFrom(field=field(node, scope) or "")
    written = read(node, TimeDocument, scope)
    assert written is not None, node
    document = written.value
    judge_zone(written.nodes.get("zone"), document.zone, scope)
    if document.format and document.unit != "iso":
        scope.report.error(node, "bad-time", "times are read by 'format' or by 'unit', not by both")
    return TimeFrom(field=document.from_, unit=document.unit, format=document.format, zone=document.zone)


def _entity_ids(
    node: Node | None, entities: frozenset[str], scope: Scope
) -> dict[str, ValueFrom | tuple[ValueFrom, ...]]:
    found: dict[str, ValueFrom | tuple[ValueFrom, ...]] = {}
    for key, value in _entries(node, "entities and their columns, as in {customer: CustomerID}", scope):
        if key.text not in entities:
            scope.report.error(key, "unknown-entity", unknown("entity", key.text, entities))
        parts = tuple(_value(item, scope) for item in value.items) if isinstance(value, ListNode) else None
        found[key.text] = parts or _value(value, scope)
    return found


def _attributes(node: Node, scope: Scope) -> dict[str, ValueFrom]:
    entries = _entries(node, "attributes and their columns, as in {priority: Priority}", scope)
    return {key.text: _value(value, scope) for key, value in entries}


def _entries(node: Node | None, what: str, scope: Scope) -> MappingNode:
    if isinstance(node, MappingNode):
        return node
    if node is not None:
        scope.report.error(node, "wrong-type", f"write {what}")
    return NOTHING
