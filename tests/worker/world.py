"""One project on a real Kafka: its input, its workers, its receiver, and the means to look at what came of it.

The project and the events are those of tests/kill, so that what is tried here on Kafka is tried there without.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.group import LeaveGroupRequest

from engine.shells.kafka.cluster import Cluster, reached
from engine.shells.kafka.doctor import examine
from engine.shells.kafka.link import Link
from engine.shells.kafka.log import PartitionLog
from engine.shells.kafka.protocol import AskGroup
from engine.shells.kafka.settings import connection
from engine.shells.kafka.topics import Topics, topics_of
from engine.shells.wiring import load_configuration
from engine.spec.types import Configuration, KafkaSpec
from tests.kafka.broker import free_ports
from tests.kill.process import BEFOREHAND, ROOT, Process, command, desk
from tests.kill.project import make, write_events
from tests.worker.reading import Reading

SESSION_S = 6
PATIENCE_S = 120
RECORDED = "--event-clock"


class Worker(Process):
    """`beforehand worker` of a world. `port` is where its health is served."""

    def __init__(
        self, world: World, name: str, *options: str, env: Mapping[str, str] | None = None, port: int = 0
    ) -> None:
        self.name = name
        self.port = port
        served = ("--metrics-port", str(port)) if port else ()
        arguments = ("worker", "--config", "config", "--state", f"state-{name}", *served, *options)
        super().__init__(world.folder, str(BEFOREHAND), *arguments, env=env)


class World:
    """A folder with config, data, `desk.jsonl` (what the receiver took) and a state folder for each worker.

    Names of topics and group come from `kafka`, which should have none that another world has. `direct` is where the
    test itself reaches the broker, if not where its workers do. `streams` instead of those of tests/kill; `live`: by
    the clock on the wall.
    """

    def __init__(
        self,
        folder: Path,
        kafka: KafkaSpec,
        *,
        partitions: int = 2,
        events: int = 1_500,
        seed: int = 5,
        slow_s: float = 0.0,
        detectors: str = "",
        streams: str = "",
        live: bool = False,
        stuck_after_s: int = 30,
        direct: KafkaSpec | None = None,
    ) -> None:
        self.folder = folder
        self._servers = (direct or kafka).servers
        self.kafka = msgspec.structs.replace(kafka, partitions=partitions)
        self._clock = () if live else (RECORDED,)
        self._stack = ExitStack()
        self._workers: list[Worker] = []
        folder.mkdir(parents=True)
        port = self._stack.enter_context(desk(folder / "desk.jsonl", slow_s))
        make(folder, port, detectors=detectors)
        write_events(folder, seed=seed, count=events)
        project = folder / "config" / "beforehand.yml"
        words = f"servers: [{', '.join(kafka.servers)}], prefix: {kafka.prefix}, group: {kafka.group}"
        words += f", partitions: {partitions}, session_timeout: {SESSION_S}s, stuck_after: {stuck_after_s}s"
        if streams:
            head, rest = project.read_text().split("streams:\n")
            project.write_text(f"{head}streams:{streams}sinks:{rest.split('sinks:', 1)[1]}")
        text = project.read_text().replace("bounds: {", "bounds: {send_timeout: 2s, ")
        project.write_text(f"{text}kafka: {{{words}}}\n")
        self.configuration: Configuration = load_configuration(folder / "config")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()
        self._stack.close()

    @property
    def topics(self) -> Topics:
        return topics_of(self.configuration.project)

    @property
    def reading(self) -> Reading:
        return Reading(self._servers, self.kafka.group)

    # ---- what goes in

    def create_topics(self) -> None:
        found = asyncio.run(examine(self.configuration.project, self.connection(), create=True))
        assert not [finding for finding in found if finding.severity == "error"], found

    def connection(self) -> dict[str, Any]:
        return connection(msgspec.structs.replace(self.kafka, servers=self._servers), self.configuration.folder)

    def feed(self) -> Self:
        """Write every row of the data folder onto its stream's topic, those of one customer in order."""
        self.create_topics()
        for stream in self.topics.raw:
            self.put(stream, self.rows(stream))
        return self

    def put(self, stream: str, rows: Iterable[bytes]) -> None:
        """Write rows onto a stream's topic."""
        asyncio.run(self._send([(self.topics.raw[stream], row) for row in rows]))

    def rows(self, stream: str) -> list[bytes]:
        return (self.folder / "data" / f"{stream}.jsonl").read_bytes().splitlines()

    async def _send(self, rows: list[tuple[str, bytes]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=list(self._servers), linger_ms=20)
        await producer.start()
        try:
            pending = [await producer.send(topic, row, key=_customer(row)) for topic, row in rows]
            await asyncio.gather(*pending)
        finally:
            await producer.stop()

    def delete_topic(self, topic: str) -> None:
        """The next worker to start makes it anew."""

        async def delete() -> None:
            async with reached(self.connection()) as cluster:
                await cluster.admin.delete_topics([topic])

        asyncio.run(delete())

    # ---- workers

    def worker(self, name: str = "a", *options: str, env: Mapping[str, str] | None = None, port: int = 0) -> Worker:
        """Start one. `name` says which state folder it has."""
        self._share_file(self.folder / f"state-{name}")
        started = Worker(self, name, *self._clock, *options, env=env, port=port)
        self._workers.append(started)
        return started

    def _share_file(self, state: Path) -> None:
        """What the file sink writes is one file for all workers, as whoever takes over asks it what is in it."""
        state.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (state / "actions.jsonl").symlink_to(self.folder / "actions.jsonl")

    def healthy_worker(self, name: str = "a", *options: str) -> Worker:
        """One that serves its health."""
        [port] = free_ports(1)
        return self.worker(name, *options, port=port)

    def members(self) -> set[str]:
        """Who the broker takes for members of the group."""

        async def ask() -> set[str]:
            async with reached(self.connection()) as cluster:
                return await _members(cluster, self.kafka.group)

        return asyncio.run(ask())

    def bury(self, living: set[str]) -> None:
        """Tell the broker that all others are dead, which it would find out by itself after the session timeout."""

        async def leave() -> None:
            async with reached(self.connection()) as cluster:
                coordinator = await cluster.admin.find_coordinator(self.kafka.group)
                for member in await _members(cluster, self.kafka.group) - living:
                    await cluster._ask(LeaveGroupRequest(self.kafka.group, member), coordinator)

        asyncio.run(leave())

    # ---- how far it is

    def until_done(self, within_s: float = PATIENCE_S, *alive: Worker) -> None:
        """Wait until the backtest's decisions are there, all topics are read, and nothing waits to be sent."""
        self.oracle()
        end = time.monotonic() + within_s
        while (lacking := self.lacking()) and time.monotonic() < end:
            dead = [worker for worker in alive if worker.process.poll() is not None]
            assert not dead, f"it ended with {dead[0].process.returncode} while {lacking}: {dead[0].said()}"
            time.sleep(0.3)
        said = "\n".join(worker.said()[-3_000:] for worker in self._workers[-2:])
        assert not lacking, f"after {within_s} s: {lacking}\n{said}"

    def lacking(self) -> str:
        """What is still to come, "" at the end."""
        wanted, decided = len(self.oracle()), len(self.decisions())
        if decided < wanted:
            return f"{decided} of {wanted} decisions are made"
        stages = [*self.topics.raw.values(), self.topics.events, self.topics.candidates, self.topics.actions]
        if self._clock and not self._has_ended():
            return "not every source has come to its end"
        behind = self.reading.behind(stages)
        if behind:
            return f"not all is read: {behind}"
        receipts = {line["action_id"]: line["what"] for line in self.reading.values(self.topics.receipts)}
        settled = sum(what in {"delivered", "unknown"} for what in receipts.values())
        chosen = sum(json.loads(line)["outcome"] == "chosen" for line in self.oracle())
        return "" if settled >= chosen else f"{settled} of {chosen} actions are settled"

    def _has_ended(self) -> bool:
        """Has every source told every partition that its recorded input is over, and nothing else since?"""
        ended: dict[tuple[int, str], bool] = {}
        for record in self.reading.records(self.topics.events):
            if b'"type":"mark"' in (record.value or b"")[:16]:
                mark = json.loads(record.value or b"")
                ended[record.partition, mark["source"]] = mark.get("ended", False)
        return sum(ended.values()) == self.kafka.partitions * len(self.reading.ends(self.topics.raw.values()))

    def decisions(self) -> dict[str, dict[str, object]]:
        """The first record of each decision."""
        found: dict[str, dict[str, object]] = {}
        for line in self.reading.values(self.topics.decisions):
            found.setdefault(line["id"], line)
        return found

    def position(self, stage: str, topic: str, partition: int) -> int:
        """How far a partition has come by its log alone: the offset of the next record to take."""

        async def read() -> int:
            link, at = Link(self.connection()), 0
            await link.start()
            try:
                log = PartitionLog(link, getattr(self.topics, f"log_{stage}"), partition, "onlooker")
                async with link.reader(log.topic, partition) as reader:
                    end = await reader.end()
                async for found in log.replay(0, end, ""):
                    at = found.commit.positions.get(topic, at)
            finally:
                await link.stop()
            return at

        return asyncio.run(read())

    def desk_lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "desk.jsonl").read_text().splitlines()]

    def oracle(self) -> list[bytes]:
        """What `beforehand backtest` decides over the same files, in a process of its own."""
        path = self.folder / "oracle.jsonl"
        if not path.exists():
            done = command(
                self.folder, "backtest", "--config", "config", "--data", "data", "--decisions", "oracle.jsonl"
            )
            assert done.returncode == 0, done.stderr
        return path.read_bytes().splitlines()

    def until(self, holds: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
        """Wait until something holds."""
        end = time.monotonic() + within_s
        while not holds():
            said = "\n".join(worker.said()[-3_000:] for worker in self._workers[-2:])
            assert time.monotonic() < end, f"{what}: not within {within_s} s\n{said}"
            time.sleep(0.1)

    def verify(self) -> None:
        """Have the verifier, a process of its own, judge what lies on the topics and at the receiver."""
        self.oracle()
        judged = subprocess.run(
            [sys.executable, "-m", "tests.worker.verify", str(self.folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert judged.returncode == 0, judged.stdout + judged.stderr


async def _members(cluster: Cluster, group: str) -> set[str]:
    coordinator = await cluster.admin.find_coordinator(group)
    found = (await cluster._ask(AskGroup(group), coordinator)).to_object()["groups"][0]
    return {member["member_id"] for member in found["members"]}


def _customer(row: bytes) -> bytes:
    with contextlib.suppress(json.JSONDecodeError):
        return str(json.loads(row)["customer"]).encode()
    return b"broken"


@contextlib.contextmanager
def working(world: World, count: int, *options: str) -> Iterator[list[Worker]]:
    """So many workers, stopped in order afterwards."""
    workers = [world.worker(f"w{number}", *options) for number in range(count)]
    yield workers
    for worker in workers:
        assert worker.stop() == 0, worker.said()
