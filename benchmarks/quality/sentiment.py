"""Which tweets at airlines are negative, from their text alone: each is scored, then its label is learned."""

from __future__ import annotations

import csv
import gzip
import math
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from measures import auc, calibration_error

from engine.core.models.text import TextChance

LOG = "Tweets.csv.gz"
DAY_S = 86_400
# at_s, text, whether it is negative
Tweet = tuple[float, str, bool]


class Learner(Protocol):
    def log_odds(self, text: str) -> float: ...
    def learn(self, text: str, *, meant: bool) -> None: ...


class Words:
    """The trivial rule: naive Bayes over words and pairs of words."""

    def __init__(self) -> None:
        self._texts = [1, 1]
        self._counts: dict[str, list[int]] = {}

    def log_odds(self, text: str) -> float:
        odds = math.log(self._texts[1] / self._texts[0])
        for part in self._parts(text):
            if part in self._counts:
                other, meant = self._counts[part]
                odds += math.log((meant + 1) / (self._texts[1] + 2)) - math.log((other + 1) / (self._texts[0] + 2))
        return odds

    def learn(self, text: str, *, meant: bool) -> None:
        self._texts[meant] += 1
        for part in self._parts(text):
            self._counts.setdefault(part, [0, 0])[meant] += 1

    @staticmethod
    def _parts(text: str) -> list[str]:
        words = re.findall(r"\w+", text.lower())
        return [*words, *(f"{one} {two}" for one, two in pairwise(words))]


def tweets(path: Path) -> list[Tweet]:
    """In order of time; the second of two with one id is left out."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = {row["tweet_id"]: row for row in reversed(list(csv.DictReader(lines)))}
    found = [
        (
            datetime.strptime(row["tweet_created"], "%m/%d/%Y %H:%M").replace(tzinfo=UTC).timestamp(),
            int(number),
            row["text"],
            row["airline_sentiment"] == "negative",
        )
        for number, row in rows.items()
    ]
    return [(at_s, text, negative) for at_s, _, text, negative in sorted(found)]


def scored(log: Sequence[Tweet], model: Learner, delay_s: float = 0.0) -> list[float]:
    """What the model says of each tweet, knowing the labels of those that are older than the delay."""
    waiting: deque[Tweet] = deque()
    scores = []
    for tweet in log:
        while waiting and waiting[0][0] + delay_s <= tweet[0]:
            _, text, negative = waiting.popleft()
            model.learn(text, meant=negative)
        scores.append(model.log_odds(tweet[1]))
        waiting.append(tweet)
    return scores


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    log = tweets(data / LOG)
    truths = [negative for _, _, negative in log]
    note("sentiment_tweets", len(log))
    note("sentiment_share_negative", round(sum(truths) / len(truths), 4))
    began = time.process_time()
    scores = scored(log, TextChance())
    note("sentiment_us_per_text", round((time.process_time() - began) / len(log) * 1e6))
    chances = [1.0 / (1.0 + math.exp(-score)) for score in scores]
    right = sum((chance >= 0.5) == truth for chance, truth in zip(chances, truths, strict=True))
    note("sentiment_auc", round(auc(scores, truths), 4))
    note("sentiment_accuracy", round(right / len(log), 4))
    note("sentiment_calibration_error", round(calibration_error(chances, truths), 4))
    note("sentiment_auc_labels_a_day_late", round(auc(scored(log, TextChance(), DAY_S), truths), 4))
    note("sentiment_auc_naive_bayes", round(auc(scored(log, Words()), truths), 4))
