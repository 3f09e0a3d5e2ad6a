"""The broker that the tests run on: what was written outlives a kill, and a paused one answers nothing."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from engine.shells.kafka.settings import connection
from engine.spec.types import KafkaSpec
from tests.kafka.conftest import NewBroker


async def make(servers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def write(servers: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        await producer.send_and_wait(topic, value, partition=0)


async def read(servers: str, topic: str) -> list[bytes]:
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        found: list[bytes] = []
        while await consumer.position(partition) < end:
            got = await consumer.getmany(timeout_ms=500)
            found.extend(record.value for records in got.values() for record in records)
        return found


async def test_each_test_has_topics_of_its_own_on_the_shared_broker(kafka: KafkaSpec) -> None:
    servers = connection(kafka, ".")["bootstrap_servers"]
    topic = f"{kafka.prefix}{uuid4().hex}"
    await make(servers, topic)
    await write(servers, topic, b"one")
    assert await read(servers, topic) == [b"one"]


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_what_was_written_outlives_a_restart(new_broker: NewBroker, kill: bool) -> None:
    broker = new_broker()
    await make(broker.servers, "t")
    await write(broker.servers, "t", b"before")
    broker.restart(kill=kill)
    await write(broker.servers, "t", b"after")
    assert await read(broker.servers, "t") == [b"before", b"after"]


async def test_a_paused_broker_answers_nothing_until_it_goes_on(new_broker: NewBroker) -> None:
    broker = new_broker()
    await make(broker.servers, "t")
    broker.pause()
    writing = asyncio.create_task(write(broker.servers, "t", b"waiting"))
    await asyncio.sleep(0.5)
    assert not writing.done()
    broker.resume()
    await asyncio.wait_for(writing, 30)
    assert await read(broker.servers, "t") == [b"waiting"]
