"""`review:` - how many decisions a person looks at afterwards, who that is, and what they may say of one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import Node
from engine.spec.policies import ReviewSpec
from engine.spec.reading import read
from engine.spec.report import Report, unknown
from engine.spec.types import Place, StreamSpec
from engine.spec.values import Scope

_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]{1,2})?)\s*%")


class ReviewDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The block as it is written."""

    desk: Annotated[str, As.TEXT, "who looks at them"]
    channel: Annotated[str, As.TEXT, "the channel by which they get them"]
    share: Annotated[str, As.TEXT, "how many of the decisions about each play, as in 5%"] = "0%"
    stopped: Annotated[bool, As.FLAG, "those that were held or dropped as well"] = False
    verdicts: Annotated[tuple[str, ...], As.TEXTS, "what they may say of one"] = ("good", "bad")
    event: Annotated[str, As.TEXT, "the event that says it"] = "review.verdict"


def read_review(
    node: Node | None, channels: Collection[str], streams: tuple[StreamSpec, ...], scope: Scope
) -> ReviewSpec | None:
    """The typed form, None where there is none or something in it is wrong."""
    written = read(node, ReviewDocument, scope) if node is not None else None
    if node is None or written is None or not written.sound:
        return None
    before, document, nodes = scope.report.errors, written.value, written.nodes
    if document.channel not in channels:
        scope.report.error(nodes["channel"], "unknown-channel", unknown("channel", document.channel, channels))
    carried = {event for stream in streams for event in stream.events}
    if streams and all(stream.events for stream in streams) and document.event not in carried:
        message = f"'{document.event}' comes on no stream, so no verdict would be heard - list it with a stream"
        scope.report.error(nodes.get("event", node), "no-effect", message)
    review = ReviewSpec(
        desk=document.desk,
        channel=document.channel,
        places=read_share(document.share, nodes, "share", scope),
        stopped=document.stopped,
        verdicts=document.verdicts,
        event=document.event,
    )
    return review if scope.report.errors == before else None


def check_reviews(
    spec: ReviewSpec | None, node: Node | None, shares: Mapping[str, tuple[int, Place]], report: Report
) -> None:
    """What is to be looked at needs somebody who does, and the other way round. `shares` are the plays' own."""
    for name, (places, place) in shares.items():
        if spec is None and places >= 0 and node is None:
            message = (
                f"nobody looks at decisions about '{name}' - add 'review' to the project file, or take it away here"
            )
            report.error(place, "no-effect", message)
    if spec is not None and node is not None and not spec.places and not any(share > 0 for share, _ in shares.values()):
        report.error(node, "no-effect", "no decision is looked at - add 'share' here, or 'review' to a play")


def read_share(share: str, nodes: Mapping[str, Node], key: str, scope: Scope) -> int:
    """Of 10,000. From nothing to all of them."""
    found = _PERCENT.fullmatch(share)
    if found and float(found[1]) <= 100:
        return round(float(found[1]) * 100)
    message = f"'{share}' is not a share - write one from 0% to 100%, as in 5%"
    scope.report.error(nodes[key], "bad-share", message)
    return 0
