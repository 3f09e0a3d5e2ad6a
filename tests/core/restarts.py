"""A chain written down and read again, the way a store does it, without the store."""

from __future__ import annotations

from engine.core.chain import Chain
from engine.core.decide import Units, decode_unit, encode_unit
from engine.core.entities import Entities
from engine.core.plan import Plan
from engine.core.state import Carried, Entity, Layout, Stalls, decode, encode, restore
from engine.core.unit_state import UnitState
from engine.ports import NEVER


class Disk:
    """Entities and units as bytes. `save` writes what changed in a chain; `open` gives one that knows no more."""

    def __init__(self) -> None:
        self.layouts: dict[str, Layout] = {}
        self.entities: dict[tuple[str, str], tuple[int, bytes]] = {}
        self.units: dict[str, tuple[bool, bytes]] = {}
        self.by_event: dict[str, list[tuple[int, int]]] = {}
        self.now = 0

    def save(self, chain: Chain) -> None:
        for entity in chain.entities.touched:
            layout = chain.plan.kinds[entity.kind].wanted.layout
            self.layouts[layout.name] = layout
            record = encode(entity, layout, chain.plan.detectors)
            self.entities[entity.kind, entity.key] = (entity.wake, record)
        for name, unit in chain.units.touched.items():
            self.units[name] = (unit.is_waiting, encode_unit(unit))
        chain.entities.saved()
        chain.units.saved()
        self.by_event = {event: list(spans) for event, spans in chain.stalls.by_event.items()}
        self.now = chain.now

    def open(self, plan: Plan) -> Chain:
        stalls = Stalls()
        stalls.by_event = self.by_event
        entities = Entities(lambda kind, key: self._entity(kind, key, plan, stalls))
        entities.set_alarms([(wake, *place) for place, (wake, _record) in self.entities.items() if wake < NEVER])
        for kind, _key in self.entities:
            entities.stored[kind] = entities.stored.get(kind, 0) + 1
        waiting = {name for name, (is_waiting, _record) in self.units.items() if is_waiting}
        chain = Chain(plan, entities, Units(self._unit, waiting), stalls)
        chain.resume(self.now)
        return chain

    def open_changed(self, plan: Plan) -> Chain:
        """Under another plan: every entity meets it once."""
        chain = self.open(plan)
        for kind, key in self.entities:
            entity = chain.entities.get(kind, key)
            if entity is not None:
                chain.detect.adopt(entity, self.now)
        return chain

    def _entity(self, kind: str, key: str, plan: Plan, stalls: Stalls) -> Entity | None:
        if (kind, key) not in self.entities or kind not in plan.kinds:
            return None
        wanted, judges = plan.kinds[kind].wanted, plan.kinds[kind].judges
        stored = decode(self.entities[kind, key][1])
        entity = restore(kind, key, stored, self.layouts[stored.layout], Carried(wanted, stalls, self.now))
        dues = (entity.dues or {}).items()
        entity.wake = min((due + judges[index].lateness_ms for index, due in dues), default=NEVER)
        return entity

    def _unit(self, name: str) -> UnitState | None:
        return decode_unit(self.units[name][1]) if name in self.units else None
