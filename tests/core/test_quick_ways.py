"""What is written out for speed says the same as the plain form of it, which is kept as its oracle."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.chain import Chain
from engine.core.glance import Asked, asked_on_line, compile_glance
from engine.core.route import FILES, Router, Row, Watched
from engine.core.state import Carried, Entity, Stalls, decode, encode, restore
from engine.model import DeadLetter, Event, Json, Routed
from engine.spec.types import AllOf, AnyOf, Bounds, ConditionSpec, EntitySpec, ProjectSpec, StreamSpec
from tests.core.worlds import MONDAY, World, compare, detector, planned, watch
from tests.laws.people import measure

MINUTE = 60_000
EVENT_TYPES = ("paid", "refunded", "opened")

# ---- rows


PLAIN = EntitySpec(kind="customer", fields=("customer",))
ACCOUNT = EntitySpec(kind="account", fields=("account",))
CART = EntitySpec(kind="cart", fields=("customer", "cart"))
STREAMS = (
    StreamSpec(name="usage"),
    StreamSpec(name="strict", strict_json=True),
    StreamSpec(name="stalls", stalled_after_ms=30_000),
    StreamSpec(name="crm", family="profile", describes="customer"),
)
BY_EVENT = {"paid": ("customer",), "opened": ("account", "cart", "customer")}
WATCHED = (Watched(frozenset(), BY_EVENT), Watched(frozenset(), BY_EVENT, frozenset({"opened", "closed"})))

DEEP: Json = [[[[[[[[[[7]]]]]]]]]]
values = st.sampled_from(["", "ada", "x" * 300, 7, 7.5, True, None, [1], {"a": 1}, 1 << 60, DEEP])
odd_fields = st.dictionaries(
    st.sampled_from(["id", "event", "at", "customer", "account", "cart", "note", "specversion", "schema_version"]),
    values,
    max_size=3,
)
raws = st.sampled_from(
    [b"", b"null", b"[]", b"7", b"{", b'{"id":"\xff"}', b"\xef\xbb\xbf{}", b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"]
)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Mostly ordinary rows of several streams, in an order of time that is mostly kept."""
    found, at = [], MONDAY
    clock = draw(st.sampled_from([FILES, ""]))
    for number in range(draw(st.integers(1, 25))):
        at += draw(st.sampled_from([0, 1, 400, 1_000, 61_000, -5_000]))
        plain: dict[str, Any] = {"id": f"e{number}", "event": draw(st.sampled_from(EVENT_TYPES)), "at": at}
        fields = plain | {"customer": draw(st.sampled_from(["ada", "bob"])), "account": "acme"}
        fields |= draw(odd_fields) if draw(st.integers(0, 3)) == 0 else {}
        fields |= draw(st.sampled_from([{}] * 8 + [{"note": DEEP}, {"note": {"a": "b"}}]))
        raw = draw(raws) if draw(st.integers(0, 9)) == 0 else orjson.dumps(fields)
        stream = draw(st.sampled_from(["usage", "usage", "usage", "strict", "stalls", "crm", "nobody"]))
        arrived = draw(st.sampled_from([0, 0, at, at - 10**7]))
        found.append(Row(stream, draw(st.sampled_from(["a", "b"])), number, raw, None, arrived, "", clock))
    return found


@pytest.mark.parametrize("entities", [(PLAIN,), (PLAIN, ACCOUNT), (PLAIN, ACCOUNT, CART)], ids=len)
@given(given_rows=rows(), watched=st.sampled_from(WATCHED))
def test_rows_routed_together_come_to_what_they_come_to_one_by_one(
    entities: tuple[EntitySpec, ...], given_rows: list[Row], watched: Watched
) -> None:
    project = ProjectSpec(entities=entities, streams=STREAMS, bounds=Bounds(depth=8))
    slowly, quickly = Router(project, watched), Router(project, watched)
    one_by_one = [each for row in given_rows for each in [*slowly.route(row), *slowly.ticks()]]
    letters: list[DeadLetter] = []
    together = list(quickly.route_all(given_rows, letters))
    assert together == [each for each in one_by_one if not isinstance(each, DeadLetter)]
    assert letters == [each for each in one_by_one if isinstance(each, DeadLetter)]
    assert quickly.changes() == slowly.changes()
    assert quickly.counts == slowly.counts


