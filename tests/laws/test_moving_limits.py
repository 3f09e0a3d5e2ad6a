"""The law for limits that are measures: what profiles, plans and forecasts say, however it is carried through."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest

from engine.core.plan import Plan
from engine.core.route import FILES, Row
from engine.model import Record
from engine.shells.wiring import load_configuration, plan_of
from tests.laws import crowd

HOUR_MS, DAYS = 3_600_000, 19
PROJECT = """
project: limits
entities: {queue: queue}
unit: [queue]
streams:
  tickets: {events: [ticket.opened, ticket.answered], lateness: 5s, stalled_after: 12h}
  shifts: {events: [shift.planned], lateness: 1m}
  queues: {family: profile, describes: queue, events: [profile.updated], lateness: 10s}
sinks: {log: {kind: stdout}}
channels: {desk: log}
"""
PLAY = "{play: look, to: owner, channel: desk, class: service, owner: a, title: t, text: '{{ why }}'}"
HEAD = "owner: care\nreason: demand\nper: queue\nthen: [{play: look}]\n"
DETECTORS = (
    """detector: too-many
watch:
  opened: {count: ticket.opened, over: 6h}
  agents: {profile: agents}
  calm: {formula: agents / 2}
when: {opened: {above: agents}}
resolve_when: {opened: {below: calm}}
for: 10m
why: "{{ opened }} for {{ agents }}"
""",
    """detector: behind
watch:
  opened: {count: ticket.opened, over: 4h}
  answered: {count: ticket.answered, over: 4h}
when: {answered: {below: opened}}
keep_firing_for: 30m
why: "{{ answered }} of {{ opened }}"
""",
    """detector: behind-for-days
watch:
  opened: {count: ticket.opened, every: 6h}
  answered: {count: ticket.answered, every: 6h}
when: {opened: {above: answered, in_a_row: 2}}
why: "{{ answered }} of {{ opened }}"
""",
    """detector: shift-too-small
watch:
  arrivals: {count: ticket.opened, every: 1h}
  coming: {forecast_of: arrivals, ahead: 3h, as: busiest}
  shift: {latest: shift.planned, field: agents, over: 8h}
when: {coming: {above: shift}}
why: "{{ coming }} for {{ shift }}"
""",
    """detector: short
watch:
  arrivals: {count: ticket.opened, every: 1h}
  most: {forecast_of: arrivals, ahead: 3h, at: 90%}
  fewest: {forecast_of: arrivals, ahead: 3h, at: 10%}
  agents: {profile: agents}
  short: {formula: most - agents}
when: {short: {above: 2}}
why: "{{ short }}, {{ fewest }} to {{ most }}"
""",
    """detector: renamed
watch: {mode: {profile: desk.mode}, wanted: {profile: wanted}}
when: {mode: {is_not: wanted}}
why: "{{ mode }} is not {{ wanted }}"
""",
    """detector: odd-load
watch:
  opened: {count: ticket.opened, over: 4h}
  agents: {profile: agents}
  load: {formula: opened / agents}
  oddness: {anomaly_of: load, needs: 40, step: 1h}
when: {oddness: {above: p90}}
why: "{{ oddness }}"
""",
)
NAMES = [text.split("\n")[0].removeprefix("detector: ") for text in DETECTORS]
SEEDS = (1, 2)


@cache
def plan() -> Plan:
    with TemporaryDirectory() as folder:
        config = Path(folder)
        texts = {"beforehand": PROJECT, "playbooks/p": PLAY, "detectors/d": "---\n".join(d + HEAD for d in DETECTORS)}
        for name, text in texts.items():
            path = config / f"{name}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return plan_of(load_configuration(config))


def rows_of(seed: int) -> list[Row]:
    """Busy by day; out of order by up to three hours, and a few rows come twice."""
    chance = random.Random(seed)
    moments = [
        hour * HOUR_MS + chance.randrange(HOUR_MS)
        for hour in range(DAYS * 24)
        for _ in range(chance.randrange(8 if 8 <= hour % 24 < 18 else 3))
        if not 9 * 24 <= hour < 9 * 24 + 16  # nothing for so long that the stream has stalled
    ]
    moments.sort(key=lambda at: at + chance.choice((0, 0, 0, 3_000, 3 * HOUR_MS)) * chance.random())
    rows = [_row(chance, number, at) for number, at in enumerate(moments)]
    return [row for row in rows for _ in range(chance.choice((1,) * 20 + (2,)))]


def _row(chance: random.Random, number: int, at: int) -> Row:
    fields: dict[str, object] = {"id": f"e{number}", "at": crowd.MONDAY + at, "queue": chance.choice("ab")}
    kind = chance.choices(("tickets", "shifts", "queues"), (90, 5, 5))[0]
    if kind == "tickets":
        fields["event"] = chance.choice(("ticket.opened", "ticket.opened", "ticket.answered"))
    elif kind == "shifts":
        fields |= {"event": "shift.planned", "agents": chance.choice((0, 1, 2, 5, "many"))}
    else:
        told = ({"agents": chance.randrange(9)}, {"agents": None}, {"desk": {"mode": chance.choice("xy")}})
        fields |= {"event": "profile.updated", "wanted": "x", **chance.choice(told)}
    return Row(kind, "rows.jsonl", number, orjson.dumps(fields), clock=FILES)


@cache
def records(seed: int) -> Sequence[Record]:
    return crowd.records_of(plan(), rows_of(seed))


@cache
def straight(seed: int) -> bytes:
    return crowd.straight(plan(), records(seed))


def test_every_detector_has_something_to_say() -> None:
    """Else the laws below would hold for nothing."""
    log = b"".join(straight(seed) for seed in SEEDS).decode()
    assert [name for name in NAMES if f'"detector":"{name}"' not in log] == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_batches_make_no_difference(seed: int, size: int) -> None:
    assert crowd.in_batches(plan(), records(seed), size) == straight(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_restarts_make_no_difference(seed: int) -> None:
    places = set(random.Random(seed).sample(range(len(records(seed))), 20))
    assert crowd.with_restarts(plan(), records(seed), places) == straight(seed)


@pytest.mark.parametrize("how_many", [1, 4, 16])
def test_partitions_make_no_difference(how_many: int) -> None:
    assert crowd.over_partitions(plan(), records(1), how_many) == straight(1)


def test_how_often_time_is_told_makes_no_difference_to_events_in_order() -> None:
    rows = sorted(rows_of(3), key=lambda row: int(orjson.loads(row.raw)["at"]))
    given = crowd.records_of(plan(), rows)
    seldom = list(crowd.with_ticks_before_each_event(given))
    often = list(crowd.with_ticks_every(given, 300_000))
    assert crowd.straight(plan(), often) == crowd.straight(plan(), seldom)
