"""How many answers a learner has to be taught from: who will not buy within 90 days, told for all customers of the last
weeks by a logistic regression that was taught from the newest answers only, as a challenger is that comes later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from churn import HORIZON_DAYS, LOG, TESTED_DAYS, answers, purchases, snapshots
from measures import auc

from engine.core.models.chance import Chance
from engine.core.models.rhythm import NAMES

TAUGHT = (1_000, 10_000, 100_000)


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    log = purchases(data / LOG)
    churned, asked = answers(log), list(snapshots(log))
    begin = max(one.day for one in asked) - TESTED_DAYS
    tested = [one for one in asked if one.day > begin]
    known = [one for one in asked if one.day + HORIZON_DAYS <= begin]
    truths = [churned(one) for one in tested]
    for count in TAUGHT:
        newest = [(one.numbers, churned(one)) for one in known[-count:]]
        model, began = Chance(len(NAMES)), time.perf_counter()
        for numbers, happened in newest:
            model.learn(numbers, happened=happened)
        took_s = time.perf_counter() - began
        note(f"churn_auc_taught_from_{count}", round(auc([model.log_odds(one.numbers) for one in tested], truths), 4))
        note(f"churn_taught_from_{count}_s", round(took_s, 2))
