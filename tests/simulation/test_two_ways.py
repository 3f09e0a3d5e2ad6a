"""Rows taken one at a time and rows taken as a batch come to the same records, dead letters and other names.

A batch goes a shorter way. It once learnt another name of somebody from a row that was then refused.
"""

from __future__ import annotations

from random import Random

import pytest

from engine.core.route import Router
from engine.model import DeadLetter, Record
from tests.simulation.story import Story, plan


def fresh_router() -> Router:
    wanted = plan()
    return Router(wanted.configuration.project, wanted.watched)


@pytest.mark.parametrize("seed", range(100))
def test_a_batch_comes_to_what_its_rows_come_to(seed: int) -> None:
    rows = Story(Random(seed), aliases=True, breaks=False, kills=False).rows
    one, together = fresh_router(), fresh_router()
    records: list[Record] = []
    letters: list[DeadLetter] = []
    for row in rows:
        for outcome in one.route(row):
            if isinstance(outcome, DeadLetter):
                letters.append(outcome)
            else:
                records.append(outcome)
        records += one.ticks()
    batch_letters: list[DeadLetter] = []
    assert list(together.route_all(rows, batch_letters)) == records
    assert batch_letters == letters
    assert together.changes() == one.changes()
