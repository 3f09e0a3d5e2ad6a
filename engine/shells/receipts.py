"""What is told of an action once something has become of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.core.receipts import comes_back
from engine.model import Receipt
from engine.shells.ledger import Ledger, Row, Settled
from engine.spec.types import PlaySpec


def receipt_of(row: Row, what: str, why: str, at: int) -> Receipt:
    """The receipt of a row, `at` in wall time. What the receiver said is left out, as it may be what it was sent."""
    action = row.action
    whom = [name.partition(":") for name in (action.about, action.recipient, action.unit)]
    entities = {kind: key for kind, _, key in whom if key and kind not in ("owner", "system")}
    brief = why.partition(": ")[0]
    head = (action.id, action.channel, what, at, row.attempts, brief)
    return Receipt(*head, action.play, action.recipient, action.unit, entities)


def coming_back(ledger: Ledger, plays: Mapping[str, PlaySpec]) -> Callable[[Row, Settled, int], None]:
    """What puts the receipts that change a decision where deciding finds them, in the transaction of their result."""

    def note(row: Row, change: Settled, now: int) -> None:
        what = str(change.state)
        if comes_back(what, plays.get(row.action.play)):
            ledger.returns.put(receipt_of(row, what, change.why, now))

    return note
