"""Keyed events that go the express way of detect come to the same as those that go the long way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.chain import UNIT, Chain
from engine.core.plan import Plan
from engine.core.route import Row
from engine.core.state import decode, encode
from engine.model import Record, Routed, Tick
from engine.shells.kafka import wire
from engine.shells.kafka.keyed import taking_keyed
from tests.core.test_express import BUSY, FEW, HIGH, SILENT, SUM, WHERE, Engine, a_plan, rows
from tests.core.worlds import MONDAY
from tests.laws import crowd


class Read(msgspec.Struct):
    """A record of Kafka's, as far as detect looks at it."""

    offset: int
    key: bytes
    value: bytes
    timestamp: int
    timestamp_type: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


class Stage:
    """The step of the detect stage over records as they stand on the topic, with or without the express way."""

    def __init__(self, plan: Plan, *, is_express: bool) -> None:
        self.chain = Chain(plan)
        self.came: list[Any] = []
        self.taken = 0
        self._take_keyed = taking_keyed(self.chain.detect) if is_express else None

    def take(self, records: Sequence[Record]) -> None:
        for offset, record in enumerate(records):
            if isinstance(record, Tick):
                self.chain.detect.on_tick(record.at)
            elif isinstance(record, Routed) and record.entity != UNIT:
                self._take(Read(offset, wire.key_of(record), wire.encode(wire.addressed(record)), 0))
            effects = self.chain.effects.take()
            self.came += [effects.signals, effects.dead_letters, dict(effects.counts)]

    def _take(self, record: Read) -> None:
        if self._take_keyed is None or self._take_keyed([record], 0)[0] == 0:
            self.chain.detect.on_event(wire.routed_of(wire.read_event(record.value), record.offset))
        else:
            self.taken += 1

    def remembered(self) -> dict[str, Any]:
        found, plan = {}, self.chain.plan
        for kind, known in self.chain.entities.by_kind.items():
            for key, entity in known.items():
                stored = msgspec.to_builtins(decode(encode(entity, plan.kinds[kind].wanted.layout, plan.detectors)))
                stored[7] = [list(ids)[-20:] for ids in stored[7]]
                found[f"{kind}:{key}"] = stored
        return found


def both(plan: Plan, records: Sequence[Record]) -> Stage:
    slow, fast = Stage(plan, is_express=False), Stage(plan, is_express=True)
    for stage in (slow, fast):
        stage.take(records)
    assert fast.came == slow.came
    assert fast.remembered() == slow.remembered()
    return fast


@pytest.mark.parametrize(
    "specs",
    [(BUSY,), (BUSY, HIGH), (BUSY, HIGH, SUM, WHERE), (HIGH, FEW), (SUM, SILENT)],
    ids=["count", "mean", "where", "few", "silent"],
)
@given(given_rows=rows())
def test_the_express_way_comes_to_the_same(specs: Any, given_rows: list[Row]) -> None:
    plan = a_plan(*specs)
    router = Engine(plan, is_express=False).router
    both(plan, [found for found in router.route_all(given_rows, []) if not isinstance(found, Tick)])


@given(seed=st.integers(0, 100_000), disorder_s=st.sampled_from([0, 3_600]), shapes=st.booleans())
def test_it_does_for_several_entities_and_detectors_of_every_kind(seed: int, disorder_s: int, *, shapes: bool) -> None:
    plan = crowd.plan_of_every_kind(shapes=shapes)
    both(plan, crowd.records_of(plan, crowd.rows_of(seed, how_many=120, disorder_s=disorder_s)))


def test_ordinary_events_go_that_way() -> None:
    plan = a_plan(BUSY, HIGH)
    fields = [
        {"id": f"e{number}", "event": "paid", "at": MONDAY + number * 1_000, "customer": "ada", "amount": 1.5}
        for number in range(100)
    ]
    given_rows = [Row("usage", "a", number, orjson.dumps(each)) for number, each in enumerate(fields)]
    router = Engine(plan, is_express=False).router
    assert both(plan, [each for each in router.route_all(given_rows, []) if isinstance(each, Routed)]).taken >= 99
