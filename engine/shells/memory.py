"""The chain's memory on the disk: reads entities and units through to the store, and writes back what changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from engine.core.decide import Units, decode_unit, encode_unit
from engine.core.entities import Entities
from engine.core.plan import Plan
from engine.core.state import Carried, DamagedRecord, Entity, Layout, Stalls, decode, encode, packed, restore
from engine.core.tails import has_tail, tail_of
from engine.core.unit_state import UnitState
from engine.errors import OperatorError
from engine.shells.journal import EntityRow, Journal, UnitRow
from engine.shells.store import sealed_units, unusable

# Entities and units kept decoded in memory between batches, per kind; the rest is read when it is needed.
IN_MEMORY_MOST = 200_000


class Remembers(Protocol):
    """Where records are kept: the local shell's store, or a worker's copy of its log."""

    folder: Path

    def layouts(self) -> dict[str, Layout]: ...
    def add_layout(self, layout: Layout) -> None: ...
    def entity(self, kind: str, key: str) -> bytes | None: ...
    def put_entities(self, rows: Iterable[EntityRow]) -> None: ...
    def alarms(self) -> list[tuple[int, str, str]]: ...
    def entity_counts(self) -> dict[str, int]: ...
    def entity_keys(self, kind: str) -> list[str]: ...
    def drop_entities_unseen_since(self, before: int) -> list[tuple[str, str]]: ...
    def unit(self, unit: str) -> bytes | None: ...
    def put_units(self, rows: Iterable[UnitRow]) -> None: ...
    def waiting_units(self) -> set[str]: ...


@runtime_checkable
class TakesTails(Protocol):
    """Where an entity may also be kept by what has come since its record was written: (kind, key, seen_at, tail)."""

    def put_tails(self, tails: Iterable[tuple[str, str, int, bytes]]) -> None: ...


class Memory:
    """Entities and units of one store under one plan. `now` is the event time that newly added measures begin at.

    With a journal, what changes goes there, and stays in memory until it has reached the store.
    """

    def __init__(self, store: Remembers, plan: Plan, stalls: Stalls, now: int, journal: Journal | None = None) -> None:
        self._journal = journal
        # What the journal has and the tables have not, with the row where that is as it was written whole.
        self._waiting: dict[Entity, EntityRow | None] = {}
        self._waiting_units: dict[str, UnitRow] = {}
        bounds = plan.configuration.project.bounds
        # Tails are not measured against `record_bytes`, so they are for records that they cannot bring near it.
        self._tails_below = bounds.record_bytes // 2 if bounds.record_bytes >= 256 * bounds.seen_ids else 0
        self._now = now
        self._store = store
        self._plan = plan
        self._stalls = stalls
        self._layouts = store.layouts()
        self.entities = Entities(self._load_entity)
        self.entities.stored = store.entity_counts()
        self.entities.set_alarms(store.alarms())
        self.units = Units(self._load_unit, store.waiting_units())

    def _load_entity(self, kind: str, key: str) -> Entity | None:
        record = self._store.entity(kind, key)
        if record is None or kind not in self._plan.kinds:
            return None
        try:
            stored = decode(record)
        except DamagedRecord as fault:
            why = f"the stored record of one {kind} is damaged: {fault}"
            raise OperatorError(unusable(self._store.folder, why)) from fault
        kind_plan = self._plan.kinds[kind]
        into = Carried(kind_plan.wanted, self._stalls, self._now)
        entity = restore(kind, key, stored, self._layouts[stored.layout], into)
        entity.wake = min(
            (due + kind_plan.judges[index].lateness_ms for index, due in (entity.dues or {}).items()),
            default=entity.wake,
        )
        return entity

    def _load_unit(self, unit: str) -> UnitState | None:
        record = self._store.unit(unit)
        return None if record is None else decode_unit(record)

    def save(self) -> None:
        """Write what changed. Runs inside the caller's transaction; call `saved` once that is committed."""
        for kind in {entity.kind for entity in self.entities.touched}:
            layout = self._plan.kinds[kind].wanted.layout
            if layout.name not in self._layouts:
                self._store.add_layout(layout)
                self._layouts[layout.name] = layout
        units = [(name, unit.is_waiting, encode_unit(unit)) for name, unit in self.units.touched.items()]
        if self._journal is None:
            self._store_all(units)
        elif units or self.entities.touched:
            self._put(self._journal, units)

    def _store_all(self, units: list[UnitRow]) -> None:
        if isinstance(self._store, TakesTails):
            by_tail, others = self._by_tail()
            self._store.put_tails([(one.kind, one.key, one.seen_at, packed(tail_of(one))) for one in by_tail])
            self._store.put_entities([self._whole(entity) for entity in others])
        else:
            self._store.put_entities(map(self._row, self.entities.touched))
        self._store.put_units(units)

    def _by_tail(self) -> tuple[list[Entity], list[Entity]]:
        """Those of which a tail tells what changed, and those that are written whole."""
        touched = self.entities.touched
        return [one for one in touched if has_tail(one)], [one for one in touched if not has_tail(one)]

    def _put(self, journal: Journal, units: list[UnitRow]) -> None:
        by_tail, others = self._by_tail()
        tails = [tail_of(entity) for entity in by_tail]
        whole = [self._whole(entity) for entity in others]
        journal.put(whole, tails, sealed_units(units))
        self._waiting.update(dict.fromkeys(by_tail))
        self._waiting.update(zip(others, whole, strict=True))
        self._waiting_units.update((row[0], row) for row in units)

    def settle(self, beyond: int = 0) -> None:
        """Bring the store's tables up to date, if more than so many bytes wait. Inside the caller's transaction."""
        if self._journal is None or self._journal.size <= beyond:
            return
        known = self.entities.by_kind
        self._store.put_entities(
            row or self._whole(one) for one, row in self._waiting.items() if known[one.kind].get(one.key) is one
        )
        self._store.put_units(self._waiting_units.values())
        self._journal.clear()
        self._waiting.clear()
        self._waiting_units.clear()

    def _row(self, entity: Entity) -> EntityRow:
        layout = self._plan.kinds[entity.kind].wanted.layout
        record = encode(entity, layout, self._plan.detectors)
        most = self._plan.configuration.project.bounds.record_bytes
        if len(record) > most:
            raise OversizedRecord(entity.kind, entity.key, len(record), most)
        return entity.kind, entity.key, entity.wake, entity.seen_at, record

    def _whole(self, entity: Entity) -> EntityRow:
        row = self._row(entity)
        entity.written = len(entity.ids) if len(row[4]) < self._tails_below else -1
        return row

    def saved(self) -> None:
        """What was written is on the disk; what has not been used for longest may leave memory."""
        self.entities.saved()
        self.units.saved()
        if self._waiting or self._waiting_units:
            return  # the store has less of them than memory
        self.entities.forget_beyond(IN_MEMORY_MOST)
        self.units.forget_beyond(IN_MEMORY_MOST)

    def drop_unseen_since(self, before: int) -> int:
        """Forget the entities whose time-to-live has passed. Runs inside the caller's transaction."""
        gone = self._store.drop_entities_unseen_since(before)
        for kind, key in gone:
            self.entities.by_kind.get(kind, {}).pop(key, None)
            self.entities.stored[kind] -= 1
        return len(gone)


class OversizedRecord(Exception):
    """An entity's record has outgrown `bounds.record_bytes`; the event that did it is set aside."""

    def __init__(self, kind: str, key: str, size: int, most: int) -> None:
        self.kind, self.key = kind, key
        super().__init__(f"the record of one {kind} would take {size} bytes, more than the {most} of record_bytes")


def stalls_to_bytes(stalls: Stalls) -> bytes:
    return msgspec.msgpack.encode(stalls.by_event)


def stalls_from_bytes(content: bytes | None) -> Stalls:
    stalls = Stalls()
    if content:
        stalls.by_event = msgspec.msgpack.decode(content, type=dict[str, list[tuple[int, int]]])
    return stalls
