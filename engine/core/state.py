"""What is remembered of one entity, and its form on disk.

A record on disk is versioned and checked: `layout` names the trackers that its slots belong to, so that a record
written under an earlier configuration is carried over, and the last four bytes are a checksum.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.core.examples import Models
from engine.core.seen import (
    NO_BYTES,
    NO_RUN,
    SeenIds,
    list_evidence,
    no_evidence,
    packed_ids,
    packed_ids_before,
    shared,
    unpack_ids,
)
from engine.model import Json
from engine.ports import NEVER, Known, Slot, Tracker

VERSION = 1
_NO_ATTRIBUTES: dict[str, Json] = {}
_NO_RELATED: dict[str, str] = {}


class DamagedRecord(Exception):
    """A stored record whose checksum does not match, or that a newer version of the engine wrote."""


class Stalls:
    """When which event types could not be relied on: [since, until) per stall, until NEVER while it lasts.

    An event type that several streams carry has a span for each of them. `models` are here for being known to all
    entities of a partition as well.
    """

    def __init__(self) -> None:
        self.by_event: dict[str, list[tuple[int, int]]] = {}
        self.models = Models()

    def stalled_ms(self, events: tuple[str, ...], since: int, until: int) -> int:
        if not self.by_event:
            return 0
        spans = {span for event in events for span in self.by_event.get(event, ())}
        total, reached = 0, since
        for start, end in sorted(spans):
            total += max(0, min(end, until) - max(start, reached))
            reached = max(reached, end)
        return total

    def begin(self, event: str, since: int) -> None:
        self.by_event.setdefault(event, []).append((since, NEVER))

    def end(self, event: str, at: int) -> None:
        """One stream that carries the event flows again. Which of several is all the same to their total."""
        spans = self.by_event.get(event, [])
        for place in reversed(range(len(spans))):
            if spans[place][1] == NEVER:
                spans[place] = (spans[place][0], at)
                return


def keep_newest(known: dict[str, Json], times: dict[str, int], news: dict[str, Json], at: int) -> None:
    """Take attributes as of `at` into the known ones, whose times are kept beside them."""
    for name, value in news.items():
        if at >= times.get(name, -1):
            known[name], times[name] = value, at


class Episode(msgspec.Struct, array_like=True):
    """Where a detector stands with one entity. `phase`: 0 quiet but cooling down, 1 pending, 2 firing.

    `since` is when the condition became true, `untrue_since` when it stopped being true while kept firing (0 = it is),
    `cooling_until` when the cooldown of the last episode that counted ends, `unit` where it was said to be firing.
    """

    phase: int
    since: int
    untrue_since: int = 0
    cooling_until: int = 0
    severity: int = 0
    unit: str = ""


class Entity:
    """One entity's record. `slots` and `event_ids` run parallel to the trackers of its kind; a slot is None until used.

    `wake` is the earliest moment, lateness included, at which one of `dues` (detector -> due time) must run; `alarm` is
    when that will next be looked at. Before events up to `look` (0 = not known) nothing has to run or be forgotten.
    `packed` and `packed_before` are the seen ids as bytes, where there are many.

    All ids from place `listed` on came by `run` and are not yet in `event_ids`; of other ids that stand as they came,
    the stream is that of `run` as well. `digested`: there are also ids of which only the digest is known.

    `written` is how many of the ids are in its record, -1 once anything but further ids of the run and what they feed
    has changed since.
    """

    __slots__ = (
        "alarm",
        "attribute_times",
        "attributes",
        "begun",
        "digested",
        "dues",
        "episodes",
        "event_ids",
        "first_seen",
        "ids",
        "ids_before",
        "ids_since",
        "key",
        "kind",
        "listed",
        "look",
        "packed",
        "packed_before",
        "position",
        "related",
        "run",
        "seen_at",
        "slots",
        "stalls",
        "touched",
        "wake",
        "written",
        "zone",
    )

    def __init__(self, kind: str, key: str, trackers: int, stalls: Stalls) -> None:
        self.kind = kind
        self.key = key
        self.stalls = stalls
        self.first_seen = 0
        self.seen_at = 0
        self.position = -1
        self.zone = "UTC"
        self.slots: list[Slot | None] = [None] * trackers
        self.event_ids = no_evidence(trackers)
        self.episodes: dict[int, Episode] | None = None
        self.dues: dict[int, int] | None = None
        self.wake = NEVER
        self.alarm = NEVER
        self.look = 0
        self.ids: SeenIds = {}
        self.ids_before: SeenIds | None = None
        self.ids_since = 0
        self.digested = False
        self.run = NO_RUN
        self.listed = 0
        self.written = -1
        self.packed = self.packed_before = NO_BYTES
        self.attributes = _NO_ATTRIBUTES
        self.attribute_times: dict[str, int] | None = None
        self.related = _NO_RELATED
        self.touched = False
        self.begun: dict[int, int] | None = None

    def stalled_ms(self, events: tuple[str, ...], since: int, until: int) -> int:
        return self.stalls.stalled_ms(events, since, until)

    def learn(self, attributes: dict[str, Json], at: int) -> None:
        """Take in a profile: per attribute the newest value stays, whatever order they come in."""
        if self.attribute_times is None:
            self.attributes, self.attribute_times = {}, {}
        keep_newest(self.attributes, self.attribute_times, attributes, at)


def entity_of(known: Known) -> Entity:
    """What a tracker of ours may know besides; those of others keep to `Known`."""
    assert isinstance(known, Entity), known
    return known


class Stored(msgspec.Struct, array_like=True):
    """An entity's record as it is written."""

    version: int
    layout: str
    first_seen: int
    seen_at: int
    position: int
    zone: str
    slots: list[Any]
    event_ids: list[list[str]]
    episodes: dict[str, Episode]
    dues: dict[str, int]
    ids: tuple[bytes, bytes]
    ids_before: tuple[bytes, bytes]
    ids_since: int
    attributes: dict[str, Any]
    attribute_times: dict[str, int]
    related: dict[str, str]
    begun: dict[str, int]


