"""The project file to its typed form: entities, streams, sinks, channels and the engine's bounds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Annotated, Literal

import msgspec

from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from engine.ports import As
from engine.spec import bounds
from engine.spec.deciding import ArbitrationDocument, Known, Rules, read_policies
from engine.spec.experiments import arms_in
from engine.spec.fanout import FanOutDocument, read_fan_out
from engine.spec.kafka import read_kafka
from engine.spec.models import ModelsDocument, examples_kept
from engine.spec.nodes import MappingNode, Node, ScalarNode
from engine.spec.project_messages import MessageKeys, PreferencesDocument, read_messages
from engine.spec.reading import RAW, Written, read
from engine.spec.report import Report, unknown
from engine.spec.streams import NOTHING, read_stream
from engine.spec.types import EntitySpec, ProjectSpec, SinkSpec, StreamSpec
from engine.spec.values import Scope, Span, field, text, texts
from engine.spec.zones import judge_zone

SinkOptions = Callable[[str], "type[msgspec.Struct] | None"]
LONG = Span(1, 36_500 * DAY_MS)
FROM_ZERO = Span(0, 400 * DAY_MS)


class EntityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An entity that needs more than a field's name."""

    id: Annotated[tuple[str, ...], As.TEXTS, "the field that holds its id, or several that make it up"]
    also_known_as: Annotated[tuple[str, ...], As.TEXTS, "fields with ids that other systems give it"] = ()
    normalise: Annotated[Literal["none", "nfc"], "nfc: ids that look the same are the same"] = "none"


class RetentionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How long things are kept."""

    decisions: Annotated[int, As.DURATION, LONG, "decision records"] = 400 * DAY_MS
    ledger: Annotated[int, As.DURATION, LONG, "actions and what became of them"] = 400 * DAY_MS
    dead_letters: Annotated[int, As.DURATION, LONG, "input that could not be taken"] = 90 * DAY_MS
    entities: Annotated[int, As.DURATION, LONG, "an entity of which nothing more is heard"] = 400 * DAY_MS


class BoundsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine takes at most."""

    event_bytes: Annotated[int, As.COUNT, "bytes of one event"] = 262_144
    depth: Annotated[int, As.COUNT, "levels of nesting in one event"] = 32
    keys_per_entity_kind: Annotated[int, As.COUNT, "entities of one kind"] = 5_000_000
    record_bytes: Annotated[int, As.COUNT, "bytes of what is remembered of one entity"] = 1_048_576
    events_per_batch: Annotated[int, As.COUNT, "events between two commits"] = 2_000
    seen_ids: Annotated[int, As.COUNT, "event ids remembered per entity"] = 1_024
    send_attempts: Annotated[int, As.COUNT, "tries to send an action"] = 8
    send_timeout: Annotated[int, As.DURATION, Span(1, 10 * MINUTE_MS), "how long one try may take"] = 8 * SECOND_MS
    text_chars: Annotated[int, As.COUNT, "characters of a rendered text"] = 4_000


class ProjectDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The project file as it is written."""

    project: Annotated[str, As.TEXT, "the project's name"]
    entities: Annotated[Node, RAW, "what is watched: each kind with the field that holds its id"]
    time_zone: Annotated[str, As.TEXT, "the zone of entities that have none, as in Europe/Berlin"] = "UTC"
    unit: Annotated[tuple[str, ...], As.TEXTS, "whom decisions are made for, the first that is known"] = (
        "account",
        "customer",
    )
    streams: Annotated[Node | None, RAW, "where events come from"] = None
    sinks: Annotated[Node | None, RAW, "where actions go"] = None
    channels: Annotated[Node | None, RAW, "a play's channel and the sink it means"] = None
    max_ahead: Annotated[int, As.DURATION, FROM_ZERO, "how far ahead of its arrival an event may be"] = 5 * MINUTE_MS
    dedup_for: Annotated[int, As.DURATION, FROM_ZERO, "how long a repeated event is recognised"] = 24 * HOUR_MS
    wait: Annotated[int, As.DURATION, FROM_ZERO, "how long a signal waits for others of its unit"] = 0
    retention: Annotated[RetentionDocument, "how long things are kept"] = RetentionDocument()
    bounds: Annotated[BoundsDocument, "what the engine takes at most"] = BoundsDocument()
    limits: Annotated[Node | None, RAW, "how often somebody may hear from us"] = None
    quiet_hours: Annotated[Node | None, RAW, "when nobody is written to, by their own clock"] = None
    consent: Annotated[Node | None, RAW, "what says whether somebody agreed to be written to"] = None
    inhibits: Annotated[Node | None, RAW, "which open signals mute which plays"] = None
    holdout: Annotated[Node | None, RAW, "who is left alone on purpose, to measure what messages do"] = None
    capacity: Annotated[Node | None, RAW, "how many tasks a colleague or a desk can do"] = None
    arbitration: Annotated[ArbitrationDocument, "how messages compete"] = ArbitrationDocument()
    review: Annotated[Node | None, RAW, "how many decisions a person looks at afterwards"] = None
    languages: Annotated[tuple[str, ...], As.TEXTS, "what texts are written in, the default first"] = ()
    human: Annotated[Node | None, RAW, "how customers reach a person, where a play does not say"] = None
    links: Annotated[Node | None, RAW, "where one-click links lead, and who signs them"] = None
    strategy: Annotated[Node | None, RAW, "which channels suit which urgency"] = None
    teams: Annotated[Node | None, RAW, "teams of colleagues and their skills"] = None
    preferences: Annotated[PreferencesDocument, "which attributes say what people prefer"] = PreferencesDocument()
    experiments: Annotated[Node | None, RAW, "what is tried out, on whom, and what each arm changes"] = None
    reactions: Annotated[Node | None, RAW, "the events that say what people did with a message"] = None
    suppress: Annotated[Node | None, RAW, "to leave those alone who ignored or dismissed several messages"] = None
    hand_off: Annotated[Node | None, RAW, "which colleague takes over when somebody answers a message"] = None
    fan_out: Annotated[FanOutDocument | None, "above how many members a person is asked first"] = None
    models: Annotated[ModelsDocument, "how what models have learned is kept"] = ModelsDocument()
    kafka: Annotated[Node | None, RAW, "where a worker finds Kafka, and how it uses it"] = None


def read_project(
    node: MappingNode, sink_options: SinkOptions, sink_kinds: Collection[str], report: Report
) -> ProjectSpec:
    """Read the project file; all its problems go to the report. Only a project without any is complete."""
    scope = Scope(report=report)
    written = read(node, ProjectDocument, scope)
    assert written is not None, node.place
    document = written.value
    entities = tuple(_entities(document.entities, scope)) if "entities" in written.nodes else ()
    sinks = tuple(_sinks(document.sinks, sink_options, sink_kinds, scope))
    streams = tuple(_streams(document.streams, frozenset(entity.kind for entity in entities), scope))
    _judge(written, entities, scope)
    channels = _channels(document.channels, node, scope)
    kinds = {entity.kind for entity in entities}
    known = Known(channels=channels, kinds=kinds, unit=document.unit, streams=streams, time_zone=document.time_zone)
    return ProjectSpec(
        project=document.project,
        time_zone=document.time_zone,
        unit=document.unit,
        entities=entities,
        streams=streams,
        sinks=sinks,
        channels=channels,
        max_ahead_ms=document.max_ahead,
        dedup_for_ms=document.dedup_for,
        wait_ms=document.wait,
        retention=_retention(document.retention),
        bounds=_bounds(document.bounds),
        kafka=read_kafka(document.kafka, streams, scope),
        policies=read_policies(_rules(written, scope), known, scope),
        experiments=arms_in(document.experiments),
        messages=read_messages(_message_keys(document), written.nodes, channels, scope),
        place=node.place,
    )


def _rules(written: Written[ProjectDocument], scope: Scope) -> Rules:
    document = written.value
    return Rules(
        limits=document.limits,
        quiet_hours=document.quiet_hours,
        consent=document.consent,
        inhibits=document.inhibits,
        arbitration=document.arbitration,
        holdout=document.holdout,
        capacity=document.capacity,
        reactions=document.reactions,
        suppress=document.suppress,
        hand_off=document.hand_off,
        review=document.review,
        fan_out=read_fan_out(document.fan_out),
        models_key=document.models.key,
        examples_kept=examples_kept(document.models, written.nodes.get("models"), scope),
    )


def _message_keys(document: ProjectDocument) -> MessageKeys:
    return MessageKeys(
        languages=document.languages,
        human=document.human,
        links=document.links,
        strategy=document.strategy,
        teams=document.teams,
        preferences=document.preferences,
    )


def _judge(written: Written[ProjectDocument], entities: tuple[EntitySpec, ...], scope: Scope) -> None:
    document, nodes = written.value, written.nodes
    judge_zone(nodes.get("time_zone"), document.time_zone, scope)
    kinds = {entity.kind for entity in entities}
    unit = nodes.get("unit")
    for kind in document.unit:
        if unit is not None and kind not in kinds:
            scope.report.error(unit, "unknown-entity", unknown("entity", kind, kinds))


# ---- entities


def _entities(node: Node, scope: Scope) -> Iterator[EntitySpec]:
    if not isinstance(node, MappingNode) or not node.entries:
        scope.report.error(
            node, "wrong-type", "write each entity with the field of its id, as in {customer: customer_id}"
        )
        return
    for key, value in node:
        yield _entity(key, value, scope)


def _entity(key: ScalarNode, node: Node, scope: Scope) -> EntitySpec:
    name = ScalarNode(key.place, key.text, key.text)
    if "." in key.text:
        scope.report.error(key, "bad-name", f"'{key.text}' is no name for an entity - it goes before a dot")
    kind = field(name, scope) or key.text
    if not isinstance(node, MappingNode):
        return EntitySpec(kind=kind, fields=texts(node, scope) or (kind,))
    written = read(node, EntityDocument, scope)
    assert written is not None, node
    document = written.value
    return EntitySpec(
        kind=kind, fields=document.id or (kind,), also_known_as=document.also_known_as, normalise=document.normalise
    )


# ---- streams


def _streams(node: Node | None, entities: frozenset[str], scope: Scope) -> Iterator[StreamSpec]:
    stdin: ScalarNode | None = None
    topics: dict[str, str] = {}
    for key, value in _named(node, "each stream with a name, as in usage: {from: usage.jsonl}", scope):
        stream = read_stream(key, value, entities, scope)
        if stream and stream.source == "-" and stdin:
            scope.report.error(key, "two-readers", f"stream '{stdin.text}' reads standard input already")
        if stream and stream.topic in topics:
            message = f"stream '{topics[stream.topic]}' reads the topic '{stream.topic}' already"
            scope.report.error(key, "two-readers", message)
        if stream and stream.topic:
            topics[stream.topic] = stream.name
        if stream:
            stdin = key if stream.source == "-" else stdin
            yield stream


def _named(node: Node | None, how: str, scope: Scope) -> MappingNode:
    if isinstance(node, MappingNode):
        return node
    if node is not None:
        scope.report.error(node, "wrong-type", f"write {how}")
    return NOTHING


def event_types(streams: tuple[StreamSpec, ...]) -> frozenset[str]:
    """Every event type there is, if every stream lists its own; else nothing, as then any may come."""
    if not streams or not all(stream.events for stream in streams):
        return frozenset()
    return frozenset(event for stream in streams for event in stream.events)


# ---- sinks


def _sinks(node: Node | None, sink_options: SinkOptions, kinds: Collection[str], scope: Scope) -> Iterator[SinkSpec]:
    for key, value in _named(node, "each sink with a name, as in log: {kind: file, path: actions.jsonl}", scope):
        kind = value.get("kind") if isinstance(value, MappingNode) else None
        if kind is None:
            message = f"missing key 'kind': what '{key.text}' sends with, as in {{kind: stdout}}"
            scope.report.error(value, "missing-key", message)
            continue
        word = text(kind, scope)
        options = sink_options(word) if word else None
        if word and options is None:
            message = unknown("kind of sink", word, kinds) if kinds else f"unknown kind of sink '{word}'"
            scope.report.error(kind, "unknown-sink", message)
        written = read(value, options, scope, apart=("kind",)) if options else None
        yield SinkSpec(name=key.text, kind=word or "", options=written.value if written else None, place=key.place)


def _channels(node: Node | None, project: MappingNode, scope: Scope) -> dict[str, str]:
    sinks = project.get("sinks")
    names = [key.text for key, _value in sinks] if isinstance(sinks, MappingNode) else []
    found: dict[str, str] = {}
    for key, value in _named(node, "each channel with its sink, as in {email: log}", scope):
        sink = text(value, scope)
        found[key.text] = sink or ""
        if sink and sink not in names:
            scope.report.error(value, "unknown-sink", unknown("sink", sink, names))
    return found


# ---- numbers


def _retention(document: RetentionDocument) -> bounds.Retention:
    return bounds.Retention(
        decisions_ms=document.decisions,
        ledger_ms=document.ledger,
        dead_letters_ms=document.dead_letters,
        entities_ms=document.entities,
    )


def _bounds(document: BoundsDocument) -> bounds.Bounds:
    return bounds.Bounds(
        event_bytes=document.event_bytes,
        depth=document.depth,
        keys_per_entity_kind=document.keys_per_entity_kind,
        record_bytes=document.record_bytes,
        events_per_batch=document.events_per_batch,
        seen_ids=document.seen_ids,
        send_attempts=document.send_attempts,
        send_timeout_ms=document.send_timeout,
        text_chars=document.text_chars,
    )
