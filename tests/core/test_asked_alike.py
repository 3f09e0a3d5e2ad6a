"""Detectors that ask the same from the same: one model with the learners of all, and for each its own word."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from engine.shells.model_state import kept_models
from engine.shells.partition import Partition
from tests.core.leavers import CHANCE, DETECTOR, finish, partition, rows, take

# One asks the other learner, one needs more answers than there are, one says it in other words.
BY_BAYES = CHANCE.replace("challenger: naive_bayes", "learner: naive_bayes")
NEEDS_MORE = CHANCE.replace("needs: 20", "needs: 100000").replace(", challenger: naive_bayes", "")
ALONE = DETECTOR.replace(", challenger: naive_bayes", "")


def another(name: str, chance: str) -> str:
    return "---" + DETECTOR.replace("may-leave", name).replace(CHANCE, chance)


def ran(folder: Path, detectors: str) -> Partition:
    part = partition(folder, detectors)
    take(part, rows())
    finish(part)
    return part


@pytest.fixture(scope="module")
def all_(tmp_path_factory: pytest.TempPathFactory) -> Partition:
    others = another("by-bayes", BY_BAYES) + another("needs-more", NEEDS_MORE)
    return ran(tmp_path_factory.mktemp("all"), ALONE + others)


def chances(part: Partition, detector: str) -> list[str]:
    lines = (decision.why for decision in part.store.decisions() if decision.detector == detector)
    return [line.partition(":")[0] for line in lines]


def test_one_model_has_the_learners_of_all(all_: Partition) -> None:
    (spec,) = all_.plan.models.values()
    assert spec.learners == ("logistic_regression", "naive_bayes")
    assert spec.speakers == ("logistic_regression", "naive_bayes")
    assert (spec.name, spec.needs) == ("may-leave.leaving", 20)
    (teaching,) = kept_models(all_.store)[0].models.values()
    assert {name: track.answers for name, track in teaching.tracks.items()} == dict.fromkeys(
        spec.learners, teaching.tracks["naive_bayes"].answers
    )


def test_the_order_of_the_detectors_makes_no_model(tmp_path: Path, all_: Partition) -> None:
    part = partition(tmp_path, another("needs-more", NEEDS_MORE)[3:] + another("by-bayes", BY_BAYES) + "---" + ALONE)
    assert part.plan.models.keys() == all_.plan.models.keys()
    assert next(iter(part.plan.models.values())).learners == ("logistic_regression", "naive_bayes")


def test_each_says_what_its_own_learner_says(all_: Partition) -> None:
    ours, bayes = chances(all_, "may-leave"), chances(all_, "by-bayes")
    assert len(ours) > 10
    assert len(bayes) > 10
    assert ours != bayes
    assert chances(all_, "needs-more") == []


def test_questions_are_asked_once(all_: Partition) -> None:
    (tracker,) = {i for judge in all_.plan.kinds["customer"].judges.values() for i in judge.asks}
    entity = all_.chain.entities.get("customer", "c1")
    assert entity is not None
    assert len(entity.slots[tracker][1][7]) <= 4


def test_what_any_of_them_does_is_known_to_the_model(tmp_path: Path) -> None:
    """One is in shadow and the other does something about it: its answers are no nature for either."""
    live = another("by-bayes", BY_BAYES)
    part = ran(tmp_path, ALONE + "mode: shadow\n" + live)
    (teaching,) = kept_models(part.store)[0].models.values()
    assert teaching.left_out > 0
    whys = [orjson.dumps(decision.why) for decision in part.store.decisions() if decision.detector == "by-bayes"]
    assert whys
