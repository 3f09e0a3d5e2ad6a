"""The part of the decide stage that assigns tasks to owners, behind deciding.

Tasks reach one owner from many partitions of decide. They come on the topic that decide reads, keyed by the owner, and
wait until each of those partitions has told that it is past their moment. So what an owner has room for does not depend
on which partition was quicker.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import heapify, heappop, heappush

import msgspec

from engine.core.assign import Assign
from engine.core.tasks import Handover
from engine.shells.kafka import wire
from engine.shells.kafka.replica import Replica

FACT, PENDING = "assigned", "handed"


class Reached(msgspec.Struct, array_like=True):
    """How far each partition of decide has come in event time, and the time up to which tasks were assigned."""

    by_source: dict[str, int] = {}
    now: int = 0


class Assigning:
    """For one partition. `sources` are the partitions of decide that tasks may come from.

    Without a capacity in the configuration (`waits_for_all` False) nobody tells how far it is, and nobody has to wait.
    """

    def __init__(self, replica: Replica, assign: Assign, sources: Collection[str], *, waits_for_all: bool) -> None:
        self._replica = replica
        self._assign = assign
        self._sources = set(sources)
        self._waits_for_all = waits_for_all
        self._reached = msgspec.msgpack.decode(replica.head.facts.get(FACT, b"\x90"), type=Reached)
        # Keys sort as the tasks came into being.
        self._pending = [(key, _handover_in(row)) for key, row in replica.head.rows.get(PENDING, {}).items()]
        heapify(self._pending)

    def is_source(self, name: str) -> bool:
        return name in self._sources

    def settle(self) -> None:
        """Into the commit to come."""
        self._replica.fact(FACT, msgspec.msgpack.encode(self._reached))

    def wait(self, key: str, handover: Handover, value: bytes) -> None:
        """Put it into its place in time. `value` is the record that it came in."""
        heappush(self._pending, (key, handover))
        self._replica.row(PENDING, key, value)

    def reach(self, mark: wire.Mark) -> None:
        """A partition of decide tells how far it has come."""
        by_source = self._reached.by_source
        by_source[mark.source] = max(mark.at, by_source.get(mark.source, 0))
        if self._waits_for_all and by_source.keys() >= self._sources:
            self._pass_time(min(by_source.values()))

    def decided(self, until: int) -> None:
        """This partition itself has decided everything up to that time."""
        if not self._waits_for_all:
            self._pass_time(until)

    def _pass_time(self, until: int) -> None:
        if until <= self._reached.now:
            return
        while self._pending and self._pending[0][1].at <= until:
            key, handover = heappop(self._pending)
            self._replica.row(PENDING, key, None)
            self._assign.take([handover])
        self._assign.on_tick(until)
        self._reached.now = until

    def forget(self, name: str) -> None:
        """Drop what no tick has reached yet and was raised for, or with, somebody who was erased."""
        for key, handover in self._pending:
            if name in handover.about:
                self._replica.row(PENDING, key, None)
        self._pending = [row for row in self._pending if name not in row[1].about]
        heapify(self._pending)


def _handover_in(row: bytes) -> Handover:
    handover = wire.read_candidate(row).handover
    assert handover is not None, row
    return handover
