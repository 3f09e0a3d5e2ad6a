"""Our own rows: a real `beforehand worker`, watched from outside.

It commits a record per batch to its log once all that the batch led to is on the broker, so the log tells when which
event counted: a run is over when the commit that stands for the last event was written. It begins when the worker takes
its partitions over, which is before its first fetch; the peers begin at their first record.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import events
import job
import orjson
import peers
import rows
import topics_read
from peers import Run
from worker import Worker, WorkerFailed

if TYPE_CHECKING:
    from kafka import Bench

DETECT, WHOLE_WAY = "ours_detect", "ours_whole_way"
AWAITED = "everything, awaited per batch"
ROWS = {
    DETECT: ("Beforehand, from keyed events through detect", AWAITED),
    WHOLE_WAY: ("Beforehand, from raw rows through route, detect and decide", AWAITED),
}
# Seconds, and the share of one processor.
QUIET = (2.0, 0.3)
FEW_RECORDS = 50
# The worker looks once a second how far behind it is.
TOLD_WITHIN_S = 2.5
TIMEOUT_S = 400
PACE_SECONDS = 30
WARMING_UP_MS = 3_000


def measure(bench: Bench) -> dict[str, float]:
    """Our rows, and the figures that only we have. What fails is told among what did not run."""
    found: dict[str, float] = {}
    for turn in range(bench.rounds):
        attempt(bench, DETECT, lambda turn=turn: detect_row(bench, turn))
        attempt(bench, WHOLE_WAY, lambda turn=turn: whole_way_row(bench, turn))
    parts = (
        ("p99", latency),
        ("recovery", recovery),
        ("Faust's recovery", faust_recovery),
        ("two workers", two_workers),
    )
    for name, part in parts:
        try:
            found |= part(bench)
        except (WorkerFailed, peers.PeerFailed) as why:
            bench.failed[name] = str(why)
            print(f"{name}: did not run: {why}", flush=True)
    return found


def attempt(bench: Bench, name: str, work: object) -> None:
    assert callable(work)
    if name in bench.failed:
        return
    bench.noise.look()
    try:
        bench.took(name, ROWS[name][0], work())
    except WorkerFailed as why:
        bench.failed[name] = str(why)
        print(f"{name}: did not run: {why}", flush=True)


# ---- the two rows


def detect_row(bench: Bench, turn: int) -> Run:
    """From a topic of events that is full already, with a raw topic that stays empty."""
    prefix = f"ours.detect.{turn}."
    events_topic = f"{prefix}events"
    load_copy(bench, events_topic, bench.folder / "events.tsv")
    return run_through(bench, prefix, events_topic, f"{prefix}raw.usage")


def whole_way_row(bench: Bench, turn: int) -> Run:
    """From the raw topic, which everybody may read as often as they like, as nothing is written to it."""
    prefix = f"ours.whole.{turn}."
    return run_through(bench, prefix, f"{prefix}events", bench.raw_topic)


def run_through(bench: Bench, prefix: str, events_topic: str, raw_topic: str) -> Run:
    worker = worker_of(bench, prefix, raw_topic)
    worker.start()
    try:
        began = first_marker(bench, worker, f"{prefix}log.detect")
        wait_until_done([worker], raw_topic, events_topic)
        peak = worker.peak_mb
    finally:
        worker.stop()
    ended = asyncio.run(finish(bench, worker, events_topic, f"{prefix}log.detect"))
    firing = asyncio.run(topics_read.count_firing(bench.servers, f"{prefix}candidates"))
    return Run(bench.count, ended - began, worker.cpu_between(began, ended), peak, firing)


def worker_of(bench: Bench, prefix: str, raw_topic: str, name: str = "one") -> Worker:
    lines = f"  prefix: {prefix}\n  group: {prefix}group\n  partitions: 4\n"
    return Worker(bench.folder / f"{prefix}{name}", bench.servers, lines, raw_topic)


def load_copy(bench: Bench, topic: str, lines: Path) -> None:
    """The same bytes once more, as route tells the time on our own topic and the peers could not read that."""
    asyncio.run(topics_read.create(bench.servers, topic))
    bench.write(topic, lines)


def first_marker(bench: Bench, worker: Worker, log: str) -> float:
    """When the worker has taken a first partition over, to a twentieth of a second."""
    until = time.monotonic() + TIMEOUT_S

    def check() -> None:
        worker.must_live()
        if time.monotonic() > until:
            raise WorkerFailed("it took no partition over", worker.folder)

    asyncio.run(topics_read.wait_for_first(bench.servers, log, check))
    return time.time()


def wait_until_done(workers: Sequence[Worker], *topics: str) -> None:
    """Until they have taken all of these topics, as they say, and do nothing any more. Their log tells later when."""
    until = time.monotonic() + TIMEOUT_S
    time.sleep(TOLD_WITHIN_S)
    while not (all(is_taken(workers, topic) for topic in topics) and all(each.is_quiet(*QUIET) for each in workers)):
        for worker in workers:
            worker.must_live()
        if time.monotonic() > until:
            raise WorkerFailed(f"not done within {TIMEOUT_S} s", workers[0].folder)
        time.sleep(0.5)


def is_taken(workers: Sequence[Worker], topic: str) -> bool:
    """Marks of time come all the while, so a few records may always wait."""
    lag: dict[str, float] = {}
    for worker in workers:
        lag |= worker.lag(topic)
    return len(lag) == topics_read.PARTITIONS and sum(lag.values()) <= FEW_RECORDS


async def finish(bench: Bench, worker: Worker, events_topic: str, log: str) -> float:
    """When the commit was written that stands for the last event. Raises WorkerFailed if there is none."""
    last, _ = await topics_read.last_events(bench.servers, events_topic)
    written, _ = await topics_read.commits(bench.servers, log)
    ended: dict[int, float] = {}
    for commit in written:
        if commit.positions.get(events_topic, 0) > last.get(commit.partition, 0):
            ended.setdefault(commit.partition, commit.at)
    if not last or ended.keys() < last.keys():
        raise WorkerFailed("it has not come to the end of its input", worker.folder)
    return max(ended.values())


# ---- the figures that only we have


def latency(bench: Bench) -> dict[str, float]:
    """Rows of the present at half the whole way's peak rate, from their append to that of the action."""
    peak = bench.middle(WHOLE_WAY)
    if peak is None:
        return {}
    prefix, seconds = "ours.pace.", 5 if bench.count < events_at_full() else PACE_SECONDS
    raw, actions = f"{prefix}raw.usage", f"{prefix}actions"
    asyncio.run(topics_read.create(bench.servers, raw, actions))
    worker = worker_of(bench, prefix, raw)
    worker.start()
    try:
        worker.wait_until_ready()
        rate = int(peak.per_second / 2)
        arguments = [bench.servers, raw, str(bench.customers), str(rate), str(seconds)]
        peers.done([*peers.python("feed"), *arguments])
        wait_until_done([worker], raw, f"{prefix}events", f"{prefix}candidates")
    finally:
        worker.stop()
    found = sorted(asyncio.run(topics_read.latencies_ms(bench.servers, raw, actions, WARMING_UP_MS)))
    if len(found) < 2:
        raise WorkerFailed("too few actions to tell", worker.folder)
    return {
        "p99_event_to_action_ms": round(statistics.quantiles(found, n=100, method="inclusive")[98]),
        "p50_event_to_action_ms": round(statistics.median(found)),
        "paced_events_per_second": rate,
        "paced_actions": len(found),
    }


