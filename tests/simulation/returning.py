"""Worlds in which what comes back of actions changes what is decided: refusals, limits, and a remedy.

What comes back depends on the receivers, so there is no telling beforehand what such a world decides. But whatever was
taken, in that order and once, has to come to what an uninterrupted chain makes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeAlias

import msgspec

from engine.core.effects import Effects
from engine.core.plan import Plan
from engine.core.receipts import comes_back
from engine.core.route import Row
from engine.model import DAY_MS, HOUR_MS, Receipt, Record
from engine.shells.files import FilePlace
from engine.shells.ledger import State
from engine.shells.partition import Partition
from engine.shells.store import Store
from engine.spec.policies import LimitSpec, Policies, Remedy
from tests.simulation.oracle import Oracle
from tests.simulation.story import plan
from tests.simulation.world import Troubles, World

# What one transaction took: rows, receipts, or records that no row brought.
Taken: TypeAlias = tuple[str, Sequence[Row] | Sequence[Receipt] | Sequence[Record]]
LIMITS = (LimitSpec(at_most=2, over_ms=DAY_MS), LimitSpec(at_most=4, over_ms=7 * DAY_MS, classes=("service",)))


@cache
def returning_plan() -> Plan:
    """The plan of the other worlds, with other plays and limits."""
    usual = plan()
    configuration, plays = usual.configuration, usual.configuration.plays
    change = msgspec.structs.replace
    others = {
        "warn": change(plays["warn"], purpose="service", fallback=("desk", "log"), expires_ms=DAY_MS),
        "call": change(
            plays["call"], to="system", tier=1, remedy=Remedy(within_ms=HOUR_MS, then_tell="note", otherwise="warn")
        ),
        "note": change(plays["note"], fallback=("sms",)),
    }
    project = change(configuration.project, policies=Policies(limits=LIMITS))
    return change(usual, configuration=change(configuration, plays=others, project=project))


class Recorded(Partition):
    """Writes down, in the transaction of it, what was taken: its number in `log`."""

    def __init__(self, store: Store, plan: Plan, log: list[Taken]) -> None:
        store.db.execute("CREATE TABLE IF NOT EXISTS taken (seq INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER)")
        self._log = log
        self._is_written = True
        super().__init__(store, plan)

    def take(self, rows: Sequence[Row], places: Mapping[str, FilePlace], arrived_at: int) -> Effects:
        self._take("rows", rows)
        return super().take(rows, places, arrived_at)

    def take_receipts(self, arrived_at: int) -> Effects | None:
        self._take("receipts", [receipt for _, receipt in self.store.ledger.returns.waiting()])
        return super().take_receipts(arrived_at)

    def take_records(self, records: Sequence[Record], arrived_at: int) -> Effects:
        self._take("records", records)
        return super().take_records(records, arrived_at)

    def _take(self, kind: str, what: Sequence[Row] | Sequence[Receipt] | Sequence[Record]) -> None:
        self._log.append((kind, what))
        self._is_written = False

    def _write(self, effects: Effects, places: Mapping[str, FilePlace], arrived_at: int) -> None:
        super()._write(effects, places, arrived_at)
        if not self._is_written:
            self.store.db.execute("INSERT INTO taken (number) VALUES (?)", (len(self._log) - 1,))
            self._is_written = True


class Returning(World):
    """A world with faults of channels and deaths of processes; files and rows are as they should be."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.plan = returning_plan()
        self._log: list[Taken] = []

    def _troubles(self, troubles: Troubles) -> Troubles:
        troubles.breaks = troubles.kills = troubles.loses_places = troubles.rebuilds = troubles.restores = False
        troubles.fault_rate = max(troubles.fault_rate, 0.3)
        return troubles

    def _new_partition(self, store: Store) -> Partition:
        return Recorded(store, self.plan, self._log)

    def _oracle(self) -> Oracle:
        oracle = Oracle(self.plan)
        told: Counter[str] = Counter()
        for (number,) in self.machine.disk.execute("SELECT number FROM taken ORDER BY seq").fetchall():
            kind, what = self._log[number]
            if kind == "rows":
                for row in what:
                    oracle.take(row)
            elif kind == "receipts":
                told.update(receipt.action_id for receipt in what)
                oracle.take_receipts(what)
            else:
                oracle.take_records(what)
        oracle.collect()
        self._judge_receipts(oracle, told)
        return oracle

    def _judge_receipts(self, oracle: Oracle, told: Counter[str]) -> None:
        """Everything that became of an action and matters was taken in, once."""
        plays = self.plan.configuration.plays
        rows = self.machine.disk.execute("SELECT id, state FROM actions").fetchall()
        wanted = {
            action_id
            for action_id, state in rows
            if action_id in oracle.actions and comes_back(state, plays[oracle.actions[action_id].play])
        }
        assert told == Counter(wanted), f"{wanted - told.keys()} were not told, {told - Counter(wanted)} too often"
        for action_id, state in rows:
            if action_id in wanted:
                self.fate.seen[f"came back {State(state)}"] += 1
        for decision in oracle.decided:
            if decision.after:
                self.fate.seen[f"after {decision.after}"] += 1
