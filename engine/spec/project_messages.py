"""What the project file says of all messages: languages, the way to a person, links, strategy, teams, preferences."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, get_args

import msgspec

from engine.ports import As
from engine.spec import values
from engine.spec.messages import STRATEGY, HumanSpec, HumanWay, LinksSpec, MessageRules, Preferences, Urgency, Words
from engine.spec.nodes import MappingNode, Node
from engine.spec.reading import RAW, Written, read
from engine.spec.report import either, near, unknown
from engine.spec.values import Scope
from engine.spec.words import Where, read_words

_LANGUAGE = re.compile(r"[a-z]{2,3}")


class HumanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The way to a person as it is written."""

    by: Annotated[HumanWay, "which way it is"]
    say: Annotated[Node, RAW, "the sentence that tells a customer (Liquid)"]
    at: Annotated[str, As.TEXT, "the telephone number or the web address"] = ""


class LinksDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Where one-click links lead, and what they may do."""

    base: Annotated[str, As.URL, "the address that they begin with"]
    key: Annotated[str, As.SECRET, "where the key stands that signs them"]
    does: Annotated[tuple[str, ...], As.TEXTS, "what they may do"]
    old_key: Annotated[str, As.SECRET, "a key that signed before, and is still good"] = ""


class PreferencesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of a recipient's profile that say what they prefer."""

    channel: Annotated[str, As.FIELD, "the channel, for everything or for a tag or reason"] = "preferred_channel"
    hours: Annotated[str, As.FIELD, "the hours, as 17:00-20:00"] = "preferred_hours"
    language: Annotated[str, As.FIELD, "the language"] = "language"
    topics: Annotated[str, As.FIELD, "the topics that are wanted"] = "topics"


class TeamDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A team of colleagues."""

    skills: Annotated[tuple[str, ...], As.TEXTS, "what it can do"] = ()


class MessageKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Where each of the rules stands in the project file, None where it is left out."""

    languages: tuple[str, ...]
    human: Node | None
    links: Node | None
    strategy: Node | None
    teams: Node | None
    preferences: PreferencesDocument


def read_messages(keys: MessageKeys, at: Mapping[str, Node], channels: Collection[str], scope: Scope) -> MessageRules:
    """All of them; what is wrong goes to the report."""
    _judge_languages(keys.languages, at.get("languages"), channels, scope)
    return MessageRules(
        languages=keys.languages,
        human=read_human(keys.human, Where(known=channels, languages=keys.languages, is_owed=False), scope),
        links=_links(keys.links, scope),
        strategy=_strategy(keys.strategy, channels, scope),
        teams=dict(_teams(keys.teams, scope)),
        preferences=Preferences(**msgspec.structs.asdict(keys.preferences)),
    )


def _judge_languages(languages: tuple[str, ...], node: Node | None, channels: Collection[str], scope: Scope) -> None:
    for language in languages if node is not None else ():
        if not _LANGUAGE.fullmatch(language):
            message = f"'{language}' is not a language - write its short code in small letters, as in en or it"
            scope.report.error(node or values.NOWHERE, "bad-language", message)
        elif language in channels:
            message = f"'{language}' is a channel, too, so nobody could tell which is meant - rename the channel"
            scope.report.error(node or values.NOWHERE, "bad-language", message)


def read_human(node: Node | None, where: Where, scope: Scope) -> HumanSpec | None:
    """The way to a person, None where there is none. What is wrong is reported."""
    if node is None:
        return None
    written = read(node, HumanDocument, scope)
    if written is None or not written.sound:
        return HumanSpec(by="reply", say=Words())  # no play is to complain that there is none
    document = written.value
    say, _nodes = read_words(document.say, where, scope)
    _judge_at(node, written, scope)
    return HumanSpec(by=document.by, say=say, at=document.at)


def _judge_at(node: Node, written: Written[HumanDocument], scope: Scope) -> None:
    document = written.value
    if document.by in ("phone", "link") and not document.at:
        message = "missing key 'at': the telephone number or the web address"
        scope.report.error(node, "missing-key", message)
    elif document.by == "link":
        values.url(written.nodes["at"], scope)
    elif document.by in ("reply", "chat") and document.at:
        scope.report.error(written.nodes["at"], "unused-option", "'at' goes with 'by: phone' or 'by: link'")


def _links(node: Node | None, scope: Scope) -> LinksSpec | None:
    written = read(node, LinksDocument, scope) if node is not None else None
    if written is None or not written.sound:
        return None
    document = written.value
    if document.key == document.old_key:
        scope.report.error(written.nodes["old_key"], "no-effect", "this is the same key - name the one before it")
    return LinksSpec(base=document.base.rstrip("/"), key=document.key, does=document.does, old_key=document.old_key)


def _strategy(node: Node | None, channels: Collection[str], scope: Scope) -> Mapping[Urgency, tuple[str, ...]]:
    """The shipped one, with what the project says of an urgency in its place."""
    if node is None:
        return STRATEGY
    if not isinstance(node, MappingNode) or not node.entries:
        scope.report.error(node, "wrong-type", "write the channels of each urgency, as in {informational: [email]}")
        return STRATEGY
    found = dict(STRATEGY)
    words: tuple[Urgency, ...] = get_args(Urgency)
    for key, value in node:
        urgency = next((word for word in words if word == key.text), None)
        if urgency is None:
            hint = near(key.text, words) or f" - write {either(words)}"
            scope.report.error(key, "bad-choice", f"'{key.text}' is not possible here{hint}")
            continue
        found[urgency] = values.texts(value, scope) or ()
        for channel in found[urgency]:
            if channel not in channels:
                scope.report.error(value, "unknown-channel", unknown("channel", channel, channels))
    return found


def _teams(node: Node | None, scope: Scope) -> Iterator[tuple[str, tuple[str, ...]]]:
    if node is None:
        return
    if not isinstance(node, MappingNode) or not node.entries:
        scope.report.error(node, "wrong-type", "write each team with its skills, as in {support: {skills: [billing]}}")
        return
    for key, value in node:
        written = read(value, TeamDocument, scope)
        if written is not None:
            yield key.text, written.value.skills
