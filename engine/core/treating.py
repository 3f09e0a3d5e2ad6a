"""Whether anything is done about a signal that could change what it foretells.

A model that learned from those who were called would learn that nobody leaves whom it worries about. Detecting does not
know what is decided, so it takes a live signal with plays for treated, and tells those who are held out by their place.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from engine.core.examples import Treatment
from engine.core.holdout import place_of
from engine.core.state import Entity
from engine.model import Mode
from engine.spec.types import Configuration, DetectorSpec, PlaySpec

FIRING = 2
ACCOUNT = "account:"


class Treats(msgspec.Struct, frozen=True):
    """What a live detector with plays does: the holdout's salt and places, where all that it does heeds the holdout."""

    salt: str = ""
    places: int = 0
    is_by_account_only: bool = False

    def of(self, unit: str) -> Treatment:
        """What a signal of this unit means to it. Held out by a contact is not known here, and counts as treated."""
        is_told = unit.startswith(ACCOUNT) or not self.is_by_account_only
        return "held_out" if is_told and place_of(self.salt, "", unit) < self.places else "treated"

    def under_way(self, index: int, entity: Entity) -> Treatment:
        """While the signal of the detector with that index is open."""
        episode = (entity.episodes or {}).get(index)
        return self.of(episode.unit) if episode is not None and episode.phase == FIRING else ""


def treats_of(spec: DetectorSpec, configuration: Configuration) -> Treats | None:
    """None for a detector that does nothing."""
    names = {*spec.plays, *(clause.play for clause in spec.for_each)}
    if spec.mode is not Mode.LIVE or not names:
        return None
    holdout = configuration.project.policies.holdout
    if holdout is None or not _all_compete(names, configuration):
        return Treats()
    return Treats(holdout.salt, holdout.places, bool(holdout.contact))


def _all_compete(names: Collection[str], configuration: Configuration) -> bool:
    plays: list[PlaySpec] = [configuration.plays[name] for name in sorted(names) if name in configuration.plays]
    return all(play.to == "customer" and play.purpose != "critical" and not play.mandatory for play in plays)
