"""Which events an entity has seen: ids by which a repeat is recognised, and the latest of them as evidence for signals.

Ids are kept in two generations, of which the older is forgotten when the newer is full. An id is kept as a digest, or
as it came: then it needs no digest until it is written, and is evidence at the same time.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec
from xxhash import xxh3_64_intdigest as digest

if TYPE_CHECKING:
    from engine.core.state import Entity

EVENT_IDS_KEPT = 20
# They are cut back to that many only now and then, as cutting costs as much for many as for one.
EVENT_IDS_MOST = 32

# Seen ids -> digest of the body they came with. An id is a digest too, or stands as it came, see `Run`.
SeenIds: TypeAlias = dict[int | str, int]
# The ids of the latest events that a tracker took. A tuple is perhaps another tracker's as well, a list is its own.
EventIds: TypeAlias = list[str] | tuple[str, ...]
NO_BYTES = (b"", b"")
_DIGEST_BYTES = 8


class Run(msgspec.Struct, frozen=True, gc=False):
    """Events of one stream that were all taken by the same trackers (`fed`) and are noted by their id alone.

    The id as it came is at once the mark by which a repeat is recognised and the evidence for a signal, which is worked
    out only when it is asked for. `seed` tells the digests of the stream's ids.
    """

    stream: str = ""
    seed: int = 0
    fed: tuple[int, ...] = ()


NO_RUN = Run()


def begin_run(entity: Entity, run: Run) -> bool:
    """From now on ids are noted by `run`. False if the entity notes those of another stream already."""
    if entity.run.stream not in ("", run.stream):
        return False
    list_evidence(entity)
    entity.run, entity.listed = run, len(entity.ids)
    return True


def end_run(entity: Entity) -> None:
    """From now on ids are noted one by one."""
    list_evidence(entity)
    entity.run = Run(entity.run.stream, entity.run.seed)


@cache
def no_evidence(trackers: int) -> list[EventIds]:
    """What entities of which no tracker has taken anything have in common; never changed."""
    return [()] * trackers


def _own_evidence(entity: Entity) -> list[EventIds]:
    if entity.event_ids is no_evidence(len(entity.event_ids)):
        entity.event_ids = [*entity.event_ids]
    return entity.event_ids


def add_evidence(entity: Entity, tracker_at: int, event_id: str) -> None:
    """Note that a tracker took an event, outside of a run."""
    event_ids = entity.event_ids[tracker_at]
    if isinstance(event_ids, tuple):
        event_ids = _own_evidence(entity)[tracker_at] = [*event_ids]
    event_ids.append(event_id)
    if len(event_ids) > EVENT_IDS_MOST:
        del event_ids[:-EVENT_IDS_KEPT]


def list_evidence(entity: Entity) -> None:
    """Bring `event_ids` up to date with what came by the run at hand."""
    ids, fed = entity.ids, entity.run.fed
    fresh = min(len(ids) - entity.listed, EVENT_IDS_KEPT)
    if fresh <= 0 or not fed:
        return
    latest = cast("list[str]", [*islice(reversed(ids), fresh)])
    latest.reverse()
    event_ids = _own_evidence(entity)
    before = event_ids[fed[0]]
    joined = (*before, *latest)[-EVENT_IDS_KEPT:]
    for at in fed:  # what trackers have in common is put together once
        event_ids[at] = joined if event_ids[at] is before else (*event_ids[at], *latest)[-EVENT_IDS_KEPT:]
    entity.listed = len(ids)


def shared(event_ids: list[list[str]]) -> list[EventIds]:
    """As read from a record: what trackers have in common as one object, as they have taken the same events."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    return [found.setdefault(kept, kept) for kept in map(tuple, event_ids)]


def body_seen(entity: Entity, event_id: str, stream: str, seen: int) -> int | None:
    """The digest of the body that an event's id came with before; None if it never did."""
    for ids in (entity.ids, entity.ids_before or {}):
        if seen in ids:
            return ids[seen]
        if event_id in ids and stream == entity.run.stream:
            return ids[event_id]
    return None


def has_by_name(entity: Entity, event_id: str) -> bool:
    """Is an id of the run's stream kept as it came?"""
    return event_id in entity.ids or (entity.ids_before is not None and event_id in entity.ids_before)


def is_seen(entity: Entity, event_id: str, run: Run) -> bool:
    """Did an event of the run's stream with this id come before?"""
    return body_seen(entity, event_id, run.stream, digest(event_id.encode(), run.seed)) is not None


def packed_ids(entity: Entity) -> tuple[bytes, bytes]:
    """The seen ids as bytes. They are kept in that form too, so that only the latest are put behind."""
    ids, packed = entity.ids, entity.packed
    fresh = len(ids) - len(packed[0]) // _DIGEST_BYTES
    if fresh == 1:
        latest_id, body = next(reversed(ids.items()))
        key = digest(latest_id.encode(), entity.run.seed) if isinstance(latest_id, str) else latest_id
        entity.packed = packed = (packed[0] + _as_bytes(key), packed[1] + _as_bytes(body))
    elif fresh == len(ids):
        entity.packed = packed = _pack(ids, entity.run.seed)
    elif fresh:
        latest = list(islice(reversed(ids), fresh))
        latest.reverse()
        keys, bodies = digests(latest, entity.run.seed), array("Q", map(ids.__getitem__, latest))
        entity.packed = packed = (packed[0] + keys.tobytes(), packed[1] + bodies.tobytes())
    return packed


def next_generation(entity: Entity, at: int) -> None:
    """From now on the ids seen so far are the older ones, and those that were older are forgotten."""
    # Ids that were never written need not be packed now: they may never be.
    entity.packed_before = packed_ids(entity) if entity.packed[0] else NO_BYTES
    list_evidence(entity)
    entity.ids_before, entity.ids, entity.packed, entity.listed = entity.ids, {}, NO_BYTES, 0
    entity.ids_since = at


def packed_ids_before(entity: Entity) -> tuple[bytes, bytes]:
    if entity.ids_before and not entity.packed_before[0]:
        entity.packed_before = _pack(entity.ids_before, entity.run.seed)
    return entity.packed_before


def _as_bytes(each: int) -> bytes:
    return each.to_bytes(_DIGEST_BYTES, sys.byteorder)


def _pack(ids: SeenIds, seed: int) -> tuple[bytes, bytes]:
    """`seed` is that of the stream whose ids stand as they came."""
    if not ids:
        return NO_BYTES
    return digests(ids, seed).tobytes(), array("Q", ids.values()).tobytes()


def digests(ids: Iterable[int | str], seed: int) -> array[int]:
    """Of ids of the stream that the seed is of; those that are digests already stay as they are."""
    return array("Q", [digest(each.encode(), seed) if isinstance(each, str) else each for each in ids])


def unpack_ids(packed: tuple[bytes, bytes]) -> SeenIds:
    keys, values = array("Q"), array("Q")
    keys.frombytes(packed[0])
    values.frombytes(packed[1])
    return dict(zip(keys, values, strict=True))
