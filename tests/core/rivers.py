"""The customers of leavers.py, whom models of River look at."""

from __future__ import annotations

from pathlib import Path

from engine.shells.partition import Partition
from tests.core import leavers
from tests.core.leavers import finish, rows, take

__all__ = ["finish", "partition", "rows", "take"]

LEARNERS = (
    "learner: {river: linear_model.LogisticRegression, with: {optimizer: {river: optim.Adam, with: {lr: 0.05}}}}, "
    "challenger: [naive_bayes, {river: tree.HoeffdingTreeClassifier, with: {grace_period: 20}}]"
)
DETECTOR = leavers.DETECTOR.replace("challenger: naive_bayes", LEARNERS).replace("30%", "18%")


def partition(folder: Path, detector: str = DETECTOR) -> Partition:
    return leavers.partition(folder, detector)
