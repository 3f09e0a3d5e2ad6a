"""How many cases reach a help desk per day and per hour, a day and a week ahead, beside the same a week before."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from engine.core.models.demand import Demand

LOG = "helpdesk.csv.gz"
DAY_S = 86_400
HOUR_S = 3_600
MONDAY_S = 4 * DAY_S  # 1970-01-05
WARM_UP_WEEKS = 8
LOW, HIGH = 0.1, 0.9
LEAST_EXPECTED = 2.0


def arrivals(path: Path, period_s: int) -> tuple[int, list[int]]:
    """The first period (counted from a Monday), and how many cases began in it and in each further full one."""
    first: dict[str, float] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["CompleteTimestamp"]).replace(tzinfo=UTC).timestamp()
            first[row["CaseID"]] = min(at, first.get(row["CaseID"], at))
    periods = sorted(int(at - MONDAY_S) // period_s for at in first.values())
    counts = [0] * (periods[-1] - periods[0])
    for period in periods:
        if period < periods[-1]:
            counts[period - periods[0]] += 1
    return periods[0], counts


def forecasts(begin: int, counts: Sequence[int], week: int, ahead: int) -> list[tuple[int, float, int, int, int]]:
    """What came, what was expected `ahead` periods before, the ends of the interval, and what came a week before."""
    model, done = Demand(week), []
    for number, count in enumerate(counts):
        target = number + ahead
        model.learn(begin + number, count)
        if number >= WARM_UP_WEEKS * week and target < len(counts):
            period = begin + target
            # The latest period of the same place that is over.
            before = counts[target - week * math.ceil(ahead / week)]
            done.append(
                (counts[target], model.expected(period), model.most(period, LOW), model.most(period, HIGH), before)
            )
    return done


def in_interval(begin: int, counts: Sequence[int], week: int, ahead: int) -> tuple[float, float, float]:
    """What came in the next `ahead` periods together: which share of times it was within the ends of the interval,
    below it and above it. Only where at least two are expected, as of nothing no range can be told.
    """
    model, low, high, times = Demand(week), 0, 0, 0
    for number, count in enumerate(counts[:-ahead]):
        model.learn(begin + number, count)
        periods = range(begin + number + 1, begin + number + 1 + ahead)
        if number >= WARM_UP_WEEKS * week and model.expected_of(periods) >= LEAST_EXPECTED:
            came = sum(counts[number + 1 : number + 1 + ahead])
            low += came < model.most_of(periods, LOW)
            high += came > model.most_of(periods, HIGH)
            times += 1
    return 1 - (low + high) / times, low / times, high / times


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    for name, period_s, week in (("daily", DAY_S, 7), ("hourly", HOUR_S, 168)):
        begin, counts = arrivals(data / LOG, period_s)
        for ahead, days in ((week // 7, "1d"), (week, "7d")):
            done = forecasts(begin, counts, week, ahead)
            ours = sum(abs(came - expected) for came, expected, *_ in done)
            naive = sum(abs(came - before) for came, *_, before in done)
            note(f"forecast_error_to_seasonal_naive_{name}_{days}", round(ours / naive, 3))
            squared = sum((came - expected) ** 2 for came, expected, *_ in done)
            naive_squared = sum((came - before) ** 2 for came, *_, before in done)
            note(f"forecast_squared_error_to_seasonal_naive_{name}_{days}", round(squared / naive_squared, 3))
            inside = sum(low <= came <= high for came, _, low, high, _ in done)
            note(f"forecast_in_interval_of_80_percent_{name}_{days}", round(inside / len(done), 3))
            if (name, days) == ("daily", "1d"):
                note("forecast_error_to_seasonal_naive", round(ours / naive, 3))
    begin, counts = arrivals(data / LOG, HOUR_S)
    for hours in (4, 8):
        for name, share in zip(("in", "below", "above"), in_interval(begin, counts, 168, hours), strict=True):
            note(f"forecast_{name}_interval_of_80_percent_next_{hours}h", round(share, 3))
