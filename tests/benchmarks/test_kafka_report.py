"""The figures and the page are made of the runs as the page says."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PEERS = BENCHMARKS / "kafka_peers"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The benchmark's own modules, which import one another as scripts beside each other do."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(PEERS))
    yield {name: importlib.import_module(name) for name in ("machine", "peers", "report", "worker")}
    for name in set(sys.modules) - before:
        if str(PEERS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def found(modules: dict[str, ModuleType]) -> dict[str, Any]:
    """What a run of the benchmark in which one peer failed has come to."""
    run = modules["peers"].Run
    rows = {"ours_detect": run(100, 1, 0.001, 80, 3), "quix": run(50, 2, 0.002, 90, 3)}
    report = modules["report"]
    return {
        "date": "2026-01-01",
        "machine": {"cpu": "a processor", "cores": 2, "kafka": "3.9.1", "java": "17", "python": "CPython 3.11"},
        "noise": noise(modules),
        "job": {"rounds": 1},
        "rows": {name: report.row(one, [one]) for name, one in rows.items()},
        "not_run": {"bytewax": "it has no wheel for this Python"},
        "figures": report.ratios(rows),
    }


def noise(modules: dict[str, ModuleType]) -> dict[str, float]:
    taken = modules["machine"].Noise()
    taken.look()
    told: dict[str, float] = taken.found()
    return told


def test_ratios_are_how_many_times_as_fast_we_are(modules: dict[str, ModuleType]) -> None:
    figures = found(modules)["figures"]
    assert figures["ratio_to_quix"] == 4
    assert figures["cpu_ratio_to_quix"] == 4
    assert "ratio_to_bytewax" not in figures


def test_the_page_shows_who_ran_the_fastest_first_and_who_did_not(modules: dict[str, ModuleType]) -> None:
    page = modules["report"].page(found(modules))
    assert page.index("Beforehand") < page.index("| Quix Streams")
    assert "- Bytewax, `stateful_flat_map` did not run: it has no wheel for this Python" in page


def test_one_calibration_has_no_spread(modules: dict[str, ModuleType]) -> None:
    told = noise(modules)
    assert told["calibrations"] == 1
    assert told["spread_percent"] == told["slowest_percent"] == 0


def test_the_readme_has_a_place_for_the_table(modules: dict[str, ModuleType]) -> None:
    report = modules["report"]
    before, begin, rest = report.PAGE.read_text().partition(report.BEGIN)
    assert begin
    assert report.END in rest
    assert report.END not in before


@pytest.mark.parametrize(
    "name", ["faust_agent", "faust_take", "faust_table", "quix", "bytewax", "aiokafka", "confluent"]
)
def test_every_peer_has_its_program(name: str, modules: dict[str, ModuleType]) -> None:
    peer = next(peer for peer in modules["peers"].peers() if peer.name == name)
    assert Path(peer.command[1]).exists()


def test_a_peer_that_is_not_there_is_told_and_not_a_crash(modules: dict[str, ModuleType]) -> None:
    peers = modules["peers"]
    lost = peers.Peer("lost", "Lost", "nothing", ("/nowhere/python",))
    with pytest.raises(peers.PeerFailed, match="/nowhere/python is not there"):
        peers.run(lost, "127.0.0.1:1", "in", "out", 1)
