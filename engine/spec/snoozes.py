"""`snoozes.yml` - what is not to be done for a while: a play, what a detector asks for, somebody, or everything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import MappingNode, ScalarNode
from engine.spec.policies import SnoozeSpec
from engine.spec.reading import Written, read
from engine.spec.report import unknown
from engine.spec.values import Scope, text_written
from engine.spec.world import World

ALL = "all"


class SnoozeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A snooze as it is written."""

    snooze: Annotated[str, As.TEXT, "all, play:NAME, detector:NAME, or an entity as customer:c7"]
    until: Annotated[str, As.TEXT, "when it ends, as 2026-03-04T09:00:00Z"]
    because: Annotated[str, As.TEXT, "why, for those who wonder later"]
    from_: Annotated[str, As.TEXT, "when it begins"] = msgspec.field(default="", name="from")


class ReadSnooze(msgspec.Struct, frozen=True, kw_only=True):
    """A snooze and the node in which its end is written, so that this can be brought forward."""

    spec: SnoozeSpec
    until: ScalarNode


def read_snoozes(documents: Collection[MappingNode], world: World) -> Iterator[ReadSnooze]:
    """Those that are sound; what is wrong with the others goes to the report."""
    for node in documents:
        before = world.report.errors
        written = read(node, SnoozeDocument, world.scope)
        assert written is not None, node.place
        document, until = written.value, written.nodes.get("until")
        if "snooze" in written.nodes:
            _judge_target(document.snooze, written, world)
        spec = SnoozeSpec(
            what=document.snooze,
            from_ms=_moment("from_", written, world.scope) if document.from_ else 0,
            until_ms=_moment("until", written, world.scope),
            because=document.because,
        )
        if world.report.errors == before and spec.until_ms <= spec.from_ms:
            world.report.error(written.nodes["until"], "no-effect", "it ends before it begins - let it end later")
        if world.report.errors == before and isinstance(until, ScalarNode):
            yield ReadSnooze(spec=spec, until=until)


def _judge_target(what: str, written: Written[SnoozeDocument], world: World) -> None:
    kind, _colon, name = what.partition(":")
    node = written.nodes["snooze"]
    named: Mapping[str, Collection[str]] = {"play": world.plays, "detector": world.detectors}
    if what == ALL:
        return
    if not name:
        message = f"'{what}' is nothing to snooze - write all, play:NAME, detector:NAME, or an entity as customer:c7"
        world.report.error(node, "bad-choice", message)
    elif kind in named:
        if name not in named[kind]:
            world.report.error(node, f"unknown-{kind}", unknown(kind, name, named[kind]))
    elif kind not in world.entities:
        world.report.error(node, "unknown-entity", unknown("entity", kind, world.entities))


def _moment(name: str, written: Written[SnoozeDocument], scope: Scope) -> int:
    """In ms; without an offset it is UTC. 0 where it cannot be read, which is reported."""
    node = written.nodes.get(name)
    if node is None or not text_written(node):
        return 0
    try:
        moment = datetime.fromisoformat(text_written(node))
    except ValueError:
        message = f"'{text_written(node)}' is not a time - write one like 2026-03-04T09:00:00Z"
        scope.report.error(node, "bad-time", message)
        return 0
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
