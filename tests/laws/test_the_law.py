"""The law: over the same records the same decisions come out, byte for byte, however they are carried through."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.chain import Chain
from engine.core.plan import Plan
from engine.core.state import Entity
from engine.model import Record
from tests.core.restarts import Disk
from tests.laws import crowd

ROOT = Path(__file__).parents[2]
A_FEW = settings(max_examples=settings.default.max_examples // 8)
# In order, out of order within what lateness allows, and beyond that.
SETTINGS = (
    {},
    {"lateness": "5s"},
    {"lateness": "5s", "wait": "10m", "rules": True},
    {"wait": "1h"},
    {"rules": True},
    {"lateness": "5s", "wait": "10m", "shapes": True},
    {"shapes": True},
)


def happenings(seed: int) -> tuple[Plan, list[Record]]:
    plan = crowd.plan_of_every_kind(**SETTINGS[seed % len(SETTINGS)])
    return plan, crowd.records_of(plan, crowd.rows_of(seed, disorder_s=(0, 4, 3_600)[seed % 3]))


seeds = st.integers(0, 10**6)


def test_the_crowd_meets_every_gate() -> None:
    gates = {"", "cooldown", "resolved", "only_if", "unless", "shadow", "inhibited", "consent", "limits"}
    gates |= {"quiet_hours", "expired", "arbitration", "holdout", "capacity"}
    gates |= {"goal", "stop_if", "replied", "dismissed", "in_course", "suppressed", "hand_off"}
    met = set()
    for seed in range(12):
        plan = crowd.plan_of_every_kind(rules=True, wait="10m")
        log = crowd.straight(plan, crowd.records_of(plan, crowd.rows_of(seed)))
        met |= {gate for gate in gates if f'"gate":"{gate}"'.encode() in log}
    assert met == gates


def test_the_crowd_meets_every_shape_of_plays() -> None:
    """Every arm, every language, and the gates that come with them."""
    met = set()
    wanted = {'"gate":"first_of"', '"gate":"preferred_hours"', '"gate":"experiment"', '"sooner":"soon"'}
    wanted |= {'"sooner":"late"', '"words":"warm"', '"words":"as-now"', '"words":"none"', "want the topic gifts"}
    for seed in range(12):
        plan = crowd.plan_of_every_kind(shapes=True, wait="10m")
        log = crowd.straight(plan, crowd.records_of(plan, crowd.rows_of(seed))).decode()
        met |= {each for each in wanted if each in log}
    assert met == wanted


def test_the_crowd_gives_every_detector_something_to_do() -> None:
    """Else the laws below would hold for nothing."""
    seen, gates = set(), set()
    for seed in range(12):
        log = crowd.straight(*happenings(seed))
        seen |= {spec.name for spec in crowd.detectors_of_every_kind() if f'"detector":"{spec.name}"'.encode() in log}
        gates |= {
            gate
            for gate in ("cooldown", "resolved", "only_if", "unless", "shadow")
            if f'"gate":"{gate}"'.encode() in log
        }
    assert seen == {spec.name for spec in crowd.detectors_of_every_kind()}
    assert gates == {"cooldown", "resolved", "only_if", "unless", "shadow"}


@A_FEW
@given(seed=seeds)
def test_replay_equals_live(seed: int) -> None:
    assert crowd.straight(*happenings(seed)) == crowd.straight(*happenings(seed))


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
@given(seed=seeds, lateness=st.sampled_from(["0s", "5s"]), wait=st.sampled_from(["0s", "10m"]), rules=st.booleans())
def test_how_often_time_is_told_makes_no_difference_to_events_in_order(
    seed: int, lateness: str, wait: str, *, rules: bool
) -> None:
    plan = crowd.plan_of_every_kind(lateness=lateness, wait=wait, rules=rules)
    records = crowd.records_of(plan, crowd.rows_of(seed, how_many=150))
    seldom = list(crowd.with_ticks_before_each_event(records))
    often = list(crowd.with_ticks_every(records, 300_000))
    assert crowd.straight(plan, often) == crowd.straight(plan, seldom)


@A_FEW
@given(seed=seeds, until=st.floats(0, 1))
def test_what_is_written_is_what_was_known(seed: int, until: float) -> None:
    plan, records = happenings(seed)
    chain, disk = Chain(plan), Disk()
    chain.take_all(records[: int(len(records) * until)])
    disk.save(chain)
    read = disk.open(plan)
    for kind, known in chain.entities.by_kind.items():
        for key, entity in known.items():
            again = read.entities.get(kind, key)
            assert again is not None
            for name in set(Entity.__slots__) - {"stalls", "touched", "alarm", "look", "listed", "run", "written"}:
                assert _comparable(again, name) == _comparable(entity, name), name


def _comparable(entity: Entity, name: str) -> object:
    found = getattr(entity, name) or None
    return [list(ids) for ids in found] if name == "event_ids" else found


def test_the_order_of_sets_makes_no_difference() -> None:
    logs = [
        subprocess.run(
            [sys.executable, "-m", "tests.laws.crowd"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    ]
    assert len(set(logs)) == 1
    assert logs[0].strip().isdigit()


@pytest.mark.parametrize("seed", range(3))
def test_a_restart_before_every_record_makes_no_difference(seed: int) -> None:
    plan = crowd.plan_of_every_kind()
    records = crowd.records_of(plan, crowd.rows_of(seed, how_many=40))
    assert crowd.with_restarts(plan, records, set(range(len(records)))) == crowd.straight(plan, records)
