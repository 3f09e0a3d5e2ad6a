"""Models of River obey the law as our own do, though they are taken apart and put together at each day's end."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.core import rivers
from tests.laws import carrying


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], bytes]:
    return carrying.carried(rivers, tmp_path_factory.mktemp("straight"), 1_000)


def test_there_is_something_to_compare(straight: tuple[list[bytes], bytes]) -> None:
    decisions = [orjson.loads(line) for line in straight[0]]
    assert len(decisions) > 10
    assert any("makes it likelier" in decision["why"] for decision in decisions)


@pytest.mark.parametrize(("size", "restart_every"), [(7, 0), (100, 1)], ids=["in small batches", "with restarts"])
def test_the_way_makes_no_difference(
    size: int, restart_every: int, tmp_path: Path, straight: tuple[list[bytes], bytes]
) -> None:
    assert carrying.carried(rivers, tmp_path, size, restart_every) == straight


def test_a_backtest_decides_the_same(tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carrying.backtested(rivers, tmp_path) == straight[0]
