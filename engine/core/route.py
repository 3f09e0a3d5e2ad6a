"""Route: raw rows become events, and each event one record per entity that some detector watches.

A row that cannot be taken becomes a dead letter with a reason code; nothing raises and nothing is dropped silently.
The router is pure: it owns its state (positions, progress, aliases), and time reaches it in the rows only.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from engine.core.aliases import Aliases
from engine.core.decode import RAW_KEPT, Reason, Refused, json_decoder
from engine.core.entity_ids import EntityReader, entity_reader
from engine.core.mapping import EventReader, map_reader, mapped_getters, shape_reader
from engine.core.ordinary import QuickReader, has_ordinary_rows, quick_reader, the_long_way
from engine.core.progress import FILES, Notice, Progress, ProgressState
from engine.core.scoring import scored
from engine.model import DeadLetter, Event, Json, Record, Routed, Tick
from engine.spec.types import EventMap, ProjectSpec, StreamSpec

UNIT = "unit"

Outcome: TypeAlias = Routed | Tick | Notice | DeadLetter

__all__ = ["FILES", "UNIT", "Outcome", "Router", "RouterChanges", "Row", "Watched"]


class Row(msgspec.Struct, frozen=True, gc=False):
    """One raw record of a stream and where it stands.

    `fields`: already decoded (CSV, or read ahead). `arrived_at` 0 means a reading of history. `fault`: the reader could
    not read it (a reason code); `size` and `digest` then describe the whole, of which `raw` may be the beginning.
    `clock` names what its progress counts under ("" = `source`). `after` is where reading goes on, `part` the one map
    of the stream's to apply (-1 = all).
    """

    stream: str
    source: str
    position: int
    raw: bytes
    fields: dict[str, Json] | None = None
    arrived_at: int = 0
    fault: str = ""
    clock: str = ""
    after: int = 0
    part: int = -1
    size: int = 0
    digest: str = ""

    def decoded(self, fields: dict[str, Json], part: int) -> Row:
        """The same row with its fields read, for one map or for all."""
        head = (self.stream, self.source, self.position, self.raw, fields, self.arrived_at, self.fault)
        return Row(*head, self.clock, self.after, part, self.size, self.digest)

    def going_on_at(self, after: int) -> Row:
        """The same row, with another place where reading goes on."""
        return msgspec.structs.replace(self, after=after)


class Watched(msgspec.Struct, frozen=True):
    """What detectors want: entity kinds that get every event, and the kinds that get an event of a type.

    `heard` are the types that deciding wants, whatever the stream: they are written to their unit as well. `profiled`
    are kinds that need their profiles, whether or not an event is for them.
    """

    all_events: frozenset[str] = frozenset()
    by_event: Mapping[str, tuple[str, ...]] = {}
    heard: frozenset[str] = frozenset()
    profiled: frozenset[str] = frozenset()


class RouterChanges(msgspec.Struct, frozen=True):
    """What a store keeps: the position and progress as they are, and the aliases learnt since the last call."""

    position: int = 0
    progress: ProgressState = ProgressState()
    aliases: dict[str, dict[str, str]] = {}


class Flow:
    """A stream, compiled: its readers, and for each event type the entity kinds that get it."""

    def __init__(self, project: ProjectSpec, spec: StreamSpec, watched: Watched, aliases: Aliases) -> None:
        self.spec = spec
        self.accepted = 0
        self.decode = json_decoder(project.bounds.event_bytes, project.bounds.depth, strict=spec.strict_json)
        self.readers = _readers(project, spec, aliases)
        self.can_stall = spec.stalled_after_ms > 0
        self.is_profile = spec.family == "profile"
        self._watched = watched
        self.kinds_of: dict[str, tuple[str, ...]] = {}
        # These take the long way, so that all others are spared being asked whether somebody hears them.
        self.heard = {event: (*self._wanting(event), UNIT) for event in sorted(watched.heard)}
        self.quick: QuickReader = the_long_way
        if has_ordinary_rows(spec):
            own = entity_reader(project.entities, aliases)
            self.quick = quick_reader(project, spec, own, self.kinds_of.keys())
        self.known_fields = _declared_fields(project, spec)

    def kinds(self, event_type: str) -> tuple[str, ...]:
        """The entity kinds that get such an event, in a fixed order; "unit" behind them where deciding hears it."""
        kinds = self.heard.get(event_type) or self.kinds_of.get(event_type)
        if kinds is None:
            kinds = self._wanting(event_type)
            if len(self.kinds_of) < 10_000:  # types come from outside, so what is remembered of them is bounded
                self.kinds_of[event_type] = kinds
        return kinds

    def _wanting(self, event_type: str) -> tuple[str, ...]:
        kinds = self._watched.all_events | set(self._watched.by_event.get(event_type, ()))
        anywhere = self._watched.all_events.union(self._watched.profiled, *self._watched.by_event.values())
        if self.is_profile and self.spec.describes in anywhere:
            kinds |= {self.spec.describes}
        return tuple(sorted(kinds))


class Router:
    """Routes rows of all streams of a project. Call `ticks` after each row, so that batches make no difference."""

    def __init__(self, project: ProjectSpec, watched: Watched, progress: Progress | None = None) -> None:
        """`progress` makes time of the events, the usual one if none is given."""
        self._counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._project = project
        self._aliases = Aliases(project.bounds.keys_per_entity_kind)
        self.progress = progress or Progress(project.streams)
        self.position = 0
        self.flows = {spec.name: Flow(project, spec, watched, self._aliases) for spec in project.streams}

    def route(self, row: Row) -> list[Outcome]:
        """What a row comes to: records to hand on in this order, and dead letters.

        Each event gives one Routed per watched entity it names, the first of them primary. A stream found to have been
        silent is told before the event that shows it.
        """
        out: list[Outcome] = []
        for found in self.events(row):
            if isinstance(found, DeadLetter):
                out.append(found)
            else:
                self._accept(found, self.flows[row.stream], row, out)
        return out

    def route_all(self, rows: Iterable[Row], letters: list[DeadLetter]) -> Iterator[Record]:
        """The records that rows come to, each row's ticks behind it; what is refused is added to `letters`.

        It is `route` and `ticks` for each row, with what an ordinary row comes to written out in one loop. Rows are
        taken as the records are, so nothing piles up between the steps.
        """
        flows, reach = self.flows, self.progress.reach
        for row in rows:
            flow = flows.get(row.stream)
            event = None if flow is None else flow.quick(row)
            if event is None or flow is None:
                yield from self._one(row, letters)
                continue
            flow.accepted += 1
            is_due = reach(row.clock or row.source, event.at)
            if is_due:
                yield from self.progress.before(row.clock or row.source, event.at)
            position, entities, is_first = self.position + 1, event.entities, True
            for kind in flow.kinds_of[event.event]:
                key = entities.get(kind)
                if key is not None:
                    self.position = position
                    yield Routed(kind, key, position, event, is_first)
                    is_first = False
            if is_first:
                self._count(event, flow, is_routed=False)
            if is_due:
                yield from self.ticks()

    def _one(self, row: Row, letters: list[DeadLetter]) -> Iterator[Record]:
        for outcome in self.route(row):
            if isinstance(outcome, DeadLetter):
                letters.append(outcome)
            else:
                yield outcome
        yield from self.ticks()

    def events(self, row: Row) -> list[Event | DeadLetter]:
        """The events a row holds, or why they were refused; moves no time and no position."""
        flow = self.flows.get(row.stream)
        if flow is None:
            return [self._dead(row, Refused(Reason.UNKNOWN_STREAM, f"the project has no stream {row.stream!r}"))]
        try:
            fields = _fields(row, flow)
        except Refused as refusal:
            return [self._dead(row, refusal)]
        readers = flow.readers if row.part < 0 else flow.readers[row.part : row.part + 1]
        found = [event for reader in readers if (event := self._event(reader, fields, row)) is not None]
        self._count_row(flow, fields, found)
        return found

    def when(self, row: Row) -> tuple[int, Row]:
        """The time of a row's earliest event, 0 if it cannot be told, and the row with its fields decoded."""
        flow, fields = self._opened(row)
        if flow is None:
            return 0, row
        times = [at for reader in flow.readers if (at := _time_of(reader, fields)) is not None]
        return min(times, default=0), row.decoded(fields, row.part)

    def parts(self, row: Row) -> list[tuple[int, Row]]:
        """The row split into one row per event, each with its event's time."""
        flow, fields = self._opened(row)
        if flow is None:
            return [(0, row)]
        times = [(_time_of(reader, fields), part) for part, reader in enumerate(flow.readers)]
        split = [(at, row.decoded(fields, part)) for at, part in times if at is not None]
        return split or [(0, row.decoded(fields, row.part))]

    def ticks(self) -> list[Tick | Notice]:
        """What has become due since the last call: streams that stalled or resumed, then at most one Tick."""
        return self.progress.ticks()

    def expect(self, clock: str) -> None:
        """Hold time back for a source that has not produced yet, until it produces or is idle."""
        self.progress.expect(clock)

    def idle(self, clock: str) -> None:
        """Let time go on without this source until it produces again."""
        self.progress.idle(clock)

    def quiet(self, now_ms: int) -> None:
        """Let time follow the wall clock, as nothing comes from any source."""
        self.progress.quiet(now_ms)

    def end(self, at: int | None = None) -> list[Tick | Notice]:
        """Move time to the largest event time, as the input has ended, or on to `at`."""
        return self.progress.end(at)

    def changes(self) -> RouterChanges:
        """The state to keep beside what was routed; to be taken after `ticks`."""
        return RouterChanges(self.position, self.progress.state(), self._aliases.learnt())

    def restore(self, changes: RouterChanges) -> None:
        """Go on from a kept state, in which `aliases` holds all that were ever learnt."""
        self.position = changes.position
        self.progress.restore(changes.progress)
        self._aliases.restore(changes.aliases)

    def reached(self, clock: str) -> int:
        """The latest event time that a source has come to, 0 at its beginning."""
        return self.progress.reached(clock)

    def adopt_aliases(self, joined: Mapping[str, Mapping[str, str]]) -> None:
        """Take in what another router has learnt."""
        self._aliases.adopt(joined)

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """What was counted since the last drain, by (what, stream): accepted, dead_letter, weak_id, unwatched ..."""
        accepted = {("accepted", name): flow.accepted for name, flow in self.flows.items() if flow.accepted}
        return accepted | dict(self._counts)

    def drain_counts(self) -> dict[tuple[str, str], int]:
        """The counts, which start at nothing again."""
        counts = self.counts
        self._counts.clear()
        for flow in self.flows.values():
            flow.accepted = 0
        return counts

    def _opened(self, row: Row) -> tuple[Flow | None, dict[str, Json]]:
        """The row's stream and fields, or None where it will be refused as a whole."""
        flow = self.flows.get(row.stream)
        try:
            return flow, _fields(row, flow) if flow else {}
        except Refused:
            return None, {}

    def _event(self, reader: EventReader, fields: dict[str, Json], row: Row) -> Event | DeadLetter | None:
        try:
            return reader.read(fields, row)
        except Refused as refusal:
            return self._dead(row, refusal)

    def _accept(self, event: Event, flow: Flow, row: Row, out: list[Outcome]) -> None:
        flow.accepted += 1
        if self.progress.reach(row.clock or row.source, event.at):
            out += self.progress.before(row.clock or row.source, event.at)
        if flow.can_stall:
            self.progress.flowed(event.stream, event.at)
        position, entities, is_first = self.position + 1, event.entities, True
        for kind in flow.kinds_of.get(event.event) or flow.kinds(event.event):
            if kind in entities:
                out.append(Routed(kind, entities[kind], position, event, is_first))
                is_first = False
        if (flow.is_profile or event.event in flow.heard) and (unit := self._unit(event)):
            out.append(Routed(UNIT, unit, position, event, is_first))
            is_first = False
        if not is_first:
            self.position = position
        self._count(event, flow, is_routed=not is_first)

    def _unit(self, event: Event) -> str:
        for kind in self._project.unit:
            if kind in event.entities:
                return f"{kind}:{event.entities[kind]}"
        return ""

    def _dead(self, row: Row, refusal: Refused) -> DeadLetter:
        self._counts["dead_letter", row.stream] += 1
        size, digest = row.size or len(row.raw), row.digest or hashlib.sha256(row.raw).hexdigest()
        place = (row.stream, row.source, row.position)
        return DeadLetter(
            refusal.reason.value, refusal.detail, *place, row.raw[:RAW_KEPT], size, digest, row.arrived_at
        )

    def _count_row(self, flow: Flow, fields: dict[str, Json], found: list[Event | DeadLetter]) -> None:
        if not found:
            self._counts["not_present", flow.spec.name] += 1
        elif flow.known_fields and not fields.keys() <= flow.known_fields:
            self._counts["unknown_field", flow.spec.name] += 1

    def _count(self, event: Event, flow: Flow, *, is_routed: bool) -> None:
        """What is worth counting besides that it was accepted."""
        if event.id_is_weak:
            self._counts["weak_id", event.stream] += 1
        if is_routed:
            return
        self._counts["unaddressed" if flow.kinds(event.event) else "unwatched", event.stream] += 1
        if flow.spec.events and event.event not in flow.spec.events:
            self._counts["unlisted_event", event.stream] += 1


