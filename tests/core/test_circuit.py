"""Rows that break the engine in a detector take that detector out of service, and nothing else."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from detectors.absent import Silence
from engine.core.route import Row
from engine.shells.files import FilePlace
from engine.shells.wiring import plan_of
from tests.core.small import partition

AT = 1_772_409_600_000
DETECTORS = """
detector: breaks
owner: a
reason: b
per: customer
when: {absent: {event: login, within: 1d}}
then: [{play: call}]
---
detector: works
owner: a
reason: b
per: customer
watch: {orders: {count: order, over: 1d}}
when: {orders: {at_least: 1}}
then: [{play: call}]
"""


def row(number: int, event: str = "login") -> Row:
    fields = {"id": str(number), "event": event, "at": AT + number, "customer": f"c{number}"}
    return Row("usage", "usage.jsonl", number, orjson.dumps(fields), clock="files")


def test_three_poison_rows_in_a_minute_take_the_detector_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise ZeroDivisionError("a bug in a plugin")

    part = partition(tmp_path, DETECTORS)
    monkeypatch.setattr(Silence, "add", fail)
    part.plan = plan_of(part.plan.configuration)
    part.reload()
    taken = part.take([row(n) for n in range(1, 4)], {"usage:usage.jsonl": FilePlace(3)}, AT)
    assert [letter.reason for letter in taken.dead_letters] == ["poison"] * 3
    assert part.circuit.out == {"breaks"}
    taken = part.take([row(5), row(6, "order")], {"usage:usage.jsonl": FilePlace(5)}, AT)
    assert taken.dead_letters == []
    assert [signal.detector for signal in taken.signals] == ["works"]
