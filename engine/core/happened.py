"""`happened`: has something happened to somebody, and how long ago? Only the last time of each condition is kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from engine.core.course_state import Heard
from engine.core.digest import digest
from engine.core.heard import asked_about, ending
from engine.core.matching import Predicate, compile_where
from engine.core.moments import spoken_length
from engine.core.unit_state import Candidate, UnitState
from engine.model import Event, Signal
from engine.spec.types import Configuration, Happened

# An account may have very many people; of those whom a condition was met for longest ago, no more is remembered.
MOST_PEOPLE = 1_000
# The unit's own: what happened to the account and to no person in particular.
ALL = ""


class Conditions:
    """What a configuration asks about events: which conditions each meets, and how long `happened` looks back."""

    def __init__(self, configuration: Configuration) -> None:
        self._tests: dict[str, list[tuple[str, Predicate | None]]] = {}
        self._within: dict[str, int] = {}
        for condition in asked_about(configuration):
            name = name_of(condition)
            known = self._within.get(name, condition.within_ms)
            self._within[name] = max(known, condition.within_ms) if known and condition.within_ms else 0
        conditions = [*asked_about(configuration), *ending(configuration)]
        for name, condition in {name_of(condition): condition for condition in conditions}.items():
            for event in condition.events:
                self._tests.setdefault(event, []).append((name, compile_where(condition.where)))

    def met_by(self, event: Event) -> tuple[str, ...]:
        """The names of the conditions that an event meets."""
        tests = self._tests.get(event.event, ())
        return tuple(name for name, test in tests if test is None or test(event.attributes))

    def remember(self, unit: UnitState, heard: Heard) -> None:
        """Keep when each was met last, and forget what none looks back on any more."""
        for name in heard.met:
            if name not in self._within:
                continue
            times = unit.happened.setdefault(name, {})
            times[heard.whose] = max(heard.at, times.get(heard.whose, 0))
            within = self._within[name]
            kept = {whose: at for whose, at in times.items() if not within or at > heard.at - within}
            unit.happened[name] = _newest(kept)


def _newest(times: Mapping[str, int]) -> dict[str, int]:
    if len(times) <= MOST_PEOPLE:
        return dict(times)
    ranked = sorted(times.items(), key=lambda one: (-one[1], one[0]))
    return dict(sorted(ranked[:MOST_PEOPLE]))


@lru_cache(maxsize=4_096)
def name_of(condition: Happened) -> str:
    """The same for conditions that differ in `within` alone, so that their memory is shared."""
    return digest("happened", *condition.events, "where", *(repr(test) for test in condition.where))


def has_happened(condition: Happened, candidate: Candidate) -> bool:
    """To the person that the candidate is for or about, or to all of the unit; for an account's, to anybody in it."""
    times = candidate.unit.happened.get(name_of(condition), {})
    person = person_of(candidate)
    met = [at for whose, at in times.items() if whose in (ALL, person) or not person]
    since = candidate.now - condition.within_ms if condition.within_ms else -1
    return any(since < at <= candidate.now for at in met)


def person_of(candidate: Candidate) -> str:
    """`customer:ada`: the recipient, or for a colleague the one it is about; "" where that is the whole account."""
    return whose(candidate.signal, candidate.recipient)


def whose(signal: Signal, recipient: str) -> str:
    """The person that a message about that signal concerns."""
    if recipient.startswith("customer:"):
        return recipient
    key = signal.key if signal.entity == "customer" else signal.related.get("customer", "")
    return f"customer:{key}" if key else ""


def spoken_happened(condition: Happened) -> str:
    """`ticket.opened has happened in the last 2d`."""
    events = " or ".join(condition.events)
    tests = " and ".join(f"{t.path} {t.comparator.replace('_', ' ')} {_wanted(t.value)}" for t in condition.where)
    within = f" in the last {spoken_length(condition.within_ms)}" if condition.within_ms else ""
    return f"{events}{f' ({tests})' if tests else ''} has happened{within}"


def _wanted(value: object) -> str:
    return " or ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)
