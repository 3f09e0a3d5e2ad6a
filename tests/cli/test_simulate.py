"""`simulate` as files: a week that has just ended, in which the same is found as in the demo's."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from engine.model import DAY_MS
from engine.shells.backtest import Backtest
from engine.shells.starting import catalog
from engine.shells.wiring import load_configuration, plan_of
from tests.cli.conftest import Beforehand


def found_in(data: Path) -> Counter[tuple[str, str, str]]:
    backtest = Backtest(plan_of(load_configuration(catalog())), data)
    backtest.run(None)
    return Counter((decision.detector, decision.key, decision.outcome) for decision in backtest.decisions)


def test_the_same_is_found_in_a_week_that_ends_now(tmp_path: Path, quickly: Beforehand) -> None:
    assert quickly("init", "project").returncode == 0
    done = quickly("simulate", "--data", "fresh")
    assert done.returncode == 0, done.stderr
    assert "made fresh/usage.jsonl" in done.stdout
    assert found_in(tmp_path / "fresh") == found_in(tmp_path / "project" / "data")


def test_it_never_overwrites(quickly: Beforehand, capsys: pytest.CaptureFixture[str]) -> None:
    quickly("simulate", "--data", "fresh")
    again = quickly("simulate", "--data", "fresh")
    assert again.returncode == 1
    assert "exists already; nothing was changed" in again.stderr


@pytest.mark.parametrize(
    "options", [("--speed", "60"), ("--kafka", "--speed", "0.5"), ("--kafka", "--speed", "-1")], ids=" ".join
)
def test_a_speed_that_makes_no_sense_is_refused(quickly: Beforehand, options: tuple[str, ...]) -> None:
    done = quickly("simulate", *options)
    assert done.returncode == 2
    assert "--speed is 0, or 1 or more, and goes with --kafka" in " ".join(done.stderr.replace("│", " ").split())


def test_another_seed_is_another_week(tmp_path: Path, quickly: Beforehand) -> None:
    quickly("simulate", "--data", "one")
    quickly("simulate", "--data", "two", "--seed", "8")
    one, two = ([json.loads(line) for line in week(tmp_path / name)] for name in ("one", "two"))
    assert [row["event"] for row in one] != [row["event"] for row in two]
    assert abs(one[-1]["at"] - two[-1]["at"]) < DAY_MS


def week(folder: Path) -> list[str]:
    return (folder / "sentiment.jsonl").read_text().splitlines()
