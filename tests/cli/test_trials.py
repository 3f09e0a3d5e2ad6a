"""Tests inside detector files: what a failing one says, and what the words in them do."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.shells.trials import Trial, run_tests
from engine.shells.wiring import load_configuration, plugins
from tests.cli.conftest import PLAY, PROJECT

FILE = "detectors/busy.yml"
DETECTOR = """\
detector: busy
owner: front-desk
reason: growth
per: customer
watch: {{visits: {{count: visit, over: 1d}}, classes: {{count: class, over: 1d}}}}
when: {{any_of: [{{visits: {{at_least: 2}}}}, {{classes: {{at_least: 1}}}}]}}
cooldown: 30d
only_if: {{customer.plan: {{is: free}}}}
then: [{{play: ring-them}}]
mode: {mode}
tests: [{{name: it, {test}}}]
"""
TWICE = "given: [{event: visit, customer: ada, times: 2, every: 1h}]"
FREE = "with: {customer.plan: free}"


def trial(folder: Path, test: str, mode: str = "live") -> Trial:
    for name, text in {
        "beforehand.yml": PROJECT.replace("[visit]", "[visit, class]"),
        FILE: DETECTOR.format(test=test, mode=mode),
        "playbooks/desk.yml": PLAY,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (result,) = run_tests(load_configuration(folder), plugins())
    return result


def failures(folder: Path, test: str) -> list[str]:
    """Without the folder in front of the places."""
    return [failure.removeprefix(f"{folder}/") for failure in trial(folder, test).failures]


@pytest.mark.parametrize(
    "expect",
    [
        "[{at: 59m, nothing: true}, {at: 1h, fired: ada, play: ring-them, because: visits}]",
        "[{at: 2d, resolved: ada, fired_in_total: 1}]",
        "[{at: 2026-01-05T01:00:00Z, fired: ada}]",
    ],
)
def test_what_is_so_passes(expect: str, tmp_path: Path) -> None:
    assert failures(tmp_path, f"{FREE}, {TWICE}, expect: {expect}") == []


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ("nothing", "expected nothing to have fired; fired so far: ada at 1h (ring-them chosen)"),
        ("[{fired: ben}]", "expected it to have fired for ben; fired so far: ada at 1h (ring-them chosen)"),
        ("[{fired_in_total: 2}]", "expected 2 signals in total; fired so far: ada at 1h (ring-them chosen)"),
        ("[{resolved: ada}]", "expected it to have resolved for ada; fired so far: ada at 1h (ring-them chosen)"),
        ("[{dropped: only_if}]", "expected its decision to be dropped at only_if; fired so far: ada at 1h (ring-them"),
        ("[{because: [classes]}]", "expected classes to be among the reasons; fired so far: ada at 1h (ring-them"),
    ],
)
def test_what_is_not_so_is_told_with_what_happened_instead(expect: str, said: str, tmp_path: Path) -> None:
    (failure,) = failures(tmp_path, f"{FREE}, {TWICE}, expect: {expect}")
    assert failure.startswith(f"{FILE}:11:")
    assert f": at 1h {said}" in failure


def test_a_play_that_a_gate_stopped_is_told_with_the_gate(tmp_path: Path) -> None:
    (failure,) = failures(tmp_path, f"{TWICE}, expect: [{{play: ring-them}}]")
    assert "expected the play ring-them to be chosen; fired so far: ada at 1h (ring-them only_if)" in failure


def test_a_row_that_is_refused_fails_the_test(tmp_path: Path) -> None:
    rows = "given: [{event: visit, customer: ada}, {event: visit, customer: 1.5}]"
    (failure,) = failures(tmp_path, f"{rows}, expect: nothing")
    assert failure.startswith(f"{FILE}:11:9: a given row was refused: ")


def test_events_take_turns_and_times_is_their_total(tmp_path: Path) -> None:
    rows = "given: [{events: [visit, other], customer: ada, times: 4, every: 1m}]".replace("other", "class")
    assert (
        failures(tmp_path, f"{FREE}, {rows}, expect: [{{at: 59s, nothing: true}}, {{at: 1m, because: classes}}]") == []
    )
    once = "given: [{events: [visit, visit], customer: ada, times: 1}]"
    assert failures(tmp_path, f"{FREE}, {once}, expect: nothing") == []


def test_so_many_a_day_are_spread_over_the_days_named(tmp_path: Path) -> None:
    rows = "given: [{event: visit, customer: ada, per_day: 3, days: weekend, for: 1w}]"
    expect = "[{at: 5d, nothing: true}, {at: 128h, fired: ada}]"  # Saturday, the second visit at 08:00
    assert failures(tmp_path, f"{FREE}, {rows}, expect: {expect}") == []


def test_a_number_in_a_text_counts(tmp_path: Path) -> None:
    rows = 'given: [{event: class, customer: "c{n}", times: 3, every: 1h}]'
    assert failures(tmp_path, f"{rows}, expect: [{{fired: c3, fired_in_total: 3}}]") == []


@pytest.mark.parametrize("mode", ["shadow", "paused"])
def test_a_detector_on_trial_still_does_what_its_tests_say(mode: str, tmp_path: Path) -> None:
    assert trial(tmp_path, f"{FREE}, {TWICE}, expect: [{{play: ring-them}}]", mode).failures == ()
