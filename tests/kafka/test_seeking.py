"""What was fetched and not handed out is fetched again, whether the group has committed anything before or not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from engine.shells.kafka.doctor import examine
from engine.shells.kafka.seam import seek_back
from engine.shells.kafka.settings import connection
from engine.shells.kafka.topics import topics_of
from engine.spec.types import KafkaSpec, ProjectSpec, StreamSpec


@pytest.fixture
async def consumer(kafka: KafkaSpec) -> AsyncIterator[Any]:
    """One of a new group, on a topic with ten records."""
    project = ProjectSpec(streams=(StreamSpec(name="usage"),), kafka=kafka)
    options, topic = connection(kafka, "."), topics_of(project).raw["usage"]
    await examine(project, options, create=True)
    async with AIOKafkaProducer(**options) as producer:
        for number in range(10):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
    group = {"group_id": kafka.group, "enable_auto_commit": False, "auto_offset_reset": "earliest"}
    async with AIOKafkaConsumer(topic, **options, **group) as consumer:
        yield consumer


async def fetched(consumer: Any) -> list[int]:
    found = await consumer.getmany(timeout_ms=10_000)
    return [int(record.value) for records in found.values() for record in records]


async def test_a_group_that_has_committed_nothing_reads_from_the_beginning_again(consumer: Any) -> None:
    assert await fetched(consumer) == list(range(10))
    assert set((await seek_back(consumer)).values()) == {None}
    assert await fetched(consumer) == list(range(10))


async def test_one_that_has_committed_reads_on_from_there(consumer: Any) -> None:
    assert await fetched(consumer) == list(range(10))
    place = next(place for place in consumer.assignment() if place.partition == 0)
    await consumer.commit({place: 4})
    assert (await seek_back(consumer))[place] == 4
    assert await fetched(consumer) == list(range(4, 10))
