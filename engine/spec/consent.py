"""`consent:` - what says whether somebody agreed to be written to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import Node
from engine.spec.policies import ConsentSpec, StopWords
from engine.spec.reading import Written, read
from engine.spec.report import unknown
from engine.spec.types import StreamSpec
from engine.spec.values import Scope

WORDS = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit")


class StopDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Answers that close a channel."""

    event: Annotated[str, As.TEXT, "the event of an answer"]
    channel: Annotated[str, As.TEXT, "the channel that it closes"]
    field: Annotated[str, As.FIELD, "the attribute with what was said"] = "text"
    words: Annotated[tuple[str, ...], As.TEXTS, "the answers that mean no more, in any case of letters"] = WORDS


class ConsentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The block as it is written."""

    given: Annotated[tuple[str, ...], As.TEXTS, "events that say yes"] = ("consent.given",)
    withdrawn: Annotated[tuple[str, ...], As.TEXTS, "events that say no"] = ("consent.withdrawn",)
    stop: Annotated[StopDocument | None, "answers that close a channel"] = None
    attributes: Annotated[Mapping[str, str], As.MAPPING, "per channel, the attribute that allows marketing"] = {}


def read_consent(
    node: Node | None, channels: Collection[str], streams: tuple[StreamSpec, ...], scope: Scope
) -> ConsentSpec | None:
    """The typed form, None where there is none or something in it is wrong."""
    written = read(node, ConsentDocument, scope) if node is not None else None
    if node is None or written is None or not written.sound:
        return None
    document = written.value
    _judge_channels(written, channels, scope)
    _judge_events(node, written, streams, scope)
    stop = document.stop
    return ConsentSpec(
        given=document.given,
        withdrawn=document.withdrawn,
        stop=None if stop is None else StopWords(**msgspec.structs.asdict(stop)),
        attributes=document.attributes,
    )


def _judge_channels(written: Written[ConsentDocument], channels: Collection[str], scope: Scope) -> None:
    document, nodes = written.value, written.nodes
    named = [(channel, "attributes") for channel in document.attributes]
    named += [(document.stop.channel, "stop")] if document.stop else []
    for channel, key in named:
        if channel not in channels:
            scope.report.error(nodes[key], "unknown-channel", unknown("channel", channel, channels))


def _judge_events(node: Node, written: Written[ConsentDocument], streams: tuple[StreamSpec, ...], scope: Scope) -> None:
    """What people say reaches deciding the way profiles do, so it has to come on a profile stream."""
    document, nodes = written.value, written.nodes
    carrying = [stream for stream in streams if stream.family == "profile"]
    carried = {event for stream in carrying for event in stream.events}
    if any(not stream.events for stream in carrying):
        return
    told = {"given": document.given, "withdrawn": document.withdrawn}
    told |= {"stop": (document.stop.event,)} if document.stop else {}
    if not document.attributes and carried.isdisjoint(document.given):
        message = "nobody could agree to anything - name the events on a profile stream that say yes, or attributes"
        scope.report.error(node, "no-effect", message)
        return
    for key in (key for key in told if key in nodes):
        for event in sorted({*told[key]} - carried):
            message = f"'{event}' comes on no stream of the family profile, so nobody would hear of it"
            scope.report.error(nodes[key], "no-effect", message)