def events_at_full() -> int:
    """From here on a run is one whose figures mean something."""
    return 1_000_000


def recovery(bench: Bench) -> dict[str, float]:
    """From the start of a process that has no local files to its being ready, with so many customers to restore."""
    prefix = "ours.recovery."
    lines = bench.folder / "recovery.tsv"
    events.write_lines(lines, events.routed(bench.folder / "project", rows.everybody_once(bench.count)))
    load_copy(bench, f"{prefix}events", lines)
    worker = worker_of(bench, prefix, f"{prefix}raw.usage")
    worker.start()
    try:
        first_marker(bench, worker, f"{prefix}log.detect")
        wait_until_done([worker], f"{prefix}events")
        asyncio.run(finish(bench, worker, f"{prefix}events", f"{prefix}log.detect"))
    finally:
        worker.stop()  # in order, as else its successor would first have to wait for the group to miss it
    _, size = asyncio.run(topics_read.commits(bench.servers, f"{prefix}log.detect"))
    worker.forget()
    from_topics = until_ready(worker)
    worker.stop()
    from_files = until_ready(worker)
    worker.stop()
    newcomer = worker_of(bench, "ours.newcomer.", "ours.newcomer.raw.usage")
    from_nothing = until_ready(newcomer)
    newcomer.stop()
    return {
        "recovery_1m_entities_s": round(from_topics, 1),
        "recovery_with_local_files_s": round(from_files, 1),
        "start_with_nothing_to_restore_s": round(from_nothing, 1),
        "recovery_bytes_per_entity": round(size / bench.count),
    }


