"""Recorded receipts come to the same decisions in a backtest and in a run, in any batches, restarted anywhere."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from engine.core.digest import digest
from engine.model import Tick
from engine.shells.backtest import Backtest, decision_lines
from engine.shells.partition import Partition
from engine.shells.sources import read_all
from engine.shells.store import Store
from engine.shells.wiring import load_configuration, plan_of
from tests.kill.answering import write_project
from tests.kill.project import MINUTE_MS, START, event

RECEIPTS = """
  receipts:
    family: outcome
    from: receipts.jsonl
    lateness: 0s
    events: [action.receipt]
    map:
      id: [action_id, what, attempts]
      event: {value: action.receipt}
      at: {from: at, unit: ms}
      entities: {customer: entities.customer}
sinks:
"""
RULES = """
quiet_hours: {from: "21:00", to: "07:00", unknown_zone: [Europe/Rome]}
wait: 1m
"""
BECAME = ("rejected", "rejected", "unknown", "expired", "delivered", "recalled")


def write_history(folder: Path, seed: int) -> None:
    """Some weeks of trouble, and what became of every action in them, as a worker's topic of receipts would have it."""
    write_project(folder, 9, RULES)
    project = folder / "config" / "beforehand.yml"
    project.write_text(project.read_text().replace("sinks:\n", RECEIPTS.lstrip("\n"), 1))
    random, at, rows = Random(seed), START, []
    for number in range(300):
        at += random.randint(1, 90) * MINUTE_MS
        kind = random.choice(("parcel.late", "sync.broken", "order.placed"))
        rows.append(event(number, kind, at, f"c{random.randint(0, 9)}"))
    (folder / "data" / "usage.jsonl").write_text("".join(rows))
    (folder / "data" / "people.jsonl").write_text("")
    known: dict[str, str] = {}
    while (found := receipts(folder, known)).keys() > known.keys():
        known = found


def receipts(folder: Path, known: dict[str, str]) -> dict[str, str]:
    """Those of before, and one for each action that they have led to; written in order of time."""
    rows = sorted(known.values(), key=lambda row: json.loads(row)["at"])
    (folder / "data" / "receipts.jsonl").write_text("".join(f"{row}\n" for row in rows))
    backtest = Backtest(plan_of(load_configuration(folder / "config")), folder / "data")
    backtest.run()
    found = dict(known)
    for decision in backtest.decisions:
        if decision.action_id and decision.action_id not in found:
            drawn = int(digest(decision.action_id), 16)
            receipt = {
                "action_id": decision.action_id,
                "what": BECAME[drawn % len(BECAME)],
                "at": decision.at + drawn % 7 * MINUTE_MS + drawn % 3 * 250,
                "attempts": 1,
                "entities": {"customer": decision.unit.removeprefix("customer:")},
            }
            found[decision.action_id] = json.dumps(receipt)
    return found


def taken(folder: Path, state: Path, size: int, restarts: float, seed: int) -> list[bytes]:
    """The decision log of a run in batches of `size`, opened anew now and then."""
    random, plan = Random(seed), plan_of(load_configuration(folder / "config"))
    store = Store(state)
    partition = Partition(store, plan)
    rows = read_all(plan.configuration.project, folder / "data", partition.router, partition.places)
    while batch := list(islice(rows, size)):
        partition.take(batch, rows.positions(), 0)
        if random.random() < restarts:
            store.close()
            store = Store(state)
            partition = Partition(store, plan)
            rows = read_all(plan.configuration.project, folder / "data", partition.router, partition.places)
    partition.take_records(partition.router.end() or [Tick(partition.now)], 0)
    lines = decision_lines(store.decisions())
    store.close()
    return lines


@pytest.mark.parametrize("seed", range(3))
def test_recorded_receipts_come_to_the_same_decisions(seed: int, tmp_path: Path) -> None:
    write_history(tmp_path, seed)
    backtest = Backtest(plan_of(load_configuration(tmp_path / "config")), tmp_path / "data")
    assert backtest.run().taken_for_done == 0
    wanted = decision_lines(backtest.decisions)
    after = {line.partition(b'"after":"')[2].partition(b'"')[0] for line in wanted}
    assert after >= {b"email rejected", b"mend worked", b"mend rejected"}
    for size, restarts in ((1, 0.02), (7, 0.2), (1_000, 0.0)):
        assert taken(tmp_path, tmp_path / f"state-{size}", size, restarts, seed) == wanted
