"""What ordinary events have added to an entity since its record was written, and the record brought up to date by it.

A record holds every id by which a repeat is recognised, so it is large, and most batches add two or three events to it
that change nothing else but its measures. Those are written as a tail of the record. A tail stands for itself: what
folds it into the record knows no configuration and comes to the same bytes as writing the record anew.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import islice
from typing import TypeAlias

import msgspec

from engine.core.seen import EVENT_IDS_KEPT, digests
from engine.core.state import Entity, checked, decode

# A `Tail` as it is written: its parts in order.
TailParts: TypeAlias = tuple[object, ...]


class Tail(msgspec.Struct, array_like=True, gc=False):
    """As it is read. `ids`: the latest first, each with the digest of its body; `fed` trackers have taken them all."""

    kind: str
    key: str
    seen_at: int
    position: int
    slots: msgspec.Raw
    seed: int
    fed: tuple[int, ...]
    ids: list[tuple[str, int]]


_TAIL = msgspec.msgpack.Decoder(Tail)


def has_tail(entity: Entity) -> bool:
    """Has nothing but ordinary events of one run changed the entity since it was written?"""
    return entity.listed <= entity.written


def tail_of(entity: Entity) -> TailParts:
    """What came since the entity was written, which from now on counts as written."""
    ids, run = entity.ids, entity.run
    fresh = len(ids) - entity.written
    entity.written = len(ids)
    latest = [*islice(reversed(ids.items()), fresh)]
    return entity.kind, entity.key, entity.seen_at, entity.position, entity.slots, run.seed, run.fed, latest


def read_tail(content: bytes) -> Tail:
    """Raises msgspec.DecodeError."""
    return _TAIL.decode(content)


def folded(record: bytes, tails: Sequence[Tail]) -> bytes:
    """The record with its tails, the oldest first, taken into it. Raises DamagedRecord.

    Those that it has already are passed over.
    """
    stored = decode(record)
    keys, bodies = ([part] for part in stored.ids)
    tails = [tail for tail in tails if tail.position > stored.position]
    if not tails:
        return record
    for tail in tails:
        names, seen = zip(*reversed(tail.ids), strict=True)
        keys.append(digests(names, tail.seed).tobytes())
        bodies.append(array("Q", seen).tobytes())
        for at in tail.fed:
            stored.event_ids[at] = [*stored.event_ids[at], *names][-EVENT_IDS_KEPT:]
    stored.ids = b"".join(keys), b"".join(bodies)
    latest = tails[-1]
    stored.seen_at, stored.position, stored.slots = latest.seen_at, latest.position, latest.slots  # type: ignore[assignment]
    return checked(msgspec.msgpack.encode(stored))
