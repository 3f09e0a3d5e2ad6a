"""Fan-out obeys the law, and tells exactly those who are members: judged by looking through all events each time."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.chain import Chain
from engine.core.plan import Plan
from engine.core.route import FILES, Row
from engine.model import Record, Routed, Signal
from engine.spec.members import FanOutSpec, ForEach
from engine.spec.policies import LimitSpec, Policies, QuietHours
from engine.spec.types import CourseStep, StreamSpec
from tests.core.worlds import MONDAY, compare, detector, is_, ms, planned, play, watch
from tests.laws import crowd

A_FEW = settings(max_examples=settings.default.max_examples // 4)
OVER_MS = ms("3h")
LATE = (is_("status", "late"),)
REMINDER = CourseStep(name="reminder", after_ms=ms("40m"), play=play("sorry", text="{{ step }} {{ amount }} still"))
PLAYS = (
    play("warn", to="owner"),
    play("ask", to="owner", text="{{ members }} {{ incident }}"),
    play("sorry", text="{{ step }} {{ amount }}", expires="1d", steps=(REMINDER,)),
    play("over", text="over", obeys_limits=False),
    play("task", to="owner", text="{{ amount }}"),
)
RULES = Policies(
    limits=(LimitSpec(at_most=2, over_ms=ms("12h")),),
    quiet_hours=QuietHours(from_minute=22 * 60, to_minute=6 * 60, unknown_zone=("UTC",)),
    fan_out=FanOutSpec(ask_above=3, ask="ask"),
)


def plan_of(lateness: str, wait: str, policies: Policies) -> Plan:
    streams = (StreamSpec(name="usage", lateness_ms=ms(lateness)),)
    seen = {"kind": "customer", "events": ("scan",), "over_ms": OVER_MS, "where": LATE}
    told = ForEach(**seen, play="sorry", facts=("amount",), update_on=("amount",), all_clear="over")
    spread = ForEach(**seen, play="task", facts=("amount",), portion=1, span_ms=ms("20m"), keep_adding=False)
    many = compare("late", "at_least", 3)
    late = watch("late", "count", "scan", over="2h", where={"status": "late"})
    specs = (
        detector("trouble", "region", many, late, play="warn", for_each=(told,), for_="10m"),
        detector("tasks", "region", many, late, play="", for_each=(spread,), keep_firing_for="1h", cooldown="6h"),
    )
    return planned(specs, streams=streams, wait_ms=ms(wait), plays=PLAYS, policies=policies)


def rows_of(seed: int, how_many: int = 220, disorder_s: int = 0) -> list[Row]:
    """A day in two regions; one customer moves between them, and now and then somebody approves or declines."""
    chance = random.Random(seed)
    moments = sorted(chance.randrange(86_400) for _ in range(how_many))
    moments.sort(key=lambda at: at + chance.randrange(disorder_s + 1))
    return [_row(chance, number, MONDAY + at * 1_000) for number, at in enumerate(moments)]


def _row(chance: random.Random, number: int, at: int) -> Row:
    customer = chance.randrange(9)
    region = "north" if customer < 6 or chance.random() < 0.5 else "south"
    fields: dict[str, object] = {"id": f"e{number}", "at": at, "region": region, "event": "scan"}
    if chance.random() < 0.05:
        fields |= {"event": chance.choice(("fanout.approved", "fanout.declined")), "by": "lena"}
    else:
        fields |= {"customer": f"c{customer}", "status": chance.choice(("late", "ok", "ok")), "amount": number % 2}
        if customer % 2:
            fields["account"] = f"a{customer % 3}"
    return Row("usage", "rows.jsonl", number, orjson.dumps(fields), clock=FILES)


def happenings(seed: int) -> tuple[Plan, list[Record]]:
    plan = plan_of(("0s", "5s")[seed % 2], ("0s", "10m")[seed // 2 % 2], RULES)
    return plan, crowd.records_of(plan, rows_of(seed, disorder_s=(0, 4, 3_600)[seed % 3]))


seeds = st.integers(0, 10**6)


def test_the_stories_meet_what_only_fan_out_has() -> None:
    """Else the laws below would hold for nothing."""
    log = b"".join(crowd.straight(*happenings(seed)) for seed in range(6))
    for found in ("approval", "spread", "not_told", "resolved"):
        assert f'"gate":"{found}"'.encode() in log, found
    for step in ("update:1", "all-clear", "ask", "reminder"):
        assert f'"step":"{step}"'.encode() in log, step


@A_FEW
@given(seed=seeds, size=st.sampled_from([1, 7, 1_000]))
def test_batches_make_no_difference(seed: int, size: int) -> None:
    plan, records = happenings(seed)
    assert crowd.in_batches(plan, records, size) == crowd.straight(plan, records)


@A_FEW
@given(seed=seeds, restarts=st.integers(1, 20))
def test_restarts_make_no_difference(seed: int, restarts: int) -> None:
    plan, records = happenings(seed)
    places = set(random.Random(seed).sample(range(len(records)), restarts))
    assert crowd.with_restarts(plan, records, places) == crowd.straight(plan, records)


@A_FEW
@given(seed=seeds, how_many=st.sampled_from([1, 4, 16]))
def test_partitions_make_no_difference(seed: int, how_many: int) -> None:
    plan, records = happenings(seed)
    assert crowd.over_partitions(plan, records, how_many) == crowd.straight(plan, records)


@A_FEW
@given(seed=seeds, lateness=st.sampled_from(["0s", "5s"]), wait=st.sampled_from(["0s", "10m"]))
def test_how_often_time_is_told_makes_no_difference_to_events_in_order(seed: int, lateness: str, wait: str) -> None:
    plan = plan_of(lateness, wait, RULES)
    records = crowd.records_of(plan, rows_of(seed))
    seldom = list(crowd.with_ticks_before_each_event(records))
    often = list(crowd.with_ticks_every(records, 300_000))
    assert crowd.straight(plan, often) == crowd.straight(plan, seldom)


@A_FEW
@given(seed=seeds)
def test_exactly_the_members_are_told_and_each_state_once(seed: int) -> None:
    plan = plan_of("0s", "0s", Policies())
    rows = rows_of(seed)
    records = crowd.records_of(plan, rows)
    chain = Chain(plan)
    chain.take_all(records)
    effects = chain.drain()
    for group in [one for one in effects.signals if one.member is None and one.state == "firing"]:
        over = [one for one in effects.signals if one.id == group.id and one.state == "resolved"]
        mine = [one for one in effects.signals if one.member and one.member.incident == group.id]
        expected = members_of(records, group, over[0].at if over else 1 << 62, is_open=group.detector == "trouble")
        first = [one.key for one in mine if one.state == "firing" and one.member and one.member.step == "first"]
        assert sorted(first) == sorted(expected), "each member once"
        resolved = [one.key for one in mine if one.state == "resolved"]
        assert sorted(resolved) == (sorted(expected) if over else []), "and it is over for each of them once"
        updates = [one.key for one in mine if one.member and one.member.step.startswith("update")]
        wanted = [who for who, changes in expected.items() for _ in range(changes)]
        assert sorted(updates) == (sorted(wanted) if group.detector == "trouble" else [])
    ids = [action.id for action in effects.actions]
    assert len(set(ids)) == len(ids)
    told = {(one.recipient, one.step, msgspec.json.encode(one.play), one.signal_id) for one in effects.actions}
    assert len(told) == len(ids)


def members_of(records: Sequence[Record], group: Signal, until: int, *, is_open: bool) -> dict[str, int]:
    """Whoever had a late scan in that region lately, or got one while it was open, with how often a fact changed."""
    found: dict[str, int] = {}
    last: dict[str, object] = {}
    for record in records:
        if not (isinstance(record, Routed) and record.entity == "region" and record.key == group.key):
            continue
        event = record.event
        if event.event != "scan" or event.attributes["status"] != "late" or event.at >= until:
            continue
        who, amount = event.entities["customer"], event.attributes["amount"]
        if group.at - OVER_MS < event.at <= group.at:
            found.setdefault(who, 0)
        elif event.at > group.at and (is_open or who in found):
            found[who] = found[who] + (last[who] != amount) if who in found else 0
        last[who] = amount
    return found
