"""Who has a capacity, and how a task of theirs is handed to them instead of being chosen where it was raised."""

from __future__ import annotations

import msgspec

from engine.core.arbitrate import rated
from engine.core.gates import judge
from engine.core.records import Records
from engine.core.tasks import Handover, Task
from engine.core.unit_state import Candidate, recipient_of
from engine.spec.policies import CapacitySpec, Policies
from engine.spec.types import FIRST_STEP, Configuration

OWNER = "owner:"


def capacity_of(owner: str, policies: Policies) -> CapacitySpec | None:
    """The rule for `owner:ida`: the one that names her, else the one that names nobody."""
    name = owner.removeprefix(OWNER)
    named = next((rule for rule in policies.capacity if name in rule.of), None)
    return named or next((rule for rule in policies.capacity if not rule.of), None)


def is_counted(candidate: Candidate) -> bool:
    """Does a capacity count it? A desk has one only where a rule names it."""
    policies, play = candidate.project.policies, candidate.play
    if not policies.capacity or play.to != "owner":
        return False
    rule = capacity_of(candidate.recipient, policies)
    return rule is not None and (bool(rule.of) or not play.desk)


def task_of(candidate: Candidate, records: Records) -> Task:
    """The task of a candidate that every gate lets through. Whoever answers does not wait for anybody's day."""
    decision, action = records.chosen(rated(candidate))
    at_once = candidate.play.purpose == "critical" or candidate.answer is not None
    stays = candidate.step != FIRST_STEP and not candidate.play.while_open
    return Task(decision, action, at_once, stays)


def handed_over(candidate: Candidate, task: Task, at: int, records: Records, configuration: Configuration) -> Handover:
    """The task, for its owner, who takes it in at `at`."""
    signal = candidate.signal
    named = {*signal.related.items(), (signal.entity, signal.key)}
    return Handover(
        owner=candidate.recipient,
        at=at,
        task=task,
        instead=_instead(candidate, records, configuration),
        about=tuple(sorted({signal.unit, *(f"{kind}:{key}" for kind, key in named)})),
    )


def _instead(candidate: Candidate, records: Records, configuration: Configuration) -> Task | None:
    """What is done where there is no room, if its own gates are open."""
    play = configuration.plays.get(candidate.play.when_full)
    if play is None:
        return None
    recipient = recipient_of(candidate.signal, play, candidate.unit)
    other = msgspec.structs.replace(candidate, play=play, recipient=recipient, channel=play.channel)
    return None if judge(other)[1] else Task(*records.chosen(other))
