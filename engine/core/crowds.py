"""What is usual among others alike: of each segment, the middle of one value per entity and period, and its spread.

A segment may have a million entities, and a few hundred tell as well what is usual among them. Those with the smallest
numbers are heard: a number is a digest, so they are as good as drawn by lot, and the same ones whatever came first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

from engine.core.examples import Among, Example
from engine.core.models.usual import BELL, least_spread

# Of so many entities of a segment the values are kept; when fewer than half of them are left, all are heard again.
MOST_VALUES = 512
MOST_SEGMENTS = 1_000
# A period ends at several moments where the entities live in several zones, so the one before the newest is still open.
PERIODS_KEPT = 2


class Crowd(msgspec.Struct, array_like=True):
    """One segment: the values by the number of the period, then by who. `up_to` as in Among."""

    values: dict[int, dict[int, float]] = {}
    up_to: int = 0


def gather(crowds: dict[str, Crowd], examples: Sequence[Example]) -> int:
    """Take values in, in their order, and let go of what is past. Returns how many there was no room for."""
    known = {period for crowd in crowds.values() for period in crowd.values}
    newest = sorted(known | {example.period for example in examples})[-PERIODS_KEPT:]
    _let_go(crowds, newest)
    refused = 0
    for example in examples:
        value = example.values[0]
        if value is None or example.period not in newest:
            continue
        if example.segment not in crowds:
            if len(crowds) >= MOST_SEGMENTS:
                refused += 1
                continue
            crowds[example.segment] = Crowd()
        crowds[example.segment].values.setdefault(example.period, {})[example.who] = value
    for crowd in crowds.values():
        _draw(crowd)
    return refused


def among(crowd: Crowd, *, of_counts: bool) -> Among:
    """What is usual in a segment, as it is published; a value of one alone is not."""
    told = [(period, values.values()) for period, values in sorted(crowd.values.items()) if len(values) > 1]
    return Among(tuple((period, *_usual(values, of_counts=of_counts)) for period, values in told), crowd.up_to)


def forget_who(crowds: Iterable[Crowd], who: int) -> int:
    """Drop the values of somebody. Returns how many there were."""
    periods = [values for crowd in crowds for values in crowd.values.values()]
    return sum(values.pop(who, None) is not None for values in periods)


def _let_go(crowds: dict[str, Crowd], newest: Sequence[int]) -> None:
    """Of periods that are past, and of segments of which nothing is heard any more."""
    for name, crowd in list(crowds.items()):
        crowd.values = {period: values for period, values in crowd.values.items() if period in newest}
        if not crowd.values:
            del crowds[name]


def _draw(crowd: Crowd) -> None:
    """Keep those with the smallest numbers, and say up to which number values are wanted."""
    for period, values in crowd.values.items():
        if len(values) > MOST_VALUES:
            crowd.values[period] = {who: values[who] for who in sorted(values)[:MOST_VALUES]}
    most = max(crowd.values.values(), key=len)
    if len(most) >= MOST_VALUES:
        crowd.up_to = max(most)
    elif len(most) < MOST_VALUES // 2:
        crowd.up_to = 0


def _usual(values: Iterable[float], *, of_counts: bool) -> tuple[float, float, int]:
    """(middle, spread, of how many)."""
    known = list(values)
    middle = median(known)
    spread = BELL * median(abs(value - middle) for value in known)
    return middle, max(spread, least_spread(middle, of_counts=of_counts)), len(known)
