"""Which entities an event names: a stream's entity fields, compiled once into one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from engine.core.aliases import Aliases
from engine.core.decode import ID_CHARS, Reason, Refused, composed, compound, id_text
from engine.core.fields import Getter, field_getter
from engine.model import Json
from engine.spec.types import EntitySpec

EntityReader: TypeAlias = Callable[[dict[str, Json]], dict[str, str]]
IdReader: TypeAlias = Callable[[dict[str, Json]], str]


def entity_reader(
    kinds: Sequence[EntitySpec], aliases: Aliases, mapped: Mapping[str, Sequence[tuple[str, Getter]]] | None = None
) -> EntityReader:
    """Reads kind -> id out of a row; an event that names no entity is refused.

    Each kind is read from its own fields, or with `mapped` (kind -> named getters) from where a stream's map says.
    """
    if mapped is None:
        plain = [(kind.kind, kind.fields[0]) for kind in kinds if plain_field(kind)]
        others = [(kind.kind, _id_reader(kind, aliases, _own(kind))) for kind in kinds if not plain_field(kind)]
        return _compiled(plain, others) if others or len(plain) != 1 else _only(*plain[0])
    others = [(kind.kind, _id_reader(kind, aliases, mapped[kind.kind])) for kind in kinds if kind.kind in mapped]
    return _compiled([], others)


def _only(kind: str, field: str) -> EntityReader:
    """For a project that watches one kind, named by one field: the same without loops."""
    general = _compiled([(kind, field)], [])

    def read(fields: dict[str, Json]) -> dict[str, str]:
        value = fields.get(field)
        if type(value) is str and 0 < len(value) <= ID_CHARS:
            return {kind: value}
        return general(fields)

    return read


def _compiled(plain: Sequence[tuple[str, str]], others: Sequence[tuple[str, IdReader]]) -> EntityReader:
    def read(fields: dict[str, Json]) -> dict[str, str]:
        found: dict[str, str] = {}
        get = fields.get
        for kind, field in plain:
            value = get(field)
            if value is None:
                continue
            if type(value) is str and 0 < len(value) <= ID_CHARS:
                found[kind] = value
            elif text := id_text(value, field):
                found[kind] = text
        for kind, id_of in others:
            if text := id_of(fields):
                found[kind] = text
        if not found:
            raise Refused(Reason.NO_ENTITY, "names no entity: none of the id fields of `entities` is filled in")
        return found

    return read


def plain_field(kind: EntitySpec) -> str:
    """The one field that holds the id of a kind just as it is; "" where it takes more to tell."""
    one_field = len(kind.fields) == 1 and "." not in kind.fields[0]
    return kind.fields[0] if one_field and kind.normalise == "none" and not kind.also_known_as else ""


def _own(kind: EntitySpec) -> list[tuple[str, Getter]]:
    return [(name, field_getter(name)) for name in kind.fields]


def _id_reader(kind: EntitySpec, aliases: Aliases, sources: Sequence[tuple[str, Getter]]) -> IdReader:
    same = composed if kind.normalise == "nfc" else str

    def primary(fields: dict[str, Json]) -> str:
        return same(compound([id_text(get(fields), name) for name, get in sources]))

    if not kind.also_known_as:
        return primary
    others = [(name, field_getter(name)) for name in kind.also_known_as]

    def joined(fields: dict[str, Json]) -> str:
        texts = [(name, same(id_text(get(fields), name))) for name, get in others]
        names = [f"{name}:{text}" for name, text in texts if text]
        if not (own := primary(fields)):
            return aliases.resolve(kind.kind, names)
        aliases.join(kind.kind, names, own)
        return own

    return joined
