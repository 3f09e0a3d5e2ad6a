"""How fast the worker is on a real Kafka, held against other stream processors on the same topic.

`make bench-kafka` runs it; `--quick` is a smoke run over 20,000 events, which also holds all who do the very same job
to the same actions. README.md beside this file tells the method and shows the last figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "kafka_peers")]

import events  # noqa: E402 - found by the line above, as are the next ones
import ours  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
import topics_read  # noqa: E402
from machine import Noise, machine  # noqa: E402
from peers import Peer, PeerFailed, Run  # noqa: E402

from tests.kafka import broker  # noqa: E402

EVENTS, CUSTOMERS, ROUNDS = 1_000_000, 100_000, 3
QUICK_EVENTS = 20_000
PREFIX = "bench."
# Whose windows do not remember what was told before.
ANOTHER_JOB = ("quix_tumbling", "quix_hopping")


class BenchBroker(broker.Broker):
    """The tests' broker with the machine code and the memory of one that runs for long."""

    def _java(self, main: str, *arguments: str, heap: str = "1g") -> list[str]:
        frugal = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
        return [each for each in super()._java(main, *arguments, heap=heap) if each not in frugal]


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """The address of a broker: the one that KAFKA_BOOTSTRAP_SERVERS names, or else one of our own, gone afterwards."""
    # As on a machine of one's own: what was compiled once need not be compiled again at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    if lacking := broker.missing():
        sys.exit(f"{lacking}: {broker.HOW}")
    # Whoever has it in the environment is led to it before anything that a project file says.
    started = BenchBroker(folder / "broker").start()
    try:
        yield started.servers
    finally:
        started.stop()


class Bench:
    """Loads the topics once, then runs everybody over them in turns."""

    def __init__(self, folder: Path, servers: str, count: int, rounds: int, only: Sequence[str]) -> None:
        self.folder = folder
        self.servers = servers
        self.count = count
        self.customers = min(CUSTOMERS, count)
        self.rounds = rounds
        self.topic = f"{PREFIX}events"
        self.raw_topic = f"{PREFIX}raw.usage"
        self.event_bytes = 0.0
        self.noise = Noise()
        self.runs: dict[str, list[Run]] = {}
        self.failed: dict[str, str] = {}
        self._only = only

    def load(self) -> None:
        """The events as route writes them, and the rows that they were made of."""
        made = events.routed(self.folder / "project", rows.raw_rows(self.count, self.customers))
        count, self.event_bytes = events.write_lines(self.folder / "events.tsv", made)
        assert count == self.count, "some events were refused"
        events.write_lines(self.folder / "raw.tsv", rows.keyed(rows.raw_rows(self.count, self.customers)))
        for topic, name in ((self.topic, "events.tsv"), (self.raw_topic, "raw.tsv")):
            asyncio.run(topics_read.create(self.servers, topic))
            self.write(topic, self.folder / name)
        print(f"{count:,} events of {self.event_bytes:.0f} bytes are on {self.topic}", flush=True)

    def write(self, topic: str, lines: Path) -> None:
        subprocess.run([*peers.python("load"), self.servers, topic, str(lines)], check=True, stderr=subprocess.DEVNULL)

    def all_peers(self) -> None:
        """Each in turn, and the turns over again, so that a busy neighbour disturbs all alike."""
        chosen = [peer for peer in peers.peers() if not self._only or peer.name in self._only]
        if any(peer.name == "kafka_streams" for peer in chosen):
            self._build_streams()
        for turn in range(self.rounds):
            for peer in chosen:
                if peer.name not in self.failed:
                    self._peer(peer, turn)

    def _build_streams(self) -> None:
        try:
            peers.build_streams()
        except PeerFailed as why:
            self.failed["kafka_streams"] = str(why)

    def _peer(self, peer: Peer, turn: int) -> None:
        out = f"{PREFIX}out.{peer.name}.{turn}"
        asyncio.run(topics_read.create(self.servers, out))
        self.noise.look()
        try:
            found = peers.run(peer, self.servers, self.topic, out, self.share_of(peer))
        except PeerFailed as why:
            self.failed[peer.name] = str(why)
            print(f"{peer.title:36} did not run: {why}", flush=True)
            return
        self.took(peer.name, peer.title, found)

    def share_of(self, peer: Peer) -> int:
        """A smoke run gives everybody everything, so that their actions can be compared."""
        return self.count if self.count <= QUICK_EVENTS else round(self.count * peer.share)

    def took(self, name: str, title: str, found: Run) -> None:
        self.runs.setdefault(name, []).append(found)
        print(
            f"{title:36} {found.per_second:>10,.0f} events/s {found.cpu_us:>8.2f} us CPU {found.peak_rss_mb:>6.0f} MB "
            f"{found.actions:>6} actions of {found.events:,} events",
            flush=True,
        )

    def middle(self, name: str) -> Run | None:
        """The run that was neither the fastest nor the slowest; of two, the slower."""
        runs = sorted(self.runs.get(name, ()), key=lambda run: run.per_second)
        return runs[(len(runs) - 1) // 2] if runs else None

    def same_job(self) -> list[str]:
        """Who was given everything and came to other actions than most."""
        told = {
            name: runs[-1].actions
            for name, runs in self.runs.items()
            if name not in (*ANOTHER_JOB, *ours.ROWS) and runs[-1].events == self.count
        }
        usual = statistics.mode(told.values()) if told else 0
        return [f"{name}: {actions} actions, not {usual}" for name, actions in told.items() if actions != usual]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run that shows that everything works")
    parser.add_argument("--rounds", type=int, default=0, help=f"turns of everybody ({ROUNDS} unless told, 1 if quick)")
    parser.add_argument(
        "only", nargs="*", help="whom to run, of the peers' names and `ours` (nothing is recorded then)"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, kafka(Path(folder)) as servers:
        count = QUICK_EVENTS if given.quick else EVENTS
        bench = Bench(Path(folder), servers, count, given.rounds or (1 if given.quick else ROUNDS), given.only)
        bench.load()
        bench.all_peers()
        figures = ours.measure(bench) if not given.only or "ours" in given.only else {}
        found = report.results(bench, figures, f"{datetime.now(UTC):%Y-%m-%d}", {**machine(), "kafka": broker.VERSION})
    print(json.dumps(found["figures"], indent=2))
    print(report.sentence_on_noise(found["noise"]))
    if wrong := bench.same_job():
        sys.exit("not everybody did the same job: " + "; ".join(wrong))
    if not given.quick and not given.only:
        report.write(found)


if __name__ == "__main__":
    main()
