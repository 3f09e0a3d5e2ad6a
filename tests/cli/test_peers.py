"""What is usual among peers as its author sees it: in the output of run, models, explain, erase and the metrics."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from engine.core.crowds import Crowd
from engine.core.teaching import LearnState, Teaching
from engine.shells.model_metrics import ModelMetrics
from engine.shells.modelling import PeersReport, as_text, reports
from tests.cli.conftest import Beforehand
from tests.core import schools


@pytest.fixture
def ran(tmp_path: Path, beforehand: Beforehand, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that has heard of all there is."""
    schools.partition(tmp_path).store.close()
    (tmp_path / "state" / "state.db").unlink()
    (tmp_path / "data").mkdir()
    for stream in ("usage", "crm"):
        lines = [row.raw + b"\n" for row in schools.rows() if row.stream == stream]
        (tmp_path / "data" / f"{stream}.jsonl").write_bytes(b"".join(lines))
    monkeypatch.chdir(tmp_path)
    done = beforehand("run", "--event-clock")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_models_lists_the_segments(ran: Path, beforehand: Beforehand) -> None:
    said = beforehand("models").stdout.splitlines()
    assert said[0] == "quieter.peers_logins"
    assert said[1].startswith("  version 11 of 2026-01-17 00:00:00, from 165 values")
    assert said[2].split() == ["segment", "heard", "usual", "give", "or", "take"]
    assert [line.split()[0] for line in said[3:]] == ["pro", "basic"]
    (report,) = json.loads(beforehand("models", "--json").stdout)
    assert [each["segment"] for each in report["segments"]] == [["basic"], ["pro"]]
    assert all(each["is_enough"] for each in report["segments"])


def test_explain_says_what_was_held_against_what(ran: Path, beforehand: Beforehand) -> None:
    said = beforehand("explain", "quieter", "s2").stdout
    assert "  logins is 1, below peers by 50%: yes" in said
    assert "  peers_logins is " in said


def test_an_erased_school_leaves_no_value(ran: Path, beforehand: Beforehand) -> None:
    assert " of answers" in beforehand("erase", "customer:s5").stdout
    assert " of answers" not in beforehand("erase", "customer:s5").stdout


def told(crowds: dict[str, Crowd], refused: int = 0) -> list[PeersReport]:
    """The report of a model that knows these."""
    part = schools.partition(Path.cwd())
    part.store.close()
    model = next(iter(part.plan.models))
    teaching = Teaching(version=3, examples=40, at=schools.AT, crowds=crowds, refused=refused)
    return [each for each in reports(part.plan, LearnState(0, {model: teaching})) if isinstance(each, PeersReport)]


def test_models_says_what_is_left_out_and_where_it_still_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    crowds = {f'["plan {number}"]': Crowd({7: dict.fromkeys(range(2 + number), 5.0)}) for number in range(30)}
    said = as_text(told(crowds, refused=9))
    assert "  9 were left out: there are more segments than are kept" in said
    assert "  still learning in 3 of 30 segments: it needs 4 others in each" in said
    assert "  and 10 smaller ones, with --json" in said
    assert "  all  " in as_text(told({"[]": Crowd({7: dict.fromkeys(range(9), 5.0)})}))


def test_metrics_have_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    registry = CollectorRegistry()
    ModelMetrics(registry).note(told({}))
    assert registry.get_sample_value("beforehand_model_version", {"model": "quieter.peers_logins"}) == 3
    assert registry.get_sample_value("beforehand_model_auc", {"model": "quieter.peers_logins", "learner": ""}) is None
