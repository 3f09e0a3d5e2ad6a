"""The contract of the seam with Faust: what is committed, and that it still is the Faust it was written for."""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict, deque

from aiokafka import ConsumerRecord
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from engine.shells.kafka.seam import Batch, BatchConsumer, Lane

PLACE = TP("events", 0)


def consumer_with(underway: list[int], done: list[int]) -> BatchConsumer:
    """A consumer to which batches with these last offsets were given, and of which these are acknowledged."""
    consumer = BatchConsumer.__new__(BatchConsumer)
    consumer._underway = {PLACE: deque(underway)}
    consumer._acked = defaultdict(list, {PLACE: list(done)})
    consumer._acked_index = defaultdict(set, {PLACE: set(done)})
    return consumer


def test_only_the_run_of_done_batches_from_the_oldest_on_is_committed() -> None:
    assert consumer_with([49, 99, 149], [49, 99])._new_offset(PLACE) == 100
    assert consumer_with([49, 99, 149], [99, 149])._new_offset(PLACE) is None
    assert consumer_with([49, 99, 149], [49, 149])._new_offset(PLACE) == 50
    assert consumer_with([49], [49])._new_offset(PLACE) == 50
    assert consumer_with([], [])._new_offset(PLACE) is None


def test_what_was_not_given_out_here_is_never_committed() -> None:
    """An acknowledgement that comes after the partition went away and came back stands for nothing."""
    assert consumer_with([199], [49, 99])._new_offset(PLACE) is None


def test_a_hole_stays_until_it_is_filled() -> None:
    consumer = consumer_with([49, 99, 149], [99, 149])
    assert consumer._new_offset(PLACE) is None
    consumer._acked_index[PLACE].add(49)
    consumer._acked[PLACE].append(49)
    assert consumer._new_offset(PLACE) == 150
    assert consumer._acked[PLACE] == []


def test_faust_still_has_what_the_seam_replaces_and_relies_on() -> None:
    """Not public, so an upgrade may change them: read the new ones before this test is changed."""
    base = faust_consumer.Consumer
    assert list(inspect.signature(base._new_offset).parameters) == ["self", "tp"]
    assert list(inspect.signature(base.getmany).parameters) == ["self", "timeout"]
    assert list(inspect.signature(base._wait_next_records).parameters) == ["self", "timeout"]
    assert inspect.isasyncgenfunction(base.getmany)
    text = inspect.getsource(base)
    for name in ("_acked_index", "_acked", "_read_offset", "_buffered_partitions", "flow_active", "perform_seek"):
        assert name in text, name
    assert driver.Transport.Consumer is driver.Consumer


async def test_what_was_handed_out_before_a_rebalance_and_not_begun_is_left() -> None:
    """Else the batch that still found room would be taken without those before it, which were dropped."""
    rounds, taken, may_go_on = [0], list[int](), asyncio.Event()

    async def take(_topic: str, _partition: int, batch: Batch) -> None:
        taken.append(batch[0].offset)
        await may_go_on.wait()

    async def acknowledge() -> None:
        return

    lane = Lane(("events", 0), take, lambda fault: None, lambda: rounds[0])
    handed = [asyncio.create_task(lane.put(0, [record_at(offset)], acknowledge)) for offset in range(5)]
    await asyncio.sleep(0.01)
    assert taken == [0]
    rounds[0] += 1
    lane.empty()
    may_go_on.set()
    await lane.idle()
    await asyncio.wait(handed)
    for offset in range(1, 5):
        await lane.put(1, [record_at(offset)], acknowledge)
    while taken[-1] != 4:
        await asyncio.sleep(0.01)
    assert taken == [0, 1, 2, 3, 4]
    await lane.cancel()


def record_at(offset: int) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("events", 0, offset, 0, 0, None, b"{}", None, 0, 1, ())
