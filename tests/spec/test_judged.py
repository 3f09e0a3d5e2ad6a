"""Models as entities: the engine's own, unless a project has a kind of that name."""

from __future__ import annotations

from pathlib import Path

import detectors
import sinks
from engine.core.plan import compile_plan
from engine.spec.load import load
from tests.spec import broken

OWN_KIND = broken.PROJECT.replace("account: account}", "account: account, model: model}")
CARS = OWN_KIND.replace("[app.", "[car.sold, app.")
SOLD = """
detector: sells-no-more
owner: care
reason: demand
per: model
watch: {sold: {count: car.sold, over: 7d}}
when: {sold: {below: 5}}
tests: [{name: quiet, given: [{event: car.sold, model: golf, times: 5}], expect: nothing}]
"""
LEAVING = """---
detector: leaving
owner: care
reason: churn-risk
per: account
watch:
  visits: {count: app.opened, over: 7d}
  chance: {chance_of: case.opened, within: 20d, from: [visits]}
when: {chance: {at_least: 70%}}
tests: [{name: quiet, given: [{event: app.opened, account: acme}], expect: nothing}]
"""
WATCHED = """---
detector: model-got-worse
owner: data-team
reason: model-quality
per: model
watch:
  loss: {average: model.judged, where: {model: leaving.chance}, field: log_loss, every: 1d}
  other: {average: model.judged, field: challengers.naive_bayes.log_loss, every: 1d}
when: {loss: {above: 1}, other: {below: 1}, sequence: {steps: [model.judged, model.judged], within: 3d}}
tests: [{name: quiet, given: [{event: model.judged, model: leaving.chance}], expect: nothing}]
"""


def said(folder: Path, project: str, detector: str) -> list[str]:
    broken.write(folder, "detector", detector.encode())
    (folder / "beforehand.yml").write_text(project)
    return broken.said_of(folder)


def test_a_kind_of_the_projects_own_keeps_its_events(tmp_path: Path) -> None:
    assert said(tmp_path, CARS, SOLD + LEAVING) == []
    plan = compile_plan(load(tmp_path, detectors.load(), sinks.options_of, sinks.kinds()), detectors.load())
    assert plan.by_event["car.sold"] == ("model",)
    assert not plan.judged


def test_with_a_kind_of_its_own_a_project_hears_of_no_model(tmp_path: Path) -> None:
    message = "'model' is an entity of the project's own, so 'model.judged' is told of none - rename it"
    assert said(tmp_path, CARS, LEAVING + WATCHED) == [f"detectors/bad.yml:15:6: error[no-effect]: {message}"]


def test_what_is_told_of_models_comes_by_no_stream(tmp_path: Path) -> None:
    assert said(tmp_path, broken.PROJECT, LEAVING + WATCHED) == []
    plan = compile_plan(load(tmp_path, detectors.load(), sinks.options_of, sinks.kinds()), detectors.load())
    assert [model.name for model in plan.judged.values()] == ["leaving.chance"]
    assert "model" in plan.kinds
    assert "model" not in plan.all_events
    assert "model.judged" not in plan.by_event


def test_a_model_has_no_members(tmp_path: Path) -> None:
    each = "then: [{for_each: account, seen_in: {event: model.judged, over: 2d}, play: call}]\n"
    found = said(tmp_path, broken.PROJECT, LEAVING + WATCHED.replace("tests:", f"{each}tests:"))
    assert [line.split(" ", 1)[1] for line in found] == [
        "error[no-effect]: 'model.judged' names nobody, so no model has members"
    ]
