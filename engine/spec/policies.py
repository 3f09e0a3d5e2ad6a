"""The typed form of the project's rules for deciding: whom it may write to, how often and when.

Built only by the parser, as everything in `types`. Durations are int milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

import msgspec

from engine.model import HOUR_MS
from engine.spec.members import FanOutSpec


class LimitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """At most so many messages in any span of that length, for each recipient or for the unit as a whole.

    Empty `classes`, `channels` and `tags` mean every one; of several tags, one is enough. `reserve` of them are kept
    for the class service.
    """

    at_most: int
    over_ms: int
    per: str = "customer"
    classes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    reserve: int = 0


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """From a minute of the day to another, which may be past midnight; `days` (0 = Monday) and `holidays` all day.

    `unknown_zone` are the zones in which somebody may be whose zone is not known.
    """

    from_minute: int
    to_minute: int
    unknown_zone: tuple[str, ...]
    days: tuple[int, ...] = ()
    holidays: tuple[str, ...] = ()

    def is_all_day(self, day: date) -> bool:
        """Is it quiet on that day from midnight to midnight?"""
        return day.weekday() in self.days or (bool(self.holidays) and day.isoformat() in self.holidays)

    def is_quiet(self, local: datetime) -> bool:
        """Is it quiet where the clock shows that?"""
        minute = local.hour * 60 + local.minute
        if self.from_minute < self.to_minute:
            return self.from_minute <= minute < self.to_minute or self.is_all_day(local.date())
        return minute >= self.from_minute or minute < self.to_minute or self.is_all_day(local.date())


class Chance(msgspec.Struct, frozen=True, kw_only=True):
    """How often it works: a guess that is worth so many messages, and how many of those sent have worked."""

    guess: float
    worth: int
    sent: int = 0
    worked: int = 0


class ArbitrationSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a recipient or the whole unit gets one message, and when a service message that lost comes again."""

    per: Literal["recipient", "unit"] = "recipient"
    again_after_ms: int = HOUR_MS


class InhibitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """While a detector's signal is open, these plays are muted for the unit, where the ids of `equal` are the same."""

    firing: str
    mutes: tuple[str, ...]
    equal: tuple[str, ...] = ()


class CapacitySpec(msgspec.Struct, frozen=True, kw_only=True):
    """So many tasks in a calendar day or week of that zone, for each of those named; `of` empty: everybody's own.

    `waiting` is how many that found no room may wait at most.
    """

    at_most: int
    of: tuple[str, ...] = ()
    per: Literal["day", "week"] = "day"
    time_zone: str = "UTC"
    waiting: int = 200


class HoldoutSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How many of 10,000 places are held out of everything, and of a class besides."""

    salt: str
    places: int = 0
    places_by_class: Mapping[str, int] = {}
    contact: str = ""


class SnoozeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing of `what` (all, play:NAME, detector:NAME, customer:c7) is done from one moment until another."""

    what: str
    until_ms: int
    because: str
    from_ms: int = 0


class ReviewSpec(msgspec.Struct, frozen=True, kw_only=True):
    """So many of 10,000 decisions go to a desk, by a channel; the event with a verdict on one, and what it may say."""

    desk: str
    channel: str
    places: int
    stopped: bool = False
    verdicts: tuple[str, ...] = ("good", "bad")
    event: str = "review.verdict"


class StopWords(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that consists of one of the `words`, in the event's `field`, closes the channel."""

    event: str
    channel: str
    field: str
    words: tuple[str, ...]


class ConsentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The events that say what somebody agreed to; `attributes` of profiles that say it of a channel."""

    given: tuple[str, ...]
    withdrawn: tuple[str, ...]
    stop: StopWords | None = None
    attributes: Mapping[str, str] = {}


class Reactions(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with a message: event type -> opened, clicked, dismissed, replied, acknowledged, answered, bounced.

    A message is remembered for `remember_ms`, so that what is done with it can be told from nothing.
    """

    kinds: Mapping[str, str]
    remember_ms: int

    @property
    def events(self) -> tuple[str, ...]:
        """The types of all of them."""
        return tuple(self.kinds)


class Suppress(msgspec.Struct, frozen=True, kw_only=True):
    """After so many messages that were `ignored` or `dismissed` (`of`) in a span, nothing goes to them for a while."""

    after: int
    of: tuple[str, ...]
    within_ms: int
    for_ms: int
    ignored_after_ms: int


class HandOff(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes over when somebody answers: the play for a colleague, and one for the customer if the desk is `away`.

    `closed` is when the desk is, by the clock of its one zone; None = never.
    """

    play: str
    away: str = ""
    closed: QuietHours | None = None


# Answers of each model that are kept to teach other learners from.
EXAMPLES_KEPT = 10_000


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. Without any, nothing is remembered of what was sent. `models_key` is the reference of the key that
    signs the snapshots of models, `examples_kept` how many answers of each model are kept.
    """

    limits: tuple[LimitSpec, ...] = ()
    quiet_hours: QuietHours | None = None
    consent: ConsentSpec | None = None
    inhibits: tuple[InhibitSpec, ...] = ()
    holdout: HoldoutSpec | None = None
    arbitration: ArbitrationSpec = ArbitrationSpec()
    capacity: tuple[CapacitySpec, ...] = ()
    reactions: Reactions | None = None
    suppress: tuple[Suppress, ...] = ()
    hand_off: HandOff | None = None
    snoozes: tuple[SnoozeSpec, ...] = ()
    review: ReviewSpec | None = None
    fan_out: FanOutSpec = FanOutSpec()
    models_key: str = ""
    examples_kept: int = EXAMPLES_KEPT


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """What follows a play that a machine is to do: another play where it worked, or another where it did not.

    It did not if there is no answer within `within_ms`. "" = nothing follows.
    """

    within_ms: int
    then_tell: str = ""
    otherwise: str = ""
