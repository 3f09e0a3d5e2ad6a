"""Metric series with labelled anomalies: our `Anomaly` with its rest, beside simple rules, by the rule of `nab.py`."""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from nab import PROFILES, Board, Series, read_series
from river import anomaly, preprocessing

from engine.core.models.anomaly import Anomaly
from engine.core.models.rest import LEVEL, Rest

ARCHIVE = "nab_data_labels.tar.gz"
# The families that the settings were chosen on, and the others.
TUNED = ("artificialNoAnomaly", "artificialWithAnomaly", "realAWSCloudwatch", "realTraffic")
UNSEEN = ("realKnownCause", "realTweets", "realAdExchange")
# Detectors whose result files are scored too if NAB_RESULTS names the folder `results` of a checkout of NAB.
PUBLISHED = ("windowedGaussian", "numenta", "contextOSE", "ARTime")

Scores = list[list[float]]


def ours(one: Series) -> list[float]:
    model, rest = Anomaly(), Rest()
    return [rest.take(model.take(at_ms, value)) for at_ms, value in zip(one.at_ms, one.values, strict=True)]


def records(one: Series) -> list[float]:
    """The trivial rule: a new highest or lowest value after the first 50, with the same rest."""
    rest = Rest(level=1.0)
    highest, lowest = float("-inf"), float("inf")
    scores = []
    for number, value in enumerate(one.values):
        is_record = number >= 50 and not lowest <= value <= highest
        scores.append(rest.take(1.0 if is_record else 0.0))
        highest, lowest = max(highest, value), min(lowest, value)
    return scores


def spreads(one: Series) -> list[float]:
    """The usual rule: distance from a fading mean in mean absolute deviations."""
    scores, mean, spread = [], one.values[0], 0.0
    for number, value in enumerate(one.values):
        off, step = abs(value - mean), max(0.005, 1.0 / (number + 1))
        scores.append(off / spread if spread > 0.0 else 0.0)
        mean += step * (value - mean)
        spread += step * (off - spread)
    return scores


def windowed_gaussian(one: Series, window: int = 6400, step: int = 100) -> list[float]:
    """As NAB's own detector of that name is described; its published line is 39.65, 20.87 and 47.41."""
    scores, start = [], 0
    mean, spread = 0.0, 1.0
    values = np.asarray(one.values)
    for number, value in enumerate(one.values):
        tail = 0.5 * math.erfc(abs(value - mean) / spread / math.sqrt(2))
        scores.append(1.0 - tail if number else 0.0)
        end = number + 1
        if end <= window or (end - window) % step == 0:
            start = max(0, end - window)
            mean, spread = values[start:end].mean(), values[start:end].std() or 0.000001
    return scores


def half_space_trees(one: Series) -> list[float]:
    """River's score for streams, with its own scaler."""
    model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=7)
    scores = []
    for value in one.values:
        scores.append(model.score_one({"value": value}))
        model.learn_one({"value": value})
    return scores


def published(folder: Path, detector: str, all_series: Sequence[Series]) -> Scores:
    """The scores of a detector in the result files that NAB keeps, where somebody has them."""
    scores = []
    for one in all_series:
        family, _, name = one.name.partition("/")
        with (folder / detector / family / f"{detector}_{name}").open(newline="") as lines:
            scores.append([float(row["anomaly_score"]) for row in csv.DictReader(lines)])
    return scores


def part_of(scores: Scores, all_series: Sequence[Series], families: Iterable[str]) -> tuple[Board, Scores]:
    """A board of these families alone, and the scores that belong to it."""
    chosen = [(one, given) for one, given in zip(all_series, scores, strict=True) if one.family in set(families)]
    return Board([one for one, _ in chosen]), [given for _, given in chosen]


RULES: dict[str, Callable[[Series], list[float]]] = {
    "records": records,
    "spreads": spreads,
    "windowed_gaussian": windowed_gaussian,
    "river_half_space_trees": half_space_trees,
}


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    all_series = read_series(data / ARCHIVE)
    board = Board(all_series)
    began = time.process_time()
    scores = [ours(one) for one in all_series]
    count = sum(len(one.values) for one in all_series)
    note("anomaly_us_per_value", round((time.process_time() - began) / count * 1e6, 1))
    for profile in PROFILES:
        note(f"nab_{profile}", round(board.official(profile, scores), 2))
        note(f"nab_{profile}_cross_file", round(board.across(profile, scores), 2))
        note(f"nab_{profile}_at_one_in_a_thousand", round(board.at_threshold(profile, scores, LEVEL), 2))
    found, false = board.counts(scores, LEVEL)
    note("nab_windows", sum(len(one.windows) for one in all_series))
    note("nab_windows_found", found)
    note("nab_false_alarms", false)
    for name, families in (("tuned", TUNED), ("unseen", UNSEEN), *((family, [family]) for family in UNSEEN)):
        part, given = part_of(scores, all_series, families)
        note(f"nab_standard_at_one_in_a_thousand_{name}", round(part.at_threshold("standard", given, LEVEL), 2))
    others = {name: [rule(one) for one in all_series] for name, rule in RULES.items()}
    if folder := os.environ.get("NAB_RESULTS"):
        others |= {f"published_{name}": published(Path(folder), name, all_series) for name in PUBLISHED}
    for name, given in others.items():
        for profile in PROFILES:
            note(f"nab_{profile}_{name}", round(board.official(profile, given), 2))
        note(f"nab_standard_cross_file_{name}", round(board.across("standard", given), 2))
