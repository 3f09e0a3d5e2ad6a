"""What travels on the worker's own topics. All of it is JSON, so that anybody can read along.

Records with a key are events (or candidates); records without one are messages to the stage itself: how far time has
come, a changed configuration, an erasure. docs/topics.md lists the topics and who reads them.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from engine.core.digest import seen_digest
from engine.core.examples import Example
from engine.core.tasks import Handover
from engine.model import Action, DeadLetter, Event, Recall, Receipt, Routed, Signal


class Addressed(Event, frozen=True, gc=False, omit_defaults=True):
    """An event as it stands on `events`: with the entity it is for, as one event may be written for several.

    `entity` is the kind; `key` its id, left out where `entities` says it. `primary` as in Routed. `behind`: the event
    time that its source had reached before it came, where that is later than its own (recorded history only).
    """

    entity: str = ""
    key: str = ""
    primary: bool = True
    behind: int = 0


class Mark(msgspec.Struct, frozen=True, tag="mark", omit_defaults=True):
    """How far a source has come, written into every partition of the next stage.

    `source` is a partition (`beforehand.raw.usage/0`), `at` the event time it has reached, `wall` when this was written
    (0 where time follows the events alone). `idle`: nothing has come from it for long; `quiet`: it was read to its
    end, and nothing came since. `stream` and `flowed`: its stream, and the latest event time of that. `ended`: recorded
    input has ended here. `expects`: all sources there are, so that time waits for those that have not been heard of.
    """

    source: str
    at: int
    wall: int = 0
    idle: bool = False
    quiet: bool = False
    ended: bool = False
    stream: str = ""
    flowed: int = 0
    expects: tuple[str, ...] = ()


class Configure(msgspec.Struct, frozen=True, tag="configure"):
    """A changed configuration takes effect here. `files` is its whole text by path, as secrets are only referred to."""

    version: str
    files: Mapping[str, str]


class Erase(msgspec.Struct, frozen=True, tag="erase"):
    """Forget one entity, and take nothing about it any more, until `until`, when no older record can come any more."""

    entity: str
    key: str
    at: int
    until: int


class Learned(msgspec.Struct, frozen=True, tag="learned", omit_defaults=True):
    """What models have learned takes effect here. `snapshots` are signed. `due` is when they learn next, 0 = there is
    more to come of what they have learned before.
    """

    due: int
    snapshots: tuple[bytes, ...] = ()


Message: TypeAlias = Mark | Configure | Erase | Learned


class Candidate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What detect hands to decide: a signal, or an event that the unit is to hear of, most often a `profile`.

    Or decide to itself: a task on its way to an owner. Or an answer, an `example`, to the owner of the models.

    `at` is the moment in event time at which it belongs into the order of things. `source`, `offset` and `number` say
    where it came from, so that it is taken once however often it was written. `due` is set where a timer raised it: the
    moment at which that timer was to run, which may be long past. A `receipt` is dispatch's word on an action of the
    unit; it has no place in time, and counts as of the time that has been reached where it stands.
    """

    unit: str
    at: int
    source: str
    offset: int
    number: int
    signal: Signal | None = None
    profile: Addressed | None = None
    due: int = 0
    handover: Handover | None = None
    receipt: Receipt | None = None
    example: Example | None = None


_ENCODER = msgspec.json.Encoder()
_ADDRESSED = msgspec.json.Decoder(Addressed)
_MESSAGE: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_CANDIDATE = msgspec.json.Decoder(Candidate)
_ACTION = msgspec.json.Decoder(Action)
_RECALL = msgspec.json.Decoder(Recall)
_RECALLS = b'{"type":"recall"'

encode = _ENCODER.encode


def partition_of(key: bytes, partitions: int) -> int:
    """As librdkafka's `consistent` partitioner does it, which clients in most languages have."""
    return zlib.crc32(key) % partitions


def addressed(routed: Routed, behind: int = 0) -> Addressed:
    """An event for one entity. A weak id is the same when its row is read again, so it will do here to know repeats."""
    event = routed.event
    return Addressed(
        event.id,
        event.event,
        event.at,
        event.stream,
        event.entities,
        event.attributes,
        event.arrived_at,
        event.body,
        event.id_is_weak,
        event.seen or seen_digest(event.id, event.stream),
        routed.entity,
        "" if event.entities.get(routed.entity) == routed.key else routed.key,
        routed.primary,
        behind,
    )


def key_of(routed: Routed) -> bytes:
    return f"{routed.entity}:{routed.key}".encode()


def read_event(value: bytes) -> Addressed:
    """Raises msgspec.DecodeError, also where it is an event that was written for nobody."""
    return _ADDRESSED.decode(value)


def routed_of(event: Addressed, position: int) -> Routed:
    """Raises KeyError where it does not say for whom it is."""
    return Routed(event.entity, event.key or event.entities[event.entity], position, event, event.primary)


def read_message(value: bytes) -> Message:
    """Raises msgspec.DecodeError."""
    return _MESSAGE.decode(value)


def read_candidate(value: bytes) -> Candidate:
    """Raises msgspec.DecodeError."""
    return _CANDIDATE.decode(value)


def read_action(value: bytes) -> Action | Recall:
    """What is to be sent, or is not any more. Raises msgspec.DecodeError."""
    return _RECALL.decode(value) if value.startswith(_RECALLS) else _ACTION.decode(value)


# ---- dead letters


class Letter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A dead letter as it is written: `raw` as text where it is text, else in base64 as `raw_base64`."""

    reason: str
    detail: str
    stream: str
    source: str
    position: int
    raw_size: int
    raw_digest: str
    arrived_at: int = 0
    raw: str | None = None
    raw_base64: bytes = b""


_LETTER = msgspec.json.Decoder(Letter)


def encode_letter(letter: DeadLetter) -> bytes:
    try:
        text, content = letter.raw.decode(), b""
    except UnicodeDecodeError:
        text, content = None, letter.raw
    head = (letter.reason, letter.detail, letter.stream, letter.source, letter.position)
    return encode(Letter(*head, letter.raw_size, letter.raw_digest, letter.arrived_at, text, content))


def read_letter(value: bytes) -> DeadLetter:
    """Raises msgspec.DecodeError."""
    found = _LETTER.decode(value)
    raw = found.raw_base64 if found.raw is None else found.raw.encode()
    head = (found.reason, found.detail, found.stream, found.source, found.position)
    return DeadLetter(*head, raw, found.raw_size, found.raw_digest, found.arrived_at)
