"""Fetches that are unpacked whole give the records that aiokafka gives, and leave off where it would."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from engine.shells.kafka.unpack import unpack_whole

PLACE = TopicPartition("events", 0)


class Assignment:
    """The position of one partition, as a consumer keeps it."""

    active = True
    paused = False

    def __init__(self, position: int) -> None:
        self.position = position

    def state_value(self, _place: TopicPartition) -> Assignment:
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def packed(base: int, count: int, codec: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1_000_000)
    for number in range(count):
        builder.append(number, 1_000 + number, b"k%d" % number if number % 3 else None, b"v%d" % (base + number), [])
    raw = bytearray(builder.build())
    raw[:8] = base.to_bytes(8, "big")
    return bytes(raw)


def fetch(raw: bytes, since: int) -> tuple[FetchResult, Assignment]:
    assignment = Assignment(since)
    records = PartitionRecords(PLACE, MemoryRecords(raw), [], since, None, None, check_crcs=True, isolation_level=0)
    return FetchResult(PLACE, assignment=assignment, partition_records=records, backoff=0), assignment


def took(fetched: Any, sizes: list[int | None]) -> list[Any]:
    return [
        [(each.offset, each.timestamp, each.key, each.value) for each in fetched.getall(size)]
        for size in sizes
        if fetched.has_more()
    ]


@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    skipped=st.integers(0, 5),
    sizes=st.lists(st.integers(1, 9), max_size=6),
    codec=st.sampled_from([0, 1]),
)
def test_it_gives_what_aiokafka_gives(counts: list[int], skipped: int, sizes: list[int], codec: int) -> None:
    raw, base = b"", 100
    for count in counts:
        raw += packed(base, count, codec)
        base += count
    since = 100 + min(skipped, counts[0] - 1)
    one_by_one, whole = fetch(raw, since), fetch(raw, since)
    unpack_whole(whole[0])
    asked = [*sizes, None]
    plain, ours = took(one_by_one[0], asked), took(whole[0], asked)
    assert [part for part in ours if part] == [part for part in plain if part]
    assert whole[1].position == one_by_one[1].position == base


def test_it_leaves_off_where_it_is_told_to() -> None:
    fetched, assignment = fetch(packed(100, 5, 0) + packed(105, 5, 0), 102)
    unpack_whole(fetched)
    assert [each.offset for each in fetched.getall(4)] == [102, 103, 104, 105]
    assert assignment.position == 106
    assert fetched.has_more()
    assert [each.offset for each in fetched.getall()] == [106, 107, 108, 109]
    assert assignment.position == 110
    assert not fetched.has_more()


def test_a_fetch_that_was_begun_in_the_other_way_goes_on_in_it() -> None:
    fetched, assignment = fetch(packed(100, 5, 0) + packed(105, 5, 0), 100)
    assert [each.offset for each in fetched.getall(3)] == [100, 101, 102]
    unpack_whole(fetched)
    assert [each.offset for each in fetched.getall()] == [103, 104, 105, 106, 107, 108, 109]
    assert assignment.position == 110


def test_what_was_fetched_before_a_seek_is_not_given() -> None:
    fetched, assignment = fetch(packed(100, 5, 0), 100)
    unpack_whole(fetched)
    assignment.position = 300
    assert fetched.getall() == []
    assert assignment.position == 300


def test_a_damaged_batch_is_refused() -> None:
    raw = bytearray(packed(100, 5, 0))
    raw[-1] ^= 1
    fetched, assignment = fetch(bytes(raw), 100)
    unpack_whole(fetched)
    with pytest.raises(CorruptRecordException):
        fetched.getall()
    assert fetched.getall() == []
    assert assignment.position == 100
