"""The entities in memory, what changed among them, and when each must wake."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import TypeAlias

from engine.core.state import Entity
from engine.ports import NEVER

# Reads an entity that is not in memory; None where there is none.
Load: TypeAlias = Callable[[str, str], Entity | None]


def _nothing_stored(kind: str, key: str) -> Entity | None:
    return None


# The alarm of an entity just read from a store: it has one at its `wake` or earlier, if it needs one.
UNKNOWN = -1


class Entities:
    """Look-up by kind and key, reading through to a store. `touched` lists what changed since the last `saved()`.

    The alarms hold (time, kind, key), no later than the entity's own `wake`; an entry that is not its `alarm` is stale.
    """

    def __init__(self, load: Load = _nothing_stored) -> None:
        self.by_kind: dict[str, dict[str, Entity]] = {}
        self.touched: list[Entity] = []
        self.stored: dict[str, int] = {}
        self._load = load
        self._alarms: list[tuple[int, str, str]] = []

    def get(self, kind: str, key: str) -> Entity | None:
        """The entity, read from the store if it is not in memory. The store is not asked when all it has is there."""
        known = self.of_kind(kind)
        entity = known.get(key)
        if entity is None and len(known) < self.count(kind):
            entity = self._load(kind, key)
            if entity is not None:
                entity.alarm = UNKNOWN
                known[key] = entity
        return entity

    def of_kind(self, kind: str) -> dict[str, Entity]:
        """Those of a kind that are in memory, by key; always the same dict."""
        known = self.by_kind.get(kind)
        if known is None:
            known = self.by_kind[kind] = {}
        return known

    def add(self, entity: Entity) -> None:
        self.of_kind(entity.kind)[entity.key] = entity
        self.stored[entity.kind] = self.stored.get(entity.kind, 0) + 1

    def drop(self, kind: str, key: str) -> None:
        """Forget one that is in memory. The store is told by whoever asks for this."""
        gone = self.by_kind[kind].pop(key)
        self.stored[kind] -= 1
        if gone.touched:
            self.touched[:] = [entity for entity in self.touched if entity is not gone]

    def count(self, kind: str) -> int:
        """How many entities of a kind there are, in memory or not."""
        return self.stored.get(kind, 0)

    def touch(self, entity: Entity) -> None:
        """It has changed in some other way than by an ordinary event."""
        entity.written = -1
        if not entity.touched:
            entity.touched = True
            self.touched.append(entity)

    def saved(self) -> None:
        """What was touched is on disk now."""
        for entity in self.touched:
            entity.touched = False
        self.touched.clear()

    def forget_beyond(self, most: int) -> None:
        """Let go of the entities longest in memory; the store has them. Call only after `saved()`."""
        for known in self.by_kind.values():
            for key in list(islice(known, max(0, len(known) - most))):
                del known[key]

    def set_alarm(self, entity: Entity) -> None:
        """Wake it at `entity.wake`. One that is put off keeps its earlier alarm, which then sets the later one."""
        if entity.wake < NEVER and (entity.wake < entity.alarm or entity.alarm == UNKNOWN):
            entity.alarm = entity.wake
            heappush(self._alarms, (entity.wake, entity.kind, entity.key))

    def set_alarms(self, alarms: list[tuple[int, str, str]]) -> None:
        """All alarms anew, as read from a store."""
        self._alarms = alarms
        heapify(self._alarms)

    def next_wake(self) -> int:
        """No entity wakes before this, and perhaps none at it, as an alarm may have been put off."""
        return self._alarms[0][0] if self._alarms else NEVER

    def next_due(self, until: int) -> Entity | None:
        """An entity whose wake is at or before `until`, earliest first; None when there is no more."""
        while self._alarms and self._alarms[0][0] <= until:
            at, kind, key = heappop(self._alarms)
            entity = self.get(kind, key)
            if entity is None or entity.alarm not in (at, UNKNOWN):
                continue
            entity.alarm = NEVER
            if entity.wake <= at:
                return entity
            self.set_alarm(entity)
        return None
