"""The dispatch stage while several things happen to one partition at once, and its death in between.

Its log is told of batches that are taken, of intents, and of results, each by whoever comes to it; what one of them
writes must not speak for the others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.model import Action, Receipt, Severity
from engine.ports import Delivered, Verdict
from engine.shells.kafka import dispatch, wire
from engine.shells.kafka.dispatch import DispatchPartition, Sending
from engine.shells.kafka.stage import Shared
from engine.shells.kafka.topics import topics_of
from engine.shells.wiring import load_configuration, plan_of
from tests.kafka.memory_link import MemoryCluster
from tests.kill.project import make

NOW = 1_767_571_200_000  # Monday 2026-01-05 00:00 UTC
NAMES = ("desk", "sms", "log")


class Cluster(MemoryCluster):
    """Before something is written to a topic, or deleted from it, a test may make it wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: dict[str, Callable[[], Awaitable[object]]] = {}

    async def send(self, topic: str, partition: int, pairs: Iterable[tuple[bytes | None, bytes]]) -> list[Any]:
        await self._wait(topic)
        return await super().send(topic, partition, pairs)

    async def append(self, topic: str, partition: int, value: bytes) -> int:
        await self._wait(topic)
        return await super().append(topic, partition, value)

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        await self._wait("delete")
        await super().delete_before(topic, partition, offset)

    async def _wait(self, name: str) -> None:
        if name in self.waits:
            await self.waits[name]()


class Receiver:
    """Answers once it may, and keeps what came."""

    idempotent, idempotent_for_ms = True, 10**10

    def __init__(self) -> None:
        self.got: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def open(self) -> None: ...

    async def send(self, action: Action) -> Verdict:
        self.got.append(action.id)
        await self.may_answer.wait()
        return Delivered("")

    async def close(self) -> None: ...


class World:
    """A cluster and its receivers, which outlive the worker. Each life of it may be on a machine of its own."""

    def __init__(self, folder: Path) -> None:
        self.link = Cluster()
        self.receivers = {name: Receiver() for name in NAMES}
        self.folder = make(folder)
        self.plan = plan_of(load_configuration(folder / "config"))
        self.topics = topics_of(self.plan.configuration.project)
        self._tasks: list[asyncio.Task[None]] = []
        self._lives = 0

    async def put(self, *messages: Action | wire.Erase | bytes) -> None:
        for one in messages:
            key = None if isinstance(one, wire.Erase) else b"customer:c1"
            value = one if isinstance(one, bytes) else wire.encode(one)
            await self.link.send(self.topics.actions, 0, [(key, value)])

    async def live(self, machine: str) -> DispatchPartition:
        """Begin a life, with what this machine has on its disk."""
        link: Any = self.link
        shared = Shared(
            link=link,
            topics=self.topics,
            partitions=1,
            state=self.folder / machine,
            config=self.folder / "config",
            plan=self.plan,
        )
        sinks: Any = self.receivers
        clock = count(NOW, 1_000).__next__  # a wait for a moment is over when it is looked at again
        sending = Sending(sinks=lambda plan: sinks, clock=clock, report=lambda report, row: None, lease_ms=10**9)
        self._lives += 1
        self.stage = DispatchPartition(shared, 0, f"writer-{self._lives}", sending)
        await self.stage.open()
        return self.stage

    def take(self, most: int = 1) -> asyncio.Task[None]:
        """Let it take the next of what it has not taken."""
        records = self.link.since(self.topics.actions, 0, self.stage.position, most)
        task = asyncio.create_task(self.stage.take(records))  # type: ignore[arg-type]
        self._tasks.append(task)
        return task

    async def die(self) -> None:
        """At once: what is under way comes to nothing."""
        sending = self.stage._running
        dying = [*self._tasks, *([sending] if sending else [])]
        self._tasks = []
        for task in dying:
            task.cancel()
        await asyncio.wait(dying)
        self.stage._store.close()
        self.link.waits.clear()

    async def rest(self) -> None:
        """Take what there is, and send it."""
        while self.link.places[self.topics.actions, 0].next_offset > self.stage.position:
            await self.take(10)
        await until(lambda: not {"pending", "intent", "retry"} & self.states().keys())
        await self.stage.durable()

    def states(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for (_, state), many in self.stage.ledger.counts().items():
            found[str(state)] += many
        return dict(found)

    def got(self) -> list[str]:
        return sorted(action for receiver in self.receivers.values() for action in receiver.got)

    def receipts(self) -> set[str]:
        records = self.link.places[self.topics.receipts, 0].records
        return {msgspec.json.decode(record.value, type=Receipt).action_id for record in records}

    def in_log(self, text: bytes) -> bool:
        return any(text in record.value for record in self.link.places[self.topics.log_dispatch, 0].records)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    yield world
    await world.die()


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.001)


