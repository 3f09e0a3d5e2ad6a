"""Judges a log of decisions and actions by the rules as plainly as they can be said, without any of the engine's code.

It reads the logs as JSON, a story of what people said and where they live, and the rules as plain data; it gives a
sentence for each rule that was broken.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

Line = dict[str, Any]
# Time goes on in ticks of a second: what is said within it may be known when something is decided, or not yet.
TICK = 1_000


class Limit(msgspec.Struct, frozen=True):
    at_most: int
    over: int
    per: str = "recipient"
    channels: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    reserve: int = 0


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """`free` are plays that no limit stops, `awake` those that go at night; `tags` by play, `expires` in ms by play."""

    limits: tuple[Limit, ...]
    night: tuple[int, int]
    quiet_weekdays: tuple[int, ...]
    unknown_zones: tuple[str, ...]
    free: frozenset[str]
    awake: frozenset[str]
    beside: frozenset[str]
    tags: Mapping[str, tuple[str, ...]]
    expires: Mapping[str, int]


class Said(msgspec.Struct, frozen=True):
    """What somebody said about a channel and a purpose, "" = all; or where they live; or gave reason for a message."""

    at: int
    whose: str
    yes: bool = False
    channel: str = ""
    purpose: str = ""
    zone: str = ""
    is_reason: bool = False


def faults(actions: Sequence[Line], decisions: Sequence[Line], said: Sequence[Said], rules: Rules) -> Iterator[str]:
    """A sentence for everything that should not be."""
    yield from _unmatched(actions, decisions)
    ordered = sorted(actions, key=lambda one: one["at"])
    words, homes = defaultdict(list), defaultdict(list)
    for each in said:
        if not each.is_reason:
            (homes if each.zone else words)[each.whose].append(each)
    yield from _too_often(ordered, rules)
    yield from _together(ordered, {(one.whose, one.at) for one in said if one.is_reason}, rules)
    for action in ordered:
        whose = action["recipient"]
        if _at_night(action, homes[whose], rules):
            yield f"at night: {action['play']} to {whose} at {_shown(action)}"
        if _unwanted(action, words[whose], rules):
            yield f"unwanted: {action['play']} on {action['channel']} to {whose} at {_shown(action)}"
        if action["at"] >= (action["expires_at"] or action["at"] + 1):
            yield f"expired: {action['play']} to {whose} at {_shown(action)}"
    yield from _moved_out(actions, decisions)


def _shown(action: Line) -> str:
    return datetime.fromtimestamp(action["at"] / 1000, UTC).isoformat()


def _unmatched(actions: Sequence[Line], decisions: Sequence[Line]) -> Iterator[str]:
    """Each chosen decision has one action and each action one decision; each candidate one last answer."""
    ids = [action["id"] for action in actions]
    if len(set(ids)) != len(ids):
        yield "an action went out twice"
    if sorted(ids) != sorted(one["action_id"] for one in decisions if one["outcome"] == "chosen"):
        yield "actions are not those of the chosen decisions"
    answers = [(one["signal_id"], one["play"]) for one in decisions if one["outcome"] != "held"]
    held = {(one["signal_id"], one["play"]) for one in decisions if one["outcome"] == "held"}
    if len(set(answers)) != len(answers):
        yield "a candidate was answered twice"
    if held - set(answers):
        yield f"{len(held - set(answers))} that were held never got an answer"


def _too_often(actions: Sequence[Line], rules: Rules) -> Iterator[str]:
    for limit in rules.limits:
        counted: dict[str, list[Line]] = defaultdict(list)
        for action in actions:
            if _counts(limit, action, rules):
                counted[action[limit.per]].append(action)
        for whose, sent in counted.items():
            times = [one["at"] for one in sent]
            for place, action in enumerate(sent):
                # Everything up to and with this one; what goes at the same moment stands before or behind it.
                window = sent[bisect_right(times, action["at"] - limit.over) : place + 1]
                if action["play"] not in rules.free and _is_full(limit, action, window):
                    yield f"limit {limit.at_most} in {limit.over}: {action['play']} to {whose} at {_shown(action)}"


def _counts(limit: Limit, action: Line, rules: Rules) -> bool:
    return (
        (not limit.channels or action["channel"] in limit.channels)
        and (not limit.purposes or action["purpose"] in limit.purposes)
        and (not limit.tags or bool({*limit.tags} & {*rules.tags.get(action["play"], ())}))
        and (limit.per != "unit" or action["unit"].startswith("account:"))
    )


def _is_full(limit: Limit, action: Line, window: Sequence[Line]) -> bool:
    marketing = sum(one["purpose"] == "marketing" for one in window)
    greedy = action["purpose"] == "marketing" and marketing > limit.at_most - limit.reserve
    return len(window) > limit.at_most or greedy


def _together(actions: Sequence[Line], reasons: AbstractSet[tuple[str, int]], rules: Rules) -> Iterator[str]:
    """Of what competes, one goes to each person at a moment.

    What they gave reason for at that very moment may have come after the others were decided.
    """
    seen = set()
    for action in actions:
        place = (action["at"], action["recipient"])
        if action["play"] not in rules.beside:
            if place in seen and (action["recipient"], action["at"]) not in reasons:
                yield f"two at once to {action['recipient']} at {_shown(action)}"
            seen.add(place)


def _at_night(action: Line, homes: Sequence[Said], rules: Rules) -> bool:
    if action["play"] in rules.awake:
        return False
    times = [home.at for home in homes]
    return all(_asleep(action["at"], homes[:known], rules) for known in _as_known(action["at"], times))


def _as_known(at: int, times: Sequence[int]) -> range:
    """How many of them may have been known when it was decided: all before, and some of those within a tick."""
    return range(bisect_left(times, at), bisect_right(times, at + TICK) + 1)


def _asleep(at: int, known: Sequence[Said], rules: Rules) -> bool:
    zones = (known[-1].zone,) if known else rules.unknown_zones
    return any(_is_night(at, zone, rules) for zone in zones)


def _is_night(at: int, zone: str, rules: Rules) -> bool:
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(zone))
    begins, ends = rules.night
    minute = local.hour * 60 + local.minute
    return minute >= begins or minute < ends or local.weekday() in rules.quiet_weekdays


def _unwanted(action: Line, words: Sequence[Said], rules: Rules) -> bool:
    """By the newest word on its channel and purpose, however many of those within a tick were known."""
    purposes = {"", action["purpose"], *rules.tags.get(action["play"], ())}
    concerned = [word for word in words if word.channel in ("", action["channel"]) and word.purpose in purposes]
    times = [word.at for word in concerned]
    return all(_refused(action, concerned[:known]) for known in _as_known(action["at"], times))


def _refused(action: Line, heard: Sequence[Said]) -> bool:
    if not heard:
        return bool(action["purpose"] == "marketing")
    return not all(word.yes for word in heard if word.at == heard[-1].at)


def _moved_out(actions: Sequence[Line], decisions: Sequence[Line]) -> Iterator[str]:
    """Who was held out once gets no marketing, before or after."""
    held = {_held_whose(one) for one in decisions if one["gate"] == "holdout"}
    for action in actions:
        if action["purpose"] == "marketing" and _held_whose(action) in held:
            yield f"held out and written to: {action['recipient']} at {_shown(action)}"


def _held_whose(line: Line) -> str:
    return str(line["unit"] if line["unit"].startswith("account:") else line["recipient"])
