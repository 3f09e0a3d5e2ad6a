"""Finds the records of a batch on which the engine itself fails, so that the others are taken and nothing is lost.

A record that raises is set aside at once; one that ends the process is, after the process has died on it three times.
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

# Faults that say nothing about the record that was being taken when they showed.
NOT_THE_RECORD = (OperatorError, sqlite3.Error, MemoryError)


class Poisoned:
    """For one stage partition. `circuit` knows the detectors that too many records have broken in."""

    def __init__(self, folder: Path, source: str) -> None:
        self.circuit = Circuit()
        self._source = source
        folder.mkdir(parents=True, exist_ok=True)
        self._attempts = Attempts(folder)

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
        batch = f"{self._source}@{records[0].offset}" if records else ""
        one_by_one = self._attempts.begin(batch)
        letters: dict[int, DeadLetter] = {}
        while True:
            self._at = None
            try:
                if one_by_one:
                    self._one_by_one(records, step, letters)
                    self._attempts.begin(batch)
                else:
                    step(records)
                settle()
            except NOT_THE_RECORD:
                raise
            except Exception as fault:
                again()
                if one_by_one and (record := self._culprit(fault, records, letters)) is not None:
                    self.circuit.blame(fault, wall_ms())
                    letters[record.offset] = self._letter(record, *_named(fault))
                elif one_by_one:
                    raise
                one_by_one = True
            else:
                return [letters[offset] for offset in sorted(letters)]

    def _one_by_one(
        self,
        records: Sequence[RawRecord],
        step: Callable[[Sequence[RawRecord]], None],
        letters: dict[int, DeadLetter],
    ) -> None:
        for number, record in enumerate(records):
            if record.offset in letters:
                continue
            if self._attempts.is_deadly(number):
                why = "the engine died on this record several times"
                letters[record.offset] = self._letter(record, "crash_loop", why)
                continue
            self._attempts.at_row(number)
            self._at = record
            step([record])
        self._at = None

    def _culprit(
        self, fault: Exception, records: Sequence[RawRecord], letters: dict[int, DeadLetter]
    ) -> RawRecord | None:
        if isinstance(fault, OversizedRecord):
            name = f"{fault.kind}:{fault.key}".encode()
            found = [record for record in records if record.key == name and record.offset not in letters]
            return found[-1] if found else None
        return self._at

    _at: RawRecord | None = None

    def _letter(self, record: RawRecord, reason: str, detail: str) -> DeadLetter:
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
