"""The benchmark of quality scores by the published rule, and knows no more than it could have known at the time."""

from __future__ import annotations

import gzip
import importlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from engine.core.examples import Example
from tests.real.reading import DATA

PARTS = Path(__file__).parents[2] / "benchmarks" / "quality"
MINUTE_MS = 60_000
NAMES = (
    *("churn", "churn_words", "cost", "few", "issues", "measures", "music_words", "nab", "orders", "orders_words"),
    *("product", "rivers", "run", "sentiment", "texts"),
)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The benchmark's own modules, which import one another as scripts beside each other do."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(PARTS))
    yield {name: importlib.import_module(name) for name in NAMES}
    for name in set(sys.modules) - before:
        if str(PARTS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def board(nab: ModuleType) -> tuple[object, list[float]]:
    """A hundred points of which the first fifteen do not count, wrong from the 50th to the 59th; and no alarm."""
    at_ms = [number * MINUTE_MS for number in range(100)]
    one = nab.Series("family/name.csv", at_ms, [0.0] * 100, [(at_ms[50], at_ms[59])])
    return nab.Board([one]), [0.0] * 100


def test_nothing_said_is_nothing_earned(modules: dict[str, ModuleType]) -> None:
    nab = modules["nab"]
    of, scores = board(nab)
    assert of.at_threshold("standard", [scores], 1.0) == 0.0


def test_an_alarm_at_the_left_edge_of_a_window_is_perfect(modules: dict[str, ModuleType]) -> None:
    of, scores = board(modules["nab"])
    scores[50] = 1.0
    assert of.at_threshold("standard", [scores], 1.0) == pytest.approx(100.0)
    assert of.counts([scores], 1.0) == (1, 0)


def test_the_first_alarm_in_a_window_counts_and_a_late_one_earns_less(modules: dict[str, ModuleType]) -> None:
    of, scores = board(modules["nab"])
    scores[59] = 1.0
    late = of.at_threshold("standard", [scores], 1.0)
    worth = (2 / (1 + math.exp(-5 * 0.1)) - 1) / (2 / (1 + math.exp(-5)) - 1)
    assert late == pytest.approx(100 * (worth + 1) / 2)
    scores[50] = 1.0
    assert of.at_threshold("standard", [scores], 1.0) == pytest.approx(100.0)


def test_a_false_alarm_costs_by_profile_and_less_just_after_a_window(modules: dict[str, ModuleType]) -> None:
    of, scores = board(modules["nab"])
    scores[20] = 1.0
    assert of.at_threshold("standard", [scores], 1.0) == pytest.approx(-100 * 0.11 / 2)
    assert of.at_threshold("low_fp", [scores], 1.0) == pytest.approx(-100 * 0.22 / 2)
    assert of.at_threshold("low_fn", [scores], 1.0) == pytest.approx(-100 * 0.11 / 3)
    scores[20], scores[61] = 0.0, 1.0
    assert 0 > of.at_threshold("standard", [scores], 1.0) > -100 * 0.11 / 2


def test_what_is_said_in_the_probation_counts_for_nothing(modules: dict[str, ModuleType]) -> None:
    of, scores = board(modules["nab"])
    scores[14] = 1.0
    assert of.at_threshold("standard", [scores], 1.0) == 0.0
    scores[15] = 1.0
    assert of.at_threshold("standard", [scores], 1.0) < 0.0


def test_the_official_threshold_is_the_best_one_and_equal_scores_go_together(modules: dict[str, ModuleType]) -> None:
    of, scores = board(modules["nab"])
    scores[20], scores[50], scores[80], scores[81] = 0.9, 0.9, 0.5, 0.5
    assert of.official("standard", [scores]) == pytest.approx(100 - 100 * 0.11 / 2)
    best, _ = modules["nab"].best_threshold(of.steps("standard", [scores]))
    assert best == 0.9


def test_a_ranking_is_measured_as_by_hand(modules: dict[str, ModuleType]) -> None:
    measures = modules["measures"]
    scores, truths = [0.9, 0.8, 0.8, 0.2, 0.1], [True, False, True, True, False]
    assert measures.auc(scores, truths) == pytest.approx((2 + 1.5 + 1) / 6)
    assert measures.average_precision([5, 4, 3, 2], [True, False, True, False]) == pytest.approx((1 + 2 / 3) / 2)
    assert measures.precision_at_share(scores, truths, 0.2) == 1.0
    assert measures.precision_at_recall(scores, truths, 0.6) == pytest.approx(2 / 3)
    assert measures.precision_at_recall(scores, truths, 1.0) == pytest.approx(3 / 4)
    assert measures.calibration_error([0.5] * 10, [True, False] * 5, parts=5) == 0.0


def purchases(folder: Path, rows: str) -> Path:
    path = folder / "log.gz"
    path.write_bytes(gzip.compress(rows.encode()))
    return path


def churn_log(folder: Path, last: str) -> Path:
    """Ten who buy each month and ten who bought once; the last row is what the future holds."""
    rows = []
    for customer in range(20):
        months = range(12) if customer < 10 else range(1)
        rows += [f"{customer:05d} 2021{month + 1:02d}{customer % 28 + 1:02d} 1 10.00" for month in months]
    return purchases(folder, "\n".join([*rows, last]) + "\n")


def test_a_churn_prediction_is_made_before_its_answer(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    churn = modules["churn"]
    logs = [churn.purchases(churn_log(tmp_path, f"{customer} 20211220 1 10.00")) for customer in ("00019", "00001")]
    stays, goes = (churn.predicted(log, churn.Chance(len(churn.NAMES))) for log in logs)
    assert [one.chance for one in stays] == [one.chance for one in goes]
    last = {one.customer: one for one in stays}
    assert last["00005"].chance < 0.5 < last["00015"].chance


def test_a_label_is_known_when_its_delay_is_over(modules: dict[str, ModuleType]) -> None:
    class Asked:
        def __init__(self) -> None:
            self.known: list[str] = []
            self.said: list[int] = []

        def log_odds(self, text: str) -> float:
            self.said.append(len(self.known))
            return 0.0

        def learn(self, text: str, *, meant: bool) -> None:
            self.known.append(text)

    model = Asked()
    modules["sentiment"].scored([(at, f"t{at}", True) for at in (0.0, 5.0, 10.0, 15.0)], model, delay_s=10.0)
    assert model.said == [0, 0, 1, 2]


def test_a_learner_is_told_of_an_answer_once_it_is_known(modules: dict[str, ModuleType]) -> None:
    """Of two kinds of customers, ten days apart; every answer is known after 90."""
    rivers, churn = modules["rivers"], modules["churn"]
    asked = [churn.Snapshot(day, f"c{day}", 2, 0, [1.0, *[float(day % 20 == 0)] * 18]) for day in range(0, 400, 10)]
    told, chances = rivers.taught("logistic_regression", asked, lambda one: one.day % 20 == 0)
    assert told.answers == 31
    assert set(chances[:9]) == {0.5}
    assert chances[-2] > 0.6 > 0.4 > chances[-1]


def test_an_order_is_judged_by_what_was_known_five_days_before(modules: dict[str, ModuleType]) -> None:
    orders = modules["orders"]
    log = [orders.Order(day, day + 2, day + (30 if day % 3 else 12), day + 20) for day in range(90)]
    on_time_later = [*log[:-1], orders.Order(89, 91, 89 + 16, 109)]
    before = [(order.bought, score) for order, score in orders.predicted(log)]
    after = [(order.bought, score) for order, score in orders.predicted(on_time_later)]
    assert before == after


def test_issues_are_compared_within_an_airline_and_a_day(modules: dict[str, ModuleType]) -> None:
    issues = modules["issues"]
    day = 86_400_000
    log = [
        issues.Complaint(at, airline, reason, text)
        for at, airline, reason, text in (
            (0, "one", "Lost Luggage", "my bags are lost"),
            (1, "two", "Lost Luggage", "my bags are lost"),
            (day - 1, "one", "Lost Luggage", "lost bags, again"),
            (day + 1, "one", "Late Flight", "three hours late"),
        )
    ]
    assert issues.pairs(log) == [(0, 2), (2, 3)]
    assert issues.same(log) == [True, False]
    sketches = [issues.sketch_of([one.text]) for one in log]
    scores = issues.compared(log, sketches, issues.likeness)
    assert scores[0] > issues.USUAL_LIKENESS > scores[1] == 0
    assert issues.told(scores, [True, False], issues.USUAL_LIKENESS) == (1.0, 1.0)
    assert issues.seen_by_the_measure([log[0], log[2]]) == 2


def test_texts_are_judged_by_a_model_that_never_saw_them(modules: dict[str, ModuleType]) -> None:
    texts = modules["texts"]
    judged = [(number, ("thank you" if number % 2 else "terrible"), number % 2 * 2 - 1) for number in range(60)]
    score = texts.scorer_of(texts.learned_from(judged))
    assert score("terrible") < 0 < score("thank you")


def test_what_a_project_in_words_is_asked_is_answered_when_the_horizon_is_over(
    modules: dict[str, ModuleType], tmp_path: Path
) -> None:
    modules["churn_words"].events(churn_log(tmp_path, "00019 20211220 1 10.00"), tmp_path)
    asked, report = modules["product"].answers("churn", tmp_path)["likely-gone.buys"]
    day = 86_400_000
    assert {one.known_at - one.asked_at for one in asked} == {90 * day}
    assert {one.happened for one in asked if one.asked_at > max(one.asked_at for one in asked) - 84 * day} == {
        False,
        True,
    }
    last = modules["churn_words"].tested(asked)
    assert max(one.asked_at for one in last) - min(one.asked_at for one in last) == 60 * day
    assert report.examples == len([one for one in asked if one.known_at <= report.at_ms])
    # Who bought every month has bought so often before, whatever the windows hold.
    bought = modules["churn_words"].days_bought(tmp_path / "log.gz")
    for one in asked:
        assert one.values[-1] == sum(at * day <= one.asked_at for at in bought[one.who])


def test_only_orders_that_are_open_five_days_before_are_on_the_nightly_list(
    modules: dict[str, ModuleType], tmp_path: Path
) -> None:
    orders, words = modules["orders"], modules["orders_words"]
    order = orders.Order
    open_then, came, bought_later = order(1, 3, 30, 20), order(1, 2, 14, 20), order(16, 17, 30, 20)
    log = [bought_later, came, open_then]
    assert words.at_risk(log) == {"o0": open_then}
    words.events(log, words.at_risk(log), tmp_path)
    (row,) = (tmp_path / "due_soon.csv").read_text().splitlines()[1:]
    assert row.split(",") == ["o0", str(15 * 86_400_000), "19", "2", "12", "6.0"]


def test_the_best_measure_is_chosen_on_the_few_and_judged_on_others(modules: dict[str, ModuleType]) -> None:
    few = modules["few"]

    def one(number: int, *, yes: bool) -> Example:
        right, wrong = 9.0 - number, (5.0 if number < 4 else None)
        return Example("m", 1, number, 0, (wrong, right), came_at=int(yes))

    known = [one(number, yes=number >= 5) for number in range(10)]
    assert few.auc_of_best(known, [one(3, yes=False), one(8, yes=True)]) == 1.0
    assert few.auc_of_best(known, [one(3, yes=True), one(8, yes=False)]) == 0.0
    assert few.auc_of_model(known * 5, [one(3, yes=False), one(8, yes=True)]) == 1.0


def test_the_real_log_of_music_is_ranked_better_than_by_chance(modules: dict[str, ModuleType]) -> None:
    log = DATA / "sparkify_log_2018_11"
    if not log.is_dir():
        pytest.skip(f"the real logs are not in {DATA} - name their folder in BEFOREHAND_REAL_DATA")
    _asked, report = modules["product"].answers("music", log, may_refuse=True)["stops-listening.plays"]
    assert report.judged > 1_000
    assert report.learners[0].auc > 0.7


def test_without_the_logs_it_says_what_to_name(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("BEFOREHAND_REAL_DATA", raising=False)
    for arguments, told in (
        ([], "name the folder of the logs with --data or BEFOREHAND_REAL_DATA"),
        (["--data", str(tmp_path)], "has no folder nab"),
        (["--data", str(tmp_path), "weather"], "there is no part weather"),
    ):
        monkeypatch.setattr(sys, "argv", ["run.py", *arguments])
        with pytest.raises(SystemExit):
            modules["run"].main()
        assert told in capsys.readouterr().err


def test_the_cost_of_every_word_can_be_measured(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = modules["cost"]
    monkeypatch.setattr(cost, "us_each", lambda step, _count=0: step(0) or 1.0)
    for kind in (cost.models, cost.measures, cost.rivers):
        assert all(state is not None for _name, _took_us, state in kind(Random(7)))