async def a_moment() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def action(name: str, sink: str = "desk") -> Action:
    return Action(
        id=name,
        signal_id="s1",
        decision_id="d1",
        play="warn",
        detector="break-in",
        channel=sink,
        unit="customer:c1",
        recipient="customer:c1",
        about="customer:c1",
        step="",
        at=NOW,
        expires_at=0,
        tier=3,
        purpose="service",
        owner="support",
        title="",
        text=f"words to {name}",
        why="",
        severity=Severity.URGENT,
    )


async def held_while_it_writes_a_result(world: World, *while_held: Action | bytes) -> asyncio.Event:
    """One action is sent, and the receipt of it is on its way when another batch is taken. Gives what it waits for."""
    go_on = asyncio.Event()
    await world.live("here")
    await world.put(action("a1"), *while_held)
    world.link.waits[world.topics.receipts] = go_on.wait
    await world.take()
    await until(lambda: "delivered" in world.states())
    world.take(len(while_held))
    await a_moment()
    return go_on


@pytest.mark.parametrize("machine", ["here", "elsewhere"])
async def test_what_came_while_a_result_was_written_outlives_a_death_right_after_it(
    world: World, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = await held_while_it_writes_a_result(world, action("a2"), b"no action")
    passes: list[str] = []
    monkeypatch.setattr(dispatch, "fault_point", passes.append)
    commits_before = len(world.link.places[world.topics.log_dispatch, 0].records)

    async def never() -> None:
        await asyncio.Event().wait()

    async def one_only() -> None:
        if len(world.link.places[world.topics.log_dispatch, 0].records) > commits_before:
            await never()

    world.link.waits[world.topics.log_dispatch] = one_only
    world.link.waits[world.topics.dead_letters] = never
    go_on.set()
    await until(lambda: passes[:2] == ["S3", "S5"])
    await a_moment()
    await world.die()  # the result is in the log, and what was taken meanwhile is not

    await world.live(machine)
    await world.rest()
    assert world.got() == ["a1", "a2"]
    assert world.receipts() == {"a1", "a2"}
    assert world.states() == {"delivered": 2}
    assert world.link.places[world.topics.dead_letters, 0].records, "what could not be read is set aside"


async def test_a_batch_that_is_broken_off_takes_no_receipt_of_others_with_it(world: World) -> None:
    desk, sms = world.receivers["desk"], world.receivers["sms"]
    desk.may_answer.clear()
    sms.may_answer.clear()
    await world.live("here")
    await world.put(action("a1"), action("a2", "sms"), action("a3"))
    await world.take(2)
    await until(lambda: world.got() == ["a1", "a2"])
    turns = asyncio.Semaphore(0)
    world.link.waits[world.topics.receipts] = turns.acquire
    sms.may_answer.set()
    await a_moment()  # the result of a2 is being written
    taking = world.take()
    await a_moment()  # a3 waits for that
    desk.may_answer.set()
    await a_moment()  # and the result of a1 for both
    turns.release()
    await a_moment()
    taking.cancel()  # as when the partition goes to another worker
    await a_moment()
    for _ in range(10):
        turns.release()
    await until(lambda: world.states().get("delivered") == 3)
    await world.stage.durable()
    await world.die()

    await world.live("elsewhere")
    await world.rest()
    assert world.got() == ["a1", "a2", "a3"]
    assert world.receipts() == {"a1", "a2", "a3"}


async def test_a_log_that_is_written_anew_says_nothing_that_is_not_out(world: World) -> None:
    desk = world.receivers["desk"]
    desk.may_answer.clear()
    await world.live("here")
    await world.put(action("a1"), wire.Erase("customer", "c2", NOW, NOW + 1), action("a2"))
    await world.take()
    await until(lambda: world.got() == ["a1"])
    written = 0

    async def result_comes() -> None:
        nonlocal written
        written += 1
        if written == 3:  # that the erasure was taken, a new beginning, and now what the log begins with
            desk.may_answer.set()
            await a_moment()

    async def dies() -> None:
        await asyncio.Event().wait()

    world.link.waits = {world.topics.log_dispatch: result_comes, "delete": dies}
    world.take()
    await until(lambda: "delivered" in world.states())
    await a_moment()
    await world.die()
    await world.live("elsewhere")
    await world.rest()
    assert world.receipts() == {"a1", "a2"}
    assert world.states() == {"delivered": 2}
    assert world.got() in (["a1", "a2"], ["a1", "a1", "a2"]), "its receiver recognises an id"


async def test_who_was_erased_is_forgotten_though_the_process_dies_while_it_does_so(world: World) -> None:
    await world.live("here")
    await world.put(action("a1"), wire.Erase("customer", "c1", NOW, NOW + 1))
    await world.take()
    await until(lambda: "delivered" in world.states())
    await world.stage.durable()

    async def dies() -> None:
        await asyncio.Event().wait()

    world.link.waits["delete"] = dies
    world.take()
    await a_moment()
    await world.die()
    assert world.in_log(b"words to a1")

    await world.live("elsewhere")
    assert not world.in_log(b"words to a1")
    await world.die()
    await world.live("here")
    await world.put(action("a2"))
    await world.rest()
    assert world.got() == ["a1"], "nothing more goes to them"
