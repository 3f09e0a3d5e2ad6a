"""How fast the engine is, held against a loop in plain Python that does the same job. See README.md beside this file.

Run it with `python benchmarks/core.py`; `--quick` is a smoke run of a few seconds whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import orjson

import sinks
from engine.core.chain import Chain
from engine.core.express import Express
from engine.core.plan import Plan, compile_plan
from engine.core.progress import FILES
from engine.core.route import Router, Row
from engine.shells.files import FilePlace
from engine.shells.partition import Partition
from engine.shells.sources import read_all
from engine.shells.store import Store
from engine.shells.wiring import patient_collector, plugins
from engine.spec.load import load

RESULTS = Path(__file__).parent / "results" / "core.json"
START_MS = 1_790_000_000_000
EVERY_MS = 20
PANE_MS = 600_000
BATCH = 2_000
ROUNDS = 3

PROJECT = """\
project: benchmark
entities: {customer: customer_id}
streams:
  usage: {family: usage, from: events.jsonl}
sinks: {log: {kind: file, path: actions.jsonl}}
channels: {console: log}
"""
PLAY = """\
play: tell
to: system
channel: console
class: service
tier: 3
owner: bench
title: "{{ customer.id }}"
text: "Look at {{ customer.id }}: {{ why }}"
"""
DETECTOR = """\
---
detector: %(name)s
owner: bench
reason: benchmark
per: customer
watch:
  readings: {count: %(event)s, over: 1h, panes: 6}
  mean: {average: %(event)s, field: value, over: 1h, panes: 6}
when: %(when)s
then: [{play: tell}]
why: "mean {{ mean }} of {{ readings }}"
"""
THREE = {
    "hot": "{readings: {at_least: 5}, mean: {above: 78}}",
    "cold": "{readings: {at_least: 5}, mean: {below: 22}}",
    "busy": "{readings: {at_least: 20000}}",
}

# ---- the job


def raw_events(count: int, customers: int) -> list[bytes]:
    """Readings of customers of whom a few are heard of far more often than the others (Zipf, 1.05)."""
    chance = random.Random(7)
    cumulative = list(itertools.accumulate(1 / rank**1.05 for rank in range(1, customers + 1)))
    names = [f"cust-{number:07d}" for number in chance.sample(range(customers), customers)]
    chosen = chance.choices(names, cum_weights=cumulative, k=count)
    return [raw_event(number, name, chance) for number, name in enumerate(chosen)]


def raw_event(number: int, customer: str, chance: random.Random) -> bytes:
    return orjson.dumps(
        {
            "id": f"evt-{number:09d}",
            "event": "reading.taken",
            "at": START_MS + number * EVERY_MS,
            "customer_id": customer,
            "value": round(chance.gauss(50, 31), 2),
            "plan": "business",
            "device": "ios-17.4.1",
            "page": "/account/overview/settings/billing/invoices/2026/09/18",
        }
    )


def detectors(whens: dict[str, str], event: str = "reading.taken") -> str:
    return "".join(DETECTOR % {"name": name, "when": when, "event": event} for name, when in whens.items())


def many(count: int) -> str:
    """Detectors that all concern the event, each with limits of its own."""
    limits = ((number, 5 + number, 90 + number / 10) for number in range(count))
    return detectors(
        {f"many-{n}": f"{{readings: {{at_least: {few}}}, mean: {{above: {high}}}}}" for n, few, high in limits}
    )


def unrelated(count: int) -> str:
    return "".join(detectors({f"other-{n}": "{readings: {at_least: 5}}"}, f"other.type-{n}") for n in range(count))


def plan_from(folder: Path, text: str) -> Plan:
    """The plan of a configuration written as YAML and loaded like any other."""
    for name, content in (("beforehand.yml", PROJECT), ("playbooks/tell.yml", PLAY), ("detectors/bench.yml", text)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return compile_plan(load(folder, plugins(), sinks.options_of, sinks.kinds()), plugins())


# ---- the three ways to do it

# How often it acted, and what it remembers.
Done: TypeAlias = tuple[int, object]


def plain_loop(raws: Sequence[bytes]) -> Done:
    """What somebody would write by hand: no late events, no repeats, no state on disk."""
    customers: dict[str, list[float]] = {}
    actions = 0
    loads = orjson.loads
    for raw in raws:
        event = loads(raw)
        customer = event["customer_id"]
        value = event["value"]
        pane = event["at"] // PANE_MS
        state = customers.get(customer)
        if state is None:
            # The pane of the present, how many and how much in each of six panes, and which detectors are open.
            state = customers[customer] = [pane, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        if pane > state[0]:
            for passed in range(int(state[0]) + 1, min(pane, int(state[0]) + 6) + 1):
                state[1 + 2 * (passed % 6)] = state[2 + 2 * (passed % 6)] = 0
            state[0] = pane
        at = 1 + 2 * (pane % 6)
        state[at] += 1
        state[at + 1] += value
        n = state[1] + state[3] + state[5] + state[7] + state[9] + state[11]
        found = 0
        if n >= 5:
            mean = (state[2] + state[4] + state[6] + state[8] + state[10] + state[12]) / n
            if mean > 78:
                found = 1
            elif mean < 22:
                found = 2
            if n >= 20_000:
                found |= 4
        if found != state[13]:
            actions += (found & ~int(state[13])).bit_count()
            state[13] = found
    return actions, customers


def in_process(raws: Sequence[bytes], plan: Plan) -> Done:
    """Route, detect and decide, in batches whose effects are taken away, with nothing stored."""
    chain, router = Chain(plan), Router(plan.configuration.project, plan.watched)
    express = Express(router, chain)
    actions = 0
    rows = (Row("usage", "events.jsonl", number, raw, clock=FILES) for number, raw in enumerate(raws))
    while batch := list(islice(rows, BATCH)):
        express.take(batch, [])
        actions += len(chain.drain().actions)
        chain.entities.saved()
    chain.take_all(router.end())
    return actions + len(chain.drain().actions), chain


def on_disk(data: Path, plan: Plan, state: Path, batch_size: int = BATCH) -> Done:
    """The local shell's way: a file in, state and decisions committed to disk per batch."""
    store = Store(state)
    partition = Partition(store, plan)
    rows = read_all(plan.configuration.project, data, partition.router, partition.places)
    actions = 0
    while batch := list(islice(rows, batch_size)):
        actions += len(partition.take(batch, rows.positions(), START_MS).actions)
    partition.close()
    store.close()
    return actions, partition


