"""The same question as in `churn`, asked as a user asks it: the project in `words/churn`, run by the engine itself.

Every customer is asked about every 30 days, on the same days for all. Tested are the questions of the last 84 days
whose answers are known 90 days later; nothing was chosen by looking at them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from churn import HORIZON_DAYS, LOG, TESTED_DAYS, purchases
from few import curve
from measures import auc, average_precision, calibration_error, precision_at_share
from product import answers

from engine.core.examples import Example, who_of
from engine.model import DAY_MS

FIRST_DAY = date(2021, 1, 1)
LEARNED_DAYS = 250  # before the test; of these, the answers that were known by then teach in the curves of few answers


def events(log: Path, folder: Path) -> None:
    """The log as the table that the project reads."""
    with (folder / "orders.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("row", "date", "customer", "amount"))
        for number, one in enumerate(purchases(log)):
            rows.writerow((number, day_of(one.day), one.customer, one.amount))


def day_of(number: int) -> date:
    return date.fromordinal(FIRST_DAY.toordinal() + number)


def tested(asked: list[Example]) -> list[Example]:
    """Of the questions that had their whole horizon, those of the last weeks."""
    last = max(one.asked_at for one in asked)
    return [one for one in asked if one.asked_at > last - TESTED_DAYS * DAY_MS]


def days_bought(log: Path) -> dict[int, set[int]]:
    """On which days since 1970 each customer bought, by the number that stands for them in answers."""
    epoch = date(1970, 1, 1).toordinal()
    found: dict[int, set[int]] = {}
    for one in purchases(log):
        found.setdefault(who_of("customer", one.customer), set()).add(day_of(one.day).toordinal() - epoch)
    return found


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    with TemporaryDirectory() as folder:
        events(data / LOG, Path(folder))
        asked, report = answers("churn", Path(folder))["likely-gone.buys"]
    bought = days_bought(data / LOG)
    before = [{day for day in bought[one.who] if day * DAY_MS <= one.asked_at} for one in tested(asked)]
    for name, least in (("all", 1), ("repeat", 2)):
        chosen = [(one, days) for one, days in zip(tested(asked), before, strict=True) if len(days) >= least]
        truths = [not one.happened for one, _ in chosen]
        gone = [1.0 - one.chances[0] for one, _ in chosen]
        rule = [one.asked_at / DAY_MS - max(days) for one, days in chosen]
        note(f"churn_words_tested_{name}", len(chosen))
        note(f"churn_words_share_{name}", round(sum(truths) / len(truths), 4))
        note(f"churn_words_auc_{name}", round(auc(gone, truths), 4))
        note(f"churn_words_auc_{name}_recency", round(auc(rule, truths), 4))
        note(f"churn_words_calibration_error_{name}", round(calibration_error(gone, truths), 4))
        stays, staying = [not truth for truth in truths], [-score for score in gone]
        note(f"churn_words_average_precision_of_staying_{name}", round(average_precision(staying, stays), 4))
        note(f"churn_words_precision_of_staying_top_tenth_{name}", round(precision_at_share(staying, stays, 0.1), 4))
        still = [-days for days in rule]
        note(
            f"churn_words_precision_of_staying_top_tenth_{name}_recency",
            round(precision_at_share(still, stays, 0.1), 4),
        )
    note("churn_words_answers", report.examples)
    first = min(one.asked_at for one in tested(asked))
    known = [one for one in asked if first - LEARNED_DAYS * DAY_MS <= one.asked_at < first - HORIZON_DAYS * DAY_MS]
    curve(known, tested(asked), "churn", note)
