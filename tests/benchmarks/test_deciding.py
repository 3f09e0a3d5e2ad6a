"""The benchmark of deciding runs, checks its own job, and the figures on record have the names that are asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ASKED = ("decisions_per_s_1", "decisions_per_s_10", "decisions_per_s_50", "share_of_event_cost")


def test_a_quick_run_shows_every_figure_and_writes_none() -> None:
    results = BENCHMARKS / "results" / "deciding.json"
    before = results.read_bytes()
    ran = subprocess.run([sys.executable, BENCHMARKS / "deciding.py", "--quick"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert [name for name in ASKED if name not in ran.stdout] == []
    assert results.read_bytes() == before


def test_deciding_costs_an_event_that_raises_nothing_next_to_nothing() -> None:
    figures = json.loads((BENCHMARKS / "results" / "deciding.json").read_text())["figures"]
    assert [name for name in ASKED if name not in figures] == []
    assert figures["share_of_event_cost"] < 0.02
