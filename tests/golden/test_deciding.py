"""The scenarios in deciding/ hold, and there is one for each gate and each factor."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.shells.trials import Trial, run_tests
from engine.shells.wiring import load_configuration, plugins
from engine.spec.outcomes import ENDS, FACTORS, GATES

ROOT = Path(__file__).parents[2]
CONFIGURATION = load_configuration(Path(__file__).parent / "deciding")
TESTS = [test for spec in CONFIGURATION.detectors for test in spec.tests]
TRIALS = run_tests(CONFIGURATION, plugins())


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_a_scenario_goes_as_it_is_told(trial: Trial) -> None:
    assert not trial.failures, "\n".join(trial.failures)


@pytest.mark.parametrize("gate", [*GATES, *ENDS])
def test_each_gate_has_a_scenario_in_which_it_stops_something(gate: str) -> None:
    assert any(gate in (line.dropped, line.held) for test in TESTS for line in test.expect)


@pytest.mark.parametrize("factor", FACTORS)
def test_each_factor_has_a_scenario_in_which_it_is_not_1(factor: str) -> None:
    assert any(line.factors.get(factor, 1) != 1 for test in TESTS for line in test.expect)


def test_the_gates_that_a_test_may_name_are_those_of_the_page() -> None:
    """In the same order: a gate that is added is added to the page, to `GATES`, and to the scenarios."""
    table = (ROOT / "docs/deciding.md").read_text().partition("## The gates")[2].partition("\n\nWhat became")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")][1:]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(GATES)
