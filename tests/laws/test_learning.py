"""The law for measures that learn: five weeks of a few accounts, however carried through, end in the same bytes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest

from engine.core.chain import Chain
from engine.core.plan import Plan
from engine.core.route import FILES, Row
from engine.core.state import encode
from engine.model import Record
from engine.shells.wiring import load_configuration, plan_of
from tests.core.restarts import Disk
from tests.laws import crowd

HOUR_MS, DAYS = 3_600_000, 35
PROJECT = """
project: learning
entities: {account: account, queue: queue}
unit: [account]
streams:
  usage: {events: [page.loaded, usage.login, ticket.opened], lateness: 5s, stalled_after: 12h}
  crm: {family: profile, describes: account, events: [profile.updated]}
sinks: {log: {kind: stdout}}
channels: {desk: log}
"""
PLAY = "{play: look, to: owner, channel: desk, class: service, owner: a, title: t, text: '{{ why }}'}"
HEAD = "owner: care\nreason: errors\nper: account\nthen: [{play: look}]\n"
DETECTORS = (
    """detector: below-usual
watch: {logins: {count: usage.login, every: 1d}}
usual: {looking_back: 4w, needs: 2}
when: {logins: {below_usual_by: 30%}}
why: "{{ logins }} of {{ usual_logins }}"
""",
    """detector: above-usual
watch: {took: {average: page.loaded, field: ms, every: 6h}}
usual: {looking_back: 2w, same: hour, needs: 3}
when: {took: {above_usual_by: 3sd}}
why: "{{ took }}, usual are {{ usual_took }}"
""",
    """detector: odd
watch:
  loads: {count: page.loaded, over: 4h}
  took: {average: page.loaded, field: ms, over: 4h}
  oddness: {anomaly_of: [loads, took], needs: 60, rest: 20, step: 1h}
when: {oddness: {above: p95}}
for: 30m
why: "{{ oddness }}"
""",
    """detector: odder
watch:
  took: {highest: page.loaded, field: ms, every: 4h}
  oddness: {anomaly_of: took, needs: 55}
when: {oddness: {above: p95}}
why: "{{ oddness }}"
""",
    """detector: shifted
watch:
  took: {average: page.loaded, field: ms, over: 6h}
  shift: {drift_of: took, as: percent, needs: 20}
when: {any_of: [{shift: {above: 5%}}, {shift: {below: -5%}}]}
why: "{{ shift }}"
""",
    """detector: shifted-by-sums
watch:
  took: {average: page.loaded, field: ms, every: 6h}
  shift: {drift_of: took, by: page_hinkley, needs: 12, threshold: 5}
when: {shift: {above: 1}}
why: "{{ shift }}"
""",
    """detector: rush
per: queue
watch:
  arrivals: {count: ticket.opened, every: 1h}
  coming: {forecast_of: arrivals, ahead: 3h, at: 80%}
when: {coming: {above: 3}}
why: "{{ coming }}"
""",
)
NAMES = [text.split("\n")[0].removeprefix("detector: ") for text in DETECTORS]
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
SEEDS = (1, 2)


@cache
def plan() -> Plan:
    with TemporaryDirectory() as folder:
        config = Path(folder)
        detectors = "---\n".join(
            text + (HEAD if "\nper:" not in text else HEAD.replace("per: account\n", "")) for text in DETECTORS
        )
        for name, text in (("beforehand", PROJECT), ("detectors/d", detectors), ("playbooks/p", PLAY)):
            path = config / f"{name}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return plan_of(load_configuration(config))


def rows_of(seed: int) -> list[Row]:
    """Busy by day and quiet by night; in the fourth week half as much goes on, and it takes longer."""
    chance = random.Random(seed)
    moments = [
        hour * HOUR_MS + chance.randrange(HOUR_MS) for hour in range(DAYS * 24) for _ in range(busy(chance, hour))
    ]
    # Out of order by up to three hours, and a few come twice.
    moments.sort(key=lambda at: at + chance.choice((0, 0, 0, 3_000, 3 * HOUR_MS)) * chance.random())
    rows = [_row(chance, number, at) for number, at in enumerate(moments)]
    return [row for row in rows for _ in range(chance.choice((1,) * 20 + (2,)))]


def busy(chance: random.Random, hour: int) -> int:
    if 17 * 24 <= hour < 17 * 24 + 16:  # nothing for so long that the stream has stalled
        return 0
    most = 8 if 8 <= hour % 24 < 18 else 3
    return chance.randrange(max(2, most // 2) if hour > 24 * 21 else most)


def _row(chance: random.Random, number: int, at: int) -> Row:
    fields = {"id": f"e{number}", "at": crowd.MONDAY + at, "account": f"a{chance.randrange(3)}"}
    if chance.random() < 0.004:
        fields |= {"event": "profile.updated", "time_zone": chance.choice(ZONES)}
        return Row("crm", "rows.jsonl", number, orjson.dumps(fields), clock=FILES)
    slow = 60 if at > 24 * 21 * HOUR_MS else 0
    fields |= {"event": chance.choice(("page.loaded", "page.loaded", "usage.login", "ticket.opened"))}
    fields |= {
        "queue": chance.choice("ab"),
        "ms": round(chance.gauss(200 + slow, 15)) * (9 if chance.random() < 0.002 else 1),
    }
    return Row("usage", "rows.jsonl", number, orjson.dumps(fields), clock=FILES)


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
@pytest.mark.parametrize("restarts", [3, 40])
def test_restarts_make_no_difference(seed: int, restarts: int) -> None:
    places = set(random.Random(seed).sample(range(len(records(seed))), restarts))
    assert crowd.with_restarts(plan(), records(seed), places) == straight(seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how_many", [1, 4, 16])
def test_partitions_make_no_difference(seed: int, how_many: int) -> None:
    assert crowd.over_partitions(plan(), records(seed), how_many) == straight(seed)


def test_what_is_written_is_what_was_known() -> None:
    chain, disk = Chain(plan()), Disk()
    chain.take_all(records(1))
    disk.save(chain)
    read = disk.open(plan())
    for kind, known in chain.entities.by_kind.items():
        for key, entity in known.items():
            again = read.entities.get(kind, key)
            assert again is not None
            assert again.slots == entity.slots


def test_a_record_stays_within_its_budget() -> None:
    """Two series that are looked at together and another one, two usuals, two shifts."""
    chain = Chain(plan())
    chain.take_all(records(1))
    known = plan().kinds["account"].wanted.layout
    sizes = [len(encode(each, known, plan().detectors)) for each in chain.entities.by_kind["account"].values()]
    assert max(sizes) < 45_000
