"""What is not to be done for a while: snoozes, and the kill switch, which is a snooze of everything."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.moments import spoken_moment
from engine.core.unit_state import Candidate
from engine.spec.policies import SnoozeSpec
from engine.spec.snoozes import ALL


def snoozed(candidate: Candidate) -> str:
    """The sentence of the snooze in force that ends last, "" if there is none."""
    snoozes = candidate.project.policies.snoozes
    if not snoozes:
        return ""
    concerned = _names_of(candidate)
    found = [one for one in snoozes if one.what in concerned and one.from_ms <= candidate.now < one.until_ms]
    return _spoken(max(found, key=lambda one: one.until_ms)) if found else ""


def in_force(snoozes: Sequence[SnoozeSpec], now: int) -> dict[str, int]:
    """How many of each kind are in force: `all`, `play`, `detector` and `entity`."""
    counts = dict.fromkeys(("all", "play", "detector", "entity"), 0)
    for one in snoozes:
        if one.from_ms <= now < one.until_ms:
            kind = one.what.partition(":")[0]
            counts[kind if kind in counts else "entity"] += 1
    return counts


def _names_of(candidate: Candidate) -> set[str]:
    """All names by which a candidate can be snoozed: those of everybody it is about as well."""
    signal = candidate.signal
    about = {**signal.related, signal.entity: signal.key}
    return {
        ALL,
        f"play:{candidate.play.name}",
        f"detector:{signal.detector}",
        signal.unit,
        candidate.recipient,
        *(f"{kind}:{key}" for kind, key in about.items()),
    }


def _spoken(one: SnoozeSpec) -> str:
    what = "everything" if one.what == ALL else one.what
    return f"{what} is snoozed until {spoken_moment(one.until_ms)}: {one.because}"
