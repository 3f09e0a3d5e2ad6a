"""What comes back of actions: a refused one is not counted and may go another way, and a remedy leads to what follows.

A unit remembers the actions that something may still become of, and of these a bounded number, the newest. What became
of one is taken in when time has come to it, so that it has its place in order among the unit's other moments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from engine.core.unit_state import Came, Candidate, Underway, UnitState, Waiting
from engine.model import DAY_MS, Event, Signal
from engine.spec.policies import Remedy
from engine.spec.types import Configuration, PlaySpec

# The type under which recorded receipts are read as events of a stream, and those of its fields that count.
RECEIPT, ACTION_ID, WHAT = "action.receipt", "action_id", "what"
# Nobody has heard of these, for certain. What has expired counts all the same: in recorded history everything has, and
# a limit has to say the same of it as in a backtest.
UNHEARD = frozenset({"rejected", "recalled"})
# What is no more than a stage on the way is no news to a remedy.
WORKED, FAILED = "delivered", frozenset({"rejected", "unknown", "expired"})
UNDERWAY_MOST = 32
UNDERWAY_MS = 7 * DAY_MS


def comes_back(what: str, play: PlaySpec | None) -> bool:
    """Is there anything to decide for a unit, once this has become of an action of the play?"""
    if play is not None and play.remedy is not None:
        return what == WORKED or what in FAILED
    return what in UNHEARD


def are_recorded(configuration: Configuration) -> bool:
    """Does a stream bring receipts of another run?"""
    return any(RECEIPT in stream.events for stream in configuration.project.streams)


def read_receipt(event: Event) -> tuple[str, str]:
    """(action id, what became of it) of a receipt that was recorded; what is missing is ""."""
    action_id, what = event.attributes.get(ACTION_ID), event.attributes.get(WHAT)
    return (action_id if isinstance(action_id, str) else ""), (what if isinstance(what, str) else "")


# ---- what is remembered


def remember_underway(candidate: Candidate, action_id: str) -> None:
    """Keep an action that was chosen, where anything can come of it; forget those that it has grown late for."""
    unit, play = candidate.unit, candidate.play
    left = tuple(one for one in channels_in(play) if one not in (*candidate.refused, candidate.channel))
    follows = play.remedy is not None or bool(left)
    if not follows and not _can_be_taken_back(candidate):
        return
    kept = [one for one in unit.underway if one.action_id != action_id and one.at > candidate.now - UNDERWAY_MS]
    signal = candidate.signal if follows else None
    head = (action_id, candidate.now, play.name, candidate.recipient, candidate.channel)
    underway = Underway(*head, signal, candidate.round, candidate.refused, left, candidate.step)
    underway.asked = candidate.asked if candidate.asked != play.name else ""
    kept.append(underway)
    unit.underway = kept[-UNDERWAY_MOST:]


def _can_be_taken_back(candidate: Candidate) -> bool:
    """By who withdraws their consent, or by what has counted it: limits, and who leaves those alone that ignore us."""
    policies = candidate.project.policies
    is_counted = bool(policies.limits) and candidate.play.counts
    can_be_ignored = policies.reactions is not None
    return candidate.play.to == "customer" and (policies.consent is not None or is_counted or can_be_ignored)


def channels_in(play: PlaySpec) -> tuple[str, ...]:
    """All channels that a play may go by."""
    return (play.channel, *play.fallback)


def note_came(unit: UnitState, action_id: str, what: str, at: int) -> None:
    """Keep what became of an action until time has come to it. What is told twice has been taken in by then."""
    unit.came.append(Came(at, action_id, what))


def taken_for_done(candidate: Candidate, action_id: str) -> None:
    """Nothing is sent, and so a remedy is taken to work at once."""
    if candidate.play.remedy is not None:
        note_came(candidate.unit, action_id, WORKED, candidate.now)


# ---- what follows


def followed_by(unit: UnitState, now: int, plays: Mapping[str, PlaySpec], returned: Counter[str]) -> list[Waiting]:
    """Take in what came back up to a moment, and count it. Returns what is to be decided because of it, as of then."""
    if not unit.came:
        return []
    due = sorted((one for one in unit.came if one.at <= now), key=lambda one: (one.at, one.action_id))
    unit.came = [one for one in unit.came if one.at > now]
    return [waiting for came in due for waiting in _one(unit, came, now, plays, returned)]


def _one(
    unit: UnitState, came: Came, now: int, plays: Mapping[str, PlaySpec], returned: Counter[str]
) -> Iterable[Waiting]:
    action = next((one for one in unit.underway if one.action_id == came.action_id), None)
    play = plays.get(action.play) if action is not None else None
    if action is None or not comes_back(came.what, play):
        return
    unit.underway = [one for one in unit.underway if one is not action]
    returned[came.what] += 1
    if came.what in UNHEARD:
        _give_back(unit, action)
        _note_unheard(unit, action.action_id, came.at)
    signal = action.signal
    if play is None or signal is None:
        return
    if play.remedy is not None:
        yield from _after_remedy(play.name, play.remedy, signal, came.what, now)
    elif came.what == "rejected" and action.left:
        head = (signal, play.name, now, now, action.round + 1, action.step)
        refused = (*action.refused, action.channel)
        yield Waiting(*head, refused=refused, after=f"{action.channel} {came.what}", asked=action.asked)


def _after_remedy(name: str, remedy: Remedy, signal: Signal, what: str, now: int) -> Iterable[Waiting]:
    has_worked = what == WORKED
    follower = remedy.then_tell if has_worked else remedy.otherwise
    if follower:
        after = f"{name} {'worked' if has_worked else what}"
        yield Waiting(signal, follower, now, now, after=after, has_worked=has_worked)


def _give_back(unit: UnitState, action: Underway) -> None:
    """What nobody has heard of is not counted by limits."""
    for place, sent in enumerate(unit.sent):
        whose = (sent.at, sent.recipient, sent.play, sent.channel)
        if whose == (action.at, action.recipient, action.play, action.channel) and not sent.is_shadow:
            unit.sent = [*unit.sent[:place], *unit.sent[place + 1 :]]
            return


def _note_unheard(unit: UnitState, action_id: str, at: int) -> None:
    """Nobody has ignored what did not reach them."""
    for course in unit.courses:
        for message in course.messages:
            if message.action == action_id:
                message.reactions.setdefault("bounced", at)


def worth_sending_until(candidate: Candidate) -> int:
    """When the action expires, in ms; 0 = never. A remedy has so long to came."""
    remedy, expires_at = candidate.play.remedy, candidate.expires_at
    if remedy is None:
        return expires_at
    answered_by = candidate.now + remedy.within_ms
    return min(answered_by, expires_at) if expires_at else answered_by
