"""`happened:` - whether something happened to somebody, and how long ago."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from engine.ports import As, FieldTest
from engine.spec.nodes import ListNode, MappingNode, Node
from engine.spec.reading import read
from engine.spec.types import Happened
from engine.spec.values import events
from engine.spec.world import World

ANY_EVENT = "*"


class HappenedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One condition as it is written, where it says more than the event."""

    event: Annotated[tuple[str, ...], As.EVENTS, "the event type, or several of which one is enough"]
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only events whose attributes match"] = ()
    within: Annotated[int, As.DURATION, "how long ago at most; left out, ever"] = 0


def read_happened(node: Node, world: World) -> Iterator[Happened]:
    """One condition, or a list of them."""
    items = node.items if isinstance(node, ListNode) else (node,)
    for item in items:
        found = _condition(item, world)
        if found is not None:
            yield found
    if not items:
        world.report.error(node, "wrong-type", "name at least one event type")


def _condition(node: Node, world: World) -> Happened | None:
    if not isinstance(node, MappingNode):
        named = events(node, world.scope)
        return Happened(named) if named and are_named(named, node, world) else None
    written = read(node, HappenedDocument, world.scope)
    if written is None or not written.sound or not are_named(written.value.event, node, world):
        return None
    return Happened(written.value.event, written.value.where, written.value.within)


def are_named(named: tuple[str, ...], node: Node, world: World) -> bool:
    if ANY_EVENT not in named:
        return True
    world.report.error(node, "bad-event", "every event would do - name those that count")
    return False
