"""What is said of a ranking: how well it tells the two kinds apart, and how right its top is."""

from __future__ import annotations

import math
from collections.abc import Sequence


def auc(scores: Sequence[float], truths: Sequence[bool]) -> float:
    """The chance that one for whom it is true scores higher than one for whom it is not; ties count half."""
    order = sorted(range(len(scores)), key=lambda number: scores[number])
    ranks, place = 0.0, 0
    while place < len(order):
        end = place
        while end < len(order) and scores[order[end]] == scores[order[place]]:
            end += 1
        ranks += sum(truths[number] for number in order[place:end]) * (place + 1 + end) / 2
        place = end
    true = sum(truths)
    return (ranks - true * (true + 1) / 2) / (true * (len(truths) - true))


def average_precision(scores: Sequence[float], truths: Sequence[bool]) -> float:
    found, total = 0, 0.0
    for seen, number in enumerate(_downwards(scores), start=1):
        if truths[number]:
            found += 1
            total += found / seen
    return total / found


def precision_at_share(scores: Sequence[float], truths: Sequence[bool], share: float) -> float:
    """Of the highest scores, so large a share, how many are true."""
    top = _downwards(scores)[: max(1, round(share * len(scores)))]
    return sum(truths[number] for number in top) / len(top)


def precision_at_recall(scores: Sequence[float], truths: Sequence[bool], recall: float) -> float:
    """With the highest threshold that still finds so many of the true ones; equal scores are taken together."""
    ordered = [scores[number] for number in _downwards(scores) if truths[number]]
    threshold = ordered[math.ceil(recall * len(ordered)) - 1]
    taken = [truth for score, truth in zip(scores, truths, strict=True) if score >= threshold]
    return sum(taken) / len(taken)


def calibration_error(chances: Sequence[float], truths: Sequence[bool], parts: int = 10) -> float:
    """The mean distance, over tenths of the ranking, between the chance that was said and the share that was true."""
    order = _downwards(chances)
    size = math.ceil(len(order) / parts)
    error = 0.0
    for start in range(0, len(order), size):
        part = order[start : start + size]
        error += abs(sum(chances[number] for number in part) - sum(truths[number] for number in part))
    return error / len(order)


def _downwards(scores: Sequence[float]) -> list[int]:
    return sorted(range(len(scores)), key=lambda number: -scores[number])