def faust_recovery(bench: Bench) -> dict[str, float]:
    """What a Faust Table takes for a million keys, from what it takes for few and for more of them."""
    few, more = bench.count // 50, bench.count // 10
    short, longer = (faust_recovers(bench, keys) for keys in (few, more))
    return {"faust_table_recovery_1m_keys_s": round(short + (longer - short) / (more - few) * (1_000_000 - few), 1)}


def faust_recovers(bench: Bench, keys: int) -> float:
    """Seconds, for a changelog of so many keys, each with a state as the job has it."""
    group = f"recovers-{keys}"
    topic, changelog = f"{group}.events", f"{group}-customers-changelog"
    asyncio.run(topics_read.create(bench.servers, topic, changelog))
    lines, state = bench.folder / f"{group}.tsv", orjson.dumps(job.fresh(rows.START_MS))
    events.write_lines(lines, ((orjson.dumps(f"c{number:07d}"), state) for number in range(keys)))
    bench.write(changelog, lines)
    found = peers.run(peers.FAUST_RECOVERY, bench.servers, topic, "unused", keys, group)
    if found.events != keys:
        raise peers.PeerFailed(f"{found.events} keys were read again, not {keys}")
    return found.seconds


def until_ready(worker: Worker) -> float:
    began = time.monotonic()
    worker.start()
    worker.wait_until_ready()
    return time.monotonic() - began


def two_workers(bench: Bench) -> dict[str, float]:
    """Two processes against one, both by one procedure: they wait for events, which then come as fast as they can."""
    (one, cpu_of_one), (two, cpu_of_two) = (waiting_workers(bench, count) for count in (1, 2))
    return {
        "two_workers_to_one": round(two / one, 2),
        "two_workers_events_per_second": round(two),
        "two_workers_cpu_us_per_event": round(cpu_of_two, 2),
        "one_waiting_worker_events_per_second": round(one),
        "one_waiting_worker_cpu_us_per_event": round(cpu_of_one, 2),
    }


def waiting_workers(bench: Bench, count: int) -> tuple[float, float]:
    """Events a second and CPU us an event, from the append of the first event to the commit for the last."""
    prefix = f"ours.workers.{count}."
    topic = f"{prefix}events"
    asyncio.run(topics_read.create(bench.servers, topic))
    workers = [worker_of(bench, prefix, f"{prefix}raw.usage", f"worker-{number}") for number in range(count)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.wait_until_ready()
        wait_until_done(workers, topic)
        bench.write(topic, bench.folder / "events.tsv")
        wait_until_done(workers, topic)
    finally:
        for worker in workers:
            worker.stop()
    _, began = asyncio.run(topics_read.last_events(bench.servers, topic))
    ended = asyncio.run(finish(bench, workers[0], topic, f"{prefix}log.detect"))
    cpu = sum(worker.cpu_between(began, ended) for worker in workers)
    return bench.count / (ended - began), cpu / bench.count * 1e6
