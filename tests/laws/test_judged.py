"""What is told of models obeys the law: however the records are carried through, each is told once, and the same."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import orjson
import pytest

from tests.core import watched_models
from tests.laws import carrying

carried = partial(carrying.carried, watched_models)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], bytes]:
    return carried(tmp_path_factory.mktemp("straight"), 1_000)


def test_there_is_something_to_compare(straight: tuple[list[bytes], bytes]) -> None:
    decisions = [orjson.loads(line) for line in straight[0]]
    told = [each for each in decisions if each["entity"] == "model"]
    assert len(told) > 5
    assert {each["key"] for each in told} == {"may-leave.leaving", "may-leave-soon.leaving"}
    assert {each["detector"] for each in told} == {"surprised", "learns-no-more"}


@pytest.mark.parametrize("size", [1, 7])
def test_batches_make_no_difference(size: int, tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carried(tmp_path, size) == straight


@pytest.mark.parametrize("restart_every", [1, 4])
def test_restarts_make_no_difference(restart_every: int, tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carried(tmp_path, 37, restart_every) == straight


def test_a_backtest_decides_the_same(tmp_path: Path, straight: tuple[list[bytes], bytes]) -> None:
    assert carrying.backtested(watched_models, tmp_path) == straight[0]
