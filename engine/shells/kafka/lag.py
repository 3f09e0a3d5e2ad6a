"""How far the workers are behind: for each partition that they read, what is there and how much of it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from engine.errors import OperatorError
from engine.shells.kafka.cluster import reached
from engine.shells.kafka.topics import topics_of
from engine.spec.types import ProjectSpec

READERS = ("route", "detect", "decide", "dispatch")
# How long one look at the oldest waiting records may take; what has not come by then is left out.
LOOK_MS = 3_000


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """One partition. Offsets count from 0; `end` is that of the next record to be written.

    `done`: all before this is done, -1 if nothing ever was. `lag`: records that wait. `lost`: records that expired
    after what was done and before anybody had read them. `waiting_ms`: for how long the oldest one has been waiting,
    -1 if none is or it is not known.
    """

    topic: str
    partition: int
    reader: str
    begin: int
    end: int
    done: int
    lag: int
    lost: int
    waiting_ms: int = -1


async def look(project: ProjectSpec, connection: dict[str, Any]) -> list[PartitionLag]:
    """Every partition that a stage reads, in the order of the stages. Raises OperatorError where Kafka cannot tell."""
    specs = [spec for spec in topics_of(project).all() if spec.reader in READERS and spec.role != "aliases"]
    try:
        async with reached(connection) as kafka:
            states = await kafka.topics(spec.name for spec in specs)
            missing = [name for name, state in states.items() if state.error]
            if missing:
                raise OperatorError(f"Topic {missing[0]} is not there or not to be seen; `beforehand doctor` says more")
            readers = {
                TopicPartition(spec.name, partition): spec.reader
                for spec in specs
                for partition in range(states[spec.name].partitions)
            }
            return await _measure(readers, project.kafka.group, connection)
    except (KafkaError, TimeoutError) as error:
        raise OperatorError(f"Kafka does not tell: {error or type(error).__name__}") from error


async def _measure(readers: Mapping[TopicPartition, str], group: str, connection: dict[str, Any]) -> list[PartitionLag]:
    # Asking for what a group has committed does not make this one of its members.
    consumer = AIOKafkaConsumer(
        **connection,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=16_384,
    )
    await consumer.start()
    try:
        places = list(readers)
        consumer.assign(places)
        begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        committed = await asyncio.gather(*(consumer.committed(each) for each in places))
        found = [
            _lag(each, reader, begins[each], ends[each], -1 if done is None else done)
            for (each, reader), done in zip(readers.items(), committed, strict=True)
        ]
        waiting = {TopicPartition(each.topic, each.partition): _next(each) for each in found if each.lag}
        since = await _oldest(consumer, waiting)
    finally:
        await consumer.stop()
    now = int(time.time() * 1000)
    return [_waiting(each, since.get(TopicPartition(each.topic, each.partition)), now) for each in found]


def _lag(place: TopicPartition, reader: str, begin: int, end: int, done: int) -> PartitionLag:
    return PartitionLag(
        topic=place.topic,
        partition=place.partition,
        reader=reader,
        begin=begin,
        end=end,
        done=done,
        lag=max(end - max(done, begin), 0),
        lost=max(begin - done, 0) if done >= 0 else 0,
    )


def _next(lag: PartitionLag) -> int:
    return max(lag.done, lag.begin)


def _waiting(lag: PartitionLag, since: int | None, now: int) -> PartitionLag:
    return lag if since is None else msgspec.structs.replace(lag, waiting_ms=max(now - since, 0))


async def _oldest(consumer: AIOKafkaConsumer, waiting: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    """The time stamp of the first record from each of these offsets on."""
    if not waiting:
        return {}
    consumer.assign(list(waiting))
    for place, offset in waiting.items():
        consumer.seek(place, offset)
    found: dict[TopicPartition, int] = {}
    until = time.monotonic() + LOOK_MS / 1000
    while len(found) < len(waiting) and time.monotonic() < until:
        for place, records in (await consumer.getmany(timeout_ms=200)).items():
            found.setdefault(place, records[0].timestamp)
    return found


# ---- for people


HEAD = ("topic", "partition", "read by", "end", "done", "lag", "oldest waits")


def as_table(lags: Collection[PartitionLag]) -> Table:
    """For somebody who looks at it."""
    table = Table(box=SIMPLE_HEAD)
    for name in HEAD:
        table.add_column(name, justify="left" if name in ("topic", "read by") else "right", overflow="fold")
    for lag in lags:
        table.add_row(*_row(lag))
    return table


def as_lines(lags: Collection[PartitionLag]) -> str:
    """For a program in a pipe: a line for each partition, with tabs in between."""
    return "\n".join("\t".join(row) for row in (HEAD, *(_row(lag) for lag in lags)))


def _row(lag: PartitionLag) -> tuple[str, ...]:
    done = "nothing yet" if lag.done < 0 else str(lag.done)
    return lag.topic, str(lag.partition), lag.reader, str(lag.end), done, str(lag.lag), _for(lag.waiting_ms)


def _for(ms: int) -> str:
    """Roughly how long, in one unit."""
    if ms < 0:
        return "-"
    seconds = ms / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