_LARGE = 1  # the msgpack extension in which a whole number beyond 64 bits is written


def _large(_code: int, digits: memoryview) -> int:
    return int(bytes(digits))


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Stored, ext_hook=_large)


def encode(entity: Entity, layout: Layout, detectors: Sequence[str]) -> bytes:
    """The record as bytes. `detectors` gives the name of each detector index, which outlives reordering."""
    if len(entity.ids) > entity.listed:
        list_evidence(entity)
    # The parts of a `Stored`, in order; the encoder writes them as one.
    stored = (
        VERSION,
        layout.name,
        entity.first_seen,
        entity.seen_at,
        entity.position,
        entity.zone,
        entity.slots,
        entity.event_ids,
        {detectors[at]: episode for at, episode in entity.episodes.items()} if entity.episodes else {},
        {detectors[at]: due for at, due in entity.dues.items()} if entity.dues else {},
        packed_ids(entity),
        packed_ids_before(entity) if entity.ids_before else NO_BYTES,
        entity.ids_since,
        entity.attributes,
        entity.attribute_times or {},
        entity.related,
        {layout.trackers[at][0]: since for at, since in entity.begun.items()} if entity.begun else {},
    )
    return checked(packed(stored))


def checked(body: bytes) -> bytes:
    """With its checksum behind it."""
    return body + zlib.crc32(body).to_bytes(4, "little")


def packed(parts: Sequence[object]) -> bytes:
    """In msgpack, whatever numbers there are among the parts."""
    try:
        return _ENCODER.encode(parts)
    except OverflowError:
        return _ENCODER.encode(_with_large(parts))


