"""Rows of one stream decoded into records with a fixed place for each field, which is what most streams send.

`orjson` makes a dict of a row and leaves its types to be looked at; a decoder that knows the names of the fields checks
the types as it reads, in little more than half the time. It takes only flat rows whose fields are known, and refuses
all others, whatever is the matter with them: those go the long way, which may come to take them. On what it takes, both
decoders agree to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Protocol, TypeAlias, cast

import msgspec
import orjson
from msgspec import UNSET, Meta, UnsetType

from engine.core.decode import ID_CHARS
from engine.core.mapping import EARLIEST, LATEST

# Rows with more different fields than this go the long way.
_NAMES_MOST = 64
# Fields that say that a row is in another shape.
_OTHER_SHAPES = frozenset({"specversion", "schema_version"})

_Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=ID_CHARS)]
_At: TypeAlias = Annotated[int, Meta(ge=EARLIEST, lt=LATEST)]
# Beyond 64 bits the two decoders would differ.
_Whole: TypeAlias = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
# A field as it may stand in a row; UNSET where it does not.
Scalar: TypeAlias = str | bool | _Whole | float | UnsetType | None


class Fields(Protocol):
    """What a row says of its event, under `f0`, `f1` ...; UNSET where it says nothing."""


class Shaped(Fields, Protocol):
    """The same with those that every row has."""

    id: str
    event: str
    at: int
    key: str


# What a decoder raises for a row that it does not take.
REFUSALS = (msgspec.DecodeError, UnicodeDecodeError)


class Shape:
    """What the rows of a stream look like as far as is known. `key` is the field with the id of their entity."""

    def __init__(self, key: str) -> None:
        self._places = {"id": "id", "event": "event", "at": "at", key: "key"}
        self.decode: Callable[[bytes], Shaped] = self._decoder()

    def place_of(self, field: str) -> str:
        """The name under which a decoded row has a field of the raw one."""
        self._add([field])
        return self._places[field]

    def learn(self, raw: bytes) -> None:
        """Know the fields of a row that was refused, if it was for want of these."""
        try:
            fields = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return
        if type(fields) is dict and not _OTHER_SHAPES & fields.keys():
            self._add([name for name in fields if can_be_told(name)])

    def _add(self, names: list[str]) -> None:
        fresh = [name for name in names if name not in self._places]
        if fresh and len(self._places) + len(fresh) <= _NAMES_MOST:
            self._places.update((name, f"f{number}") for number, name in enumerate(fresh, len(self._places)))
            self.decode = self._decoder()

    def _decoder(self) -> Callable[[bytes], Shaped]:
        types: dict[str, Any] = {"id": _Id, "event": str, "at": _At, "key": _Id}
        fields = [(p, types[p]) if p in types else (p, Scalar, UNSET) for p in self._places.values()]
        rename = {place: name for name, place in self._places.items()}
        record = msgspec.defstruct("Shaped", fields, rename=rename, forbid_unknown_fields=True, gc=False)
        return cast("Callable[[bytes], Shaped]", msgspec.json.Decoder(record).decode)


def can_be_told(name: str) -> bool:
    """A decoder compares names as they are written, so one that JSON may write in several ways is none for it."""
    return name.isascii() and name.isprintable() and '"' not in name and "\\" not in name
