"""Which parcels not delivered five days before the promised day will be late.

The trivial rule is the timer itself: tell of every one that is not there yet. It finds all late ones, and six in ten of
those it tells of arrive in time. The model ranks the same orders on the same day, with what is known then.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from measures import auc, precision_at_recall

from engine.core.models.chance import Chance

LOG = "olist_orders_dataset.csv.gz"
LEAD_DAYS = 5
RECALL = 0.8
FIRST = 0.3  # of the orders, by time: there the threshold is chosen, and the model is still new
NUMBERS = 12
# How fast each running mean follows, and where it begins.
FOLLOW = 0.03
FOLLOW_LATE = 0.05
CHECK, DELIVERY, ANSWER = 2, 1, 0  # an answer counts before what else happens at the same time


@dataclass(frozen=True)
class Order:
    """Days since 1970."""

    bought: float
    handed_over: float
    delivered: float
    promised: float

    @property
    def late(self) -> bool:
        return math.floor(self.delivered) > math.floor(self.promised)


class Season:
    """How parcels fare at present: days on the way, days before the promise, and the share late of those at risk."""

    def __init__(self) -> None:
        self.way, self.early, self.late = 12.0, 11.0, 0.4

    def delivered(self, order: Order) -> None:
        self.way += FOLLOW * (order.delivered - order.handed_over - self.way)
        self.early += FOLLOW * (order.promised - order.delivered - self.early)

    def answered(self, *, late: bool) -> None:
        self.late += FOLLOW_LATE * ((1.0 if late else 0.0) - self.late)

    def numbers(self, order: Order, now: float) -> list[float]:
        """What is known of an order now."""
        log = math.log1p
        underway = order.handed_over <= now
        since = now - order.handed_over if underway else 0.0
        left_shop = order.handed_over if underway else now
        promise = math.log(order.promised - order.bought + 1)
        return [
            *(1.0, 0.0 if underway else 1.0, log(since) / 2, log(since) ** 2 / 8, promise / 2, promise**2 / 8),
            *(math.log(max(1.0, order.promised - left_shop)) / 2, log(max(0.0, left_shop - order.bought)) / 2),
            *(math.log(self.late / (1 - self.late)) / 2, since / self.way / 2, -self.early / 10),
            math.log((since + LEAD_DAYS + 0.5) / self.way),
        ]


def orders(path: Path) -> list[Order]:
    """Those that were handed over and delivered; the others have no answer."""
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = ("purchase_timestamp", "delivered_carrier_date", "delivered_customer_date", "estimated_delivery_date")
    texts = [[row[f"order_{name}"] for name in names] for row in rows]
    return [Order(*map(_days, given)) for given in texts if all(given)]


def _days(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() / 86_400


def predicted(log: Sequence[Order]) -> list[tuple[Order, float]]:
    """The orders at risk in order of the day of the check, with the log odds that were given on that day."""
    moments = []
    for number, order in enumerate(log):
        check = order.promised - LEAD_DAYS
        if order.bought <= check < order.delivered:
            moments.append((check, CHECK, number))
            # Late is known when the promised day has passed, in time when it has arrived.
            moments.append((min(order.delivered, order.promised + 1), ANSWER, number))
        moments.append((order.delivered, DELIVERY, number))
    model, season = Chance(NUMBERS), Season()
    waiting: dict[int, list[float]] = {}
    done = []
    for at, what, number in sorted(moments):
        order = log[number]
        if what == DELIVERY:
            season.delivered(order)
        elif what == ANSWER:
            model.learn(waiting.pop(number), happened=order.late)
            season.answered(late=order.late)
        else:
            waiting[number] = season.numbers(order, at)
            done.append((order, model.log_odds(waiting[number])))
    return done


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    log = orders(data / LOG)
    done = predicted(log)
    note("late_orders", len(log))
    note("late_orders_at_risk_5d", len(done))
    first = round(FIRST * len(done))
    for name, part in (("", done[first:]), ("_from_the_first", done)):
        truths, scores = [order.late for order, _ in part], [score for _, score in part]
        note(f"late_order_precision_5d{name}", round(precision_at_recall(scores, truths, RECALL), 3))
        note(f"late_order_precision_5d{name}_timer", round(sum(truths) / len(truths), 3))
        note(f"late_order_auc_5d{name}", round(auc(scores, truths), 3))
    known = sorted(score for order, score in done[:first] if order.late)
    threshold = known[math.floor((1 - RECALL) * len(known))]
    told = [order.late for order, score in done[first:] if score >= threshold]
    late = sum(order.late for order, _ in done[first:])
    note("late_order_precision_5d_threshold_chosen_before", round(sum(told) / len(told), 3))
    note("late_order_recall_5d_threshold_chosen_before", round(sum(told) / late, 3))
