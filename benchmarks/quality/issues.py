"""Which complaints at airlines are about the same issue, by their words alone, held against the reasons in the log.

The log names no customers. So pairs are messages to one airline within a day, and a customer is made up of five
messages in a row to one airline.
"""

from __future__ import annotations

import csv
import gzip
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

from measures import auc, precision_at_recall

from detectors.alike import KINDS, USUAL_LIKENESS
from engine.core.sketch import likeness, sketch_of
from engine.core.state import Entity, Stalls
from engine.model import DAY_MS, Event

LOG = "Tweets.csv.gz"
BEFORE = 20  # with so many messages before it each is compared
TOGETHER = 5  # a made-up customer's messages
ON_ONE_ISSUE = 3
RARE_RECALL = 0.05
NO_REASON = ("", "Can't Tell")
NEAR = [step / 100 for step in range(2, 60)]
NEARLY = 0.03
SAID_LEAST = 200  # pairs, of which fewer show nothing
OF_THE_TRADE = ("flight", "flights", "airline", "airlines", "plane")


class Complaint(NamedTuple):
    at_ms: int
    airline: str
    reason: str
    text: str


class Alike(Protocol):
    def __call__(self, one: Collection[int], other: Collection[int]) -> float: ...


def complaints(path: Path) -> list[Complaint]:
    """Those with a reason, in order of time; the second of two with one id is left out."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = {int(row["tweet_id"]): row for row in reversed(list(csv.DictReader(lines)))}
    found = []
    for number, row in rows.items():
        if row["negativereason"] not in NO_REASON:
            at = datetime.strptime(row["tweet_created"], "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
            found.append((round(at.timestamp() * 1000), number, row["airline"], row["negativereason"], row["text"]))
    return [Complaint(at, airline, reason, text) for at, _, airline, reason, text in sorted(found)]


def pairs(log: Sequence[Complaint]) -> list[tuple[int, int]]:
    """(earlier, later) places in the log."""
    of: dict[str, list[int]] = defaultdict(list)
    found = []
    for place, one in enumerate(log):
        before = of[one.airline]
        found += [(other, place) for other in before[-BEFORE:] if one.at_ms - log[other].at_ms < DAY_MS]
        before.append(place)
    return found


def plain_words(text: str) -> list[int]:
    """The trivial rule: the words as they stand."""
    return [hash(word) for word in set(re.findall(r"\w+", text.lower()))]


def in_common(one: Collection[int], other: Collection[int]) -> float:
    mine, theirs = set(one), set(other)
    return len(mine & theirs) / len(mine | theirs) if mine | theirs else 0.0


def compared(log: Sequence[Complaint], sketches: Sequence[Collection[int]], alike: Alike) -> list[float]:
    return [alike(sketches[one], sketches[other]) for one, other in pairs(log)]


def same(log: Sequence[Complaint]) -> list[bool]:
    return [log[one].reason == log[other].reason for one, other in pairs(log)]


def told(scores: Sequence[float], truths: Sequence[bool], least: float) -> tuple[float, float]:
    """Precision and recall of saying that all pairs from that likeness on are about the same."""
    hit = [truth for score, truth in zip(scores, truths, strict=True) if score >= least]
    return sum(hit) / max(1, len(hit)), sum(hit) / max(1, sum(truths))


def where_it_levels_off(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The least likeness whose precision is nearly as good as any, among those that still say something."""
    said = {least: sum(score >= least for score in scores) for least in NEAR}
    precision = {least: told(scores, truths, least)[0] for least in NEAR if said[least] >= SAID_LEAST}
    return min(least for least, found in precision.items() if found >= max(precision.values()) - NEARLY)


def customers(log: Sequence[Complaint]) -> Iterator[list[Complaint]]:
    """Five messages in a row to one airline, within a day."""
    of: dict[str, list[Complaint]] = defaultdict(list)
    for one in log:
        held = of[one.airline]
        held.append(one)
        if len(held) == TOGETHER:
            if all(after.at_ms - before.at_ms < DAY_MS for before, after in pairwise(held)):
                yield held
            of[one.airline] = []


def seen_by_the_measure(messages: Sequence[Complaint]) -> int:
    """What `alike` says after the last of them."""
    (kind,) = KINDS
    options = kind.options(event=("said",), field=("text",), over=30 * DAY_MS)
    tracker, (reader,) = kind.build([("alike", options, 1)])
    known = Entity("customer", "made up", 1, Stalls())
    known.seen_at = messages[0].at_ms
    slot = tracker.empty(known)
    for number, one in enumerate(messages):
        tracker.add(slot, Event(f"m{number}", "said", one.at_ms, "texts", {}, {"text": one.text}), known)
    value = reader.value(slot, messages[-1].at_ms, known)
    assert isinstance(value, int)
    return value


def three_on_one_issue(log: Sequence[Complaint], note: Callable[[str, float], None]) -> None:
    there, said, right = 0, 0, 0
    made_up = list(customers(log))
    for messages in made_up:
        is_there = sum(one.reason == messages[-1].reason for one in messages) >= ON_ONE_ISSUE
        is_said = seen_by_the_measure(messages) >= ON_ONE_ISSUE
        there, said, right = there + is_there, said + is_said, right + (is_there and is_said)
    note("issues_customers", len(made_up))
    note("issues_customers_share_with_three", round(there / len(made_up), 4))
    note("issues_customers_said", said)
    note("issues_customers_precision", round(right / max(1, said), 4))
    note("issues_customers_recall", round(right / max(1, there), 4))


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    """The likeness is chosen on the first third of time; all figures are of the rest."""
    log = complaints(data / LOG)
    first, rest = log[: len(log) // 3], log[len(log) // 3 :]
    began = time.process_time()
    sketches = [sketch_of([one.text]) for one in log]
    note("issues_us_per_text", round((time.process_time() - began) / len(log) * 1e6))
    ours = compared(first, sketches[: len(first)], likeness), compared(rest, sketches[len(first) :], likeness)
    words = [plain_words(one.text) for one in log]
    plain = compared(first, words[: len(first)], in_common), compared(rest, words[len(first) :], in_common)
    known, truths = same(first), same(rest)
    note("issues_pairs", len(truths))
    note("issues_share_same", round(sum(truths) / len(truths), 4))
    note("issues_likeness_chosen_on_first_third", where_it_levels_off(ours[0], known))
    bare = [sketch_of([one.text], OF_THE_TRADE) for one in rest]
    for name, scores, least in (
        ("alike", ours, USUAL_LIKENESS),
        ("alike_left_out", (ours[0], compared(rest, bare, likeness)), USUAL_LIKENESS),
        ("plain_words", plain, where_it_levels_off(plain[0], known)),
    ):
        precision, recall = told(scores[1], truths, least)
        note(f"issues_{name}_likeness", least)
        note(f"issues_{name}_precision", round(precision, 4))
        note(f"issues_{name}_recall", round(recall, 4))
        note(f"issues_{name}_auc", round(auc(scores[1], truths), 4))
        note(f"issues_{name}_precision_at_recall_5", round(precision_at_recall(scores[1], truths, RARE_RECALL), 4))
    three_on_one_issue(rest, note)
