"""The gates a candidate passes, in order. Each lets it through or gives the sentence that stopped it.

Consent, suppression, limits, quiet hours, arbitration and the holdout belong after `unless`, in that order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from engine.core.matching import holds, read_path
from engine.model import Json, Mode, Signal
from engine.spec.types import AttributeTest, DetectorSpec, Firing, PlaySpec


class UnitState(msgspec.Struct, array_like=True):
    """What deciding remembers of one unit.

    `waiting` are the signals not decided yet, `resolved` the ids among them that have closed meanwhile, `firing` the
    open signals (id -> detector), `attributes` the profiles of the unit's entities ("account:acme" -> attributes),
    and `attribute_times` as of when each of those is.
    """

    waiting: list[Signal] = []
    resolved: list[str] = []
    firing: dict[str, str] = {}
    attributes: dict[str, dict[str, Json]] = {}
    attribute_times: dict[str, dict[str, int]] = {}


class Candidate(msgspec.Struct, frozen=True):
    """A signal with the play it calls for, about to be decided for its unit."""

    signal: Signal
    detector: DetectorSpec
    play: PlaySpec
    unit: UnitState


Gate: TypeAlias = Callable[[Candidate], str | None]


def _mode(candidate: Candidate) -> str | None:
    mode = candidate.signal.mode
    return None if mode is Mode.LIVE else f"the detector is {mode.value}; it would have gone on"


def _cooldown(candidate: Candidate) -> str | None:
    return "an earlier episode is still cooling down" if candidate.signal.cooldown_until else None


def _resolved(candidate: Candidate) -> str | None:
    return "the signal closed before it was decided" if candidate.signal.id in candidate.unit.resolved else None


def _only_if(candidate: Candidate) -> str | None:
    for condition in candidate.detector.only_if:
        if not _satisfied(condition, candidate):
            return f"not so: {_spoken(condition)}"
    return None


def _unless(candidate: Candidate) -> str | None:
    for condition in candidate.detector.unless:
        if _satisfied(condition, candidate):
            return f"so: {_spoken(condition)}"
    return None


# The order is part of the promise: the first gate that stops a candidate names the reason.
GATES: tuple[tuple[str, Gate], ...] = (
    ("mode", _mode),
    ("cooldown", _cooldown),
    ("resolved", _resolved),
    ("only_if", _only_if),
    ("unless", _unless),
)


def first_stop(candidate: Candidate) -> tuple[str, str]:
    """(gate, sentence) of the first gate that stops the candidate; ("", "") if none does."""
    for name, gate in GATES:
        stopped = gate(candidate)
        if stopped is not None:
            return (candidate.signal.mode.value if name == "mode" else name), stopped
    return "", ""


def _satisfied(condition: AttributeTest | Firing, candidate: Candidate) -> bool:
    if isinstance(condition, Firing):
        return condition.detector in candidate.unit.firing.values()
    value = read_path(attributes_of(candidate, condition.entity), condition.test.path)
    return holds(value, condition.test.comparator, condition.test.value)


def attributes_of(candidate: Candidate, kind: str) -> dict[str, Json]:
    """The profile of the signal's own entity, or of the one of that kind it was seen with."""
    signal = candidate.signal
    if signal.entity == kind:
        return dict(signal.attributes)
    key = signal.related.get(kind, "")
    return candidate.unit.attributes.get(f"{kind}:{key}", {})


def _spoken(condition: AttributeTest | Firing) -> str:
    if isinstance(condition, Firing):
        return f"{condition.detector} is firing"
    test = condition.test
    wanted = " or ".join(str(v) for v in test.value) if isinstance(test.value, tuple) else str(test.value)
    return f"{condition.entity}.{test.path} {test.comparator.replace('_', ' ')} {wanted}"
