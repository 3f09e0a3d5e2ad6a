"""What is told of an action once something has become of it."""

from __future__ import annotations

from engine.model import Receipt
from engine.shells.ledger import Row


def receipt_of(row: Row, what: str, why: str, at: int) -> Receipt:
    """The receipt of a row, `at` in wall time. What the receiver said is left out, as it may be what it was sent."""
    action = row.action
    whom = [name.partition(":") for name in (action.about, action.recipient, action.unit)]
    entities = {kind: key for kind, _, key in whom if key and kind not in ("owner", "system")}
    brief = why.partition(": ")[0]
    head = (action.id, action.channel, what, at, row.attempts, brief)
    return Receipt(*head, action.play, action.recipient, action.unit, entities)
