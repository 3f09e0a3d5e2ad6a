"""`suppress:` - to leave those alone who ignored or dismissed several messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from engine.model import DAY_MS
from engine.ports import As
from engine.spec.nodes import ListNode, Node
from engine.spec.policies import Suppress
from engine.spec.reading import Written, read
from engine.spec.report import either, near
from engine.spec.values import Scope

WAYS = ("ignored", "dismissed")
# As many messages to one person are remembered.
MOST = 20


class SuppressDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as it is written."""

    after: Annotated[int, As.COUNT, "after so many messages"]
    within: Annotated[int, As.DURATION, "of any span of this length"]
    for_: Annotated[int, As.DURATION, "for how long nothing goes to them then"] = msgspec.field(name="for")
    of: Annotated[tuple[str, ...], As.TEXTS, "that were ignored, dismissed, or either"] = WAYS
    ignored_after: Annotated[int, As.DURATION, "how long nothing has to come of a message to be ignored"] = 3 * DAY_MS


def read_suppress(node: Node | None, scope: Scope) -> Iterator[Suppress]:
    """One rule, or a list of them."""
    if node is None:
        return
    for item in node.items if isinstance(node, ListNode) else (node,):
        written = read(item, SuppressDocument, scope)
        if written is None or not written.sound:
            continue
        _judge(written, scope)
        document = written.value
        yield Suppress(
            after=document.after,
            of=document.of,
            within_ms=document.within,
            for_ms=document.for_,
            ignored_after_ms=document.ignored_after,
        )


def _judge(written: Written[SuppressDocument], scope: Scope) -> None:
    document, nodes = written.value, written.nodes
    for word in document.of:
        if word not in WAYS:
            hint = near(word, WAYS) or f" - write {either(WAYS)}"
            scope.report.error(nodes["of"], "bad-choice", f"'{word}' is not possible here{hint}")
    if document.after > MOST:
        message = f"of one person no more than {MOST} messages are remembered - write a smaller number"
        scope.report.error(nodes["after"], "no-effect", message)
    if "ignored_after" in nodes and "ignored" not in document.of:
        scope.report.error(nodes["ignored_after"], "unused-option", "'ignored_after' goes with 'of: ignored'")
