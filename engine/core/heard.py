"""Which types of events deciding wants to hear of, besides profiles and consent: they are written to their unit too.

Worked out once from the configuration. Whoever needs a further type adds a function to `SOURCES`; `Decide.on_event`
gets every such event, of whatever stream. Events that nobody hears cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from engine.spec.types import Configuration, Eligibility, Happened

# The event types that one part of deciding wants, out of the whole configuration.
Source: TypeAlias = Callable[[Configuration], Iterable[str]]


def _reactions(configuration: Configuration) -> Iterable[str]:
    """What people did with a message."""
    spec = configuration.project.policies.reactions
    return spec.events if spec is not None else ()


def _happened(configuration: Configuration) -> Iterable[str]:
    """What `only_if`, `unless` and `context` ask about."""
    for tests in eligibilities(configuration):
        for test in tests:
            if isinstance(test, Happened):
                yield from test.events


def eligibilities(configuration: Configuration) -> Iterable[Eligibility]:
    """Everything that is asked of a unit before a play goes out."""
    for detector in configuration.detectors:
        yield from (detector.only_if, detector.unless)
        for choice in detector.choices.values():
            yield from (choice.only_if, choice.unless)
    arms = (arm for experiment in configuration.experiments for arm in experiment.arms.values())
    for play in (*configuration.plays.values(), *(play for arm in arms for play in arm.plays.values())):
        yield from (play.only_if, play.unless)
        yield from (each.when for each in play.context)


SOURCES: tuple[Source, ...] = (_reactions, _happened)


def heard_types(configuration: Configuration) -> frozenset[str]:
    """Every event type that some part of deciding wants."""
    return frozenset(event for source in SOURCES for event in source(configuration))
