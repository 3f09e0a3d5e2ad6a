"""The short way for ordinary rows: one flat JSON object in the event shape, with nothing in it that is special.

Nearly every row is one. Whatever is not, be it a number as an id or a broken line, gives None and goes the long way in
`mapping`, which alone decides what is refused and how it is said; on ordinary rows both give the same event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol, TypeAlias

import orjson
import xxhash

from engine.core.decode import ID_CHARS, Refused
from engine.core.digest import stream_seed
from engine.core.entity_ids import EntityReader
from engine.core.mapping import EARLIEST, LATEST, Origin
from engine.model import Event, Json
from engine.spec.types import ProjectSpec, StreamSpec


class Raw(Origin, Protocol):
    """A row, as far as an event is made of it."""

    @property
    def fields(self) -> dict[str, Json] | None: ...
    @property
    def fault(self) -> str: ...


QuickReader: TypeAlias = Callable[[Raw], Event | None]

_LIST_OPENS = ord("[")


def the_long_way(row: Raw) -> Event | None:
    """For streams of which no row is ordinary."""
    return None


def has_ordinary_rows(spec: StreamSpec) -> bool:
    plain = not spec.maps and not spec.strict_json and not spec.stalled_after_ms
    return plain and spec.text is None and spec.family != "profile"


def quick_reader(
    project: ProjectSpec, spec: StreamSpec, entities: EntityReader, known_types: Collection[str]
) -> QuickReader:
    """Reads ordinary rows of a stream whose event's type is one of `known_types`."""
    stream, seed = spec.name, stream_seed(spec.name)
    size, max_ahead_ms = project.bounds.event_bytes, project.max_ahead_ms
    loads, digest, id_chars = orjson.loads, xxhash.xxh3_64_intdigest, ID_CHARS
    earliest, latest, list_opens = EARLIEST, LATEST, _LIST_OPENS

    def read(row: Raw) -> Event | None:
        raw = row.raw
        # A bracket may as well stand in a text: what counts here is that there is no nesting without one.
        if row.fields is not None or row.fault or list_opens in raw or raw.rfind(b"{") > 0 or len(raw) > size:
            return None
        try:
            fields = loads(raw)
            id_, event, at = fields["id"], fields["event"], fields["at"]
            if event not in known_types or "specversion" in fields or "schema_version" in fields:
                return None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None
        if type(id_) is not str or not 0 < len(id_) <= id_chars or type(at) is not int or not earliest <= at < latest:
            return None
        arrived = row.arrived_at
        if not arrived:
            arrived = at
        elif at - arrived > max_ahead_ms:
            return None
        try:
            found = entities(fields)  # last, as it may learn another name of somebody: a row that is refused must not
        except Refused:
            return None
        seen = digest(id_.encode(), seed)
        return Event(id_, event, at, stream, found, fields, arrived, digest(raw), False, seen)  # noqa: FBT003

    return read
