"""A chance as its author sees it: in the output of run, models, explain and erase."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Beforehand
from tests.core import leavers
from tests.core.leavers import DETECTOR


@pytest.fixture
def ran(tmp_path: Path, beforehand: Beforehand, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a model that has learned from all there is."""
    part = leavers.partition(tmp_path, DETECTOR, leavers.PROJECT)
    part.store.close()
    (tmp_path / "state" / "state.db").unlink()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "usage.jsonl").write_bytes(b"".join(row.raw + b"\n" for row in leavers.rows()))
    monkeypatch.chdir(tmp_path)
    done = beforehand("run", "--event-clock")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_models_says_what_was_learned_and_how_good_it_is(ran: Path, beforehand: Beforehand) -> None:
    said = beforehand("models").stdout
    assert said.startswith("may-leave.leaving\n  version ")
    assert "logistic_regression *" in said
    assert "naive_bayes" in said
    assert " alone  " in said
    (report,) = json.loads(beforehand("models", "--json").stdout)
    assert report["is_ready"]
    assert report["judged"] > 100
    assert [learner["counts"] for learner in report["learners"]] == [True, False]
    assert report["learners"][0]["auc"] > 0.5


def test_models_says_how_far_a_model_is_that_says_nothing_yet(ran: Path, beforehand: Beforehand) -> None:
    path = ran / "config" / "detectors" / "d.yml"
    path.write_text(path.read_text().replace("needs: 20", "needs: 5000"))
    assert "still learning: it needs 5,000 answers and has " in beforehand("models").stdout
    path.write_text(path.read_text().replace("within: 5d", "within: 9d"))
    assert "it has not learned anything yet" in beforehand("models").stdout
    path.write_text(path.read_text().split("  leaving:")[0] + "when: {orders: {at_least: 9}}\n")
    path.write_text(path.read_text().replace("  mood: {average: login, field: mood, over: 4d}\n", ""))
    assert beforehand("models").stdout == "no detector asks for a chance, or for what is usual among peers\n"


def test_explain_names_what_moved_a_chance_and_the_version_of_the_model(ran: Path, beforehand: Beforehand) -> None:
    keys = [f"c{number}" for number in range(40)]
    said = next(said for key in keys if "fired [" in (said := beforehand("explain", "may-leave", key).stdout))
    assert "  leaving is moved by: " in said
    assert " makes it likelier" in said
    assert "(model version " in said


def test_answers_that_are_kept_are_exported_and_erased(ran: Path, beforehand: Beforehand) -> None:
    answers = json.loads(beforehand("export", "customer:c1").stdout)["answers"]
    assert {answer["model"] for answer in answers} == {"may-leave.leaving"}
    assert answers[0]["measures"].keys() == {"orders", "mood", "days known", "days silent", "times before"}
    assert "" in {answer["came"] for answer in answers} != {""}
    learned = sum(1 for answer in answers if answer["learned"])
    assert f"{len(answers)} of answers" in beforehand("erase", "customer:c1").stdout
    (report,) = json.loads(beforehand("models", "--json").stdout)
    assert 0 < report["kept"] == report["examples"] - learned
    assert "answers" not in json.loads(beforehand("export", "customer:c1").stdout)


def test_snapshots_signed_with_another_key_are_not_used(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    key = tmp_path / "config" / "key"
    key.write_text("a key of sixteen bytes")
    project = leavers.PROJECT + "models: {key: 'file:key'}\n"
    part = leavers.partition(tmp_path, DETECTOR, project)
    leavers.take(part, leavers.rows())
    leavers.finish(part)
    part.store.close()
    part = leavers.partition(tmp_path, DETECTOR, project)
    assert len(list(part.chain.stalls.models.all())) == 3
    part.store.close()
    key.write_text("another key of sixteen bytes")
    part = leavers.partition(tmp_path, DETECTOR, project)
    assert list(part.chain.stalls.models.all()) == []
    part.store.close()
