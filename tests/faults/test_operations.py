"""Backing up and restoring, by the very commands that docs/operations.md shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.model import MINUTE_MS
from engine.shells.backtest import decision_lines
from engine.shells.ledger import State
from engine.shells.metrics import Metrics
from engine.shells.store import read_only
from engine.shells.times import iso
from tests.kill.process import ROOT, Run, desk
from tests.kill.project import event, make
from tests.kill.test_kill import only_counting

PAGE = (ROOT / "docs" / "operations.md").read_text()
EPOCH = "2026-03-02T09:30:00Z"


def commands(heading: str) -> list[str]:
    """The shell commands below a heading of the page."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    below = next(part for part in section if part.startswith(f"{heading}\n"))
    return re.findall(r"```sh\n(.*?)```", below, re.DOTALL)


def shell(folder: Path, text: str, epoch: str = EPOCH) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-ec", text.replace(EPOCH, epoch)],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


def grow(folder: Path, *customers: str) -> None:
    """Somebody fails to log in three times, now."""
    now = time.time_ns() // 1_000_000
    with (folder / "data" / "usage.jsonl").open("a") as file:
        for customer in customers:
            for n in range(3):
                file.write(event(f"{customer}{n}", "login.failed", now + n, customer))
        file.write(event(f"tick{customers}", "login", now + 4_000, "somebody"))


def sent(folder: Path) -> list[str]:
    path = folder / "desk.jsonl"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("how", ["stopped", "running"])
def test_yesterdays_backup_sends_nothing_again(tmp_path: Path, how: str) -> None:
    stopped, running = commands("Back up")
    put_back, start_with_epoch = commands("Restore")
    with desk(tmp_path / "desk.jsonl") as port:
        make(tmp_path, port)
        only_counting(tmp_path)
        grow(tmp_path, "ada")
        assert Run(tmp_path).end() == 0
        back_up(tmp_path, stopped if how == "stopped" else running, is_running=how == "running")
        grow(tmp_path, "bob", "eve")
        assert Run(tmp_path).end() == 0
        before, decided = sent(tmp_path), decision_lines(read_only(tmp_path / "state").decisions())
        assert len(before) == len(decided) == 3

        assert shell(tmp_path, put_back).returncode == 0
        refused = Run(tmp_path)
        assert refused.end() == 1
        assert "it looks like a restored backup" in refused.lines[-1]
        assert sent(tmp_path) == before

        grow(tmp_path, "zoe")
        epoch = iso(time.time_ns() // 1_000_000 + MINUTE_MS)
        accepted = shell(tmp_path, start_with_epoch, epoch)
        assert accepted.returncode == 0, accepted.stderr
        assert sent(tmp_path) == before
        assert decision_lines(read_only(tmp_path / "state").decisions())[:3] == decided
        assert held(tmp_path) == 3  # bob's and eve's, derived again, and zoe's, from before the epoch


def back_up(folder: Path, command: str, *, is_running: bool) -> None:
    if not is_running:
        assert shell(folder, command).returncode == 0
        return
    run = Run(folder, "--follow")
    run.until_ready()
    done = shell(folder, command)
    assert done.returncode == 0, done.stderr
    assert run.stop() == 0


def held(folder: Path) -> int:
    db = read_only(folder / "state").db
    return int(db.execute("SELECT count(*) FROM actions WHERE state = ?", (State.HELD,)).fetchone()[0])


def test_a_copy_without_its_mark_is_noticed_too(tmp_path: Path) -> None:
    """A new machine has the backup and no mark."""
    with desk(tmp_path / "desk.jsonl") as port:
        make(tmp_path, port)
        only_counting(tmp_path)
        grow(tmp_path, "ada")
        assert Run(tmp_path).end() == 0
        (tmp_path / "state" / "ledger.mark").unlink()
        refused = Run(tmp_path)
        assert refused.end() == 1
        assert "its ledger.mark is gone" in refused.lines[-1]


def test_every_metric_is_explained_on_the_page() -> None:

    page = (ROOT / "docs" / "metrics.md").read_text()
    names = set(re.findall(r"^# TYPE (\S+)", Metrics().text().decode(), re.MULTILINE))
    missing = sorted(name for name in names if not name.endswith("_created") and name not in page)
    assert not missing, f"docs/metrics.md does not explain: {missing}"
