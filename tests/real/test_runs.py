"""A run decides what a backtest decides, to the byte: also one that was killed, or that went on when the file grew."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.real import product
from tests.real.conftest import Backtested, Ran

MUSIC = Path("sparkify_log_2018_11") / "events.jsonl.gz"


@pytest.mark.parametrize("log", ["music", pytest.param("tickets", marks=pytest.mark.slow), "tweets", "orders"])
def test_a_run_killed_on_the_way_decides_the_same(log: str, ran: Ran, backtested: Backtested) -> None:
    assert product.decided(ran(log)) == backtested(log).lines


def test_a_log_that_grows_between_two_runs_is_decided_the_same(
    data: Path, tmp_path: Path, backtested: Backtested
) -> None:
    lines = gzip.decompress((data / MUSIC).read_bytes()).splitlines(keepends=True)
    grows = tmp_path / MUSIC
    grows.parent.mkdir()
    for upto in (len(lines) // 2, len(lines)):
        grows.write_bytes(gzip.compress(b"".join(lines[:upto])))
        assert product.run("music", tmp_path, tmp_path / "state") == 0
    assert product.decided(tmp_path / "state") == backtested("music").lines


def test_the_tests_in_the_detector_files_pass() -> None:
    for config in sorted(product.HERE.glob("*/config")):
        done = product.command("test", "--config", config)
        assert done.returncode == 0, done.stdout.decode()
