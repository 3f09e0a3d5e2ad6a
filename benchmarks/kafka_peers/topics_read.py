"""What stands on the topics after a run: when the worker's commits were written, and which input they stand for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from engine.shells.kafka.log import Commit, Marker, Part

PARTITIONS = 4
_RECORD: msgspec.msgpack.Decoder[Marker | Part] = msgspec.msgpack.Decoder(Marker | Part)
_COMMIT = msgspec.msgpack.Decoder(Commit)


@dataclass(frozen=True)
class Committed:
    """One commit: when it was written, and for each topic the next offset to read."""

    at: float
    partition: int
    positions: dict[str, int]


async def create(servers: str, *names: str) -> None:
    """Topics that keep everything, however old their events are, stamped by the broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        configs = {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=configs) for name in names])
    finally:
        await admin.close()


async def records(servers: str, topic: str) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Everything that a topic holds now, each partition in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in await found(consumer, topic)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < end for part, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in batch:
                    yield record
    finally:
        await consumer.stop()


async def found(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """The partitions of a topic that this consumer has not heard of yet."""
    await consumer.topics()
    return set(consumer.partitions_for_topic(topic) or ())


async def ends(servers: str, topic: str) -> dict[int, int]:
    """The offset behind the last record of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        parts = [TopicPartition(topic, number) for number in await found(consumer, topic)]
        return {part.partition: end for part, end in (await consumer.end_offsets(parts)).items()}
    finally:
        await consumer.stop()


async def commits(servers: str, topic: str) -> tuple[list[Committed], int]:
    """The commits of a stage's log, and how many bytes the log holds."""
    written: list[Committed] = []
    # One that was cut into parts is whole at its last.
    size, bodies = 0, dict[int, list[bytes]]()
    async for record in records(servers, topic):
        size += len(record.value or b"")
        found = _RECORD.decode(record.value or b"")
        if isinstance(found, Marker):
            continue
        parts = bodies.setdefault(record.partition, [])
        parts[found.number :] = [found.body]
        if len(parts) == found.of:
            commit = _COMMIT.decode(b"".join(parts))
            written.append(Committed(record.timestamp / 1e3, record.partition, commit.positions))
    return written, size


async def last_events(servers: str, topic: str) -> tuple[dict[int, int], float]:
    """The offset of each partition's last event, marks of time left out, and when the first of all was written."""
    last: dict[int, int] = {}
    first_at = float("inf")
    async for record in records(servers, topic):
        if record.key is not None:
            last[record.partition] = record.offset
            first_at = min(first_at, record.timestamp / 1e3)
    return last, first_at


async def count_keyed(servers: str, topic: str) -> int:
    return sum([record.key is not None async for record in records(servers, topic)])


async def latencies_ms(servers: str, raw: str, actions: str) -> list[float]:
    """From the append of an action's row to the append of the action, both as the broker stamped them."""
    due: dict[str, int] = {}
    async for record in records(servers, actions):
        if record.key is not None:
            due[json.loads(record.value or b"")["event_ids"][-1]] = record.timestamp
    found: list[float] = []
    async for record in records(servers, raw):
        name = json.loads(record.value or b"")["id"]
        if name in due:
            found.append(due[name] - record.timestamp)
    return found
