"""What deciding does with a group's signal that was passed on to a member: its plays, its steps and its own gates.

A member's signal is decided in the member's own unit like any other. Besides, it may wait for a person's approval or
for its turn, what it says may change while it waits, and who was told of it hears when it is over.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from engine.core.fanout import ASK, ASKED, IS_APPROVED, IS_DECLINED
from engine.core.moments import spoken_length, spoken_moment
from engine.core.unit_state import Candidate, UnitState, Waiting
from engine.model import Signal
from engine.ports import NEVER
from engine.spec.members import FanOutSpec, ForEach, guard_of
from engine.spec.types import FIRST_STEP, DetectorSpec, Eligibility

ALL_CLEAR, UPDATE = "all-clear", "update:"


def step_of(signal: Signal) -> str:
    return "" if signal.member is None else signal.member.step


def place_of(candidate: Candidate) -> str:
    """Its place in the incident and in the play's course, as actions have it: `update:1`, or `all-clear reminder`."""
    of_incident, of_course = step_of(candidate.signal) or FIRST_STEP, candidate.step
    if of_incident == FIRST_STEP or of_course == FIRST_STEP:
        return of_course if of_incident == FIRST_STEP else of_incident
    return f"{of_incident} {of_course}"


def clause_in(signal: Signal, detector: DetectorSpec) -> ForEach | None:
    """The clause by which a signal was passed on; None for a group's own, and where the clause is gone."""
    member = signal.member
    return None if member is None else next((one for one in detector.for_each if one.play == member.play), None)


def plays_of(signal: Signal, detector: DetectorSpec, project: FanOutSpec) -> tuple[str, ...]:
    """What may be done about a signal."""
    if signal.member is None:
        return detector.plays
    clause = clause_in(signal, detector)
    if clause is None:
        return ()
    if signal.member.step == ASK:
        return (guard_of(clause, project).ask,)
    if signal.member.step == ALL_CLEAR:
        return (clause.all_clear,)
    return (clause.play,)


def conditions_of(signal: Signal, detector: DetectorSpec) -> tuple[Eligibility, Eligibility]:
    """What the clause asks of each member: `only_if` and `unless`."""
    clause = clause_in(signal, detector)
    return (clause.only_if, clause.unless) if clause and step_of(signal) != ASK else ((), ())


# ---- what comes in


def is_verdict(signal: Signal) -> bool:
    """Does it only pass on what a person said of the fan-out?"""
    return step_of(signal) in (IS_APPROVED, IS_DECLINED)


def is_update(signal: Signal) -> bool:
    return step_of(signal).startswith(UPDATE)


def take_verdict(unit: UnitState, signal: Signal) -> bool:
    """What waits for the verdict is decided again now. True if there was anything."""
    said = signal.member
    assert said is not None, signal.id
    for place, waiting in enumerate(unit.waiting):
        if waiting.root == signal.root:
            unit.waiting[place] = _with_verdict(waiting, signal)
    for one in _waiting_of(unit, signal):
        one.signal = _with_verdict(one.signal, signal)
    return _wake(unit, signal, every=step_of(signal) == IS_DECLINED)


def _with_verdict(waiting: Signal, said: Signal) -> Signal:
    member, verdict = waiting.member, said.member
    assert member is not None, waiting.id
    assert verdict is not None, said.id
    fresh = msgspec.structs.replace(
        member,
        verdict=verdict.verdict,
        by=verdict.by,
        because=verdict.because,
        not_before=verdict.not_before,
    )
    return msgspec.structs.replace(waiting, member=fresh)


def _waiting_of(unit: UnitState, signal: Signal) -> Iterator[Waiting]:
    return (one for one in unit.candidates if one.signal.root == signal.root)


def _wake(unit: UnitState, signal: Signal, *, every: bool = False) -> bool:
    """What waits without a time, or everything, is decided now."""
    woken = [one for one in _waiting_of(unit, signal) if one.due == NEVER or (every and one.due)]
    for one in woken:
        one.due = signal.at
    return bool(woken)


def take_end(unit: UnitState, signal: Signal, detector: DetectorSpec | None) -> bool:
    """The incident is over: what waits for a verdict is dropped, an all-clear may follow. True if there is either."""
    member = signal.member
    if member is None:
        return False
    is_woken = _wake(unit, signal)
    clause = clause_in(signal, detector) if detector else None
    if clause is None or not clause.all_clear or member.step == ASK:
        unit.told = [root for root in unit.told if root != signal.root]
        return is_woken
    unit.waiting.append(msgspec.structs.replace(signal, member=msgspec.structs.replace(member, step=ALL_CLEAR)))
    return True


def absorbed(unit: UnitState, signal: Signal) -> bool:
    """An update of what has not been sent yet makes it say what is so now, and is no message of its own."""
    if not is_update(signal) or signal.member is None:
        return False
    waiting = [one for one in _waiting_of(unit, signal) if one.signal.state == "firing" and one.answer is None]
    for one in waiting:
        if one.signal.member is not None:
            fresh = msgspec.structs.replace(one.signal.member, facts=signal.member.facts)
            related, event_ids = signal.related, signal.event_ids
            one.signal = msgspec.structs.replace(one.signal, member=fresh, related=related, event_ids=event_ids)
    return any(one.step == FIRST_STEP for one in waiting)


def remember_told(candidate: Candidate) -> None:
    """From now on they hear of updates, and when it is over."""
    signal, told = candidate.signal, candidate.unit.told
    if signal.member is not None and signal.member.step != ASK and signal.root not in told:
        told.append(signal.root)


def forget_told(unit: UnitState) -> None:
    """What is over needs not be known any more."""
    unit.told = [root for root in unit.told if root in unit.firing or unit.waits_for(root)]


# ---- the gates


def untold(candidate: Candidate) -> str:
    """Why somebody hears neither more of it nor that it is over."""
    signal = candidate.signal
    if (is_update(signal) or step_of(signal) == ALL_CLEAR) and signal.root not in candidate.unit.told:
        return "they were not told of it in the first place"
    return ""


def unapproved(candidate: Candidate) -> tuple[str, int]:
    """Why a person's verdict stops it, and NEVER where it waits for one; "" where it may go."""
    member = candidate.signal.member
    if member is None or member.step == ALL_CLEAR:
        return "", 0
    if member.verdict == ASKED:
        return (
            f"{member.members} members would be told; waits until somebody approves incident {member.incident}",
            NEVER,
        )
    if member.verdict == IS_DECLINED:
        by, because = member.by and f" by {member.by}", member.because and f": {member.because}"
        return f"declined{by}{because}", 0
    return "", 0


def its_turn(candidate: Candidate) -> tuple[str, int]:
    """Why it waits for its turn among many, and until when; "" where it is its turn."""
    member, clause = candidate.signal.member, clause_in(candidate.signal, candidate.detector)
    if member is None or clause is None or member.step == ALL_CLEAR or member.not_before <= candidate.now:
        return "", 0
    pace = f"{clause.portion} in {spoken_length(clause.span_ms)}"
    return f"{pace}: its turn is at {spoken_moment(member.not_before)}", member.not_before
