"""Reads a text that may differ by channel and by language.

It is written once for all, or as a mapping from channels, from languages, or from channels to languages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from engine.spec import values
from engine.spec.messages import Words
from engine.spec.nodes import MappingNode, Node, ScalarNode
from engine.spec.report import listed, near
from engine.spec.values import Scope


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Where a text is said: on these channels of those that there are, in these languages, the first by default.

    `is_owed` says that it must not be missing on any of the channels. Without `channels`, it is not known yet on which.
    """

    known: Collection[str]
    languages: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    is_owed: bool = True


def read_words(node: Node | None, where: Where, scope: Scope) -> tuple[Words, tuple[ScalarNode, ...]]:
    """The text, and the nodes it is made of. What is wrong is reported."""
    if node is None:
        return Words(), ()
    if not isinstance(node, MappingNode):
        written = values.text(node, scope)
        return (Words({"": {"": written}}), (node,)) if written and isinstance(node, ScalarNode) else (Words(), ())
    if not node.entries:
        message = "write a text, or one for each channel, as in {email: Good morning, sms: Hello}"
        scope.report.error(node, "wrong-type", message)
        return Words(), ()
    if any(key.text in where.languages for key, _value in node):
        texts = {"": dict(_languages(node, where, scope))}
    else:
        named = [(key.text, value) for key, value in node if _is_channel(key, where, scope)]
        texts = {channel: dict(_languages(value, where, scope)) for channel, value in named}
        _judge_owed(node, where, scope)
    return Words(texts), tuple(_leaves(node))


def _languages(node: Node, where: Where, scope: Scope) -> Iterator[tuple[str, str]]:
    """(language, text), with "" for one that is said in any."""
    if not isinstance(node, MappingNode):
        if written := values.text(node, scope):
            yield "", written
        return
    for key, value in node:
        written = values.text(value, scope)
        if key.text not in where.languages:
            hint = near(key.text, where.languages) or f" - 'languages' has {listed(where.languages) or 'none'}"
            scope.report.error(key, "unknown-language", f"unknown language '{key.text}'{hint}")
        elif written:
            yield key.text, written
    if where.languages and node.get(where.languages[0]) is None:
        message = f"who prefers no language gets '{where.languages[0]}' - add that text"
        scope.report.error(node, "missing-text", message)


def _is_channel(key: ScalarNode, where: Where, scope: Scope) -> bool:
    if key.text not in where.known:
        what = "channel or language" if where.languages else "channel"
        known = (*where.known, *where.languages)
        hint = near(key.text, known) or f" - known here: {listed(known)}"
        scope.report.error(key, "unknown-channel", f"unknown {what} '{key.text}'{hint}")
        return False
    if where.channels and key.text not in where.channels:
        message = f"the play never goes by '{key.text}', only by {listed(where.channels)}"
        scope.report.error(key, "no-effect", message)
        return False
    return True


def _judge_owed(node: MappingNode, where: Where, scope: Scope) -> None:
    for channel in where.channels if where.is_owed else ():
        if node.get(channel) is None:
            scope.report.error(node, "missing-text", f"nothing is said on '{channel}' - add a text for it")


def _leaves(node: Node) -> Iterator[ScalarNode]:
    """The scalars that are texts."""
    if isinstance(node, MappingNode):
        for _key, value in node:
            yield from _leaves(value)
    elif isinstance(node, ScalarNode) and isinstance(node.value, str) and node.value.strip():
        yield node
