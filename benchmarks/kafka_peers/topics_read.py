"""What stands on the topics after a run: when the worker's commits were written, and which input they stand for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from engine.shells.kafka.log import Commit, Marker, Part

PARTITIONS = 4
LOOK_EVERY_S = 0.05
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
    parts = await partitions(servers, topic)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends = await consumer.end_offsets(parts)
        while any([await consumer.position(part) < end for part, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in batch:
                    yield record
    finally:
        await consumer.stop()


async def partitions(servers: str, topic: str) -> list[TopicPartition]:
    """The partitions of a topic, none where it does not exist yet."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        told = (await admin.describe_topics([topic]))[0]["partitions"]
        return sorted(TopicPartition(topic, each["partition"]) for each in told)
    finally:
        await admin.close()


async def wait_for_first(servers: str, topic: str, check: Callable[[], None]) -> None:
    """Wait until a topic is there and has a record. `check` is called in between, and may raise."""
    while not (parts := await partitions(servers, topic)):
        check()
        await asyncio.sleep(LOOK_EVERY_S)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        while not any((await consumer.end_offsets(parts)).values()):
            check()
            await asyncio.sleep(LOOK_EVERY_S)
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


async def count_firing(servers: str, candidates: str) -> int:
    """How many signals were handed to decide, without those that say that one is over."""
    return sum([b'"state":"firing"' in (record.value or b"") async for record in records(servers, candidates)])


async def latencies_ms(servers: str, raw: str, actions: str, warming_up_ms: int = 0) -> list[float]:
    """From the append of an action's row to the append of the action, both as the broker stamped them.

    What was appended in the first `warming_up_ms` is left out.
    """
    due: dict[str, int] = {}
    async for record in records(servers, actions):
        if record.key is not None:
            due[json.loads(record.value or b"")["event_ids"][-1]] = record.timestamp
    found: list[tuple[int, float]] = []
    first = 0
    async for record in records(servers, raw):
        name, first = json.loads(record.value or b"")["id"], min(first or record.timestamp, record.timestamp)
        if name in due:
            found.append((record.timestamp, due[name] - record.timestamp))
    return [took for at, took in found if at - first >= warming_up_ms]