# ---- measuring


def seconds(work: Callable[[], Done], clock: Callable[[], float]) -> tuple[float, int]:
    """How long it took and how often it acted. What it remembers is let go after the clock has stopped."""
    gc.collect()
    began = clock()
    actions, _memory = work()
    return clock() - began, actions


def alternating(
    rounds: int, *works: Callable[[], Done], clock: Callable[[], float] = time.process_time
) -> tuple[list[float], list[int]]:
    """The median time of each, measured in turns so that a busy neighbour disturbs all alike, and the last results.

    The processor's time is the fairest on a shared machine; what waits for a disk needs `time.perf_counter`.
    """
    times: list[list[float]] = [[] for _ in works]
    results = [0] * len(works)
    for _ in range(rounds):
        for number, work in enumerate(works):
            took, results[number] = seconds(work, clock)
            times[number].append(took)
    return [statistics.median(each) for each in times], results


class Bench:
    """Runs the parts and collects their figures."""

    def __init__(self, folder: Path, events: int, customers: int, rounds: int) -> None:
        self.figures: dict[str, float] = {}
        self._folder = folder
        self._rounds = rounds
        self._raws = raw_events(events, customers)
        self._customers = customers
        gc.collect()
        gc.freeze()
        self.note("events", events)
        self.note("event_bytes", round(statistics.mean(map(len, self._raws[:1000]))))

    def note(self, name: str, value: float) -> None:
        self.figures[name] = value
        print(f"{name:42} {value:>14,}", flush=True)

    def plan(self, text: str) -> Plan:
        return plan_from(Path(tempfile.mkdtemp(dir=self._folder)), text)

    def main_figures(self) -> None:
        plan, raws = self.plan(detectors(THREE)), self._raws
        (plain, ours), actions = alternating(self._rounds, lambda: plain_loop(raws), lambda: in_process(raws, plan))
        self.note("plain_loop_us_per_event", round(plain / len(raws) * 1e6, 2))
        self.note("us_per_event", round(ours / len(raws) * 1e6, 2))
        self.note("plain_loop_actions", actions[0])
        self.note("actions", actions[1])
        self.note("ratio_to_plain_loop", round(plain / ours, 3))

    def local_figures(self) -> None:
        plan, raws = self.plan(detectors(THREE)), self._raws[: len(self._raws) // 2]
        (self._folder / "events.jsonl").write_bytes(b"\n".join(raws) + b"\n")
        states = (self._folder / f"state-{number}" for number in itertools.count())
        works = (
            lambda: plain_loop(raws),
            lambda: on_disk(self._folder, plan, next(states)),
            lambda: on_disk(self._folder, plan, next(states), 5 * BATCH),
        )
        (plain, ours, larger), actions = alternating(max(1, self._rounds // 2), *works, clock=time.perf_counter)
        self.note("local_us_per_event", round(ours / len(raws) * 1e6, 2))
        self.note("local_actions", actions[1])
        self.note("local_ratio_to_plain_loop", round(plain / ours, 3))
        self.note(f"local_ratio_in_batches_of_{5 * BATCH}", round(plain / larger, 3))

    def detector_figures(self) -> None:
        raws, counts = self._raws[: len(self._raws) // 4], (1, 10, 50)
        plans = [self.plan(many(count)) for count in counts] + [self.plan(many(1) + unrelated(50))]
        works = [lambda plan=plan: in_process(raws, plan) for plan in plans]
        (plain, *times), _ = alternating(max(1, self._rounds // 2 + 1), lambda: plain_loop(raws), *works)
        for count, took in zip(counts, times, strict=False):
            self.note(f"ratio_with_{count}_detectors", round(plain / took, 3))
        self.note("ratio_with_50_unrelated_detectors", round(times[0] / times[3], 3))

    def key_figures(self) -> None:
        plan, count = self.plan(detectors(THREE)), len(self._raws) // 2
        for customers, name in ((1_000, "1k"), (100_000, "100k"), (1_000_000, "1m")):
            raws = raw_events(count, min(customers, 10 * count))
            works = (lambda raws=raws: plain_loop(raws), lambda raws=raws: in_process(raws, plan))
            (plain, ours), _ = alternating(max(1, self._rounds // 2), *works)
            self.note(f"ratio_with_{name}_keys", round(plain / ours, 3))

    def size_figures(self) -> None:
        """In a process of its own, so that nothing else has grown in it before."""
        customers = 10 * self._customers
        told = subprocess.run([sys.executable, __file__, "--sizes", str(customers)], capture_output=True, check=True)
        for name, value in json.loads(told.stdout).items():
            self.note(name, value)


def sizes(customers: int) -> dict[str, float]:
    """Bytes per entity after three events each: in memory for all of them, on disk for a tenth."""
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_from(Path(folder) / "config", detectors(THREE))
        before = resident_bytes()
        chain, router = Chain(plan), Router(plan.configuration.project, plan.watched)
        express, rows = Express(router, chain), heard_three_times(customers)
        while batch := list(islice(rows, BATCH)):
            express.take(batch, [])
            chain.drain()
            chain.entities.saved()
        in_memory = (resident_bytes() - before) / customers
        del chain, express
        state = Path(folder) / "state"
        store = Store(state)
        partition = Partition(store, plan)
        rows = heard_three_times(customers // 10)
        while batch := list(islice(rows, BATCH)):
            partition.take(batch, {"usage": FilePlace(batch[-1].position + 1)}, START_MS)
        partition.close()
        store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.close()
        stored = (state / "state.db").stat().st_size / (customers // 10)
    return {"bytes_per_entity_1m": round(in_memory), "bytes_per_entity_on_disk": round(stored)}


def heard_three_times(customers: int) -> Iterator[Row]:
    chance = random.Random(7)
    for number in range(3 * customers):
        # A stride that shares no factor with the count, so that neighbours in time are not neighbours in memory.
        customer = f"cust-{number * 7_919 % customers:07d}"
        yield Row("usage", "events.jsonl", number, raw_event(number, customer, chance), clock=FILES)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def machine() -> dict[str, str | int]:
    model = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ":"
    )
    return {
        "cpu": model.partition(":")[2].strip(),
        "cores": os.cpu_count() or 0,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def run(*, quick: bool, only: Sequence[str]) -> None:
    patient_collector()  # for the plain loop as well
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), *((20_000, 2_000, 1) if quick else (1_000_000, 100_000, ROUNDS)))
        for part in only or ("main", "local", "detector", "key", "size"):
            getattr(bench, f"{part}_figures")()
    if not quick and not only:
        found = {
            "name": "core",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": machine(),
            "figures": bench.figures,
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run that only shows that everything works")
    parser.add_argument("--sizes", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("only", nargs="*", help="parts to run: main local detector key size (nothing is recorded then)")
    given = parser.parse_args()
    if given.sizes:
        print(json.dumps(sizes(given.sizes)))
    else:
        run(quick=given.quick, only=given.only)


if __name__ == "__main__":
    main()
