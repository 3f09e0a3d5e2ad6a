"""Entities whose commits are tails are restored as they were, whoever comes next and whatever file he has."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from engine.core.detect import Detect
from engine.core.effects import Effects
from engine.core.entities import Entities
from engine.core.noting import compile_steps, noting, way_of
from engine.core.plan import Plan
from engine.core.shapes import Shape
from engine.core.state import Entity, Stalls, decode, encode
from engine.model import Event, Routed
from engine.shells.kafka import log as logs
from engine.shells.kafka import renewal
from engine.shells.kafka import replica as replicas
from engine.shells.kafka.log import PartitionLog
from engine.shells.kafka.replica import Replica
from engine.shells.memory import Memory
from tests.core.test_express import HIGH, a_plan
from tests.core.worlds import MONDAY
from tests.kafka.memory_link import MemoryLink

PEOPLE = [f"c{number}" for number in range(9)]


class Engine:
    """Takes events the express way where it can, over entities in memory or a replica."""

    def __init__(self, plan: Plan, entities: Entities) -> None:
        self.detect = Detect(plan, entities, Stalls(), Effects())
        kind, shape = plan.kinds["customer"], Shape("customer")
        self._way = way_of(compile_steps(kind, shape.place_of), "usage", "paid")
        self._note, self._decode = noting(self.detect, kind), shape.decode

    def take(self, number: int, key: str, at: int, *, is_plain: bool) -> None:
        raw = b'{"id":"e%d","event":"paid","at":%d,"customer":"%s","amount":2}' % (number, at, key.encode())
        row, body = self._decode(raw), 1_000_000 + number
        if is_plain and self._note(self._way, key, row.id, at, row, body, number, None):
            return
        event = Event(row.id, "paid", at, "usage", {"customer": key}, {"amount": 2}, at, body)
        self.detect.on_event(Routed("customer", key, number, event))


def stored(plan: Plan, record: bytes) -> dict[str, Any]:
    found = msgspec.to_builtins(decode(record))
    found[7] = [list(ids)[-20:] for ids in found[7]]
    return found


def of_entity(plan: Plan, entity: Entity) -> bytes:
    return encode(entity, plan.kinds["customer"].wanted.layout, plan.detectors)


@pytest.mark.parametrize("seed", range(40))
async def test_whoever_comes_next_remembers_the_same(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    monkeypatch.setattr(logs, "PART_BYTES", 400)
    monkeypatch.setattr(replicas, "WAITING_BYTES", random.choice((0, 800, 100_000)))
    monkeypatch.setattr(replicas, "SLICE", 4)
    monkeypatch.setattr(renewal, "ROWS", 1)
    monkeypatch.setattr(replicas, "RENEW_BYTES", random.choice((2_000, 20_000)))
    monkeypatch.setattr(renewal, "SLICE_BYTES", 300)
    plan, link, number, folder, tails = a_plan(HIGH), MemoryLink(), 0, 0, 0
    oracle, at = Engine(plan, Entities()), MONDAY

    async def taken_over(writer: str) -> tuple[Replica, Memory, Engine]:
        replica = Replica(PartitionLog(link, "log.detect", 0, writer), tmp_path / str(folder))
        await replica.restore()
        memory = Memory(replica, plan, Stalls(), at)
        return replica, memory, Engine(plan, memory.entities)

    replica, memory, engine = await taken_over("the first")
    for step in range(150):
        if random.random() < 0.08:
            replica.close(is_ours=random.random() < 0.5)
            folder += random.random() < 0.4  # the same folder again, or another
            replica, memory, engine = await taken_over(f"w{step}")
        for _ in range(random.randrange(4)):
            number, at = number + 1, at + random.choice((0, 1_000, 20_000))
            key, is_plain = random.choice(PEOPLE), random.random() < 0.9
            for each in (engine, oracle):
                each.take(number, key, at, is_plain=is_plain)
        if random.random() < 0.05:
            key = random.choice(PEOPLE)
            if memory.entities.get("customer", key) is not None:
                memory.entities.drop("customer", key)
                oracle.detect.entities.drop("customer", key)
                replica.drop_entities([("customer", key)])
        memory.save()
        tails += len(replica._next.tails)
        await replica.commit({"events": number})
        memory.saved()
        for key, entity in oracle.detect.entities.of_kind("customer").items():
            assert stored(plan, replica.entity("customer", key) or b"") == stored(plan, of_entity(plan, entity)), key
        assert sorted(replica.entity_keys("customer")) == sorted(oracle.detect.entities.of_kind("customer"))
    assert tails > 20