# ---- counts and sums


steps = st.tuples(
    st.sampled_from([0, 1, 10, 50, 50, 60, 85, -10, -30, -55]),
    st.sampled_from([1.5, -0.1, 2.5, 0.3, 3, 1e301, None, True, "7"]),
    st.sampled_from([0, 0, 0, 10, 30]),
)


@given(
    word=st.sampled_from(["count", "average"]),
    shape=st.sampled_from([(60_000, 6), (100_000, 7), (30_000, 1)]),
    moments=st.lists(steps, min_size=1, max_size=30),
)
def test_the_quick_adders_do_what_the_general_one_does(
    word: str, shape: tuple[int, int], moments: list[tuple[int, Json, int]]
) -> None:
    field = {"field": "amount"} if word == "average" else {}
    tracker, _reader = measure(word, event=("paid",), over=shape[0], panes=shape[1], **field)
    known = Entity("customer", "ada", 1, Stalls())
    known.seen_at = at = MONDAY
    quick, general = tracker.empty(known), tracker.empty(known)
    for number, (step, amount, waiting) in enumerate(moments):
        at += step * 1_000
        event = Event(str(number), "paid", at, "usage", {}, {"amount": amount})
        assert tracker.add(quick, event, known) is tracker._add_any(general, event, known)
        assert quick == general
        for slot in (quick, general):
            tracker.advance(slot, (at + waiting * 1_000) // tracker.pane_ms)


# ---- conditions

comparators = st.sampled_from(["above", "below", "at_least", "at_most", "is_not"])
leaves = st.one_of(
    st.builds(
        compare, st.sampled_from(["n", "mean", "share", "rate", "total", "top"]), comparators, st.integers(-2, 6)
    ),
    st.builds(compare, st.sampled_from(["mean", "share", "rate"]), comparators, st.floats(-2, 6)),
)
conditions = st.recursive(
    leaves,
    lambda parts: st.builds(
        lambda some, how: how(tuple(some)), st.lists(parts, min_size=2, max_size=3), st.sampled_from([AllOf, AnyOf])
    ),
    max_leaves=5,
)
MEASURES = (
    watch("n", "count", "paid", over="10m", panes=5),
    watch("mean", "average", "paid", field="amount", over="10m", panes=5),
    watch("share", "share", "paid", where={"kind": "a"}, over="10m", panes=5),
    watch("rate", "rate", "refunded", over="10m", panes=5, unit="1m"),
    watch("total", "sum", "paid", field="amount", over="10m", panes=5),
    watch("top", "highest", "paid", field="amount", over="10m", panes=5),
)


@given(specs=st.lists(conditions, min_size=1, max_size=4), seed=st.integers(0, 10_000))
def test_a_glance_finds_exactly_the_conditions_that_hold(specs: list[ConditionSpec], seed: int) -> None:
    plan = planned([detector(f"d{number}", "customer", spec, *MEASURES) for number, spec in enumerate(specs)])
    kind, chance = plan.kinds["customer"], random.Random(seed)
    entity = Entity("customer", "ada", len(kind.trackers), Stalls())
    entity.first_seen = entity.seen_at = now = MONDAY
    for number in range(12):
        name = chance.choice(("paid", "refunded"))
        now += chance.choice((0, 1_000, 2 * MINUTE, 11 * MINUTE))
        entity.seen_at = max(entity.seen_at, now)
        ops = kind.by_event.get(name, kind.otherwise)
        event = Event(
            str(number), name, now, "usage", {}, {"amount": chance.randint(-3, 9) / 2, "kind": chance.choice("ab")}
        )
        for at, add in ops.adds:
            entity.slots[at] = entity.slots[at] or kind.trackers[at].empty(entity)
            add(entity.slots[at], event, entity)
        holding = tuple(judge for judge in ops.plain if judge.when.truth(entity, entity.seen_at))
        assert ops.glance(entity, entity.seen_at) == holding


def test_an_error_in_a_glance_is_put_down_to_the_condition_it_was_asking() -> None:
    def fails(entity: Entity, now: int) -> bool:
        raise ZeroDivisionError

    def holds(entity: Entity, now: int) -> bool:
        return True

    glance = compile_glance([Asked(holds, "first"), Asked(fails, "second")], ())
    with pytest.raises(ZeroDivisionError) as raised:
        glance(Entity("customer", "ada", 0, Stalls()), MONDAY)
    frames = [(each.frame.f_globals, each.lineno + 1) for each in raised.traceback]
    assert [asked for names, line in frames if (asked := asked_on_line(names, line))] == ["second"]


# ---- a busy entity


def test_a_firing_signal_ends_on_time_however_many_events_kept_it_firing() -> None:
    world = World(
        detector("busy", "customer", compare("n", "at_least", 3), watch("n", "count", "paid", over="10m", panes=10))
    )
    for second in range(0, 240, 5):
        world.event("paid", f"{second}s", customer="ada")
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "10s"), ("resolved", "ada", "13m")]


