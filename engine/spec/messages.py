"""The typed form of what a message is made of: its texts, the way to a person, whom it goes to, a link.

Built only by the parser, as everything in `types`. Texts are Liquid.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

HumanWay: TypeAlias = Literal["reply", "chat", "phone", "link"]
Urgency: TypeAlias = Literal["time_sensitive", "informational", "in_session"]


class Words(msgspec.Struct, frozen=True):
    """A text for each channel and language; "" stands for those that have none of their own."""

    by_channel: Mapping[str, Mapping[str, str]] = {}

    def said(self, channel: str, languages: tuple[str, ...] = ()) -> str:
        """The text on a channel, in the first of these languages that it has."""
        by_language = self.by_channel.get(channel) or self.by_channel.get("", {})
        return next((by_language[one] for one in (*languages, "") if one in by_language), "")

    @property
    def all(self) -> tuple[str, ...]:
        """Every text there is."""
        return tuple(text for texts in self.by_channel.values() for text in texts.values())


class HumanSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a customer reaches a person, in a sentence; `at` is the number or the address."""

    by: HumanWay
    say: Words
    at: str = ""


class Disruption(msgspec.Struct, frozen=True, kw_only=True):
    """What a message about an outage, an incident or a delay has to say besides."""

    about: Literal["outage", "incident", "delay"]
    acknowledges: Words
    next_step: Words = Words()
    new_date: Words = Words()


class LinkSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A one-click fix: what it does, and how long after the decision it may be clicked."""

    does: str
    expires_ms: int


class Assign(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of this entity, by the attribute `owner` of its profile ("" = nobody is asked), else the team."""

    owner_of: str = ""
    team: str = ""


class LinksSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where links lead, what they may do, and the references of the keys that sign (`key`) and are known."""

    base: str
    key: str
    does: tuple[str, ...]
    old_key: str = ""


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of a recipient's profile that say what they prefer."""

    channel: str = "preferred_channel"
    hours: str = "preferred_hours"
    language: str = "language"
    topics: str = "topics"


# By what a play is about, the channels that suit it, the best first.
_SHIPPED: Mapping[Urgency, tuple[str, ...]] = {
    "time_sensitive": ("sms", "push"),
    "informational": ("email",),
    "in_session": ("nudge", "chat"),
}
STRATEGY: Mapping[Urgency, tuple[str, ...]] = MappingProxyType(_SHIPPED)


class MessageRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the project says of all messages. Of `languages`, the first is that of whoever prefers none of them."""

    languages: tuple[str, ...] = ()
    human: HumanSpec | None = None
    links: LinksSpec | None = None
    strategy: Mapping[Urgency, tuple[str, ...]] = STRATEGY
    teams: Mapping[str, tuple[str, ...]] = {}
    preferences: Preferences = Preferences()
