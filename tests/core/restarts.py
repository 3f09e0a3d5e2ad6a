"""A chain written down and read again, the way a store does it, without the store."""

from __future__ import annotations

from engine.core.chain import Chain
from engine.core.decide import Units, decode_unit, encode_unit
from engine.core.entities import Entities
from engine.core.gates import UnitState
from engine.core.plan import Plan
from engine.core.state import Carried, Entity, Stalls, decode, encode, restore
from engine.ports import NEVER


class Record:
    """What lies on the disk: entities and units as bytes, and how their records are laid out."""

    def __init__(self, chain: Chain) -> None:
        plan = chain.plan
        self.layouts = {kind: each.wanted.layout for kind, each in plan.kinds.items()}
        self.entities = {
            (kind, key): encode(entity, self.layouts[kind], plan.detectors)
            for kind, known in chain.entities.by_kind.items()
            for key, entity in known.items()
        }
        self.units = {name: encode_unit(unit) for name, unit in chain.units.known.items()}
        self.waiting = {name for name, unit in chain.units.known.items() if unit.waiting}
        self.by_event = {event: list(spans) for event, spans in chain.stalls.by_event.items()}
        self.now = chain.now

    def alarms(self, plan: Plan) -> list[tuple[int, str, str]]:
        found = ((self.entity(kind, key, plan, Stalls()), kind, key) for kind, key in self.entities)
        return [(entity.wake, kind, key) for entity, kind, key in found if entity and entity.wake < NEVER]

    def entity(self, kind: str, key: str, plan: Plan, stalls: Stalls) -> Entity | None:
        record = self.entities.get((kind, key))
        if record is None or kind not in plan.kinds:
            return None
        kind_plan = plan.kinds[kind]
        into = Carried(kind_plan.wanted, stalls, self.now)
        entity = restore(kind, key, decode(record), self.layouts[kind], into)
        dues = (entity.dues or {}).items()
        entity.wake = min((due + kind_plan.judges[index].lateness_ms for index, due in dues), default=NEVER)
        return entity

    def unit(self, name: str) -> UnitState | None:
        record = self.units.get(name)
        return None if record is None else decode_unit(record)


def restarted(chain: Chain, plan: Plan | None = None) -> Chain:
    """A chain that knows only what was written of this one; under a changed plan, carried over to it."""
    record, wanted, stalls = Record(chain), plan or chain.plan, Stalls()
    stalls.by_event = record.by_event
    entities = Entities(lambda kind, key: record.entity(kind, key, wanted, stalls))
    entities.set_alarms(record.alarms(wanted))
    for kind, _key in record.entities:
        entities.stored[kind] = entities.stored.get(kind, 0) + 1
    fresh = Chain(wanted, entities, Units(record.unit, record.waiting), stalls)
    fresh.now = record.now
    if plan is not None:
        for kind, key in record.entities:
            entity = entities.get(kind, key)
            if entity is not None:
                fresh.detect.adopt(entity, record.now)
    return fresh
