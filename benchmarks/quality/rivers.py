"""Learners that a chance can be told by, beside one another on one log: our own, and classifiers of River by name.

The same questions and answers as in churn.py, told as the engine tells them: from a copy that was frozen on the day
before, of what had been learned by then.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import churn
from measures import auc, calibration_error

from engine.core.models.classifiers import chance_at, classifier, log_odds_of
from engine.core.models.rhythm import NAMES

LEARNERS = {
    "own_logistic_regression": "logistic_regression",
    "own_naive_bayes": "naive_bayes",
    "logistic_regression": "river linear_model.LogisticRegression",
    "logistic_regression_adam": "river linear_model.LogisticRegression(optimizer=optim.Adam(lr=0.01))",
    "ad_predictor": "river linear_model.AdPredictor",
    "gaussian_nb": "river naive_bayes.GaussianNB",
    "hoeffding_tree": "river tree.HoeffdingTreeClassifier",
    "hoeffding_tree_of_depth_4": "river tree.HoeffdingTreeClassifier(max_depth=4)",
}


class Told:
    """What a learner said of each question, and what that took."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._learner = classifier(name, len(NAMES))
        self._frozen = self._learner.frozen()
        self._day = 0
        self.asked = self.answers = 0
        self.asking_s = self.learning_s = 0.0

    @property
    def kept(self) -> int:
        """Bytes, or numbers of eight of them."""
        return len(self._frozen) if isinstance(self._frozen, bytes) else 8 * len(self._frozen)

    def ask(self, one: churn.Snapshot) -> float:
        if one.day > self._day:
            self._day, self._frozen = one.day, self._learner.frozen()
        began = time.process_time()
        odds = log_odds_of(self._name, self._frozen, one.numbers)
        self.asking_s += time.process_time() - began
        self.asked += 1
        return 0.5 if odds is None else chance_at(odds)

    def learn(self, old: churn.Snapshot, *, happened: bool) -> None:
        began = time.process_time()
        self._learner.learn(old.numbers, happened=happened)
        self.learning_s += time.process_time() - began
        self.answers += 1


def taught(
    name: str, asked: list[churn.Snapshot], churned: Callable[[churn.Snapshot], bool]
) -> tuple[Told, list[float]]:
    told, waiting, chances = Told(name), deque[churn.Snapshot](), []
    for one in asked:
        while waiting and waiting[0].day + churn.HORIZON_DAYS <= one.day:
            old = waiting.popleft()
            told.learn(old, happened=churned(old))
        chances.append(told.ask(one))
        waiting.append(one)
    return told, chances


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    log = churn.purchases(data / churn.LOG)
    churned, asked = churn.answers(log), list(churn.snapshots(log))
    tested = {id(one) for one in churn.last_of(asked)}
    for short, name in LEARNERS.items():
        told, chances = taught(name, asked, churned)
        last = [(chance, one) for chance, one in zip(chances, asked, strict=True) if id(one) in tested]
        for who, chosen in (("all", last), ("repeat", [each for each in last if each[1].times >= 2])):
            truths = [churned(one) for _chance, one in chosen]
            note(f"learner_{short}_auc_{who}", round(auc([chance for chance, _one in chosen], truths), 4))
        truths = [churned(one) for _chance, one in last]
        note(f"learner_{short}_calibration_error", round(calibration_error([each[0] for each in last], truths), 4))
        note(f"learner_{short}_us_per_answer", round(told.learning_s / told.answers * 1e6, 1))
        note(f"learner_{short}_us_per_question", round(told.asking_s / told.asked * 1e6, 1))
        note(f"learner_{short}_bytes", told.kept)
