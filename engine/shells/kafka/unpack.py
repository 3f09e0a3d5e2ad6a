"""What a fetch brought, unpacked a batch of the producer's at a time.

aiokafka takes each record through three functions and copies it into a larger one, which is a tenth of what detect
costs in all. `FetchResult.getall` is replaced on the instance, so only the worker's own consumer is concerned.
"""

from __future__ import annotations

from functools import partial
from inspect import GEN_CREATED, getgeneratorstate
from typing import Any

from aiokafka.errors import CorruptRecordException

from engine.shells.kafka.link import Record


def unpack_whole(fetched: Any) -> None:
    """Have this fetch (a `FetchResult`) give its records in that way, unless some were taken in the other."""
    unpacking = getattr(fetched._partition_records, "_records_iterator", None)  # noqa: SLF001  None: all were taken
    if unpacking is not None and getgeneratorstate(unpacking) == GEN_CREATED:
        vars(fetched)["getall"] = partial(_getall, fetched, _Unread(fetched))


class _Unread:
    """`ready` are records that are unpacked and not taken, `then` is the offset behind them."""

    def __init__(self, fetched: Any) -> None:
        packed = fetched._partition_records  # noqa: SLF001  this and the others below: see tests/kafka/test_unpack.py
        self.ready: list[Record] = []
        self.then: int = packed.next_fetch_offset
        self._packed = packed
        self._batches = packed._records  # noqa: SLF001
        self._is_checked = packed._check_crcs  # noqa: SLF001
        self._place = packed._tp  # noqa: SLF001

    def more(self) -> bool:
        """Unpack the next batch, if there is one. Raises CorruptRecordException."""
        if not self._batches.has_next():
            return False
        batch = self._batches.next_batch()
        if self._is_checked and not batch.validate_crc():
            self._packed.next_fetch_offset = -1  # by which aiokafka drops all of this, and fetches it again
            raise CorruptRecordException(f"Invalid CRC - {self._place}")
        if not batch.is_control_batch:
            found = list(batch)
            if found and found[0].offset < self.then:  # a fetch begins with the batch that holds its offset
                found = [record for record in found if record.offset >= self.then]
            self.ready += found
        self.then = batch.next_offset
        return True


def _getall(fetched: Any, unread: _Unread, max_records: int | None = None) -> list[Record]:
    if not fetched.check_assignment(fetched._topic_partition) or not fetched.has_more():  # noqa: SLF001
        return []
    is_more = True
    while is_more and (max_records is None or len(unread.ready) < max_records):
        is_more = unread.more()
    taken, unread.ready = unread.ready[:max_records], unread.ready[max_records:] if max_records else []
    fetched._partition_records.next_fetch_offset = unread.ready[0].offset if unread.ready else unread.then  # noqa: SLF001
    fetched._update_position()  # noqa: SLF001
    if not is_more and not unread.ready:
        fetched._partition_records = None  # noqa: SLF001
    return taken