_FAULTS: dict[str, str] = {
    Reason.TOO_LARGE: "larger than `event_bytes`",
    Reason.BAD_CSV: "its columns do not agree with the header, or a quote is not closed",
    Reason.BAD_ENCODING: "not UTF-8",
    Reason.BAD_GZIP: "the compressed file is damaged or ends too early: the rest of it was not read",
}


def _readers(project: ProjectSpec, spec: StreamSpec, aliases: Aliases) -> tuple[EventReader, ...]:
    own = _described(entity_reader(project.entities, aliases), spec)
    if not spec.maps:
        return (scored(shape_reader(spec, own, project.max_ahead_ms), spec),)
    mapped = (
        map_reader(spec, index, _mapped_entities(project, spec, each, aliases) or own, project.max_ahead_ms)
        for index, each in enumerate(spec.maps)
    )
    return tuple(scored(reader, spec) for reader in mapped)


def _mapped_entities(project: ProjectSpec, spec: StreamSpec, each: EventMap, aliases: Aliases) -> EntityReader | None:
    if not each.entities:
        return None
    return _described(entity_reader(project.entities, aliases, mapped_getters(each)), spec)


def _described(entities: EntityReader, spec: StreamSpec) -> EntityReader:
    """A profile that does not say whose it is describes nobody."""
    if not spec.describes:
        return entities

    def read(fields: dict[str, Json]) -> dict[str, str]:
        found = entities(fields)
        if spec.describes not in found:
            raise Refused(Reason.NO_ENTITY, f"the stream describes {spec.describes!r}, whose id is missing")
        return found

    return read


def _declared_fields(project: ProjectSpec, spec: StreamSpec) -> frozenset[str]:
    """The raw fields that the stream's maps read, empty where a map takes the whole row."""
    names: set[str] = set()
    for each in spec.maps:
        if each.attributes is None:
            return frozenset()
        parts = [
            part for source in each.entities.values() for part in (source if isinstance(source, tuple) else (source,))
        ]
        names.update(each.id, (each.at.field, each.event.field))
        names.update(value.field for value in [*parts, *each.attributes.values()])
    for kind in project.entities:
        names.update(kind.fields, kind.also_known_as)
    return frozenset(name.partition(".")[0] for name in names) if spec.maps else frozenset()


def _time_of(reader: EventReader, fields: dict[str, Json]) -> int | None:
    try:
        return reader.when(fields)
    except Refused:
        return 0  # at once: it becomes a dead letter wherever it stands


def _fields(row: Row, flow: Flow) -> dict[str, Json]:
    if row.fault:
        raise Refused(Reason(row.fault), _FAULTS.get(row.fault, "the reader could not read it"))
    return row.fields if row.fields is not None else flow.decode(row.raw)
