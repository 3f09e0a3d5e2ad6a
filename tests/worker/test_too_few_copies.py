"""A topic that wants each write on two brokers takes none while one of them is down, and loses none by it."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError

from engine.shells.kafka.cluster import reached
from engine.shells.kafka.watch import GAVE_UP
from engine.spec.types import KafkaSpec
from tests.kafka.conftest import NewBroker
from tests.worker.conftest import NewWorld
from tests.worker.world import Worker, World

pytestmark = pytest.mark.slow

ONE, OTHER = 1, 2


def test_where_too_few_copies_are_in_sync_it_lets_go_of_nothing(new_broker: NewBroker, new_world: NewWorld) -> None:
    """All topics are on one broker, and `candidates` on another, too, which dies."""
    one = new_broker()
    world = new_world(KafkaSpec(servers=(one.servers,)), events=600, stuck_after_s=12)
    world.create_topics()
    other = new_broker(joins=one)
    keep_on_both(world, world.topics.candidates)
    worker = world.healthy_worker("stuck")
    world.until(lambda: is_ready(worker), "it does not come to work", 40)
    other.kill()
    world.until(lambda: in_sync(world, world.topics.candidates) == 1, "the other is not missed", 30)
    for stream in world.topics.raw:
        world.put(stream, world.rows(stream))
    assert worker.end(60) == GAVE_UP, worker.said()
    assert f"{world.topics.events}/" in worker.said()
    assert "has not moved" in worker.said()
    assert not world.decisions()
    other.start()
    world.until(lambda: in_sync(world, world.topics.candidates) == 2, "the other does not catch up", 30)
    following = world.worker("next")
    world.until_done(60, following)
    assert following.stop() == 0, following.said()
    world.verify()


def is_ready(worker: Worker) -> bool:
    """It has restored all of its partitions."""
    try:
        return httpx.get(f"http://127.0.0.1:{worker.port}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def keep_on_both(world: World, topic: str) -> None:
    """Make a topic anew, led by the one broker and followed by the other, each write to be on both."""
    world.delete_topic(topic)
    copies = {partition: [ONE, OTHER] for partition in range(world.kafka.partitions)}
    [spec] = [spec for spec in world.topics.all() if spec.name == topic]
    settings = {**spec.configs, "min.insync.replicas": "2"}
    new = NewTopic(topic, -1, -1, replica_assignments=copies, topic_configs=settings)

    async def create() -> None:
        async with reached(world.connection()) as cluster:
            answer = await cluster.admin.create_topics([new])
            assert not any(code for _, code, _ in answer.topic_errors), answer

    asyncio.run(create())
    world.until(lambda: in_sync(world, topic) == 2, "it is not on both", 30)


def in_sync(world: World, topic: str) -> int:
    """How many copies of a topic are up to date, 0 if it cannot be told just now."""

    async def ask() -> int:
        async with reached(world.connection()) as cluster:
            return (await cluster.topics([topic]))[topic].in_sync

    try:
        return asyncio.run(ask())
    except KafkaError:  # it asked the one that has just died
        return 0
