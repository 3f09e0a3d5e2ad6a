"""Windowed aggregates: how many, how much, how high, over a sliding window or a calendar period.

Use it for anything that is counted or measured per entity: logins in a week, the share of late parcels in two hours,
the average mood in a month. It knows nothing of what is usual for the entity; it counts what came.

    watch:
      logins:  {count: usage.login, every: 1w}
      urgent:  {count: ticket.opened, where: {priority: [high, urgent]}, over: 7d}
      spent:   {sum: order.placed, field: amount, over: 30d}
      late:    {share: parcel.scanned, where: {status: late}, over: 2h}
      errors:  {rate: usage.login_failed, over: 10m, unit: 1m}
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, TypeAlias

import msgspec

from engine.core.accumulate import MICRO, Accumulator, Best, Distinct, Latest, from_micro, number
from engine.core.matching import compile_where
from engine.core.sliding import SumTracker
from engine.core.sums import Column, SumColumns, Sums, every_event, matching, numbers, summed
from engine.core.windows import PaneTracker, PeriodTracker
from engine.model import Scalar
from engine.ports import As, FieldTest, Known, OptionProblem, Reader, Slot, Tracker

ADDED = ("count", "sum", "average", "share", "rate")
KEPT = ("highest", "lowest", "latest", "distinct")
DEFAULT_PANES = 60
NEEDS_FIELD = ("sum", "average", "highest", "lowest", "latest", "distinct")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    event: Annotated[tuple[str, ...], As.EVENTS, "the event type, or a list of them"]
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only events whose attributes match; for share: the part"] = ()
    field: Annotated[str, As.FIELD, "the attribute to add up, average or compare"] = ""
    over: Annotated[int, As.DURATION, "the length of a sliding window"] = 0
    every: Annotated[str, As.PERIOD, "a calendar period in the entity's own time zone"] = ""
    panes: Annotated[int, As.COUNT, "how many steps a sliding window moves in"] = DEFAULT_PANES
    unit: Annotated[int, As.DURATION, "for rate: per how long"] = 0


Use: TypeAlias = tuple[str, Options, int]


class Windowed:
    words = ADDED + KEPT
    options = Options

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        found = [problem for problem in (_span(options), _field(word, options), _part(word, options)) if problem]
        if options.every and options.panes != DEFAULT_PANES:
            found.append(OptionProblem("panes", "unused-option", "'panes' goes with 'over', not with 'every'"))
        if options.over and options.panes > options.over:
            found.append(OptionProblem("panes", "bad-panes", "a pane would be shorter than a millisecond"))
        return found + list(_rate(word, options))

    def share_key(self, word: str, options: Options) -> tuple[object, ...]:
        """Sliding counts and sums over the same events share their panes; all else is kept by itself."""
        if word in ADDED and options.over:
            where = () if word == "share" else options.where
            return ("totals", options.event, where, options.over, options.panes)
        span = options.every or f"{options.over}/{options.panes}"
        return (word, options.field, options.event, options.where, span)

    def build(self, uses: Sequence[Use]) -> tuple[Tracker, list[Reader]]:
        word, options, _periods = uses[0]
        if word in ADDED:
            return _build_added(uses, str(self.share_key(word, options)))
        return _build_kept(uses, str(self.share_key(word, options)))


def _span(options: Options) -> OptionProblem | None:
    if bool(options.over) == bool(options.every):
        return OptionProblem("", "bad-window", "give it either 'over: 7d' (sliding) or 'every: 1w' (calendar)")
    return None


def _field(word: str, options: Options) -> OptionProblem | None:
    if word in NEEDS_FIELD and not options.field:
        return OptionProblem("", "missing-key", f"'{word}' needs 'field', the attribute to take")
    if word not in NEEDS_FIELD and options.field:
        return OptionProblem("field", "unused-option", f"'{word}' does not read a field")
    return None


def _part(word: str, options: Options) -> OptionProblem | None:
    if word == "share" and not options.where:
        return OptionProblem("", "missing-key", "'share' needs 'where', the part whose share it is")
    return None


def _rate(word: str, options: Options) -> Sequence[OptionProblem]:
    if word != "rate":
        return [OptionProblem("unit", "unused-option", "'unit' goes with 'rate'")] if options.unit else []
    if options.every:
        return [OptionProblem("every", "bad-window", "'rate' slides: write 'over' instead of 'every'")]
    return [] if options.unit else [OptionProblem("", "missing-key", "'rate' needs 'unit', as in unit: 1m")]


# ---- counts and sums


def _columns_of(word: str, options: Options) -> list[tuple[str, Column]]:
    if word in ("sum", "average"):
        return [(f"k:{options.field}", numbers(options.field)), (f"s:{options.field}", summed(options.field))]
    if word == "share":
        return [(f"m:{options.where}", matching(options.where))]
    return []


def _build_added(uses: Sequence[Use], identity: str) -> tuple[Tracker, list[Reader]]:
    columns: dict[str, Column] = {"n": every_event()}
    for word, options, _periods in uses:
        columns.update(_columns_of(word, options))
    word, options, _periods = uses[0]
    where = compile_where(() if word == "share" else options.where)
    sums = SumColumns(tuple(columns), where, tuple(columns.values()))
    if options.every:
        keep = max(1, *(periods for _word, _options, periods in uses))
        period = PeriodTracker(identity, options.event, (options.every, keep), Sums(sums), where)
        return period, [_period_reader(period, use, sums.names) for use in uses]
    sliding = SumTracker(identity, options.event, (options.over, options.panes), sums)
    return sliding, [_sliding_reader(sliding, use, sums.names) for use in uses]


def _sliding_reader(tracker: SumTracker, use: Use, names: tuple[str, ...]) -> Reader:
    word, options, _periods = use
    total = tracker.total
    settles = options.over
    if word == "count":
        value = partial(_total, tracker, 0)
        return Reader(value=value, moves="up", settles_ms=settles, inline=tracker.inline("{0}"))
    if word == "rate":
        scale = options.unit / options.over
        rate = tracker.inline(f"{{0}} * {scale!r}")
        return Reader(
            value=lambda slot, now, known: total(slot, 0, now) * scale, moves="up", settles_ms=settles, inline=rate
        )
    if word == "share":
        part = names.index(f"m:{options.where}")
        share = tracker.inline(f"{{{part}}} / {{0}}", known="{0}")
        return Reader(value=lambda slot, now, known: _ratio(total(slot, part, now), total(slot, 0, now)), inline=share)
    k, s = names.index(f"k:{options.field}"), names.index(f"s:{options.field}")
    if word == "sum":
        return Reader(value=lambda slot, now, known: from_micro(total(slot, s, now)), settles_ms=settles)
    mean = tracker.inline(f"{{{s}}} / ({{{k}}} * {MICRO})", known=f"{{{k}}}")
    return Reader(value=_average(tracker, k, s), inline=mean)


def _total(tracker: SumTracker, column: int, slot: Slot, now: int, known: Known) -> int:
    return tracker.total(slot, column, now)


def _average(tracker: SumTracker, k: int, s: int) -> Any:
    total = tracker.total

    def value(slot: Slot, now: int, known: Known) -> Scalar:
        count = total(slot, k, now)
        return total(slot, s, now) / (count * MICRO) if count else None

    return value


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _added_value(use: Use, names: tuple[str, ...], kept: list[int]) -> Scalar:
    """The same readings out of a calendar period's columns."""
    word, options, _periods = use
    if word == "count":
        return kept[0]
    if word == "share":
        return _ratio(kept[names.index(f"m:{options.where}")], kept[0])
    k, s = kept[names.index(f"k:{options.field}")], kept[names.index(f"s:{options.field}")]
    if word == "sum":
        return from_micro(s)
    return s / (k * MICRO) if k else None


