"""How good each learner of a model was on the answers of one day, which it had not seen when it told their chances."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from engine.core.models.track import Track, noted, quality_of


class Judged(msgspec.Struct, frozen=True, array_like=True):
    """Of one learner. `answers` of the day were held against what it had said, `came` of them were yes, where it had
    `expected` so many. `log_loss` and `off_by` are of that day, `auc` and `lift` of all answers so far, as a day has
    too few to rank; both are None where there was no yes, or no no, yet.
    """

    answers: int
    came: int
    expected: float
    log_loss: float
    off_by: float
    auc: float | None
    lift: float | None


class Day:
    """Collects the answers of one day."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}

    def take(self, chances: Mapping[str, float], *, happened: bool) -> None:
        """What was said by each learner of something that is known now."""
        for name, chance in chances.items():
            noted(self._tracks.setdefault(name, Track()), chance, happened=happened)

    def judged(self, so_far: Mapping[str, Track]) -> dict[str, Judged]:
        """Each learner that said something, by name. `so_far` are their tracks, the day's answers among them."""
        return {name: _judged(day, so_far[name]) for name, day in sorted(self._tracks.items())}


def _judged(day: Track, so_far: Track) -> Judged:
    quality, all_in_all = quality_of(day), quality_of(so_far)
    return Judged(
        answers=quality.answers,
        came=sum(seen.yes for seen in day.bins.values()),
        expected=math.fsum(chances for _count, chances, _yes in day.tenths),
        log_loss=quality.log_loss,
        off_by=quality.calibration,
        auc=all_in_all.auc,
        lift=None if all_in_all.auc is None else all_in_all.precision / all_in_all.share,
    )
