"""What is kept for one stretch of time, be it a pane of a sliding window or a calendar period.

Every accumulator gives the same result whatever the order its events came in. Sums are exact: a number counts in
whole millionths, so `0.1 + 0.2` is `0.3` and late events cannot change the last digit.
"""

from __future__ import annotations

from typing import Any, Protocol

import orjson
import xxhash

from engine.core.matching import read_path
from engine.model import Event, Scalar

MICRO = 1_000_000
# Floats beyond this are left out: multiplied, they would no longer be finite.
LARGEST = 1e300
LARGEST_WHOLE = 2**53
# A distinct count remembers at most this many values per stretch; more are counted as this many.
DISTINCT_MOST = 4_096


class Accumulator(Protocol):
    def fresh(self) -> list[Any]:
        """What an empty stretch holds."""

    def put(self, kept: list[Any], event: Event) -> None:
        """Take one event in."""

    def merge(self, stretches: list[list[Any]]) -> list[Any]:
        """The same as if all their events had been put into one."""


def micro(value: object) -> int | None:
    """A number in whole millionths; None for what is not a number, or no finite one."""
    if type(value) is int:
        return value * MICRO
    if type(value) is float and -LARGEST < value < LARGEST:
        return round(value * MICRO)
    return None


def from_micro(total: int) -> int | float:
    """Back from millionths: an int where it is whole, and not so large that others could not read it."""
    whole, rest = divmod(total, MICRO)
    return total / MICRO if rest or abs(whole) > LARGEST_WHOLE else whole


class Best:
    """[value]: the highest (sign 1) or lowest (sign -1) number of a field."""

    def __init__(self, field: str, sign: int) -> None:
        self.field = field
        self.sign = sign

    def fresh(self) -> list[Any]:
        return [None]

    def put(self, kept: list[Any], event: Event) -> None:
        value = read_path(event.attributes, self.field)
        if type(value) is int or type(value) is float:
            kept[0] = self._better(kept[0], value)

    def merge(self, stretches: list[list[Any]]) -> list[Any]:
        best = None
        for kept in stretches:
            if kept[0] is not None:
                best = self._better(best, kept[0])
        return [best]

    def _better(self, one: float | None, other: float) -> float:
        if one is None or (other - one) * self.sign > 0:
            return other
        return one


class Latest:
    """[at, event id, value]: the newest value of a field; of two at the same moment, the one with the larger id."""

    def __init__(self, field: str) -> None:
        self.field = field

    def fresh(self) -> list[Any]:
        return [-1, "", None]

    def put(self, kept: list[Any], event: Event) -> None:
        value = read_path(event.attributes, self.field)
        if value is None or isinstance(value, dict | list):
            return
        if (event.at, event.id) > (kept[0], kept[1]):
            kept[:] = [event.at, event.id, value]

    def merge(self, stretches: list[list[Any]]) -> list[Any]:
        return max(stretches, key=lambda kept: (kept[0], kept[1]), default=self.fresh())


class Distinct:
    """[digests]: which values of a field have been seen, as sorted 64-bit digests."""

    def __init__(self, field: str) -> None:
        self.field = field

    def fresh(self) -> list[Any]:
        return []

    def put(self, kept: list[Any], event: Event) -> None:
        value = read_path(event.attributes, self.field)
        if value is None or len(kept) >= DISTINCT_MOST:
            return
        if type(value) is float and value.is_integer() and abs(value) <= LARGEST_WHOLE:
            value = int(value)  # 1 and 1.0 are one value
        digest = xxhash.xxh3_64_intdigest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
        if digest not in kept:
            kept.append(digest)

    def merge(self, stretches: list[list[Any]]) -> list[Any]:
        if len(stretches) == 1:
            return stretches[0]
        return list(set().union(*stretches))


def number(value: Any) -> Scalar:
    """A kept value as a scalar."""
    return value if isinstance(value, str | int | float | bool) else None
