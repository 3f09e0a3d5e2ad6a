"""How good a learner has been: each answer is held against the chance that was given before it was known.

What is kept is a histogram of the log odds that were given, so it stays small however many answers come, and what is
read out of it is exact up to the width of a bin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from engine.core.models.chance import STEEPEST

BINS_PER_UNIT = 20  # of the log odds
TOP = 0.1  # the part with the highest chances, of which lift and lead are told
TENTHS = 10


class Seen(msgspec.Struct, array_like=True):
    """What fell into one bin: how many answers were no, how many yes, and how long before it the yes was foreseen."""

    no: int = 0
    yes: int = 0
    lead_ms: int = 0


class Track(msgspec.Struct, array_like=True):
    """Of one learner, or of one measure by itself. `loss` is the sum of log losses. `tenths` are, by the chance given
    (0 to 10 %, ...): how many, the sum of the chances, how many of them were yes.
    """

    bins: dict[int, Seen] = {}
    loss: float = 0.0
    tenths: list[tuple[int, float, int]] = []

    @property
    def answers(self) -> int:
        return sum(seen.no + seen.yes for seen in self.bins.values())


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """What a track says. `precision` is the share of yes among the tenth with the highest chances, `share` among all;
    `lead_ms` how long before it happened a yes among that tenth was foreseen, on average.
    """

    answers: int
    share: float
    auc: float | None
    log_loss: float
    calibration: float
    precision: float
    lead_ms: int


def noted(track: Track, chance: float, *, happened: bool, lead_ms: int = 0) -> None:
    """An answer to a question of which `chance` was said."""
    odds = math.log(chance / (1.0 - chance))
    ranked(track, odds, happened=happened, lead_ms=lead_ms)
    track.loss -= math.log(chance if happened else 1.0 - chance)
    track.tenths = track.tenths or [(0, 0.0, 0)] * TENTHS
    at = min(TENTHS - 1, int(chance * TENTHS))
    count, chances, yes = track.tenths[at]
    track.tenths[at] = (count + 1, chances + chance, yes + happened)


def ranked(track: Track, number: float, *, happened: bool, lead_ms: int = 0) -> None:
    """An answer beside a number that ranks it, whatever the number means."""
    seen = track.bins.setdefault(round(max(-STEEPEST, min(STEEPEST, number)) * BINS_PER_UNIT), Seen())
    if happened:
        seen.yes += 1
        seen.lead_ms += lead_ms
    else:
        seen.no += 1


def quality_of(track: Track) -> Quality:
    """What can be said of it by now."""
    answers, yes = track.answers, sum(seen.yes for seen in track.bins.values())
    precision, lead_ms = _top(track.bins, answers * TOP, best_first=True)
    return Quality(
        answers=answers,
        share=yes / answers if answers else 0.0,
        auc=_auc(track.bins),
        log_loss=track.loss / answers if answers else 0.0,
        calibration=_miscalibration(track),
        precision=precision,
        lead_ms=lead_ms,
    )


def best_measure(tracks: Mapping[str, Track]) -> tuple[str, float, float]:
    """The trivial rule: the one measure that alone, high or low, ranks best; its AUC, and its precision at the top."""
    found = ("", 0.5, 0.0)
    for name, track in tracks.items():
        auc = _auc(track.bins)
        if auc is not None and max(auc, 1.0 - auc) > found[1]:
            precision, _lead_ms = _top(track.bins, track.answers * TOP, best_first=auc >= 0.5)
            found = (name, max(auc, 1.0 - auc), precision)
    return found


def _auc(bins: Mapping[int, Seen]) -> float | None:
    """How often a yes was ranked above a no, ties counting half. None where there is nothing to compare."""
    below, won, no, yes = 0, 0.0, 0, 0
    for _at, seen in sorted(bins.items()):
        won += seen.yes * (below + seen.no / 2)
        below += seen.no
        no, yes = no + seen.no, yes + seen.yes
    return won / (no * yes) if no and yes else None


def _top(bins: Mapping[int, Seen], wanted: float, *, best_first: bool) -> tuple[float, int]:
    """The share of yes among the first so many, and how long before they were foreseen. A bin may count in part."""
    left, yes, lead_ms, all_yes = wanted, 0.0, 0, 0
    for _at, seen in sorted(bins.items(), reverse=best_first):
        if left <= 0:
            break
        part = min(1.0, left / (seen.no + seen.yes))
        yes += part * seen.yes
        left -= seen.no + seen.yes
        lead_ms, all_yes = lead_ms + seen.lead_ms, all_yes + seen.yes
    return (yes / wanted if wanted else 0.0), (lead_ms // all_yes if all_yes else 0)


def _miscalibration(track: Track) -> float:
    """How far the chances were from what came, on average over all answers by the tenth that they fell into."""
    answers = sum(count for count, _chances, _yes in track.tenths)
    off = math.fsum(abs(chances - yes) for _count, chances, yes in track.tenths)
    return off / answers if answers else 0.0
