"""The rule by which the Numenta Anomaly Benchmark scores a detector, written anew from its description and held against
its published results (README.md beside this file).

A detector gives each point of each series a score. Points at or above one threshold, the same for all series, are its
alarms. The first alarm within a labelled window earns nearly 1 at the window's left edge and less towards its right;
each alarm outside costs `false_alarm`, less shortly after a window; a window without an alarm costs `missed`. The sum
is brought to a scale on which no alarm at all is 0 and a perfect detector is 100.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PROBATION = 0.15  # of a series, and of at most 5,000 points, in which nothing counts
FOLDS = 5
SHUFFLES = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """What a mistake costs, where a window found at once earns 1."""

    false_alarm: float
    missed: float


PROFILES = {
    "standard": Profile(0.11, 1.0),
    "low_fp": Profile(0.22, 1.0),
    "low_fn": Profile(0.11, 2.0),
}


@dataclass(frozen=True)
class Series:
    """One file: when (ms, UTC), what, and between which times (both included) something was wrong."""

    name: str
    at_ms: Sequence[int]
    values: Sequence[float]
    windows: Sequence[tuple[int, int]]

    @property
    def family(self) -> str:
        return self.name.partition("/")[0]


def read_series(archive: Path) -> list[Series]:
    """All series of NAB's data and labels, by name."""
    with tarfile.open(archive) as packed:
        texts = {
            member.name.removeprefix("./"): extracted.read().decode()
            for member in packed
            if (extracted := packed.extractfile(member)) is not None and member.name.endswith((".csv", ".json"))
        }
    windows = json.loads(texts["labels/combined_windows.json"])
    return [
        _series(name, texts[f"data/{name}"], [(_ms(begin), _ms(end)) for begin, end in windows[name]])
        for name in sorted(windows)
    ]


def _series(name: str, text: str, windows: Sequence[tuple[int, int]]) -> Series:
    rows = list(csv.reader(io.StringIO(text)))[1:]
    return Series(name, [_ms(at) for at, _ in rows], [float(value) for _, value in rows], windows)


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# ---- what an alarm at a point is worth


@dataclass(frozen=True)
class Points:
    """The points of a series that count: which window each is in (-1 for none), and what an alarm there is worth."""

    window: NDArray[np.int64]
    worth: Floats
    counted: int  # windows of which at least one point counts
    first: int  # index of the first point that counts


