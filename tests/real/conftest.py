"""What all these tests share: the data must be there, and a log is backtested and run once for all of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol

import pytest

from tests.real import product
from tests.real.reading import DATA


class Backtested(Protocol):
    def __call__(self, log: str) -> product.Result: ...


class Ran(Protocol):
    def __call__(self, log: str) -> Path: ...


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the logs. Without it, whoever asks for it is skipped."""
    if not DATA.is_dir():
        pytest.skip(f"the real logs are not in {DATA} - name their folder in BEFOREHAND_REAL_DATA")
    return DATA


@pytest.fixture(scope="session")
def backtested(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Backtested:
    """A log's backtest."""

    @cache
    def find(log: str) -> product.Result:
        return product.backtest(log, data, tmp_path_factory.mktemp(log))

    return find


@pytest.fixture(scope="session")
def ran(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The state folder of a run over a log that was killed on the way, between two batches, and then went on."""

    @cache
    def find(log: str) -> Path:
        state: Path = tmp_path_factory.mktemp(log) / "state"
        killed = product.run(log, data, state, fault="E2:3")
        assert killed == -9, f"was to be killed after its third batch, but ended with {killed}"
        assert product.run(log, data, state) == 0
        return state

    return find
