"""What the pure steps ask the shell to do, collected over a batch. Order within a list is the order of happening."""

from __future__ import annotations

from collections import Counter

import orjson
import xxhash

from engine.core.tasks import Handover
from engine.model import Action, DeadLetter, Decision, Recall, Routed, Signal

RAW_KEPT = 65_536


class Effects:
    """`counts` is (what, stream) -> how many: what is neither a signal nor a dead letter, such as duplicates.

    `reviews` is (play, `asked` or a verdict) -> how many.
    `returned` counts what had become of actions and was taken in, by the state of the ledger.
    """

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.decisions: list[Decision] = []
        self.actions: list[Action] = []
        self.recalls: list[Recall] = []
        self.dead_letters: list[DeadLetter] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        # On the way to owners: whoever drives the steps passes them on before it takes the rest.
        self.handovers: list[Handover] = []
        self.reviews: Counter[tuple[str, str]] = Counter()
        self.returned: Counter[str] = Counter()

    def merge(self, more: Effects) -> None:
        """Add what came after."""
        self.signals += more.signals
        self.decisions += more.decisions
        self.actions += more.actions
        self.recalls += more.recalls
        self.dead_letters += more.dead_letters
        self.counts += more.counts
        self.handovers += more.handovers
        self.reviews += more.reviews
        self.returned += more.returned

    def take(self) -> Effects:
        """All that is here, leaving nothing behind."""
        taken = Effects()
        taken.signals, self.signals = self.signals, taken.signals
        taken.decisions, self.decisions = self.decisions, taken.decisions
        taken.actions, self.actions = self.actions, taken.actions
        taken.recalls, self.recalls = self.recalls, taken.recalls
        taken.dead_letters, self.dead_letters = self.dead_letters, taken.dead_letters
        taken.counts, self.counts = self.counts, taken.counts
        taken.handovers, self.handovers = self.handovers, taken.handovers
        taken.reviews, self.reviews = self.reviews, taken.reviews
        taken.returned, self.returned = self.returned, taken.returned
        return taken


def set_aside(routed: Routed, reason: str, detail: str) -> DeadLetter:
    """The dead letter of an event that was sound when routed but cannot be taken here."""
    event = routed.event
    raw = orjson.dumps(event.attributes, option=orjson.OPT_NON_STR_KEYS)
    return DeadLetter(
        reason=reason,
        detail=f"{routed.entity} event {event.id}: {detail}",
        stream=event.stream,
        source="routed",
        position=routed.position,
        raw=raw[:RAW_KEPT],
        raw_size=len(raw),
        raw_digest=f"{xxhash.xxh3_64_intdigest(raw):016x}",
        arrived_at=event.arrived_at,
    )