def sigmoid_worth(position: float) -> float:
    """From nearly 1 at the left edge of a window (-1) over 0 at its right edge to -1 far behind it."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def points_of(series: Series, profile: Profile) -> Points:
    count = len(series.at_ms)
    first = math.ceil(min(math.floor(PROBATION * count), PROBATION * 5000))
    window = np.full(count, -1, dtype=np.int64)
    worth = np.full(count, -profile.false_alarm)
    end_before, width_before = -1, 0
    for number, (begin, end) in enumerate(_indices(series)):
        if width_before:
            _after(worth, range(end_before + 1, begin), end_before, width_before, profile)
        width = end - begin + 1
        for index in range(begin, end + 1):
            window[index] = number
            worth[index] = sigmoid_worth(-(end - index + 1) / width) / sigmoid_worth(-1.0)
        end_before, width_before = end, width
    if width_before:
        _after(worth, range(end_before + 1, count), end_before, width_before, profile)
    counted = len({int(number) for number in window[first:] if number >= 0})
    return Points(window[first:], worth[first:], counted, first)


def _indices(series: Series) -> Iterable[tuple[int, int]]:
    return ((series.at_ms.index(begin), series.at_ms.index(end)) for begin, end in series.windows)


def _after(worth: Floats, indices: range, end: int, width: int, profile: Profile) -> None:
    for index in indices:
        worth[index] = profile.false_alarm * sigmoid_worth((index - end) / (width - 1))


# ---- a detector's scores, all series together


@dataclass(frozen=True)
class Steps:
    """What lowering the threshold past each point of a series would add, in the order of falling scores."""

    scores: Floats
    gains: Floats
    base: float  # with no alarm at all


def steps_of(points: Points, scores: Sequence[float], profile: Profile) -> Steps:
    given = np.asarray(scores, dtype=np.float64)[points.first :]
    order = np.argsort(-given, kind="stable")
    gains = points.worth[order]
    best = {}
    for place in np.flatnonzero(points.window[order] >= 0):
        number = int(points.window[order[place]])
        reached = best.get(number, -profile.missed)
        gains[place] = max(0.0, gains[place] - reached)
        best[number] = reached + gains[place]
    return Steps(given[order], gains, -profile.missed * points.counted)


def best_threshold(all_steps: Sequence[Steps]) -> tuple[float, float]:
    """The threshold that earns most over all these series, and the sum it earns."""
    scores = np.concatenate([steps.scores for steps in all_steps])
    gains = np.concatenate([steps.gains for steps in all_steps])
    order = np.argsort(-scores, kind="stable")
    scores, total = scores[order], np.cumsum(gains[order])
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    best = int(ends[np.argmax(total[ends])])
    base = sum(steps.base for steps in all_steps)
    if total[best] <= 0.0:
        return math.inf, base
    return float(scores[best]), base + float(total[best])


def earned(steps: Steps, threshold: float) -> float:
    return steps.base + float(steps.gains[steps.scores >= threshold].sum())


class Board:
    """Scores detectors over the same series, under all profiles."""

    def __init__(self, series: Sequence[Series]) -> None:
        self.series = list(series)
        self._points = {name: [points_of(one, profile) for one in self.series] for name, profile in PROFILES.items()}
        self._windows = sum(len(one.windows) for one in self.series)

    def steps(self, profile: str, scores: Sequence[Sequence[float]]) -> list[Steps]:
        pairs = zip(self._points[profile], scores, strict=True)
        return [steps_of(points, given, PROFILES[profile]) for points, given in pairs]

    def scaled(self, profile: str, total: float) -> float:
        """0 for no alarm at all, 100 for every window found at its left edge and no false alarm."""
        nothing = -PROFILES[profile].missed * sum(points.counted for points in self._points[profile])
        return 100.0 * (total - nothing) / (self._windows - nothing)

    def official(self, profile: str, scores: Sequence[Sequence[float]]) -> float:
        """By the benchmark's own rule: the threshold is the one that suits these labels best."""
        return self.scaled(profile, best_threshold(self.steps(profile, scores))[1])

    def across(self, profile: str, scores: Sequence[Sequence[float]]) -> float:
        """The threshold of each fifth of the series is chosen on the other four fifths; mean of a few shuffles."""
        steps = self.steps(profile, scores)
        return float(np.mean([self.scaled(profile, _shuffled_total(steps, seed)) for seed in range(SHUFFLES)]))

    def at_threshold(self, profile: str, scores: Sequence[Sequence[float]], threshold: float) -> float:
        """With a threshold that was chosen beforehand."""
        return self.scaled(profile, sum(earned(steps, threshold) for steps in self.steps(profile, scores)))

    def counts(self, scores: Sequence[Sequence[float]], threshold: float) -> tuple[int, int]:
        """How many windows have an alarm, and how many alarms there are outside of all windows."""
        found, outside = 0, 0
        for points, given in zip(self._points["standard"], scores, strict=True):
            alarmed = points.window[np.asarray(given)[points.first :] >= threshold]
            found += len({int(number) for number in alarmed if number >= 0})
            outside += int((alarmed < 0).sum())
        return found, outside


def _shuffled_total(steps: Sequence[Steps], seed: int) -> float:
    order = list(range(len(steps)))
    random.Random(seed).shuffle(order)
    total = 0.0
    for fold in range(FOLDS):
        held = set(order[fold::FOLDS])
        threshold, _ = best_threshold([one for number, one in enumerate(steps) if number not in held])
        total += sum(earned(steps[number], threshold) for number in held)
    return total
