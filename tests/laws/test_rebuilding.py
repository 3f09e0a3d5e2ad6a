"""A learner that is added is taught from kept answers, as if it had been there all the time, however it is carried."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.core.kept import Lesson, Shelf
from engine.core.models import classifiers
from engine.core.rebuilding import Rebuild, rebuilds
from engine.core.teaching import LearnState, Teaching
from engine.shells import model_state
from engine.shells.backtest import decision_lines
from engine.shells.modelling import ModelReport, as_text, reports
from engine.shells.partition import Partition
from tests.core.leavers import DETECTOR, PROJECT, finish, partition, rows, take
from tests.laws import carrying

ALONE = DETECTOR.replace(", challenger: naive_bayes", "")
OTHER_WAY_ROUND = DETECTOR.replace("challenger: naive_bayes", "learner: naive_bayes, challenger: logistic_regression")
# When somebody edits the detector.
CHANGE_AT = 700


def carried(
    folder: Path, size: int, *, then: str = DETECTOR, project: str = PROJECT, restart_every: int = 0
) -> Partition:
    """First alone, from `CHANGE_AT` on with another detector."""
    first = ALONE + "mode: shadow\n" * ("mode: shadow" in then)
    part = partition(folder, first, project)
    all_ = rows()
    starts = [*range(0, CHANGE_AT, size), *range(CHANGE_AT, len(all_), size)]
    for number, (at, until) in enumerate(zip(starts, [*starts[1:], len(all_)], strict=True)):
        is_restarted = restart_every and number % restart_every == restart_every - 1
        if is_restarted or at == CHANGE_AT:
            detector = then if at >= CHANGE_AT else first
            part.store.close()
            part = partition(folder, detector, project)
        take(part, all_[at:until])
    finish(part)
    return part


def teaching_of(part: Partition) -> Teaching:
    (teaching,) = model_state.kept_models(part.store)[0].models.values()
    return teaching


def outcome(part: Partition) -> tuple[list[bytes], bytes, list[Lesson]]:
    (model,) = part.plan.models
    return *carrying.outcome(part), list(model_state.kept_shelf(part.store, part.plan).of(model))


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Partition:
    return carried(tmp_path_factory.mktemp("straight"), 1_000)


@pytest.fixture(scope="module")
def from_the_beginning(tmp_path_factory: pytest.TempPathFactory) -> Partition:
    part = partition(tmp_path_factory.mktemp("beginning"), DETECTOR)
    take(part, rows())
    finish(part)
    return part


def test_there_is_something_to_rebuild(straight: Partition) -> None:
    teaching = teaching_of(straight)
    assert 100 < teaching.rebuilt["naive_bayes"] < teaching.examples == teaching.kept
    assert teaching.rebuilt.keys() == {"naive_bayes"}


def test_it_knows_what_it_would_know_had_it_been_there(straight: Partition, from_the_beginning: Partition) -> None:
    ours, theirs = teaching_of(straight), teaching_of(from_the_beginning)
    assert ours.learned == theirs.learned
    assert ours.tracks["logistic_regression"] == theirs.tracks["logistic_regression"]


def test_a_learner_of_river_is_rebuilt_to_the_same(tmp_path: Path) -> None:
    of_river = DETECTOR.replace("challenger: naive_bayes", "challenger: {river: linear_model.LogisticRegression}")
    added = teaching_of(carried(tmp_path / "added", 1_000, then=of_river + "mode: shadow\n"))
    part = partition(tmp_path / "beginning", of_river + "mode: shadow\n")
    take(part, rows())
    finish(part)
    assert added.learned == teaching_of(part).learned
    (name,) = added.rebuilt
    assert name.startswith("river ")
    assert added.tracks[name].answers > 100


def test_it_is_judged_as_if_it_had_been_asked(from_the_beginning: Partition) -> None:
    """All of a model anew comes to the model."""
    (spec,) = from_the_beginning.plan.models.values()
    known, made = teaching_of(from_the_beginning), Teaching()
    shelf = model_state.kept_shelf(from_the_beginning.store, from_the_beginning.plan)
    rebuild = Rebuild(spec, spec.learners, shelf)
    rebuild.finish(made)
    for what in ("learned", "tracks", "rules", "examples", "yes", "means", "lows", "highs", "stamps"):
        assert getattr(made, what) == getattr(known, what), what
    assert made.tracks["naive_bayes"].answers > 100


@pytest.mark.parametrize(("size", "restart_every"), [(7, 0), (37, 4)])
def test_batches_and_restarts_make_no_difference(
    size: int, restart_every: int, tmp_path: Path, straight: Partition
) -> None:
    assert outcome(carried(tmp_path, size, restart_every=restart_every)) == outcome(straight)


def test_restarts_before_the_day_is_over_lose_nothing(tmp_path: Path, straight: Partition) -> None:
    part, all_ = partition(tmp_path, ALONE), rows()
    take(part, all_[:CHANGE_AT])
    for at in range(CHANGE_AT, CHANGE_AT + 45, 3):
        part.store.close()
        part = partition(tmp_path, DETECTOR)
        take(part, all_[at : at + 3])
    assert teaching_of(part).rebuilt
    take(part, all_[CHANGE_AT + 45 :])
    finish(part)
    assert outcome(part) == outcome(straight)


@pytest.mark.parametrize("steps", [1, 50])
def test_in_slices_it_comes_to_the_same(steps: int, from_the_beginning: Partition) -> None:
    (spec,) = from_the_beginning.plan.models.values()
    shelf = model_state.kept_shelf(from_the_beginning.store, from_the_beginning.plan)
    sliced, whole = Teaching(), Teaching()
    rebuild = Rebuild(spec, ("naive_bayes",), shelf)
    assert rebuild.go_on(steps) == steps
    rebuild.go_on(steps)
    rebuild.finish(sliced)
    Rebuild(spec, ("naive_bayes",), shelf).finish(whole)
    assert msgspec.msgpack.encode(sliced) == msgspec.msgpack.encode(whole)


def test_who_changes_places_goes_on_and_its_open_questions_too(tmp_path: Path) -> None:
    """Nothing is done, so both are taught the same; only what is said is another learner's."""
    asked, outcomes = "mode: shadow\n", []
    for name, then in (("as it was", DETECTOR), ("round", OTHER_WAY_ROUND)):
        part = carried(tmp_path / name, 1_000, then=then + asked)
        outcomes.append((decision_lines(part.store.decisions()), msgspec.msgpack.encode(teaching_of(part))))
    assert outcomes[0][0] != outcomes[1][0]
    assert outcomes[0][1] == outcomes[1][1]


