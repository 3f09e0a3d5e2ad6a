"""The product as a user has it: the command, a configuration of ours, the data folder, a state folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.model import Decision
from engine.shells.backtest import BacktestReport, decision_lines
from engine.shells.store import read_only
from tests.real.reading import Episode

HERE = Path(__file__).parent


class Result(msgspec.Struct, frozen=True):
    """What a backtest said: its report, and its decisions as the lines it wrote."""

    report: BacktestReport
    lines: bytes

    def decisions(self) -> list[Decision]:
        return [msgspec.json.decode(line, type=Decision) for line in self.lines.splitlines()]

    def opened(self) -> list[tuple[str, str, int]]:
        """(detector, entity, time) of every signal, in order; each of these detectors has a play, so each decided."""
        return sorted((one.detector, one.key, one.at) for one in self.decisions())

    def gates(self) -> Counter[tuple[str, str]]:
        return Counter((one.detector, one.gate) for one in self.decisions())

    def open_at_end(self) -> dict[str, int]:
        return {one.detector: one.open_at_end for one in self.report.detectors}


def command(*words: str | Path, fault: str = "") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "FAULT_AT": fault}
    beforehand = [sys.executable, "-m", "engine.cli", *map(str, words)]
    return subprocess.run(beforehand, env=environment, capture_output=True, timeout=120, check=False)


def backtest(log: str, data: Path, folder: Path) -> Result:
    decisions = folder / "decisions.jsonl"
    where = ("--config", HERE / log / "config", "--data", data)
    done = command("backtest", *where, "--format", "json", "--decisions", decisions)
    assert done.returncode == 0, done.stderr.decode()
    return Result(msgspec.json.decode(done.stdout, type=BacktestReport), decisions.read_bytes())


def run(log: str, data: Path, state: Path, fault: str = "") -> int:
    """One run over the log; with `fault`, one that is killed there. Returns the exit code."""
    where = ("--config", HERE / log / "config", "--data", data, "--state", state)
    return command("run", *where, fault=fault).returncode


def decided(state: Path) -> bytes:
    """All decisions in a state folder, written the way a backtest writes them."""
    store = read_only(state)
    lines = decision_lines(store.decisions())
    store.db.close()
    return b"".join(line + b"\n" for line in lines)


def refused(state: Path) -> dict[tuple[str, str], int]:
    store = read_only(state)
    counts = store.dead_letter_counts()
    store.db.close()
    return counts


def episodes(state: Path) -> list[Episode]:
    """Every signal in a state folder, from opening to closing."""
    store = read_only(state)
    rows = store.db.execute("SELECT id, state, at, detector, key FROM signals").fetchall()
    store.db.close()
    closed = {one: at for one, what, at, _detector, _key in rows if what == "resolved"}
    opened = [(one, at, detector, key) for one, what, at, detector, key in rows if what == "firing"]
    return sorted(Episode(detector, key, at, closed.get(one, 0)) for one, at, detector, key in opened)


def without_closing(found: Sequence[Episode]) -> list[tuple[str, str, int]]:
    return sorted((one.detector, one.key, one.opened_at) for one in found)


def still_open(found: Sequence[Episode]) -> Counter[str]:
    return Counter(one.detector for one in found if not one.closed_at)
