"""Rows that go the express way come to the same as rows that are routed and detected one after the other."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.chain import Chain
from engine.core.express import Express
from engine.core.plan import Plan
from engine.core.route import FILES, Router, Row
from engine.core.state import decode, encode
from engine.model import DeadLetter
from engine.spec.types import AllOf, EntitySpec, Happened, StreamSpec
from tests.core.worlds import MONDAY, compare, detector, kept, planned, watch

N = watch("n", "count", "paid", over="10m", panes=5)
MEAN = watch("mean", "average", "paid", field="amount", over="10m", panes=5)
TOTAL = watch("total", "sum", ("paid", "opened"), field="amount", over="1m", panes=3)
DEAR = watch("dear", "count", "refunded", where={"kind": "dear"}, over="10m", panes=5)
BUSY = detector("busy", "customer", compare("n", "at_least", 3), N)
HIGH = detector("high", "customer", AllOf((compare("n", "at_least", 2), compare("mean", "above", 4))), N, MEAN)
SUM = detector("sum", "customer", compare("total", "above", 20), TOTAL, cooldown="5m")
WHERE = detector("where", "customer", compare("dear", "at_least", 2), DEAR)
FEW = detector("few", "customer", compare("n", "below", 2), N)
ASKS = detector("asks", "customer", compare("n", "at_least", 3), N, unless=(Happened(("opened", "paid"), (), 60_000),))
SILENT = detector("silent", "customer", kept("absent", event="paid", within=600_000))
STREAMS = (StreamSpec(name="usage"), StreamSpec(name="billing"), StreamSpec(name="stalls", stalled_after_ms=30_000))

odd = st.sampled_from(["", "ada", "x" * 300, 7, 7.5, 1 << 64, -(1 << 63), True, None, [1], {"a": 1}, "\u00e9", 1e300])
odd_fields = st.dictionaries(
    st.sampled_from(["id", "event", "at", "customer", "amount", "note", "s\u00fc\u00df", 'a"b', "specversion"]),
    odd,
    max_size=2,
)
broken = st.sampled_from(
    [b"", b"null", b"[]", b"{", b'{"id":"\xff"}', b'{"amount":1e999}', b'{"note":"\\ud800"}', b'\xef\xbb\xbf{"id":"a"}']
)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Mostly ordinary rows, often of one stream, with some repeats, conflicts, late ones and broken ones."""
    found, at = [], MONDAY
    clock = draw(st.sampled_from([FILES, ""]))
    for number in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([0, 1, 400, 1_000, 20_000, 61_000, 700_000, -5_000, -300_000]))
        again = draw(st.integers(0, 7)) == 0
        fields: dict[str, Any] = {"id": f"e{draw(st.integers(0, number)) if again else number}"}
        fields |= {"event": draw(st.sampled_from(["paid", "paid", "paid", "opened", "refunded", "unknown"])), "at": at}
        fields |= {"customer": draw(st.sampled_from(["ada", "ada", "bob"]))}
        fields |= {"amount": draw(st.sampled_from([1.5, 9.5, 3, -2.25, 0.1, 1e301]))}
        fields |= {"kind": "dear"} if draw(st.booleans()) else {}
        fields |= draw(odd_fields) if draw(st.integers(0, 5)) == 0 else {}
        raw = draw(broken) if draw(st.integers(0, 14)) == 0 else orjson.dumps(_without_large(fields))
        stream = draw(st.sampled_from(["usage", "usage", "usage", "usage", "billing", "stalls", "nobody"]))
        arrived = draw(st.sampled_from([0, 0, at, at - 10**7]))
        found.append(Row(stream, draw(st.sampled_from(["a", "a", "b"])), number, raw, None, arrived, "", clock))
        if draw(st.integers(0, 9)) == 0:
            found.append(found[-1])
    return found


def _without_large(fields: dict[str, Any]) -> dict[str, Any]:
    """orjson writes no number beyond 64 bits; the rows that hold one are written as text elsewhere."""
    return {name: 1 if value == 1 << 64 else value for name, value in fields.items()}


def a_plan(*specs: Any) -> Plan:
    entities = (EntitySpec(kind="customer", fields=("customer",)),)
    return planned(specs, entities=entities, streams=STREAMS, bounds={"seen_ids": 8}, dedup_for_ms=1_200_000)


class Engine:
    """A router and a chain, and all that came of the rows they took."""

    def __init__(self, plan: Plan, *, is_express: bool) -> None:
        self.plan = plan
        self.router = Router(plan.configuration.project, plan.watched)
        self.chain = Chain(plan)
        self.letters: list[DeadLetter] = []
        self.came: list[Any] = []
        self._express = Express(self.router, self.chain) if is_express else None

    def take(self, batch: list[Row]) -> None:
        if self._express:
            self._express.take(batch, self.letters)
        else:
            self.chain.take_all(self.router.route_all(batch, self.letters))
        effects = self.chain.drain()
        self.came += [effects.signals, effects.decisions, effects.actions, effects.dead_letters, dict(effects.counts)]

    def end(self) -> None:
        self.chain.take_all(self.router.end())
        self.take([])

    def records(self) -> dict[str, Any]:
        """Everything that is stored of each entity. Of evidence more than the latest may be, which is never read."""
        layout, found = self.plan.kinds["customer"].wanted.layout, {}
        for key, entity in self.chain.entities.of_kind("customer").items():
            stored = msgspec.to_builtins(decode(encode(entity, layout, self.plan.detectors)))
            stored[7] = [list(ids)[-20:] for ids in stored[7]]
            found[key] = stored
        return found


@pytest.mark.parametrize(
    "specs",
    [(BUSY,), (BUSY, HIGH), (BUSY, HIGH, SUM, WHERE), (HIGH, FEW), (SUM, SILENT), (ASKS, WHERE)],
    ids=["count", "mean", "where", "few", "silent", "heard"],
)
@given(given_rows=rows(), size=st.sampled_from([1, 3, 100]), writes=st.booleans())
def test_the_express_way_comes_to_the_same(specs: Any, given_rows: list[Row], size: int, writes: bool) -> None:
    slow, fast = Engine(a_plan(*specs), is_express=False), Engine(a_plan(*specs), is_express=True)
    for at in range(0, len(given_rows), size):
        for engine in (slow, fast):
            engine.take(given_rows[at : at + size])
            if writes:
                engine.records()
    for engine in (slow, fast):
        engine.end()
    assert fast.came == slow.came
    assert fast.letters == slow.letters
    assert fast.router.changes() == slow.router.changes()
    assert fast.router.counts == slow.router.counts
    assert fast.records() == slow.records()
