"""Which types of events deciding wants to hear of, besides profiles and consent: they are written to their unit too.

Worked out once from the configuration. Whoever needs a further type adds a function to `SOURCES`; `Decide.on_event`
gets every such event, of whatever stream. Events that nobody hears cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from engine.core.receipts import RECEIPT, are_recorded
from engine.spec.types import Configuration, Eligibility, Happened

# The event types that one part of deciding wants, out of the whole configuration.
Source: TypeAlias = Callable[[Configuration], Iterable[str]]


def _reactions(configuration: Configuration) -> Iterable[str]:
    """What people did with a message."""
    spec = configuration.project.policies.reactions
    return spec.events if spec is not None else ()


def _happened(configuration: Configuration) -> Iterable[str]:
    """What `only_if`, `unless` and `context` ask about."""
    return (event for test in asked_about(configuration) for event in test.events)


def _ends(configuration: Configuration) -> Iterable[str]:
    """What ends the courses of plays."""
    return (event for test in ending(configuration) for event in test.events)


def asked_about(configuration: Configuration) -> Iterable[Happened]:
    """Every `happened` that is asked of a unit before a play goes out."""
    for tests in _eligibilities(configuration):
        yield from (test for test in tests if isinstance(test, Happened))


def _eligibilities(configuration: Configuration) -> Iterable[Eligibility]:
    for detector in configuration.detectors:
        yield from (detector.only_if, detector.unless)
        for choice in detector.choices.values():
            yield from (choice.only_if, choice.unless)
        for clause in detector.for_each:
            yield from (clause.only_if, clause.unless)
    arms = (arm for experiment in configuration.experiments for arm in experiment.arms.values())
    whole = [*configuration.plays.values(), *(play for arm in arms for play in arm.plays.values())]
    for play in [*whole, *(step.play for each in whole for step in each.steps)]:
        yield from (play.only_if, play.unless)
        yield from (each.when for each in play.context)


def ending(configuration: Configuration) -> Iterable[Happened]:
    """Goals, and what else ends a course."""
    for play in configuration.plays.values():
        yield from ((play.goal,) if play.goal else ())
        yield from play.stop_if


def _verdicts(configuration: Configuration) -> Iterable[str]:
    """What a person says of a decision that they looked at."""
    spec = configuration.project.policies.review
    return (spec.event,) if spec is not None else ()


def _receipts(configuration: Configuration) -> Iterable[str]:
    """What became of actions of another run, where that is recorded."""
    return (RECEIPT,) if are_recorded(configuration) else ()


SOURCES: tuple[Source, ...] = (_reactions, _happened, _ends, _verdicts, _receipts)


def heard_types(configuration: Configuration) -> frozenset[str]:
    """Every event type that some part of deciding wants."""
    return frozenset(event for source in SOURCES for event in source(configuration))
