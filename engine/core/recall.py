"""Taking back what was decided and may not have been sent yet, because somebody has said no meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.core.consent import is_refused
from engine.core.unit_state import UnitState
from engine.model import Recall
from engine.spec.policies import ConsentSpec
from engine.spec.types import PlaySpec


def recalled(
    name: str, unit: UnitState, whose: str, plays: Mapping[str, PlaySpec], spec: ConsentSpec, at: int
) -> Iterator[Recall]:
    """What is to be taken back of the actions of a unit (its `name`) that were for `whose`, each for its own reason."""
    for action in unit.underway:
        play = plays.get(action.play)
        if action.recipient != whose or action.is_recalled or play is None or play.to != "customer":
            continue
        refused = is_refused(unit, whose, action.channel, play, spec)
        if refused:
            action.is_recalled = True
            yield Recall(name, (action.action_id,), refused, at)
