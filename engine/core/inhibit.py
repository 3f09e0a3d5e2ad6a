"""A signal that is open may mute what others of its unit would say: no offer while the service is down."""

from __future__ import annotations

from engine.core.unit_state import Candidate, UnitState
from engine.model import Mode, Signal
from engine.spec.policies import InhibitSpec, Policies


def remember_firing(unit: UnitState, signal: Signal, policies: Policies) -> None:
    """Keep whom an open signal is about, if it can mute anything."""
    if signal.mode is Mode.LIVE and any(rule.firing == signal.detector for rule in policies.inhibits):
        unit.muting[signal.id] = {**signal.related, signal.entity: signal.key}


def muted_by(candidate: Candidate) -> str:
    """The detector whose open signal mutes the candidate, "" if there is none."""
    rules = [rule for rule in candidate.project.policies.inhibits if candidate.play.name in rule.mutes]
    return next((rule.firing for rule in rules if _applies(rule, candidate)), "")


def _applies(rule: InhibitSpec, candidate: Candidate) -> bool:
    """A signal does not mute itself, and an id that is not known is equal to none."""
    signal, unit = candidate.signal, candidate.unit
    own = {**signal.related, signal.entity: signal.key}
    about = [
        entities
        for signal_id, entities in unit.muting.items()
        if unit.firing.get(signal_id) == rule.firing and signal_id != signal.id
    ]
    return any(all(kind in own and own[kind] == other.get(kind) for kind in rule.equal) for other in about)
