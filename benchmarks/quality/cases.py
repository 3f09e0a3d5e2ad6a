"""Which help-desk cases will last longer than 14 days, told within their first week.

The trivial rules: the case has had so many events, or is still open at the end of the week. The model looks at each
event and once a day, as the engine does with its timers, because silence tells as much as events.

This is not prequential, and cannot be: the log holds what was active in May 2012, so whatever began earlier lasted
long, and a model that learns as time passes reaches 0.85 by the date alone (README.md). So cases are learned from and
told apart in thirds, by a digest of their name, and the model knows no date.
"""

from __future__ import annotations

import csv
import gzip
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import xxhash
from measures import auc, precision_at_recall

from engine.core.models.chance import Chance

LOG = "bpi_13_incidents.csv.gz"
LONG_DAYS = 14
TOLD_WITHIN_DAYS = 7
RECALL = 0.8
THIRDS = 3
CLOSED = 5
CODES = (1, 2, 3, 4, 5, 6, 9)
NUMBERS = 11 + 3 * len(CODES)
NEVER = -1e9

# age in days, activity
Step = tuple[float, int]


def cases(path: Path) -> dict[str, list[Step]]:
    """Each case's events, by their age since its first."""
    found: dict[str, list[Step]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            at = datetime.fromisoformat(row["CompleteTimestamp"]).replace(tzinfo=UTC).timestamp() / 86_400
            found.setdefault(row["CaseID"], []).append((at, int(row["ActivityID"])))
    for name, steps in found.items():
        steps.sort(key=lambda step: step[0])
        found[name] = [(at - steps[0][0], code) for at, code in steps]
    return found


def looks(steps: Sequence[Step]) -> Iterator[tuple[float, list[float]]]:
    """Age and numbers at each event and after each full day of the first week, while the case is open."""
    days = [(float(day), 0) for day in range(1, TOLD_WITHIN_DAYS + 1)]
    counts = dict.fromkeys(CODES, 0)
    events = changes = current = 0
    last, longest = 0.0, 0.0
    # An event comes before the end of the day at the same moment.
    for age, code in sorted([*steps, *days], key=lambda step: (step[0], step[1] == 0)):
        if age > TOLD_WITHIN_DAYS:
            return
        if code:
            events += 1
            changes += code != current
            counts[code] = counts.get(code, 0) + 1
            longest, last, current = max(longest, age - last), age, code
        if current != CLOSED:
            course = _course(age, events, age - last, longest, changes)
            yield age, course + _activities(counts, current, age - last)


def _course(age: float, events: int, silent: float, longest: float, changes: int) -> list[float]:
    log = math.log1p
    return [
        *(1.0, log(age), log(age) ** 2 / 3, age / LONG_DAYS, log(events), log(events) ** 2 / 4),
        *(log(age) * log(events) / 3, log(silent * 24) / 3, silent / 7, log(longest * 24) / 3, log(changes)),
    ]


def _activities(counts: dict[int, int], current: int, silent: float) -> list[float]:
    often = [math.log1p(counts[code]) for code in CODES]
    now = [float(current == code) for code in CODES]
    return [*often, *now, *(here * math.log1p(silent) for here in now)]


def third_of(name: str) -> int:
    return xxhash.xxh32_intdigest(name.encode()) % THIRDS


def told(log: dict[str, list[Step]]) -> dict[str, list[tuple[float, float]]]:
    """For each case its ages and the log odds given at them, by a model that has not seen its third."""
    seen = {name: list(looks(steps)) for name, steps in log.items()}
    # In the order of a digest, so that what is learned last does not depend on the date.
    order = sorted(log, key=lambda name: xxhash.xxh64_intdigest(name.encode()))
    given = {}
    for third in range(THIRDS):
        model = Chance(NUMBERS)
        for name in order:
            if third_of(name) != third:
                for _, numbers in seen[name]:
                    model.learn(numbers, happened=is_long(log[name]))
        for name in order:
            if third_of(name) == third:
                given[name] = [(age, model.log_odds(numbers)) for age, numbers in seen[name]]
    return given


def is_long(steps: Sequence[Step]) -> bool:
    return steps[-1][0] > LONG_DAYS


def lead_days(given: dict[str, list[tuple[float, float]]], log: dict[str, list[Step]]) -> float:
    """From the first alarm to day 14, the median of the long cases found, with the threshold of that recall."""
    long = [name for name in log if is_long(log[name])]
    tops = sorted((max((score for _, score in given[name]), default=NEVER) for name in long), reverse=True)
    threshold = tops[math.ceil(RECALL * len(tops)) - 1]
    first = [next((age for age, score in given[name] if score >= threshold), None) for name in long]
    return statistics.median(LONG_DAYS - age for age in first if age is not None)


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    log = cases(data / LOG)
    names = sorted(log)
    truths = [is_long(log[name]) for name in names]
    note("long_cases", len(names))
    note("long_case_share", round(sum(truths) / len(truths), 3))
    given = told(log)
    scores = [max((score for _, score in given[name]), default=NEVER) for name in names]
    note("long_case_precision", round(precision_at_recall(scores, truths, RECALL), 3))
    note("long_case_auc", round(auc(scores, truths), 3))
    note("long_case_lead_days", round(lead_days(given, log), 1))
    counts = [float(sum(age <= TOLD_WITHIN_DAYS for age, _ in log[name])) for name in names]
    note("long_case_precision_event_counter", round(precision_at_recall(counts, truths, RECALL), 3))
    still_open = [any(age >= TOLD_WITHIN_DAYS for age, _ in given[name]) for name in names]
    found = [truth for truth, is_open in zip(truths, still_open, strict=True) if is_open]
    note("long_case_precision_still_open", round(sum(found) / len(found), 3))
    note("long_case_recall_still_open", round(sum(found) / sum(truths), 3))
