"""The worker's own connection to Kafka, beside the one that Faust consumes with: to write, and to read back.

Everything is written with `acks=all` by an idempotent producer, and counts as written when the broker says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from engine.errors import OperatorError

# One request, retries included; a broker that restarts is back within it.
REQUEST_TIMEOUT_MS = 60_000
REQUEST_BYTES = 4 * 1024 * 1024
BATCH_BYTES = 512 * 1024

# (key, value) of a record to write; without a value, what was said under that key is taken back.
Pair: TypeAlias = tuple[bytes | None, bytes | None]


class Record(Protocol):
    """A record of a partition, as it was read. `timestamp` in ms; `timestamp_type` 1: the broker's own time."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


# Acknowledgements that are still to come.
Pending: TypeAlias = "list[asyncio.Future[RecordMetadata]]"


class Link:
    """`connection`: what every client needs to reach the broker, as `settings.connection` gives it."""

    def __init__(self, connection: dict[str, Any]) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._looker: AIOKafkaConsumer | None = None
        self._looking = asyncio.Lock()

    async def start(self) -> None:
        """Raises OperatorError if no broker can be reached."""
        producer = AIOKafkaProducer(
            **self._connection,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            max_request_size=REQUEST_BYTES,
            max_batch_size=BATCH_BYTES,
        )
        admin = AIOKafkaAdminClient(**self._connection)
        try:
            await producer.start()
            await admin.start()
        except KafkaError as error:
            await producer.stop()
            servers = self._connection.get("bootstrap_servers")
            raise OperatorError(f"no Kafka broker can be reached at {servers} ({error})") from error
        self._producer, self._admin = producer, admin

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()
        if self._admin is not None:
            await self._admin.close()
        if self._looker is not None:
            await self._looker.stop()

    # ---- writing

    async def send(self, topic: str, partition: int, pairs: Iterable[Pair]) -> Pending:
        """Hand records over in this order. They are written once the returned futures are done.

        The order holds among all calls for a partition that follow one another.
        """
        producer, pending = self._started(), []
        builder = producer.create_batch()
        for key, value in pairs:
            if builder.append(key=key, value=value, timestamp=None) is not None:
                continue
            if builder.record_count():
                pending.append(await self._send_batch(builder, topic, partition))
                builder = producer.create_batch()
            if builder.append(key=key, value=value, timestamp=None) is None:  # larger than a batch: by itself
                pending.append(await producer.send(topic, value, key=key, partition=partition))
        if builder.record_count():
            pending.append(await self._send_batch(builder, topic, partition))
        return pending

    async def _send_batch(self, builder: BatchBuilder, topic: str, partition: int) -> asyncio.Future[RecordMetadata]:
        builder.close()
        return await self._started().send_batch(builder, topic, partition=partition)

    async def append(self, topic: str, partition: int, value: bytes) -> int:
        """Write one record and wait for it. Returns its offset, -1 if the broker no longer knows which it got.

        Raises KafkaError if it may not have been written.
        """
        written = await self._started().send_and_wait(topic, value, partition=partition)
        return written.offset

    # ---- reading back

    @asynccontextmanager
    async def reader(self, topic: str, partition: int) -> AsyncIterator[Reader]:
        """Reads one partition, in no group and on no schedule."""
        consumer = AIOKafkaConsumer(
            **self._connection,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_bytes=64 * 1024 * 1024,
            max_partition_fetch_bytes=8 * 1024 * 1024,
        )
        await consumer.start()
        try:
            yield Reader(consumer, TopicPartition(topic, partition))
        finally:
            await consumer.stop()

    async def partitions(self, topic: str) -> int:
        """How many a topic has, 0 if there is no such topic."""
        found = await self._started().client.fetch_all_metadata()
        return len(found.partitions_for_topic(topic) or ())

    async def ends(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The offset that the next record of each (topic, partition) will get. Raises KafkaError."""
        found = await (await self._look()).end_offsets([TopicPartition(*place) for place in places])
        return {(tp.topic, tp.partition): end for tp, end in found.items()}

    async def begins(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """The offset of the first record that each (topic, partition) still has. Raises KafkaError."""
        found = await (await self._look()).beginning_offsets([TopicPartition(*place) for place in places])
        return {(tp.topic, tp.partition): begin for tp, begin in found.items()}

    async def _look(self) -> AIOKafkaConsumer:
        async with self._looking:  # partitions that are opened together would start one each
            if self._looker is None:
                looker = AIOKafkaConsumer(**self._connection, enable_auto_commit=False)
                await looker.start()
                self._looker = looker
            return self._looker

    async def committed(self, group: str, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """What a group has committed for each (topic, partition), where it has committed something."""
        if not places:
            return {}
        assert self._admin is not None
        wanted = [TopicPartition(*place) for place in places]
        found = await self._admin.list_consumer_group_offsets(group, partitions=wanted)
        return {(tp.topic, tp.partition): each.offset for tp, each in found.items() if each.offset >= 0}

    async def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """Let the broker drop what is before an offset."""
        assert self._admin is not None
        await self._admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=offset)})

    def _started(self) -> AIOKafkaProducer:
        assert self._producer is not None, "start() comes first"
        return self._producer


class Reader:
    """One partition to be read from a place on."""

    def __init__(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        self._consumer = consumer
        self._partition = partition
        consumer.assign([partition])

    async def begin(self) -> int:
        found = await self._consumer.beginning_offsets([self._partition])
        return found[self._partition]

    async def end(self) -> int:
        """The offset that the next record will get."""
        found = await self._consumer.end_offsets([self._partition])
        return found[self._partition]

    async def at(self, written_at: int) -> int:
        """The offset of the first record that was written at a time (ms) or later, the end if there is none."""
        found = (await self._consumer.offsets_for_times({self._partition: max(written_at, 0)}))[self._partition]
        return await self.end() if found is None else found.offset

    async def read(self, since: int, until: int) -> AsyncIterator[Sequence[ConsumerRecord[bytes, bytes]]]:
        """Records with offsets from `since` and before `until`, in batches. Gaps that the broker left are skipped."""
        self._consumer.seek(self._partition, since)
        while await self._consumer.position(self._partition) < until:
            found = await self._consumer.getmany(self._partition, timeout_ms=500, max_records=2_000)
            records = [record for record in found.get(self._partition, ()) if record.offset < until]
            if records:
                yield records


async def acknowledged(pending: Pending) -> None:
    """Wait until all of it is written. Raises KafkaError if some may not have been."""
    for future in pending:
        await future
