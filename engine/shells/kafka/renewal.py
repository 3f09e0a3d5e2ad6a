"""Writing a log anew: all that is live goes behind a new beginning, a part with each commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from engine.shells.journal import EntityRow
from engine.shells.kafka.log import Commit

if TYPE_CHECKING:
    from engine.shells.kafka.replica import Replica

# How many rows are read at a time, and how much goes along with each commit.
ROWS = 500
SLICE_BYTES = 400_000

Name: TypeAlias = tuple[str, str]


class Renewal:
    """Goes once through all that is live. What changes meanwhile is in the log anyway, behind `begin`."""

    def __init__(self, replica: Replica, begin: int) -> None:
        self.begin = begin
        self.bytes = 0
        self.is_done = False
        self._replica = replica
        self._is_begun = False
        self._entity: Name | None = ("", "")
        self._unit: str | None = ""

    def add_to(self, commit: Commit) -> None:
        if not self._is_begun:
            self._add_small(commit)
        room = SLICE_BYTES
        while room > 0 and not self.is_done:
            added = self._add_entities(commit) if self._entity is not None else self._add_units(commit)
            room -= added
            self.bytes += added
            self.is_done = self._entity is None and self._unit is None

    def _add_small(self, commit: Commit) -> None:
        head = self._replica.head
        self._is_begun = True
        commit.positions = {**head.positions, **commit.positions}
        commit.facts = {**head.facts, **commit.facts}
        changed = {(table, key) for table, key, _ in commit.rows}
        kept = [(t, k, v) for t, rows in head.rows.items() for k, v in rows.items() if (t, k) not in changed]
        commit.rows = [*kept, *commit.rows]
        commit.layouts = [msgspec.msgpack.encode(layout) for layout in self._replica.layouts().values()]

    def _add_entities(self, commit: Commit) -> int:
        assert self._entity is not None
        rows = self._replica.store.entities_after(self._entity, ROWS)
        changed = {(row[0], row[1]) for row in commit.entities} | set(commit.gone)
        fresh = [late for row in rows if (late := self._present(row, changed))]
        commit.entities.extend(fresh)
        self._entity = (rows[-1][0], rows[-1][1]) if rows else None
        return sum(len(row[4]) for row in fresh) + 1

    def _present(self, row: EntityRow, changed: set[Name]) -> EntityRow | None:
        """The row as it is to be written anew; None where it is behind the new beginning anyway."""
        name = row[0], row[1]
        if name in changed:
            return None
        return self._replica.late_row(name) if self._replica.is_waiting(name) else row

    def _add_units(self, commit: Commit) -> int:
        assert self._unit is not None
        rows = self._replica.store.units_after(self._unit, ROWS)
        changed = {row[0] for row in commit.units} | set(commit.gone_units)
        fresh = [row for row in rows if row[0] not in changed and not self._replica.is_waiting_unit(row[0])]
        commit.units.extend(fresh)
        self._unit = rows[-1][0] if rows else None
        return sum(len(row[2]) for row in fresh) + 1
