"""Finds the records of a batch on which the engine itself fails, so that the others are taken and nothing is lost.

A record that raises is set aside at once; one that ends the process is, after the process has died on it three times.
Where a record lets go of others that were held back until it came, each of them has its own blame.
"""

from __future__ import annotations

import hashlib
import sqlite3
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from engine.core.effects import RAW_KEPT
from engine.errors import OperatorError
from engine.model import DeadLetter
from engine.shells.attempts import Attempts
from engine.shells.circuit import Circuit
from engine.shells.kafka.stage import RawRecord
from engine.shells.memory import OversizedRecord
from engine.shells.times import wall_ms

DEADLY = ("crash_loop", "the engine died on this record several times")
# Faults that say nothing about the record that was being taken when they showed.
NOT_THE_RECORD = (OperatorError, sqlite3.Error, MemoryError)


class Held(msgspec.Struct, frozen=True):
    """A record of an earlier moment that is taken now; named as a record from Kafka is."""

    offset: int
    key: bytes
    value: bytes
    timestamp: int


class Poisoned:
    """For one stage partition. `circuit` knows the detectors that too many records have broken in."""

    def __init__(self, folder: Path, source: str, same: Callable[[RawRecord | Held], str] = lambda record: "") -> None:
        """`same` gives what a record has in common with one that says the same again, "" if that cannot be."""
        self.circuit = Circuit()
        self._source = source
        self._same = same
        folder.mkdir(parents=True, exist_ok=True)
        self._attempts = Attempts(folder)
        self._batch, self._is_suspect = "", False
        self._letters: dict[int, DeadLetter] = {}
        self._number: int | None = None  # of the record that is being taken by itself
        self._at: RawRecord | Held | None = None
        self._released: list[Held] = []

    def has_died_on(self, records: Sequence[RawRecord]) -> bool:
        """Did the process die while it took the batch that begins with these records? They are about to be taken."""
        batch = f"{self._source}@{records[0].offset}" if records else ""
        if batch != self._batch:
            self._batch, self._is_suspect = batch, self._attempts.begin(batch)
        return self._is_suspect

    def keep_trying(
        self,
        records: Sequence[RawRecord],
        step: Callable[[Sequence[RawRecord]], None],
        settle: Callable[[], None],
        again: Callable[[], None],
    ) -> list[DeadLetter]:
        """Step over the records and settle; those that cannot be taken are left out, and returned as dead letters.

        `again` makes everything as it was before the batch.
        """
        one_by_one, batch = self.has_died_on(records), self._batch
        letters = self._letters = {}
        while True:
            self._at, self._released = None, []
            try:
                if one_by_one:
                    self._one_by_one(records, step)
                    self._attempts.begin(batch)
                else:
                    step(records)
                settle()
            except NOT_THE_RECORD:
                raise
            except Exception as fault:
                again()
                if one_by_one and (record := self._culprit(fault, records)) is not None:
                    self.circuit.blame(fault, wall_ms())
                    letters[record.offset] = self._letter(record, *_named(fault))
                elif one_by_one:
                    raise
                one_by_one = True
            else:
                return [letters[offset] for offset in sorted(letters)]
            finally:
                self._batch, self._number = "", None

    def _one_by_one(self, records: Sequence[RawRecord], step: Callable[[Sequence[RawRecord]], None]) -> None:
        for record in records:
            if self._is_set_aside(record):
                continue
            self._at, self._number = record, self._number_of(record)
            self._attempts.at_row(self._number)
            step([record])
        self._at = self._number = None

    def _is_set_aside(self, record: RawRecord | Held) -> bool:
        if record.offset not in self._letters and self._attempts.is_deadly(self._number_of(record)):
            self._letters[record.offset] = self._letter(record, *DEADLY)
        return record.offset in self._letters

    def _number_of(self, record: RawRecord | Held) -> int:
        """What deaths on it are counted by."""
        same = self._same(record)
        return int.from_bytes(hashlib.sha256(same.encode()).digest()[:6]) if same else record.offset

    # ---- records that were held back

    @property
    def is_careful(self) -> bool:
        """Is the batch taken a record at a time, since something in it failed?"""
        return self._number is not None

    def take_held(self, held: Held, take: Callable[[], None]) -> None:
        """Take a record that was held back, unless it is to be set aside, as part of the record that lets go of it."""
        assert self._number is not None
        if self._is_set_aside(held):
            return
        holder, self._at = self._at, held
        self._attempts.at_row(self._number_of(held))
        take()
        self._at = holder
        self._released.append(held)
        self._attempts.at_row(self._number)

    # ---- who it was

    def _culprit(self, fault: Exception, records: Sequence[RawRecord]) -> RawRecord | Held | None:
        if isinstance(fault, OversizedRecord):
            name = f"{fault.kind}:{fault.key}".encode()
            taken: Sequence[RawRecord | Held] = self._released or records
            found = [record for record in taken if record.key == name and record.offset not in self._letters]
            return found[-1] if found else None
        return self._at

    def _letter(self, record: RawRecord | Held, reason: str, detail: str) -> DeadLetter:
        raw = record.value or b""
        return DeadLetter(
            reason=reason,
            detail=detail,
            stream="",
            source=self._source,
            position=record.offset,
            raw=raw[:RAW_KEPT],
            raw_size=len(raw),
            raw_digest=hashlib.sha256(raw).hexdigest(),
            arrived_at=record.timestamp,
        )

    def clear(self) -> None:
        """The process lets go of this partition of its own will."""
        self._attempts.clear()


def _named(fault: Exception) -> tuple[str, str]:
    """The reason code, and the fault in words with a digest that groups equal ones."""
    if isinstance(fault, msgspec.DecodeError | KeyError):
        return "bad_record", f"it is none of ours: {fault}"
    where = hashlib.sha256("".join(traceback.format_exception(fault)).encode()).hexdigest()[:12]
    reason = "record_too_large" if isinstance(fault, OversizedRecord) else "poison"
    return reason, f"{type(fault).__name__}: {fault} (trace {where})"
