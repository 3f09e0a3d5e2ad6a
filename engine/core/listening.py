"""Takes in what units are told of: events that a rule of deciding asks about, in order of their time."""

from __future__ import annotations

from engine.core.happened import Conditions
from engine.core.heard import heard_types
from engine.core.unit_state import Heard, UnitState
from engine.model import Event
from engine.spec.types import Configuration


class Listening:
    """What one configuration listens to: `types` are the event types."""

    def __init__(self, configuration: Configuration) -> None:
        self.types = heard_types(configuration)
        self._conditions = Conditions(configuration)

    def heard(self, event: Event) -> Heard:
        """What has to be kept of an event until time has come to it."""
        customer = event.entities.get("customer")
        return Heard(
            at=event.at,
            id=event.id,
            event=event.event,
            whose=f"customer:{customer}" if customer else "",
            met=self._conditions.met_by(event),
            action=_text(event, "action"),
            play=_text(event, "play"),
        )

    def remember(self, unit: UnitState, heard: Heard) -> None:
        """Time has come to it."""
        self._conditions.remember(unit, heard)


def _text(event: Event, name: str) -> str:
    value = event.attributes.get(name)
    return value if isinstance(value, str) else ""