def test_a_late_event_keeps_a_signal_up_no_longer_than_it_counts() -> None:
    """1m     5m   6m        11m       15m
    late ------x   10   -20        |         |      the mean is above 5 only as long as the late 100 counts
    """
    mean = watch("mean", "average", "paid", field="amount", over="10m", panes=10)
    world = World(detector("dear", "customer", compare("mean", "above", 5), mean))
    for moment, amount in (("5m", 10), ("1m", 100), ("6m", -20)):
        world.hears("paid", moment, customer="ada", amount=amount)
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "5m"), ("resolved", "ada", "11m")]


# ---- the record of a busy entity


@given(counts=st.lists(st.integers(0, 200), min_size=1, max_size=6))
def test_seen_ids_are_written_whole_however_often_they_were_written_before(counts: list[int]) -> None:
    plan = planned(
        [detector("busy", "customer", compare("n", "at_least", 10**6), watch("n", "count", "paid", over="10m"))],
        bounds={"seen_ids": 400},
    )
    chain, number = Chain(plan), 0
    layout = plan.kinds["customer"].wanted.layout
    for count in [1, *counts]:
        for _ in range(count):
            number += 1
            event = Event(f"e{number}", "paid", MONDAY + number, "usage", {"customer": "ada"}, {}, body=number)
            chain.take(Routed("customer", "ada", number, event))
        entity = chain.entities.of_kind("customer")["ada"]
        stored = decode(encode(entity, layout, plan.detectors))
        again = restore("customer", "ada", stored, layout, Carried(plan.kinds["customer"].wanted, Stalls(), 0))
        assert list(again.ids.items()) == list(entity.ids.items())
        assert (again.ids_before or None) == (entity.ids_before or None)


@given(moments=st.lists(st.sampled_from([0, 5, 10, 15, 40, 100]), min_size=1, max_size=20))
def test_a_pane_that_begins_by_itself_is_the_same_as_one_that_an_event_begins(moments: list[int]) -> None:
    tracker, _reader = measure("average", event=("paid",), over=60_000, panes=6, field="amount")
    known = Entity("customer", "ada", 1, Stalls())
    known.seen_at = at = MONDAY
    begun, general = tracker.empty(known), tracker.empty(known)
    for number, step in enumerate(moments):
        at += step * 1_000
        event = Event(str(number), "paid", at, "usage", {}, {"amount": 1.5 + number})
        if begun[1] != at // tracker.pane_ms:
            tracker.renew(begun, at // tracker.pane_ms)
        assert tracker.add(begun, event, known) is tracker._add_any(general, event, known)
        assert begun == general
