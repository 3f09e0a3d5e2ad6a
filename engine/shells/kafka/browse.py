"""Topics read from their beginning to where they end now, by commands that belong to no group and take nothing over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from engine.errors import OperatorError
from engine.shells.kafka.link import Link

# How long nothing may come of what is there, before Kafka is taken not to answer.
PATIENCE_S = 60.0
Batch = TypeVar("Batch")


@asynccontextmanager
async def linked(connection: dict[str, Any]) -> AsyncIterator[Link]:
    """A connection for the time of the block. Raises OperatorError where Kafka cannot be reached or does not answer."""
    link = Link(connection)
    await link.start()
    try:
        yield link
    except (KafkaError, TimeoutError) as error:
        raise OperatorError(f"Kafka does not answer: {error or type(error).__name__}") from error
    finally:
        await link.stop()


async def partitions_of(link: Link, topic: str) -> int:
    """How many a topic has. Raises OperatorError where it has none."""
    count = await link.partitions(topic)
    if not count:
        raise OperatorError(f"Topic {topic} is not there or not to be seen; `beforehand doctor` says more")
    return count


async def records_of(link: Link, topic: str) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Every record that a topic holds now, partition by partition. Raises OperatorError, KafkaError, TimeoutError."""
    for partition in range(await partitions_of(link, topic)):
        async with link.reader(topic, partition) as reader:
            begin, end = await reader.begin(), await reader.end()
            async for records in patiently(reader.read(begin, end)):
                for record in records:
                    yield record


async def patiently(batches: AsyncIterator[Batch]) -> AsyncIterator[Batch]:
    """The same batches. Raises TimeoutError where the next one does not come for long."""
    while True:
        try:
            batch = await asyncio.wait_for(anext(batches), PATIENCE_S)
        except StopAsyncIteration:
            return
        yield batch
