"""`reactions:` - the events that say what people did with a message."""

from __future__ import annotations

from typing import Annotated

import msgspec

from engine.model import DAY_MS
from engine.ports import As
from engine.spec.nodes import Node
from engine.spec.policies import Reactions
from engine.spec.reading import Written, read
from engine.spec.types import StreamSpec
from engine.spec.values import Scope

KINDS = ("opened", "clicked", "dismissed", "replied", "acknowledged", "answered", "bounced")


class ReactionsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The block as it is written."""

    opened: Annotated[tuple[str, ...], As.EVENTS, "events that say it was opened"] = ("message.opened",)
    clicked: Annotated[tuple[str, ...], As.EVENTS, "events that say a link in it was followed"] = ("message.clicked",)
    dismissed: Annotated[tuple[str, ...], As.EVENTS, "events that say it was put away"] = ("message.dismissed",)
    replied: Annotated[tuple[str, ...], As.EVENTS, "events that say somebody answered it"] = ("message.replied",)
    acknowledged: Annotated[tuple[str, ...], As.EVENTS, "events that say somebody takes care of it"] = (
        "message.acknowledged",
    )
    answered: Annotated[tuple[str, ...], As.EVENTS, "events that say a colleague has answered somebody's reply"] = (
        "handoff.answered",
    )
    bounced: Annotated[tuple[str, ...], As.EVENTS, "events that say it could not be delivered"] = ("message.bounced",)
    remember: Annotated[int, As.DURATION, "how long a message is remembered for them"] = 30 * DAY_MS


def read_reactions(node: Node | None, streams: tuple[StreamSpec, ...], scope: Scope) -> Reactions | None:
    """The typed form, None where there is none or something in it is wrong."""
    written = read(node, ReactionsDocument, scope) if node is not None else None
    if node is None or written is None or not written.sound:
        return None
    _judge(node, written, streams, scope)
    events: dict[str, str] = {}
    for kind in KINDS:
        for event in getattr(written.value, kind):
            if event in events:
                message = f"'{event}' says '{events[event]}' already - name it once"
                scope.report.error(written.nodes.get(kind, node), "no-effect", message)
            events[event] = kind
    return Reactions(kinds=events, remember_ms=written.value.remember)


def _judge(node: Node, written: Written[ReactionsDocument], streams: tuple[StreamSpec, ...], scope: Scope) -> None:
    """An event that comes on no stream is never heard."""
    if not all(stream.events for stream in streams):
        return
    carried = {event for stream in streams for event in stream.events}
    for kind in KINDS:
        for event in getattr(written.value, kind) if kind in written.nodes else ():
            if event not in carried:
                message = f"'{event}' comes on no stream, so nobody would hear of it"
                scope.report.error(written.nodes[kind], "no-effect", message)
    if not any(event in carried for kind in KINDS for event in getattr(written.value, kind)):
        message = "none of these events comes on a stream - list them, most often on one of the family outcome"
        scope.report.error(node, "no-effect", message)
