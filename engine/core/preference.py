"""What people prefer, by their profile: the channel, the hours of the day, the language, and the topics.

A preference is a wish: it chooses among what is possible, and never costs anybody a message that they would get
without it, but for topics, which are a no to what is about them.
"""

from __future__ import annotations

import re

from engine.core.matching import read_path
from engine.core.quiet import awake_at, obeys_quiet_hours, zones_of
from engine.core.unit_state import Candidate
from engine.model import Json
from engine.ports import NEVER
from engine.spec.messages import Preferences
from engine.spec.policies import QuietHours

_HOURS = re.compile(r"([01]?[0-9]|2[0-4])(?::([0-5][0-9]))?\s*[-\u2013]\s*([01]?[0-9]|2[0-4])(?::([0-5][0-9]))?")
# From one to the other of two rules that may keep each other waiting.
_MOST_TURNS = 20


def _said(candidate: Candidate, name: str) -> Json:
    """What the recipient's profile says there; None for the many of whom nothing is known, at next to no cost."""
    if not candidate.signal.attributes and not candidate.unit.attributes:
        return None
    return read_path(candidate.profile_of(candidate.recipient.partition(":")[0]), name)


def _names(candidate: Candidate) -> Preferences:
    return candidate.project.messages.preferences


# ---- the channel


def preferred_channel(candidate: Candidate) -> Json:
    """What the recipient wants for one of the play's tags or the signal's reason, else for everything."""
    name = _names(candidate).channel
    for scenario in (*candidate.play.tags, candidate.signal.reason):
        wanted = _said(candidate, f"{name}.{scenario}")
        if isinstance(wanted, str):
            return wanted
    return _said(candidate, name)


# ---- the language


def languages_of(candidate: Candidate) -> tuple[str, ...]:
    """The project's language that the recipient prefers, and its default; nothing where it names none."""
    known = candidate.project.messages.languages
    wanted = _said(candidate, _names(candidate).language)
    if not known or not isinstance(wanted, str):
        return known[:1]
    language = wanted.strip().casefold().replace("_", "-").partition("-")[0]  # it-IT is it
    return tuple(dict.fromkeys((language, known[0]))) if language in known else known[:1]


# ---- topics


def unwanted_topic(candidate: Candidate) -> str:
    """The play's topic, if its recipient has chosen topics and it is not among them; else ""."""
    topic = candidate.play.topic
    return topic if topic and _is_unwanted(topic.casefold(), _said(candidate, _names(candidate).topics)) else ""


def _is_unwanted(topic: str, wanted: Json) -> bool:
    """Topics are written as a list, as one text with commas, or each with true or false."""
    if isinstance(wanted, dict):
        return any(name.casefold() == topic and value is False for name, value in wanted.items())
    if isinstance(wanted, str):
        wanted = [*wanted.split(",")]
    if not isinstance(wanted, list):
        return False
    return topic not in {one.strip().casefold() for one in wanted if isinstance(one, str)}


# ---- the hours


def preferred_from(candidate: Candidate) -> int:
    """When the recipient's hours begin next that are not quiet; 0 if it is such an hour, or there is none in time."""
    wanted = _said(candidate, _names(candidate).hours)
    wish = _outside(wanted, candidate.project.time_zone) if isinstance(wanted, str) else None
    if wish is None or not obeys_quiet_hours(candidate):
        return 0
    begins = _first_of_both(candidate, wish)
    in_time = not candidate.expires_at or begins < candidate.expires_at
    return begins if candidate.now < begins < NEVER and in_time else 0


def _outside(hours: str, zone: str) -> QuietHours | None:
    """The rest of the day, as if it were quiet; None for what says no hours. Without a zone, it is the project's."""
    found = _HOURS.fullmatch(hours.strip())
    if found is None:
        return None
    begins, ends = (int(found[at]) * 60 + int(found[at + 1] or 0) for at in (1, 3))
    if begins % 1440 == ends % 1440 or max(begins, ends) > 1440:
        return None
    return QuietHours(from_minute=ends % 1440, to_minute=begins % 1440, unknown_zone=(zone,))


def _first_of_both(candidate: Candidate, wish: QuietHours) -> int:
    rules = [rule for rule in (wish, candidate.project.policies.quiet_hours) if rule is not None]
    at = candidate.now
    for _ in range(_MOST_TURNS):
        later = max(awake_at(at, rule, zones_of(candidate, rule)) for rule in rules)
        if later in (at, NEVER):
            return later
        at = later
    return NEVER
