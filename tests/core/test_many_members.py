"""Ten thousand members of one incident, with restarts in the middle: each is told once per state."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.members import DRAWERS, are_drawers
from engine.core.route import FILES, Row
from engine.model import Outcome
from engine.shells.files import FilePlace
from engine.shells.partition import Partition
from engine.shells.store import Store
from engine.shells.wiring import load_configuration, plan_of
from tests.core import regions

BATCH = 2_000


@pytest.mark.slow
def test_each_of_ten_thousand_members_is_told_once_per_state(tmp_path: Path) -> None:
    sizes = (10_000, 500, 1_000)
    plan = plan_of(load_configuration(regions.write(tmp_path)))
    rows = [Row("scans", "scans", at, row, clock=FILES) for at, row in enumerate(regions.scans(*sizes))]
    open_partition = Partition(Store(tmp_path / "state"), plan)
    for begin in range(0, len(rows), BATCH):
        batch = rows[begin : begin + BATCH]
        open_partition.take(batch, {"scans": FilePlace(begin + len(batch))}, 0)
        if begin // BATCH in (1, 4, 5):
            open_partition.store.close()  # as if it had died: nothing is settled
            open_partition = Partition(Store(tmp_path / "state"), plan)
    open_partition.take_records(list(open_partition.router.end()), 0)
    open_partition.close()
    chosen = [one for one in open_partition.store.decisions() if one.outcome is Outcome.CHOSEN]
    told = [(one.play, one.step or "first", one.recipient) for one in chosen]
    assert regions.faults(*sizes, told) == []
    records = open_partition.store.db.execute("SELECT kind, length(record) FROM entities").fetchall()
    drawers = [size for kind, size in records if are_drawers(kind)]
    assert len(drawers) <= DRAWERS
    assert max(drawers) < 16_384, "an event writes one of them"
    assert max(size for kind, size in records if not are_drawers(kind)) < 65_536, "the group's own record stays small"


def test_a_few_members_make_a_few_small_drawers(tmp_path: Path) -> None:
    plan = plan_of(load_configuration(regions.write(tmp_path)))
    open_partition = Partition(Store(tmp_path / "state"), plan)
    rows = [Row("scans", "scans", at, row, clock=FILES) for at, row in enumerate(regions.scans(5, 1, 1)[:-1])]
    open_partition.take(rows, {"scans": FilePlace(len(rows))}, 0)
    open_partition.close()
    kinds = open_partition.store.db.execute("SELECT kind FROM entities").fetchall()
    assert sorted(kind for (kind,) in kinds) == ["region", *["region>customer"] * 6]
