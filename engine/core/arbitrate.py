"""Which of several messages to the same person goes out: the one with the highest priority.

Priority is chance x context x value x lever. Service goes before marketing, whatever the priorities are.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import msgspec

from engine.core.gates import Stop, is_so
from engine.core.moments import spoken_moment
from engine.core.unit_state import Candidate
from engine.spec.policies import Chance


def rated(candidate: Candidate) -> Candidate:
    """The candidate with its four factors. Each is 1 where the play says nothing of it."""
    play = candidate.play
    added = sum(each.add for each in play.context if all(is_so(test, candidate) for test in each.when))
    factors = {
        "chance": chance_of(play.chance, *candidate.unit.tally.get(play.name, (0, 0))),
        "context": max(0.0, 1 + added / 100),
        "value": float(play.value),
        "lever": 1 + play.lever / 100,
    }
    factors = {name: round(factor, 6) for name, factor in factors.items()}
    return msgspec.structs.replace(candidate, factors=factors, priority=round(prod(factors.values()), 6))


def chance_of(chance: Chance | None, sent: int = 0, worked: int = 0) -> float:
    """What is known of it, smoothed by what was guessed: the guess counts as much as so many messages.

    `sent` and `worked` are the unit's own, on top of the figures that the play names.
    """
    if chance is None:
        return 1.0
    return (chance.worth * chance.guess + chance.worked + worked) / (chance.worth + chance.sent + sent)


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates with their factors, the best first. Equal ones stay in the order of their signals."""
    return sorted(map(rated, candidates), key=_rank)


def _rank(candidate: Candidate) -> tuple[bool, float, tuple[int, str, str]]:
    return candidate.play.purpose == "marketing", -candidate.priority, candidate.order


def field_of(candidate: Candidate) -> str:
    """Those of one field compete with each other."""
    return candidate.signal.unit if candidate.project.policies.arbitration.per == "unit" else candidate.recipient


def lost(candidate: Candidate, winner: Candidate) -> Stop:
    """What becomes of one that another went before: marketing is dropped, service is decided again."""
    went = f"{winner.play.name} went first, with a priority of {winner.priority:g} to {candidate.priority:g}"
    if candidate.play.purpose == "marketing":
        return Stop("arbitration", went)
    again_at = candidate.now + max(candidate.project.policies.arbitration.again_after_ms, candidate.project.wait_ms)
    return Stop("arbitration", f"{went}; decided again at {spoken_moment(again_at)}", again_at)
