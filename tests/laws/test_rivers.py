"""Models of River obey the law as our own do, though they are taken apart and put together at each day's end."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from engine.core.route import Row
from engine.shells.backtest import Backtest, decision_lines
from engine.shells.partition import Partition
from tests.core import leavers
from tests.laws import carrying

LEARNERS = (
    "learner: {river: linear_model.LogisticRegression, with: {optimizer: {river: optim.Adam, with: {lr: 0.05}}}}, "
    "challenger: [naive_bayes, {river: tree.HoeffdingTreeClassifier, with: {grace_period: 20}}]"
)
DETECTOR = leavers.DETECTOR.replace("challenger: naive_bayes", LEARNERS).replace("30%", "18%")


class Rivers:
    """The customers of `tests.core.leavers`, whom models of River look at."""

    def rows(self) -> list[Row]:
        return leavers.rows()

    def partition(self, folder: Path) -> Partition:
        return leavers.partition(folder, DETECTOR)

    def take(self, part: Partition, some: list[Row]) -> None:
        leavers.take(part, some)

    def finish(self, part: Partition) -> None:
        leavers.finish(part)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], bytes]:
    return carrying.carried(Rivers(), tmp_path_factory.mktemp("straight"), 1_000)


def test_there_is_something_to_compare(straight: tuple[list[bytes], bytes]) -> None:
    decisions = [orjson.loads(line) for line in straight[0]]
    assert len(decisions) > 10
    assert any("makes it likelier" in decision["why"] for decision in decisions)


@pytest.mark.parametrize(("size", "restart_every"), [(7, 0), (37, 1)], ids=["in small batches", "with restarts"])
def test_the_way_makes_no_difference(
    size: int, restart_every: int, tmp_path: Path, straight: tuple[list[bytes], bytes]
) -> None:
    assert carrying.carried(Rivers(), tmp_path, size, restart_every) == straight


def test_a_backtest_decides_the_same(tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    part = Rivers().partition(tmp_path)
    (tmp_path / "usage.jsonl").write_bytes(b"".join(row.raw + b"\n" for row in leavers.rows()))
    run = Backtest(part.plan, tmp_path)
    run.run()
    assert decision_lines(run.decisions) == straight[0]
