"""The same orders as in `orders`, judged as a user would have it: the project in `words/orders`, run by the engine.

The shop's nightly list names the orders that are promised in five days and not delivered. An hour later each has its
chance; there is none before fifty answers are known, so those orders count as even. What a detector cannot say is how
all other orders fare at present; so a second one reads a column in which the shop says it.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from measures import auc, precision_at_recall
from orders import FIRST, LEAD_DAYS, LOG, RECALL, Order, orders
from product import answers

from engine.core.examples import Example, who_of
from engine.model import DAY_MS

EVEN = 0.5
# The shop's own column: of so many parcels that arrived last, how many days before the promise.
LATELY = 30
MODELS = {"": "will-be-late.arrives", "_told_the_season": "will-be-late-this-season.arrives"}


def at_risk(log: list[Order]) -> dict[str, Order]:
    """By a name of their own, in order of the day of the check."""
    found = [order for order in log if order.bought <= order.promised - LEAD_DAYS < order.delivered]
    ordered = sorted(found, key=lambda order: (order.promised, order.bought))
    return {f"o{number}": order for number, order in enumerate(ordered)}


def days_early(log: list[Order]) -> Callable[[float], float]:
    """The shop's own column on a day: how early its last parcels came."""
    came = sorted((order.delivered, order.promised - order.delivered) for order in log)

    def lately(now: float) -> float:
        last = [early for _, early in came[: bisect_right(came, (now, math.inf))][-LATELY:]]
        return sum(last) / len(last) if last else 0.0

    return lately


def events(log: list[Order], risky: dict[str, Order], folder: Path) -> None:
    """The shop's nightly list, and what was delivered, as the tables that the project reads."""
    lately = days_early(log)
    with (folder / "due_soon.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("order", "at", "promised_days", "days_in_shop", "days_on_the_way", "days_early_lately"))
        for name, order in risky.items():
            now = order.promised - LEAD_DAYS
            left = min(now, order.handed_over)
            on_the_way = now - left if order.handed_over <= now else ""
            days = order.promised - order.bought, left - order.bought, on_the_way, lately(now)
            rows.writerow((name, round(now * DAY_MS), *days))
    with (folder / "delivered.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("order", "at"))
        for name, order in sorted(risky.items(), key=lambda each: each[1].delivered):
            rows.writerow((name, round(order.delivered * DAY_MS)))


def first_said(asked: list[Example]) -> dict[int, float]:
    """The chance of being late that each order was given first, by the number that stands for it in answers."""
    found: dict[int, float] = {}
    for one in sorted(asked, key=lambda one: one.asked_at):
        found.setdefault(one.who, 1.0 - one.chances[0] if one.chances else EVEN)
    return found


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    log = orders(data / LOG)
    risky = at_risk(log)
    with TemporaryDirectory() as folder:
        events(log, risky, Path(folder))
        told = answers("orders", Path(folder))
    for kind, model in MODELS.items():
        said = first_said(told[model][0])
        known = [(order, said[who]) for name, order in risky.items() if (who := who_of("order", name)) in said]
        for name, part in (("", known[round(FIRST * len(known)) :]), ("_from_the_first", known)):
            truths, scores = [order.late for order, _ in part], [score for _, score in part]
            note(f"late_order_words_precision_5d{kind}{name}", round(precision_at_recall(scores, truths, RECALL), 3))
            note(f"late_order_words_auc_5d{kind}{name}", round(auc(scores, truths), 3))
            if not kind:
                note(f"late_order_words_precision_5d{name}_timer", round(sum(truths) / len(truths), 3))
                note(f"late_order_words_at_risk_5d{name}", len(part))