def _period_reader(tracker: PeriodTracker, use: Use, names: tuple[str, ...]) -> Reader:
    def value(slot: Slot, now: int, known: Known) -> Scalar:
        return _added_value(use, names, tracker.open_value(slot, now, known))

    def closed(slot: Slot, now: int, known: Known, periods: int) -> Sequence[Scalar] | None:
        values = tracker.closed_values(slot, now, known, periods)
        return None if values is None else [_added_value(use, names, kept) for kept in values]

    return Reader(value=value, closed=closed, moves="up" if use[0] == "count" else "both")


# ---- highest, lowest, latest, distinct


def _accumulator(word: str, field: str) -> Accumulator:
    if word == "latest":
        return Latest(field)
    if word == "distinct":
        return Distinct(field)
    return Best(field, 1 if word == "highest" else -1)


def _kept_value(word: str, kept: list[Any]) -> Scalar:
    return len(kept) if word == "distinct" else number(kept[-1])


def _build_kept(uses: Sequence[Use], identity: str) -> tuple[Tracker, list[Reader]]:
    word, options, _periods = uses[0]
    kept, where = _accumulator(word, options.field), compile_where(options.where)
    if options.every:
        keep = max(1, *(periods for _word, _options, periods in uses))
        period = PeriodTracker(identity, options.event, (options.every, keep), kept, where)
        return period, [_kept_period_reader(period, word)] * len(uses)
    panes = PaneTracker(identity, options.event, (options.over, options.panes), kept, where)
    reader = Reader(
        value=lambda slot, now, known: _kept_value(word, panes.merged(slot, now)),
        moves="up" if word in ("distinct", "highest") else "down" if word == "lowest" else "both",
        settles_ms=options.over if word == "distinct" else 0,
    )
    return panes, [reader] * len(uses)


def _kept_period_reader(tracker: PeriodTracker, word: str) -> Reader:
    def value(slot: Slot, now: int, known: Known) -> Scalar:
        return _kept_value(word, tracker.open_value(slot, now, known))

    def closed(slot: Slot, now: int, known: Known, periods: int) -> Sequence[Scalar] | None:
        values = tracker.closed_values(slot, now, known, periods)
        return None if values is None else [_kept_value(word, kept) for kept in values]

    return Reader(value=value, closed=closed, moves="up" if word in ("distinct", "highest") else "both")


KINDS = (Windowed(),)
