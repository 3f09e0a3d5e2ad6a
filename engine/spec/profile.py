"""`{profile: agents}` - a measure that is what the entity's own profile says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import MappingNode, ScalarNode
from engine.spec.reading import read
from engine.spec.report import unknown
from engine.spec.types import DetectorSpec, EventMap, MeasureSpec, StreamSpec, ValueFrom
from engine.spec.world import World

PROFILE = "profile"


class ProfileOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which attribute of the profile."""

    field: Annotated[str, As.FIELD, "the attribute of the entity's own profile"]


def reads_profile(spec: DetectorSpec) -> bool:
    """Does one of its measures say what a profile does?"""
    return any(measure.word == PROFILE for measure in spec.watch)


def read_profile(key: ScalarNode, node: MappingNode, world: World) -> MeasureSpec | None:
    """`{profile: agents}`, or None with every problem reported."""
    written = read(node, ProfileOptions, world.scope, word=PROFILE)
    if written is None or not written.sound:
        return None
    return MeasureSpec(name=key.text, word=PROFILE, options=written.value, place=key.place)


def judge_profiles(measures: Mapping[str, MeasureSpec], numbers: Collection[str], per: str, world: World) -> None:
    """Report what no profile can say.

    `numbers` are the measures that have to be one, to be compared or reckoned with.
    """
    streams = [stream for stream in world.project.streams if stream.describes == per]
    for name, measure in measures.items():
        if measure.word == PROFILE and per in world.entities:
            problem = _problem(measure.options.field, per, streams, world, is_number=name in numbers)
            if problem:
                world.report.error(measure.place, *problem)


def _problem(
    field: str, per: str, streams: Sequence[StreamSpec], world: World, *, is_number: bool
) -> tuple[str, str] | None:
    whose, _dot, path = field.partition(".")
    if path and whose in world.entities:
        hint = f"write '{path}'" if whose == per else f"a measure reads the profile of the {per} itself"
        return "bad-field", f"'{field}' names the entity as well - {hint}"
    if not streams:
        hint = f"add one with 'family: profile' and 'describes: {per}'"
        return "no-effect", f"no stream brings a profile of the {per} - {hint}"
    maps = [(stream, each) for stream in streams for each in stream.maps or (EventMap(),)]
    if all(each.attributes is not None and not _source(each, field) for _stream, each in maps):
        known = sorted({name for _stream, each in maps for name in each.attributes or ()})
        return "unknown-attribute", unknown("attribute", field, known, f" of the {per}'s profile")
    if is_number and all(_is_text(stream, each, field) for stream, each in maps):
        hint = f"write {field}: {{from: {field}, as: number}} in the stream's map"
        return "bad-measure", f"'{field}' is read as a text from the {per}'s profile, and a number is needed - {hint}"
    return None


def _source(mapped: EventMap, field: str) -> ValueFrom | None:
    """Where a map takes the attribute from."""
    attributes = mapped.attributes or {}
    return attributes.get(field) or attributes.get(field.partition(".")[0])


def _is_text(stream: StreamSpec, mapped: EventMap, field: str) -> bool:
    """Is it certain that it is never a number? In CSV all is text that nobody has made something else of."""
    source = _source(mapped, field)
    if source is None:
        return stream.format == "csv" and mapped.attributes is None
    if source.as_:
        return source.as_ in ("text", "flag")
    return isinstance(source.constant, str) or (stream.format == "csv" and bool(source.field))
