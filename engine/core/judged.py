"""How good each learner of a model was on the answers of one day, which it had not seen when it told their chances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from engine.core.models.track import Track, noted, quality_of


class Judged(msgspec.Struct, frozen=True, array_like=True):
    """Of one learner. `answers` of the day were held against what it had said, `yes` of them were yes, where it had
    `expected` so many. `log_loss` and `off_by` are of that day, `auc` and `lift` of all answers so far, as a day has
    too few to rank; both are None where there was no yes, or no no, yet.
    """

    answers: int
    yes: int
    expected: float
    log_loss: float
    off_by: float
    auc: float | None
    lift: float | None


class Day:
    """Collects the answers of one day."""

    def __init__(self, learners: Sequence[str]) -> None:
        self._learners = learners
        self._tracks = {name: Track() for name in learners}

    def take(self, chances: Sequence[float], *, happened: bool) -> None:
        """What was said by each learner, in their order, of something that is known now; nothing where none spoke."""
        for name, chance in zip(self._learners, chances, strict=True) if chances else ():
            noted(self._tracks[name], chance, happened=happened)

    def judged(self, so_far: Mapping[str, Track]) -> dict[str, Judged]:
        """Each learner by name; none where nothing was said of any answer. `so_far` are their tracks, the day's
        answers among them.
        """
        return {name: _judged(day, so_far[name]) for name, day in self._tracks.items() if day.answers}


def _judged(day: Track, so_far: Track) -> Judged:
    quality, all_in_all = quality_of(day), quality_of(so_far)
    return Judged(
        answers=quality.answers,
        yes=sum(seen.yes for seen in day.bins.values()),
        expected=math.fsum(chances for _count, chances, _yes in day.tenths),
        log_loss=quality.log_loss,
        off_by=quality.calibration,
        auc=all_in_all.auc,
        lift=None if all_in_all.auc is None else all_in_all.precision / all_in_all.share,
    )
