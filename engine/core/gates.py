"""The gates a candidate passes, in order. Each lets it through or gives the sentence that stopped it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from engine.core.consent import channels_of, missing_consent
from engine.core.happened import has_happened, spoken_happened
from engine.core.holdout import held_out_of
from engine.core.incidents import ALL_CLEAR, conditions_of, is_update, its_turn, step_of, unapproved, untold
from engine.core.inhibit import muted_by
from engine.core.limits import full_limit
from engine.core.matching import holds, read_path
from engine.core.moments import spoken_moment
from engine.core.preference import preferred_from
from engine.core.quiet import quiet_until
from engine.core.snooze import snoozed
from engine.core.suppress import suppressed
from engine.core.under_way import is_in_shadow, is_under_way
from engine.core.unit_state import Candidate
from engine.model import Json, Mode
from engine.ports import NEVER
from engine.spec.types import FIRST_STEP, AttributeTest, Firing, Happened, InVariant


class Stop(msgspec.Struct, frozen=True):
    """A candidate goes no further: at which gate, and the sentence that says why.

    With `until`, it is held so long; NEVER = until something else decides it.
    """

    gate: str
    detail: str
    until: int = 0


# So many letters of an attribute are told.
TOLD_MOST = 60

HOLDOUT = "holdout"
EXPERIMENT = "experiment"
# What would have been sent, and was not so that it can be measured.
ON_PURPOSE = (HOLDOUT, EXPERIMENT)
Gate: TypeAlias = Callable[[Candidate], Stop | None]
Condition: TypeAlias = AttributeTest | Firing | Happened | InVariant


def _mode(candidate: Candidate) -> Stop | None:
    mode = candidate.signal.mode
    return None if mode is Mode.LIVE else Stop(mode.value, f"the detector is {mode.value}; it would have gone on")


def _snoozed(candidate: Candidate) -> Stop | None:
    sentence = snoozed(candidate)
    return Stop("snoozed", sentence) if sentence else None


def _cooldown(candidate: Candidate) -> Stop | None:
    if not candidate.signal.cooldown_until:
        return None
    return Stop("cooldown", "an earlier episode is still cooling down")


def _resolved(candidate: Candidate) -> Stop | None:
    # A remedy that worked is what closes a signal, and is told of all the same.
    if candidate.has_worked or step_of(candidate.signal) == ALL_CLEAR:
        return None
    if candidate.signal.root not in candidate.unit.resolved:
        return None
    if candidate.step != FIRST_STEP and not candidate.play.while_open:
        return None
    return Stop("resolved", "the signal closed before it was decided")


def _not_told(candidate: Candidate) -> Stop | None:
    why = untold(candidate)
    return Stop("not_told", why) if why else None


def _only_if(candidate: Candidate) -> Stop | None:
    unmet = _unmet(candidate)
    return None if unmet is None else Stop("only_if", f"only if {_spoken(unmet)}, and {_as_it_is(unmet, candidate)}")


def _unless(candidate: Candidate) -> Stop | None:
    met = _met(candidate)
    return None if met is None else Stop("unless", f"not if {_spoken(met)}, and {_as_it_is(met, candidate)}")


def _unmet(candidate: Candidate) -> Condition | None:
    of_members, _ = conditions_of(candidate.signal, candidate.detector)
    conditions = (*candidate.detector.only_if, *of_members, *candidate.choice.only_if, *candidate.play.only_if)
    return next((each for each in conditions if not is_so(each, candidate)), None)


def _met(candidate: Candidate) -> Condition | None:
    _, of_members = conditions_of(candidate.signal, candidate.detector)
    conditions = (*candidate.detector.unless, *of_members, *candidate.choice.unless, *candidate.play.unless)
    return next((each for each in conditions if is_so(each, candidate)), None)


def may_be_done(candidate: Candidate) -> bool:
    """Is all so that its detector, its entry in `then` and its play ask?"""
    return _unmet(candidate) is None and _met(candidate) is None


def _first_of(candidate: Candidate) -> Stop | None:
    return Stop("first_of", f"{candidate.beaten_by} comes first, and may be done") if candidate.beaten_by else None


def _inhibited(candidate: Candidate) -> Stop | None:
    muting = muted_by(candidate)
    return Stop("inhibited", f"{muting} is firing, which mutes {candidate.play.name}") if muting else None


def _approval(candidate: Candidate) -> Stop | None:
    why, until = unapproved(candidate)
    return Stop("approval", why, until) if why else None


def _spread(candidate: Candidate) -> Stop | None:
    why, until = its_turn(candidate)
    return Stop("spread", why, until) if why else None


def _in_course(candidate: Candidate) -> Stop | None:
    # What goes by another channel belongs to the course that it began itself.
    if candidate.step != FIRST_STEP or candidate.refused:
        return None
    if is_update(candidate.signal) or not is_under_way(candidate):
        return None
    return Stop("in_course", f"an earlier course of {candidate.play.name} is still under way")


def _course_held_out(candidate: Candidate) -> Stop | None:
    """A colleague does not call whom the messages before were kept from."""
    if candidate.step == FIRST_STEP or candidate.play.to == "customer" or not is_in_shadow(candidate):
        return None
    gate = EXPERIMENT if candidate.left_out_by else HOLDOUT
    return Stop(gate, "would have been sent; the course so far was held out")


def _consent(candidate: Candidate) -> Stop | None:
    missing = missing_consent(candidate)
    return Stop("consent", missing) if missing else None


def _suppressed(candidate: Candidate) -> Stop | None:
    leaves_alone = suppressed(candidate)
    return Stop("suppressed", leaves_alone) if leaves_alone else None


def _limits(candidate: Candidate) -> Stop | None:
    full = full_limit(candidate)
    return Stop("limits", full) if full else None


def _quiet_hours(candidate: Candidate) -> Stop | None:
    until, zones = quiet_until(candidate)
    if until == NEVER:
        return Stop("quiet_hours", f"it is never anything but quiet in {zones}")
    return Stop("quiet_hours", f"quiet in {zones} until {spoken_moment(until)}", until) if until else None


def _preferred_hours(candidate: Candidate) -> Stop | None:
    begins = preferred_from(candidate)
    if not begins:
        return None
    return Stop("preferred_hours", f"the hours of {candidate.recipient} begin at {spoken_moment(begins)}", begins)


def _expired(candidate: Candidate) -> Stop | None:
    expires_at = candidate.expires_at
    if not expires_at or candidate.now < expires_at:
        return None
    return Stop("expired", f"it was worth sending until {spoken_moment(expires_at)}")


# The order is part of the promise: the first gate that stops a candidate names the reason.
FOR_CUSTOMERS: tuple[Gate, ...] = (_consent, _suppressed, _limits, _quiet_hours, _preferred_hours, _expired)
FOR_ALL: tuple[Gate, ...] = (
    _mode,
    _snoozed,
    _cooldown,
    _resolved,
    _not_told,
    _only_if,
    _unless,
    _first_of,
    _in_course,
    _inhibited,
    _course_held_out,
    _approval,
    _spread,
)


def judge(candidate: Candidate) -> tuple[Candidate, Stop | None]:
    """The candidate by the first channel that no gate closes, and where it is stopped all the same, None if nowhere.

    If every channel is closed, that is by the first of them.
    """
    # Whoever answers is owed a person, whatever has become of the signal.
    stop = None if candidate.answer else _first_stop(FOR_ALL, candidate)
    if stop is not None or candidate.play.to != "customer":
        return candidate, stop
    if not candidate.play.fallback:
        return candidate, _first_stop(FOR_CUSTOMERS, candidate)
    channels = [channel for channel in channels_of(candidate) if channel not in candidate.refused]
    ways = [msgspec.structs.replace(candidate, channel=channel) for channel in channels or channels_of(candidate)]
    judged = [(way, _first_stop(FOR_CUSTOMERS, way)) for way in ways]
    return next((one for one in judged if one[1] is None or one[1].until), judged[0])


def _first_stop(gates: tuple[Gate, ...], candidate: Candidate) -> Stop | None:
    for gate in gates:
        stopped = gate(candidate)
        if stopped is not None:
            return stopped
    return None


def kept_back(candidate: Candidate) -> Stop | None:
    """The last gates, for what would go out: is its recipient held out, or in an arm that does nothing?"""
    if held_out := held_out_of(candidate):
        return Stop(HOLDOUT, f"would have been sent; {candidate.recipient} is held out of {held_out}")
    if name := candidate.left_out_by:
        return Stop(EXPERIMENT, f"would have been sent; {candidate.variants[name]} of {name} does nothing")
    return None


def is_so(condition: Condition, candidate: Candidate) -> bool:
    """Does it hold of what is known now?"""
    if isinstance(condition, Happened):
        return has_happened(condition, candidate)
    if isinstance(condition, Firing):
        return condition.detector in candidate.unit.firing.values()
    if isinstance(condition, InVariant):
        return candidate.variants.get(condition.experiment) in condition.arms
    known = candidate.profile_of(condition.entity)
    return holds(read_path(known, condition.test.path), condition.test.comparator, condition.test.value)


def _spoken(condition: Condition) -> str:
    """A condition as a person would say it."""
    if isinstance(condition, Happened):
        return spoken_happened(condition)
    if isinstance(condition, Firing):
        return f"{condition.detector} is firing"
    if isinstance(condition, InVariant):
        return f"in {condition.experiment} it is {' or '.join(condition.arms)}"
    test = condition.test
    wanted = " or ".join(map(_shown, test.value)) if isinstance(test.value, tuple) else _shown(test.value)
    return f"{condition.entity}.{test.path} {test.comparator.replace('_', ' ')} {wanted}"


def _as_it_is(condition: Condition, candidate: Candidate) -> str:
    """The other half of the sentence: what is so now."""
    if isinstance(condition, Happened):
        return "it has" if is_so(condition, candidate) else "it has not"
    if isinstance(condition, Firing):
        return "it is" if is_so(condition, candidate) else "it is not"
    if isinstance(condition, InVariant):
        return f"it is {candidate.variants.get(condition.experiment) or 'in none'}"
    return f"it is {_shown(read_path(candidate.profile_of(condition.entity), condition.test.path))}"


def _shown(value: Json) -> str:
    """As it would be written in YAML."""
    if value is None or isinstance(value, bool):
        return "not known" if value is None else str(value).lower()
    text = str(value)
    return text if len(text) <= TOLD_MOST else f"{text[:TOLD_MOST]} ..."
