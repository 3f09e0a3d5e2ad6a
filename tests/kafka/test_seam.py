"""The contract of the seam with Faust: what is committed, and that it still is the Faust it was written for."""

from __future__ import annotations

import inspect
from collections import defaultdict, deque

from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from engine.shells.kafka.seam import BatchConsumer

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
