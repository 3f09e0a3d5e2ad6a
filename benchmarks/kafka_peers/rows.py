"""The rows of the raw topic, which everything else is made of."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import orjson

START_MS = 1_790_000_000_000
EVERY_MS = 20
ZIPF = 1.05
SEED = 7


def customers_of(count: int, customers: int) -> list[str]:
    """Who each of so many events is about: a few are heard of far more often than the others."""
    chance = random.Random(SEED)
    cumulative = list(itertools.accumulate(1 / rank**ZIPF for rank in range(1, customers + 1)))
    names = [f"c{number:07d}" for number in chance.sample(range(customers), customers)]
    return chance.choices(names, cum_weights=cumulative, k=count)


def raw_rows(count: int, customers: int, every_ms: int = EVERY_MS) -> Iterator[bytes]:
    """Readings at even distances in time."""
    chance = random.Random(SEED + 1)
    for number, customer in enumerate(customers_of(count, customers)):
        yield raw_row(number, START_MS + number * every_ms, customer, chance)


def everybody_once(customers: int) -> Iterator[bytes]:
    """One reading of each customer."""
    chance = random.Random(SEED + 1)
    for number in range(customers):
        yield raw_row(number, START_MS + number, f"c{number:07d}", chance)


def raw_row(number: int, at: int, customer: str, chance: random.Random) -> bytes:
    return orjson.dumps(
        {
            "id": f"e{number:08d}",
            "event": "usage.metered",
            "at": at,
            "customer": customer,
            "value": round(chance.gauss(50, 31), 2),
            "channel": "ios",
        }
    )


def keyed(raws: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Under the customer's name, so that a customer's rows stay in order."""
    return ((b"customer:" + orjson.loads(raw)["customer"].encode(), raw) for raw in raws)
