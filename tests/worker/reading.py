"""Reads what lies on topics, as anybody could who has no part in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

Found = TypeVar("Found")


class Reading:
    """At these brokers; `group` is the group whose progress is asked for."""

    def __init__(self, servers: Sequence[str], group: str) -> None:
        self._servers = list(servers)
        self._group = group

    def records(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        """All there is on a topic, partition by partition in order."""
        return self._with_consumer(lambda consumer: _all_of(consumer, topic))

    def values(self, topic: str) -> list[dict[str, Any]]:
        """The records of a topic with a key, as JSON."""
        return [json.loads(record.value or b"null") for record in self.records(topic) if record.key is not None]

    def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """The offset that the next record of each partition will get."""
        return self._with_consumer(lambda consumer: _ends_of(consumer, topics))

    def committed(self) -> dict[TopicPartition, int]:
        """How far the group has read."""

        async def ask() -> dict[TopicPartition, int]:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
            await admin.start()
            try:
                found = await admin.list_consumer_group_offsets(self._group)
            finally:
                await admin.close()
            return {place: each.offset for place, each in found.items() if each.offset >= 0}

        return asyncio.run(ask())

    def forget(self) -> None:
        """Let the group begin anew, as one does that Kafka has forgotten. It must have no members."""

        async def begin_anew() -> None:
            places = await asyncio.to_thread(self.committed)
            consumer = AIOKafkaConsumer(bootstrap_servers=self._servers, group_id=self._group, enable_auto_commit=False)
            consumer.assign(list(places))
            await consumer.start()
            try:
                await consumer.commit(dict.fromkeys(places, 0))
            finally:
                await consumer.stop()

        asyncio.run(begin_anew())

    def behind(self, topics: Iterable[str]) -> dict[str, int]:
        """What the group has not read, by partition; only where there is something."""
        ends, read = self.ends(topics), self.committed()
        left = {f"{tp.topic}/{tp.partition}": end - read.get(tp, 0) for tp, end in ends.items()}
        return {name: count for name, count in left.items() if count > 0}

    def _with_consumer(self, ask: Callable[[AIOKafkaConsumer], Awaitable[Found]]) -> Found:
        async def asked() -> Found:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._servers, auto_offset_reset="earliest")
            await consumer.start()
            try:
                return await ask(consumer)
            finally:
                await consumer.stop()

        return asyncio.run(asked())


async def _places(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> list[TopicPartition]:
    known = await consumer._client.fetch_all_metadata()
    return [TopicPartition(topic, number) for topic in topics for number in known.partitions_for_topic(topic) or ()]


async def _ends_of(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> dict[TopicPartition, int]:
    return await consumer.end_offsets(await _places(consumer, topics))


async def _all_of(consumer: AIOKafkaConsumer, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    places = await _places(consumer, [topic])
    if not places:
        return []
    consumer.assign(places)
    ends, found = await consumer.end_offsets(places), list[ConsumerRecord[bytes, bytes]]()
    for place in places:
        await consumer.seek_to_beginning(place)
    while any([await consumer.position(place) < ends[place] for place in places]):
        for records in (await consumer.getmany(timeout_ms=300)).values():
            found += records
    return sorted(found, key=lambda record: (record.partition, record.offset))
