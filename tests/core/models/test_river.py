"""Models of River: which of them can be used, what they tell, how they are kept, and what is never read as one."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.core.models import river_learner
from engine.core.models.classifiers import (
    Frozen,
    chance_at,
    classifier,
    log_odds_of,
    pushes_of,
    stamp_of,
    within_a_record,
)
from engine.core.models.river_learner import Kept, trouble_with
from engine.core.models.river_names import classes
from engine.core.models.river_parts import MOST_BYTES, NotKept, Refused
from engine.core.models.river_state import put_together, take_apart
from engine.core.models.river_trial import answers, why_not
from engine.core.models.track import Track, noted, quality_of
from engine.spec.learners import learner
from engine.spec.report import Report
from engine.spec.values import Scope
from engine.spec.yaml import read_documents

ROOT = Path(__file__).parents[3]
HERE = "tests.core.models.test_river"
LOGISTIC = "river linear_model.LogisticRegression"
TREE = "river tree.HoeffdingTreeClassifier"
FOREST = "river forest.ARFClassifier(drift_detector=drift.NoDrift,n_models=5,warning_detector=drift.NoDrift)"
some_of_them = pytest.mark.parametrize(
    "name",
    [
        LOGISTIC,
        LOGISTIC + "(l1=0.001,optimizer=optim.Adam(lr=0.05))",
        TREE,
        "river naive_bayes.GaussianNB",
        "river linear_model.PAClassifier(mode=2)",
        "river linear_model.SoftmaxRegression",
        "river ensemble.BaggingClassifier(model=tree.HoeffdingTreeClassifier,n_models=2)",
        "river forest.ARFClassifier(drift_detector=drift.PageHinkley,n_models=2,warning_detector=drift.NoDrift)",
        "river tree.HoeffdingAdaptiveTreeClassifier(drift_detector=drift.PageHinkley)",
    ],
)


@cache
def usable() -> dict[str, str]:
    """Every classifier of the installed River, with why it cannot be used as it comes, or nothing."""
    return {path: why_not(f"river {path}") for path, _class in classes()}


def taught(name: str, count: int = 600) -> Any:
    made = classifier(name, 7)
    for features, happened in list(answers())[:count]:
        made.learn([1.0, *features.values()], happened=happened)
    return made


def odds(name: str, frozen: Frozen, numbers: list[float]) -> float:
    found = log_odds_of(name, frozen, numbers)
    assert found is not None
    return found


def some_numbers() -> Iterator[list[float]]:
    for features, _happened in list(answers())[:20]:
        yield [1.0, *features.values()]


# ---- which can be used


def rows_of(heading: str) -> dict[str, str]:
    """The table under that heading of the page: the class and what is said of it."""
    page = (ROOT / "docs/river.md").read_text()
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", section, re.MULTILINE))


def test_the_page_lists_every_classifier_that_can_be_used_as_it_comes() -> None:
    assert set(rows_of("Which classes of River can be used")) == {path for path, why in usable().items() if not why}


def test_the_page_says_of_every_other_why_it_cannot() -> None:
    kinds = {
        "needs a parameter": "write it under 'with'",
        "cannot be kept": "cannot be kept",
        "too large": "kB is the most",
        "no such numbers": "River said",
    }
    told = rows_of("Which cannot")
    assert set(told) == {path for path, why in usable().items() if why}
    for path, reason in told.items():
        kind = next(kind for kind in kinds if reason.startswith(kind))
        assert kinds[kind] in usable()[path], path


def with_what() -> dict[str, str]:
    """Where the page says with which parameters a class can be used: its name with these."""
    found = {}
    for path, reason in rows_of("Which cannot").items():
        given = re.search(r"with `(\{.+\})` it can", reason)
        if given:
            written = f"river: {path}\nwith: {given[1]}\n".encode()
            report = Report()
            (node,) = read_documents("page", written, report)
            found[path] = learner(node, Scope(report=report)) or f"{report.problems}"
    return found


def test_with_what_the_page_says_the_others_can_be_used_too() -> None:
    assert len(with_what()) > 5
    assert {path: why_not(name) for path, name in with_what().items()} == dict.fromkeys(with_what(), "")


def test_what_is_taught_does_not_depend_on_the_process() -> None:
    """Names are hashed in another way in each: nothing may follow the order of a set."""
    names = [*(f"river {path}" for path, why in usable().items() if not why), *with_what().values()]
    told = subprocess.run(
        [sys.executable, "-c", f"from {HERE} import digests; print(digests({names}))"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(digests(names))


def digests(names: list[str]) -> dict[str, str]:
    return {name: hashlib.sha256(taught(name, 80).frozen()).hexdigest() for name in names}


def test_river_is_imported_only_where_a_learner_of_it_is_written() -> None:
    """It takes seconds."""
    code = (
        "import sys, detectors, engine.cli; from engine.core.models.classifiers import classifier, stamp_of; "
        "detectors.load(); classifier('naive_bayes', 4); stamp_of('river x'); assert 'river' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


# ---- what it learns and tells


@some_of_them
def test_one_that_is_stored_after_each_answer_goes_on_as_if_it_never_was(name: str) -> None:
    straight, broken = classifier(name, 7), classifier(name, 7)
    for features, happened in list(answers())[:150]:
        numbers = [1.0, *features.values()]
        straight.learn(numbers, happened=happened)
        broken.learn(numbers, happened=happened)
        broken = classifier(name, 7, msgspec.msgpack.decode(msgspec.msgpack.encode(broken.state())))
    assert broken.state() == straight.state()
    assert broken.frozen() == straight.frozen()


@some_of_them
def test_it_ranks_well_and_what_it_says_comes_true(name: str) -> None:
    """Also where River says no chances that do: they are set right. Forests know what they were taught by heart."""
    frozen, track = taught(name, 500).frozen(), Track()
    for features, happened in answers():
        noted(track, chance_at(odds(name, frozen, [1.0, *features.values()])), happened=happened)
    quality = quality_of(track)
    assert (quality.auc or 0) > 0.75
    assert quality.calibration < 0.2


def test_asking_changes_nothing() -> None:
    frozen = taught(TREE).frozen()
    first = [odds(TREE, frozen, numbers) for numbers in some_numbers()]
    assert [odds(TREE, frozen, numbers) for numbers in some_numbers()] == first
    assert len(set(first)) > 5


def test_one_that_knows_nothing_says_nothing() -> None:
    assert log_odds_of(LOGISTIC, classifier(LOGISTIC, 7).frozen(), [1.0] * 7) is None
    assert log_odds_of(LOGISTIC, b"", [1.0] * 7) is None


def test_what_moves_its_chance_is_told_against_somebody_average() -> None:
    """Chances rise with the first measure and fall with the second."""
    for name in (LOGISTIC, TREE):
        frozen = taught(name).frozen()
        means = [1.0, 1.5, 0.75, 0.0, 1.5, 0.75, 0.0]
        high = [1.0, 3.0, 2.25, 0.0, 0.3, 0.02, 0.0]
        more, less = pushes_of(name, frozen, high, means, 3)
        assert more > 0.5
        assert less > 0.5
        assert pushes_of(name, frozen, means, means, 3) == [0.0, 0.0]


def test_its_version_is_that_of_river() -> None:
    assert re.fullmatch(r"river \d+\.\d+\.\d+", stamp_of(LOGISTIC))
    assert stamp_of("naive_bayes") == "1"


def test_absurd_numbers_do_no_harm() -> None:
    for name in (LOGISTIC, TREE, "river naive_bayes.GaussianNB", "river linear_model.ALMAClassifier"):
        made = taught(name, 100)
        for number in (1e308, -1e308, 0.0, 1e-308, 710.0):
            made.learn([1.0, number, -number, 0.0, number, 1.0, 1.0], happened=True)
        told = [log_odds_of(name, made.frozen(), numbers) for numbers in some_numbers()]
        assert all(each is None or abs(each) < 1e6 for each in told)


def test_answers_that_it_cannot_take_are_counted() -> None:
    made = taught("river tree.SGTClassifier", 250)
    assert msgspec.convert(made.state(), Kept).missed > 0


# ---- how much of it


def test_one_that_grows_too_large_stands_still_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(river_learner, "MOST_BYTES", 30_000)
    made = taught(FOREST, 200)
    assert trouble_with(made.state()) == (0, 0)
    before = made.frozen()
    for features, happened in answers():
        made.learn([1.0, *features.values()], happened=happened)
    assert trouble_with(made.state()) == (500, 0)
    stood, state = made.frozen(), made.state()
    assert stood == before
    for features, happened in list(answers())[:300]:
        made.learn([1.0, *features.values()], happened=happened)
    again = classifier(FOREST, 7, msgspec.msgpack.decode(msgspec.msgpack.encode(state)))
    assert made.frozen() == again.frozen() == stood


def test_one_that_was_never_small_enough_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(river_learner, "MOST_BYTES", 100)
    assert taught(LOGISTIC, 250).frozen() == b""


def test_those_that_are_only_compared_stay_behind_where_not_all_go_into_one_record() -> None:
    large = b"x" * (300 * 1024)
    learned: dict[str, Frozen] = {"river a.A": large, "river b.B": large, "river c.C": large, "naive_bayes": [1.0]}
    assert set(within_a_record(learned, ["river c.C"])) == {"river c.C", "river a.A", "naive_bayes"}
    assert within_a_record({"naive_bayes": [1.0]}, []) == {"naive_bayes": [1.0]}


# ---- how it is kept


def test_what_is_shared_stays_shared_and_circles_stay_round() -> None:
    inner = [1, 2.5, "three", None, True]
    ring: list[Any] = [inner, inner, {"deep": (inner, (1, 2))}]
    ring.append(ring)
    found = put_together(take_apart(ring))
    assert found[0] == inner
    assert found[0] is found[1] is found[2]["deep"][0]
    assert found[3] is found


def test_plain_things_come_back_as_they_were() -> None:
    missing: defaultdict[str, float] = defaultdict(float, a=1.0)
    things = [
        *({3, 1, 2}, frozenset("ab"), (1, (2, ())), {1: "a", "b": 2, (1, True): 3.0}, [], [float("inf"), -0.0]),
        *(deque([1, 2], maxlen=2), OrderedDict(b=1, a=2), Counter("aab"), missing),
    ]
    found = put_together(take_apart(things))
    assert found == things
    assert [type(each) for each in found] == [type(each) for each in things]
    assert found[-1]["new"] == 0.0
    assert found[6].maxlen == 2
    assert take_apart(found) != take_apart(things), "the new one is there"


@pytest.mark.parametrize(
    "thing",
    [1 << 70, object(), open, os.system, Path("x"), {(1, None), (1, 2)}, b"bytes", lambda: 1, type, int("9" * 30)],
    ids=["too large", "object", "function", "of the system", "path", "no order", "bytes", "lambda", "type", "digits"],
)
def test_what_is_not_known_is_not_taken_apart(thing: object) -> None:
    with pytest.raises(NotKept):
        take_apart([thing])


def hostile() -> Iterator[tuple[str, Any]]:
    """Content that somebody else made, or that was damaged."""
    none = ["object", "", [0]]
    yield "a function of the system", [[["os.system"]], [none]]
    yield "a class that opens files", [[["io.FileIO"]], [none]]
    yield "a class that starts processes", [[["subprocess.Popen", "args"]], [["object", "", [0, "true"]]]]
    yield "River, but a data set", [[["river.datasets.phishing.Phishing"]], [none]]
    yield "what River imports", [[["river.linear_model.base.np"]], [none]]
    yield "through River to elsewhere", [[["river.base.base.sys.modules"]], [none]]
    yield "a function of River", [[["river.utils.math.softmax"]], [none]]
    yield "an abstract class", [[["river.base.classifier.Classifier"]], [none]]
    yield "a class without a name", [[[""]], [none]]
    yield "a shape without a class", [[[]], [none]]
    yield "a shape that is not there", [[], [none]]
    yield "a shape before the first", [[["river.optim.sgd.SGD"]], [["object", "", [-1]]]]
    yield "a shape that is a text", [[["river.optim.sgd.SGD"]], [["object", "", ["0"]]]]
    yield "an object without a shape", [[["river.optim.sgd.SGD"]], [["object", "", []]]]
    yield "an attribute that changes the class", [[["river.optim.sgd.SGD", "__class__"]], [["object", "", [0, 1]]]]
    yield "an attribute without a name", [[["river.optim.sgd.SGD"]], [["object", "", [0, 1]]]]
    yield "an attribute without a value", [[["river.optim.sgd.SGD", "lr"]], [none]]
    yield "an attribute whose name is a number", [[["river.optim.sgd.SGD", 5]], [["object", "", [0, 1]]]]
    for what, parts in hostile_parts():
        yield what, [[], parts]
    yield "a text", "os.system"
    yield "nothing", []


def hostile_parts() -> Iterator[tuple[str, Any]]:
    yield "no parts", []
    yield "a method of its choice", [["list", "", [[1]]], ["method", "append", [[0]]]]
    yield "a factory of its choice", [["list", "", [[1]]], ["makes", "eval", []]]
    yield "a kind of its choice", [["reduce", "os.system", ["true"]]]
    yield "a place that is not there", [["list", "", [[7]]]]
    yield "a place before the first", [["list", "", [[-1]]]]
    yield "a place of several numbers", [["list", "", [[0, 0]]]]
    yield "a tuple in itself", [["tuple", "", [[0]]]]
    yield "a list as a key", [["dict", "", [[1], 2]], ["list", "", []]]
    yield "a key without a value", [["dict", "", ["a"]]]
    yield "tuples thousands deep", [["tuple", "", []], *(["tuple", "", [[at]]] for at in range(20_000))]
    yield "a queue of a size that is none", [["deque", "-1", []]]
    yield "a factory that is none", [["default", "", [5, "a", 1]]]
    yield "a generator in a state that is none", [["generator", "", [None, 1, 2, 3]]]
    yield "a vector of texts", [["vector", "", [None, "a", "b"]]]
    yield "lists in one another", [["list", "", [[[[[[1]]]]]]]]


@pytest.mark.parametrize(("what", "content"), list(hostile()), ids=[what for what, _content in hostile()])
def test_what_somebody_else_made_is_refused(what: str, content: object) -> None:
    with pytest.raises(Refused):
        put_together(msgspec.msgpack.encode(content))


def test_what_is_too_large_or_no_message_at_all_is_refused() -> None:
    for content in (b"", b"\xc1", b"\x00" * (MOST_BYTES + 1), b"\xdd\xff\xff\xff\xff", b"\x91" * 200_000):
        with pytest.raises(Refused):
            put_together(content)


@pytest.mark.parametrize("at", range(0, 600, 7))
def test_a_damaged_snapshot_says_nothing_or_something_and_never_stops_the_engine(at: int) -> None:
    frozen = taught_once()
    damaged = frozen[:at] + bytes([frozen[at] ^ 0x55]) + frozen[at + 1 :]
    for numbers in some_numbers():
        said = log_odds_of(LOGISTIC, damaged, numbers)
        assert said is None or isinstance(said, float)


@cache
def taught_once() -> bytes:
    frozen = taught(LOGISTIC, 100).frozen()
    assert isinstance(frozen, bytes)
    return frozen


def test_what_cannot_be_read_any_more_is_begun_anew() -> None:
    fresh = classifier(LOGISTIC, 7).state()
    whole = taught(LOGISTIC, 100).state()
    for broken in (["of", "another", "kind"], [*whole[:3], b"damaged", whole[4]], taught(TREE, 50).state()):
        assert classifier(LOGISTIC, 7, broken).state() == fresh
        assert trouble_with(broken) == (0, 0)


def test_a_model_of_another_name_is_not_taken_for_this_one() -> None:
    assert log_odds_of(TREE, taught_once(), [1.0] * 7) is None
    other = classifier(TREE, 7, taught(LOGISTIC, 100).state())
    assert log_odds_of(TREE, other.frozen(), [1.0] * 7) is None
