"""What the file beside a log does not have yet of an entity."""

from __future__ import annotations

import msgspec

from engine.core.tails import folded, read_tail
from engine.shells.journal import EntityRow
from engine.shells.kafka.log import TailRow


class Late(msgspec.Struct, gc=False):
    """What the file does not have yet of an entity: its row (None = gone), and the tails behind it.

    `offset`: the commit of the oldest of it. `is_logged`: that commit has the row; else the file has it.
    """

    offset: int
    row: EntityRow | None
    tails: list[TailRow] | None = None
    is_logged: bool = True

    def size(self) -> int:
        tails = self.tails or ()
        return (len(self.row[4]) if self.row else 0) + sum(len(tail[3]) for tail in tails)

    def seen_at(self) -> int:
        """Event time; 0 where it is gone."""
        return max(self.row[3], self.tails[-1][2] if self.tails else 0) if self.row else 0

    def whole(self) -> EntityRow | None:
        """The row with its tails taken into it."""
        if self.row is None or not self.tails:
            return self.row
        kind, key, wake, _, record = self.row
        return kind, key, wake, self.seen_at(), folded(record, [read_tail(tail[3]) for tail in self.tails])
