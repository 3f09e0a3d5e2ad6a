"""Customers who order and, when they have grown tired, leave: a small world with something to foresee."""

from __future__ import annotations

import random
from pathlib import Path

import orjson

from engine.core.route import Row
from engine.model import DAY_MS, HOUR_MS
from engine.shells.files import FilePlace
from engine.shells.partition import Partition
from tests.core import small

AT = 1_767_571_200_000
PROJECT = "retention: {decisions: 400d}\n"
CHANCE = "leaving: {chance_of: left, within: 5d, from: [orders, mood], needs: 20, step: 1d, challenger: naive_bayes}"
DETECTOR = f"""
detector: may-leave
owner: a
reason: churn-risk
per: customer
watch:
  orders: {{count: order, over: 4d}}
  mood: {{average: login, field: mood, over: 4d}}
  {CHANCE}
when: {{leaving: {{at_least: 30%}}}}
then: [{{play: call}}]
why: "{{{{ leaving }}}}: {{{{ why_leaving }}}}"
"""


def rows(seed: int = 1, customers: int = 40, days: int = 60) -> list[Row]:
    """In order of time, in the shape in which a file is read."""
    chance, events = random.Random(seed), []
    for who in range(customers):
        at, liking = chance.uniform(0, 10) * DAY_MS, chance.random()
        while at < days * DAY_MS:
            at += chance.expovariate(0.3 + liking) * DAY_MS
            events.append((int(at), "order", f"c{who}", None))
            if chance.random() < 0.5:
                events.append((int(at) + HOUR_MS, "login", f"c{who}", round(liking + chance.gauss(0, 0.2), 2)))
            liking = min(1.0, max(0.0, liking + chance.gauss(-0.02, 0.1)))
            if liking < 0.2 and chance.random() < 0.4:
                events.append((int(at) + 2 * HOUR_MS, "left", f"c{who}", None))
                liking, at = chance.random(), at + 8 * DAY_MS  # and comes back
    return [_row(number, *event) for number, event in enumerate(sorted(events, key=lambda each: each[:3]))]


def _row(number: int, at: int, event: str, who: str, mood: float | None) -> Row:
    fields = {"id": f"e{number}", "event": event, "at": AT + at, "customer": who}
    more = {} if mood is None else {"mood": mood}
    return Row("usage", "usage.jsonl", number, orjson.dumps({**fields, **more}), clock="files")


def partition(folder: Path, detector: str = DETECTOR, project: str = PROJECT) -> Partition:
    return small.partition(folder, detector, project)


def take(part: Partition, some: list[Row]) -> None:
    part.take(some, {"usage:usage.jsonl": FilePlace(some[-1].position + 1)}, AT)


def finish(part: Partition) -> None:
    part.take_records(part.router.end(), AT)
