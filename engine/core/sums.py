"""The columns of a sliding window of counts and sums, and the accumulator that keeps the same columns per period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from engine.core.accumulate import micro
from engine.core.matching import Predicate, compile_where, read_path
from engine.model import Event
from engine.ports import FieldTest

# What one event adds to one column.
Column: TypeAlias = Callable[[Event], int]


def every_event() -> Column:
    return lambda event: 1


def matching(where: tuple[FieldTest, ...]) -> Column:
    """1 for an event that the filter takes."""
    wanted = compile_where(where)
    assert wanted is not None
    return lambda event: 1 if wanted(event.attributes) else 0


def numbers(field: str) -> Column:
    """1 for an event whose field is a number."""
    return lambda event: 0 if micro(read_path(event.attributes, field)) is None else 1


def summed(field: str) -> Column:
    """The field in millionths, 0 where it is not a number."""
    return lambda event: micro(read_path(event.attributes, field)) or 0


class SumColumns:
    """What one event adds to each column. `of` gives None for an event that `where` leaves out."""

    def __init__(self, names: tuple[str, ...], where: Predicate | None, columns: tuple[Column, ...]) -> None:
        self.names = names
        self.where = where
        self._columns = columns
        fields = tuple(name[2:] for name in names if name.startswith("s:"))
        plain = ("n", *(part for field in fields for part in (f"k:{field}", f"s:{field}")))
        self.plain_fields = fields if names == plain and not any("." in field for field in fields) else None
        self.is_count_and_sum = self.plain_fields is not None and len(fields) == 1

    def of(self, event: Event) -> Sequence[int] | None:
        if self.where is not None and not self.where(event.attributes):
            return None
        return [column(event) for column in self._columns]


class Sums:
    """The same columns as an accumulator: [column, ...]."""

    def __init__(self, columns: SumColumns) -> None:
        self._columns = columns

    def fresh(self) -> list[Any]:
        return [0] * len(self._columns.names)

    def put(self, kept: list[Any], event: Event) -> None:
        for column, delta in enumerate(self._columns.of(event) or ()):
            kept[column] += delta

    def merge(self, stretches: list[list[Any]]) -> list[Any]:
        return [sum(column) for column in zip(*stretches, strict=True)]