def test_no_question_is_lost_by_a_change(straight: Partition, from_the_beginning: Partition) -> None:
    ours, theirs = teaching_of(straight), teaching_of(from_the_beginning)
    assert (ours.examples, ours.yes) == (theirs.examples, theirs.yes)


def test_models_says_which_learner_was_rebuilt(straight: Partition) -> None:
    found = reports(straight.plan, model_state.kept_models(straight.store)[0])
    (report,) = found
    assert isinstance(report, ModelReport)
    ours, added = report.learners
    assert (ours.rebuilt, added.learner, added.counts) == (0, "naive_bayes", False)
    # It was not there when the questions were asked that were open when it was added.
    assert 0.8 * ours.judged < added.judged < ours.judged
    assert f"naive_bayes was rebuilt from {added.rebuilt:,} answers, and held against {added.judged:,}" in as_text(
        found
    )
    assert f"the newest {report.kept:,} are kept" in as_text(found)


def test_so_many_are_kept_and_no_more(tmp_path: Path) -> None:
    part = carried(tmp_path / "some", 1_000, project=PROJECT + "models: {keep_examples: 150}\n")
    teaching = teaching_of(part)
    assert (teaching.kept, teaching.rebuilt) == (150, {"naive_bayes": 150})
    lessons = outcome(part)[2]
    assert len(lessons) == 150
    assert lessons == outcome(carried(tmp_path / "all", 1_000))[2][-150:]
    none = teaching_of(carried(tmp_path / "none", 1_000, project=PROJECT + "models: {keep_examples: 0}\n"))
    assert (none.kept, none.rebuilt) == (0, {})
    assert none.learned["naive_bayes"][0][0] > 0


def test_what_was_learned_by_other_code_is_learned_anew(from_the_beginning: Partition) -> None:
    plan, known = from_the_beginning.plan, teaching_of(from_the_beginning)
    shelf = model_state.kept_shelf(from_the_beginning.store, plan)
    ((name, spec),) = plan.models.items()
    assert rebuilds(plan.models, {name: known}, shelf) == {}
    older = msgspec.structs.replace(known, stamps={**known.stamps, "naive_bayes": "0"})
    assert list(rebuilds(plan.models, {name: older}, shelf)) == [name]
    assert rebuilds(plan.models, {name: older}, Shelf(0)) == {}
    assert [each for each in spec.learners if older.lacks(each)] == ["naive_bayes"]


def test_an_upgrade_changes_nothing_but_who_was_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_the_beginning: Partition
) -> None:
    part, all_ = partition(tmp_path, DETECTOR), rows()
    take(part, all_[:CHANGE_AT])
    part.store.close()
    monkeypatch.setattr(classifiers, "OWN", "2")
    part = partition(tmp_path, DETECTOR)
    take(part, all_[CHANGE_AT:])
    finish(part)
    ours, theirs = teaching_of(part), teaching_of(from_the_beginning)
    assert ours.rebuilt.keys() == set(ours.stamps) == {"logistic_regression", "naive_bayes"}
    assert set(ours.stamps.values()) == {"2"}
    assert (ours.learned, ours.tracks, ours.examples) == (theirs.learned, theirs.tracks, theirs.examples)
    assert carrying.outcome(part)[0] == carrying.outcome(from_the_beginning)[0]


def test_a_model_that_nobody_asks_any_more_is_not_kept(tmp_path: Path) -> None:
    part = carried(tmp_path, 1_000)
    assert part.store.db.execute("SELECT count(*) FROM facts WHERE name GLOB 'kept *'").fetchone()[0] > 3
    part.store.close()
    nothing = DETECTOR.split("  leaving:")[0].replace("  mood: {average: login, field: mood, over: 4d}\n", "")
    part = partition(tmp_path, nothing + "when: {orders: {at_least: 99}}\nthen: [{play: call}]\nwhy: x\n")
    take(part, rows()[-1:])
    assert part.store.db.execute("SELECT count(*) FROM facts WHERE name GLOB 'kept *'").fetchone()[0] == 0


def test_what_an_earlier_version_kept_is_read(straight: Partition) -> None:
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(teaching_of(straight)))
    then = Teaching.__struct_fields__.index("stamps")
    older = msgspec.msgpack.decode(msgspec.msgpack.encode([0, {"m": fields[:then]}]), type=LearnState).models["m"]
    assert (older.stamps, older.rebuilt, older.kept) == ({}, {}, 0)
    assert older.lacks("naive_bayes")
