"""How far the workers are behind, on a real broker: what is counted as waiting, and for how long it does."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from rich.console import Console

from engine.errors import OperatorError
from engine.shells.kafka.doctor import examine
from engine.shells.kafka.lag import PartitionLag, as_lines, as_table, look
from engine.shells.kafka.settings import connection
from engine.shells.kafka.topics import topics_of
from engine.spec.types import KafkaSpec, ProjectSpec, StreamSpec


@pytest.fixture
async def project(kafka: KafkaSpec) -> ProjectSpec:
    made = ProjectSpec(streams=(StreamSpec(name="usage"),), kafka=msgspec.structs.replace(kafka, partitions=2))
    await examine(made, options(made), create=True)
    return made


def options(project: ProjectSpec) -> dict[str, Any]:
    return connection(project.kafka, ".")


async def write(project: ProjectSpec, topic: str, partition: int, count: int) -> None:
    async with AIOKafkaProducer(**options(project)) as producer:
        for _ in range(count):
            await producer.send_and_wait(topic, b"x", partition=partition)


async def commit(project: ProjectSpec, topic: str, partition: int, offset: int) -> None:
    """As a worker that has done everything before this offset."""
    async with AIOKafkaConsumer(**options(project), group_id=project.kafka.group, enable_auto_commit=False) as consumer:
        consumer.assign([TopicPartition(topic, partition)])
        await consumer.commit({TopicPartition(topic, partition): offset})


async def lag_of(project: ProjectSpec, topic: str, partition: int) -> PartitionLag:
    found = {(lag.topic, lag.partition): lag for lag in await look(project, options(project))}
    return found[topic, partition]


async def test_every_partition_that_a_stage_reads_is_told_in_order(project: ProjectSpec) -> None:
    topics = topics_of(project)
    found = [(lag.topic, lag.partition, lag.reader) for lag in await look(project, options(project))]
    readers = {
        topics.raw["usage"]: "route",
        topics.events: "detect",
        topics.candidates: "decide",
        topics.actions: "dispatch",
    }
    assert found == [(topic, partition, reader) for topic, reader in readers.items() for partition in (0, 1)]


async def test_nothing_waits_where_nothing_is(project: ProjectSpec) -> None:
    lag = await lag_of(project, topics_of(project).events, 0)
    assert (lag.end, lag.done, lag.lag, lag.lost, lag.waiting_ms) == (0, -1, 0, 0, -1)


async def test_what_nobody_has_done_yet_waits(project: ProjectSpec) -> None:
    topic = topics_of(project).raw["usage"]
    await write(project, topic, 1, 3)
    await asyncio.sleep(0.3)
    lag = await lag_of(project, topic, 1)
    assert (lag.end, lag.done, lag.lag) == (3, -1, 3)
    assert 300 <= lag.waiting_ms < 60_000


async def test_what_is_committed_no_longer_waits(project: ProjectSpec) -> None:
    topic = topics_of(project).events
    await write(project, topic, 0, 5)
    await commit(project, topic, 0, 3)
    await asyncio.sleep(0.3)
    await write(project, topic, 0, 1)
    waiting = await lag_of(project, topic, 0)
    assert (waiting.end, waiting.done, waiting.lag) == (6, 3, 3)
    assert waiting.waiting_ms >= 300
    await commit(project, topic, 0, 6)
    done = await lag_of(project, topic, 0)
    assert (done.lag, done.waiting_ms) == (0, -1)


async def test_what_expired_unread_is_told_and_does_not_wait(project: ProjectSpec) -> None:
    topic = topics_of(project).events
    await write(project, topic, 0, 10)
    await commit(project, topic, 0, 2)
    admin = AIOKafkaAdminClient(**options(project))
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=7)})
    await admin.close()
    lag = await lag_of(project, topic, 0)
    assert (lag.begin, lag.end, lag.done, lag.lag, lag.lost) == (7, 10, 2, 3, 5)


async def test_what_expired_before_the_first_start_is_not_lost(project: ProjectSpec) -> None:
    topic = topics_of(project).events
    await write(project, topic, 0, 10)
    admin = AIOKafkaAdminClient(**options(project))
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=7)})
    await admin.close()
    lag = await lag_of(project, topic, 0)
    assert (lag.done, lag.lag, lag.lost) == (-1, 3, 0)


async def test_looking_does_not_disturb_the_group(project: ProjectSpec) -> None:
    """A worker that is at it keeps its partitions."""
    topic = topics_of(project).events
    async with AIOKafkaConsumer(topic, **options(project), group_id=project.kafka.group) as worker:
        await worker.getmany(timeout_ms=500)
        before = worker.assignment()
        assert before
        await look(project, options(project))
        await worker.getmany(timeout_ms=500)
        assert worker.assignment() == before


async def test_a_missing_topic_is_told(kafka: KafkaSpec) -> None:
    project = ProjectSpec(streams=(StreamSpec(name="usage"),), kafka=kafka)
    with pytest.raises(OperatorError, match=r"raw\.usage is not there or not to be seen; `beforehand doctor` says"):
        await look(project, options(project))


# ---- what is shown

LAGS = (
    PartitionLag(topic="t.events", partition=0, reader="detect", begin=0, end=9, done=9, lag=0, lost=0),
    PartitionLag(
        topic="t.events", partition=1, reader="detect", begin=0, end=9, done=-1, lag=9, lost=0, waiting_ms=5_400_000
    ),
)


def test_a_program_gets_a_line_for_each_partition() -> None:
    assert as_lines(LAGS).splitlines() == [
        "topic\tpartition\tread by\tend\tdone\tlag\toldest waits",
        "t.events\t0\tdetect\t9\t9\t0\t-",
        "t.events\t1\tdetect\t9\tnothing yet\t9\t1.5 h",
    ]


def test_a_person_gets_a_table() -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=True, no_color=True, width=100).print(as_table(LAGS))
    lines = out.getvalue().splitlines()
    assert any("oldest waits" in line for line in lines)
    assert any("nothing yet" in line and "1.5 h" in line for line in lines)
