"""What units are told of: the events that some rule of deciding asks about, as far as they are needed."""

from __future__ import annotations

from engine.core.course_state import Heard
from engine.core.happened import Conditions
from engine.core.heard import heard_types
from engine.core.unit_state import UnitState
from engine.model import Event
from engine.spec.types import Configuration

# Of what somebody wrote, so much is shown to the colleague who answers.
SAID_MOST = 2_000


class Listening:
    """What one configuration listens to: `types` are the event types."""

    def __init__(self, configuration: Configuration) -> None:
        self.types = heard_types(configuration)
        self._conditions = Conditions(configuration)
        reactions = configuration.project.policies.reactions
        self._replies = {event for event, kind in reactions.kinds.items() if kind == "replied"} if reactions else set()

    def heard(self, event: Event) -> Heard:
        """What has to be kept of an event until time has come to it."""
        customer = event.entities.get("customer")
        return Heard(
            at=event.at,
            id=event.id,
            event=event.event,
            stream=event.stream,
            whose=f"customer:{customer}" if customer else "",
            met=self._conditions.met_by(event),
            action=_text(event, "action"),
            play=_text(event, "play"),
            said=_text(event, "text")[:SAID_MOST] if event.event in self._replies else "",
        )

    def remember(self, unit: UnitState, heard: Heard) -> None:
        """Time has come to it."""
        self._conditions.remember(unit, heard)


def _text(event: Event, name: str) -> str:
    value = event.attributes.get(name)
    return value if isinstance(value, str) else ""