def _with_large(kept: Any) -> Any:
    """The same, with numbers that msgpack cannot hold written as their digits. Exact sums can become that large."""
    if isinstance(kept, list | tuple):
        return [_with_large(part) for part in kept]
    if isinstance(kept, dict):
        return {name: _with_large(part) for name, part in kept.items()}
    if isinstance(kept, int) and not -(1 << 63) <= kept < 1 << 64:
        return msgspec.msgpack.Ext(_LARGE, str(kept).encode())
    return kept


def decode(record: bytes) -> Stored:
    """The stored form. Raises DamagedRecord."""
    body, check = record[:-4], record[-4:]
    if zlib.crc32(body).to_bytes(4, "little") != check:
        raise DamagedRecord("its checksum does not match")
    try:
        stored = _DECODER.decode(body)
    except msgspec.DecodeError as fault:
        raise DamagedRecord(f"it cannot be read: {fault}") from fault
    if stored.version > VERSION:
        raise DamagedRecord(f"it was written by a newer version (record version {stored.version})")
    return stored


class Layout(msgspec.Struct, frozen=True):
    """Which trackers the slots of an entity kind belong to: (identity, columns) in order. Stored once, by its name."""

    name: str
    trackers: tuple[tuple[str, tuple[str, ...]], ...]


class Wanted(msgspec.Struct, frozen=True):
    """What the present configuration keeps for an entity kind."""

    layout: Layout
    trackers: tuple[Tracker, ...]
    detectors: dict[str, int]


class Carried(msgspec.Struct, frozen=True):
    """What a stored record is carried into: the present trackers of its kind, at a moment in event time."""

    wanted: Wanted
    stalls: Stalls
    now: int


def restore(kind: str, key: str, stored: Stored, had: Layout, into: Carried) -> Entity:
    """The entity under the present configuration. What is no longer watched is dropped; what is new begins now."""
    wanted = into.wanted
    entity = Entity(kind, key, len(wanted.trackers), into.stalls)
    entity.first_seen, entity.seen_at, entity.position = stored.first_seen, stored.seen_at, stored.position
    entity.zone = stored.zone
    entity.attributes, entity.related = stored.attributes, stored.related
    entity.attribute_times = stored.attribute_times or None
    entity.ids, before = unpack_ids(stored.ids), unpack_ids(stored.ids_before)
    entity.ids_before = before or None
    entity.ids_since = stored.ids_since
    entity.digested = bool(entity.ids or before)
    entity.packed, entity.packed_before = stored.ids, stored.ids_before
    _carry_slots(entity, stored, had, into)
    entity.episodes = {wanted.detectors[n]: e for n, e in stored.episodes.items() if n in wanted.detectors} or None
    entity.dues = {wanted.detectors[n]: due for n, due in stored.dues.items() if n in wanted.detectors} or None
    return entity


def _carry_slots(entity: Entity, stored: Stored, had: Layout, into: Carried) -> None:
    wanted = into.wanted
    begun = dict(stored.begun)
    if had.name == wanted.layout.name:
        entity.slots, entity.event_ids = stored.slots, shared(stored.event_ids)
    else:
        _rearrange(entity, stored, had, into, begun)
    entity.begun = {at: begun[t.identity] for at, t in enumerate(wanted.trackers) if t.identity in begun} or None


def _rearrange(entity: Entity, stored: Stored, had: Layout, into: Carried, begun: dict[str, int]) -> None:
    places = {identity: at for at, (identity, _columns) in enumerate(had.trackers)}
    entity.event_ids = [*entity.event_ids]
    for at, tracker in enumerate(into.wanted.trackers):
        old = places.get(tracker.identity)
        if old is None:
            begun[tracker.identity] = into.now
            slot = entity.slots[at] = tracker.empty(entity)
            entity.event_ids[at] = ()
            tracker.begin(slot, into.now)
        if old is None or stored.slots[old] is None:
            continue
        columns = had.trackers[old][1]
        slot = stored.slots[old]
        entity.slots[at] = slot if columns == tracker.columns else tracker.adopt(slot, columns, entity)
        entity.event_ids[at] = tuple(stored.event_ids[old])
