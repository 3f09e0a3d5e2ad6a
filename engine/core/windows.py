"""Memory over time: sliding windows cut into panes, and calendar periods.

A window of `over` is cut into `panes` panes aligned to 1970, and covers the pane of the present moment and those
before it, so it is up to one pane shorter than `over`, never longer. Only panes that hold something are kept. An
event goes into its own pane as long as that pane is held; older ones are refused. Nothing here knows a watermark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

from engine.core.accumulate import LARGEST, MICRO, Accumulator
from engine.core.matching import Predicate
from engine.core.periods import period_of
from engine.core.sums import SumColumns
from engine.model import DAY_MS, Event
from engine.ports import NEVER, Comparator, Known, Slot, SlotTest

Add: TypeAlias = Callable[[Slot, Event, Known], bool | None]
ORDER: dict[str, Callable[[Any, Any], bool]] = {"above": gt, "at_least": ge, "below": lt, "at_most": le}

_LONGEST_MS = 32 * DAY_MS


class SumTracker:
    """Counts and sums over a sliding window, all columns of one pane side by side in one flat list.

    Slot: [time pane, -1, total of each column ..., then for each pane held: pane, column ...]. The -1 keeps the
    last-pane look-up of an empty slot from matching. Totals always cover exactly the panes held.
    """

    def __init__(self, identity: str, events: tuple[str, ...], shape: tuple[int, int], columns: SumColumns) -> None:
        over_ms, self.panes = shape
        self.pane_ms = max(1, over_ms // self.panes)
        self.events = events
        self.identity = identity
        self.columns = columns.names
        self._deltas = columns
        self._width = len(columns.names)
        self._stride = self._width + 1
        self._head = self._width + 2
        if columns.where is None and columns.names == ("n",):
            self.add = self._add_count  # type: ignore[method-assign]
        elif columns.where is None and columns.is_count_and_sum:
            self.add = self._count_and_sum(columns.names[2][2:])  # type: ignore[method-assign,assignment]

    def empty(self, known: Known) -> Slot:
        return [known.seen_at // self.pane_ms, -1] + [0] * self._width

    def _add_count(self, slot: Slot, event: Event, known: Known) -> bool | None:
        """The commonest tracker by far, one plain count, without the loop over columns."""
        pane = event.at // self.pane_ms
        if slot[-2] != pane:
            base = self._open(slot, pane)
            if base < 0:
                return False
            slot[base] += 1
        else:
            slot[-1] += 1
        slot[2] += 1
        return True

    def _count_and_sum(self, field: str) -> Add:
        """The next commonest, a count and an average of one field, likewise."""
        pane_ms, read = self.pane_ms, self._deltas.of

        def add(slot: Slot, event: Event, known: Known) -> bool | None:
            value = event.attributes.get(field)
            pane = event.at // pane_ms
            if type(value) is float and slot[-4] == pane and -LARGEST < value < LARGEST:
                value = round(value * MICRO)
                slot[-3] += 1
                slot[-2] += 1
                slot[-1] += value
                slot[2] += 1
                slot[3] += 1
                slot[4] += value
                return True
            return self._put(slot, pane, read(event))

        return add

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        return self._put(slot, event.at // self.pane_ms, self._deltas.of(event))

    def _put(self, slot: Slot, pane: int, deltas: Sequence[int] | None) -> bool | None:
        if deltas is None:
            return None
        base = len(slot) - self._width if slot[-self._stride] == pane else self._open(slot, pane)
        if base < 0:
            return False
        total = 2
        for delta in deltas:
            slot[base] += delta
            slot[total] += delta
            base += 1
            total += 1
        return True

    def _open(self, slot: Slot, pane: int) -> int:
        """Where the columns of `pane` begin, after making room for it; -1 where it is no longer held."""
        self.advance(slot, pane)
        if pane <= slot[0] - self.panes:
            return -1
        at, first, stride = len(slot), self._head, self._stride
        while at > first and slot[at - stride] > pane:
            at -= stride
        if at > first and slot[at - stride] == pane:
            return at - stride + 1
        slot[at:at] = [pane] + [0] * self._width
        return at + 1

    def advance(self, slot: Slot, pane: int) -> None:
        """Let time reach `pane`: drop the panes that the window has left behind."""
        if pane <= slot[0]:
            return
        slot[0] = pane
        head, stride = self._head, self._stride
        while len(slot) > head and slot[head] <= pane - self.panes:
            for column in range(self._width):
                slot[2 + column] -= slot[head + 1 + column]
            del slot[head : head + stride]

    def total(self, slot: Slot, column: int, now: int) -> int:
        if now // self.pane_ms > slot[0]:
            self.advance(slot, now // self.pane_ms)
        value: int = slot[2 + column]
        return value

    def count_test(self, comparator: Comparator, limit: float) -> SlotTest:
        """The first column against a number, without the steps between."""
        holds, pane_ms, advance = ORDER[comparator], self.pane_ms, self.advance

        def test(slot: Slot, now: int) -> bool | None:
            if now // pane_ms > slot[0]:
                advance(slot, now // pane_ms)
            return holds(slot[2], limit)

        return test

    def average_test(self, columns: tuple[int, int], comparator: Comparator, limit: float) -> SlotTest:
        """The mean of (how many, sum) columns against a number."""
        holds, pane_ms, advance = ORDER[comparator], self.pane_ms, self.advance
        k, s = columns[0] + 2, columns[1] + 2

        def test(slot: Slot, now: int) -> bool | None:
            if now // pane_ms > slot[0]:
                advance(slot, now // pane_ms)
            return holds(slot[s] / (slot[k] * MICRO), limit) if slot[k] else None

        return test

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        self.advance(slot, now // self.pane_ms)
        if len(slot) == self._head:
            return NEVER
        due: int = (slot[self._head] + self.panes) * self.pane_ms
        return due

    def begin(self, slot: Slot, now: int) -> None:
        """When a low value starts to mean something is kept by the entity (`begun`)."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        carried = self.empty(known)
        carried[0] = slot[0]
        carried[2:] = _rearranged(slot[2 : 2 + len(columns)], columns, self.columns)
        for at in range(2 + len(columns), len(slot), len(columns) + 1):
            carried.append(slot[at])
            carried += _rearranged(slot[at + 1 : at + 1 + len(columns)], columns, self.columns)
        return carried


def _rearranged(values: list[int], had: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    by_name = dict(zip(had, values, strict=True))
    return [by_name.get(name, 0) for name in wanted]


class PaneTracker:
    """Any accumulator over a sliding window. Slot: [time pane, pane, kept, pane, kept, ...], oldest first."""

    columns: tuple[str, ...] = ()

    def __init__(
        self, identity: str, events: tuple[str, ...], shape: tuple[int, int], kept: Accumulator, where: Predicate | None
    ) -> None:
        over_ms, self.panes = shape
        self.pane_ms = max(1, over_ms // self.panes)
        self.identity = identity
        self.events = events
        self._kept = kept
        self._where = where

    def empty(self, known: Known) -> Slot:
        return [known.seen_at // self.pane_ms]

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        if self._where is not None and not self._where(event.attributes):
            return None
        pane = event.at // self.pane_ms
        self.advance(slot, pane)
        if pane <= slot[0] - self.panes:
            return False
        self._kept.put(self._pane(slot, pane), event)
        return True

    def _pane(self, slot: Slot, pane: int) -> list[Any]:
        at = len(slot)
        while at > 1 and slot[at - 2] > pane:
            at -= 2
        if at > 1 and slot[at - 2] == pane:
            held: list[Any] = slot[at - 1]
            return held
        fresh = self._kept.fresh()
        slot[at:at] = [pane, fresh]
        return fresh

    def advance(self, slot: Slot, pane: int) -> None:
        if pane <= slot[0]:
            return
        slot[0] = pane
        while len(slot) > 1 and slot[1] <= pane - self.panes:
            del slot[1:3]

    def merged(self, slot: Slot, now: int) -> list[Any]:
        self.advance(slot, now // self.pane_ms)
        return self._kept.merge(slot[2::2]) if len(slot) > 1 else self._kept.fresh()

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        self.advance(slot, now // self.pane_ms)
        if len(slot) == 1:
            return NEVER
        due: int = (slot[1] + self.panes) * self.pane_ms
        return due

    def begin(self, slot: Slot, now: int) -> None:
        """When a low value starts to mean something is kept by the entity (`begun`)."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot


class PeriodTracker:
    """Any accumulator per calendar period in the entity's zone, with the last `keep` closed periods.

    Slot: [start, end, kept of the open period, [[start, kept], ...] of closed ones, newest first], and a fifth part,
    when the tracker began, where it began after the entity was first seen.
    """

    columns: tuple[str, ...] = ()

    def __init__(
        self, identity: str, events: tuple[str, ...], shape: tuple[str, int], kept: Accumulator, where: Predicate | None
    ) -> None:
        self.period, self.keep = shape
        self.identity = identity
        self.events = events
        self._kept = kept
        self._where = where

    def empty(self, known: Known) -> Slot:
        start, end = period_of(known.seen_at, self.period, known.zone)
        return [start, end, self._kept.fresh(), []]

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        if self._where is not None and not self._where(event.attributes):
            return None
        self.roll(slot, event.at, known)
        kept = self._period(slot, event.at, known)
        if kept is None:
            return False
        self._kept.put(kept, event)
        return True

    def roll(self, slot: Slot, now: int, known: Known) -> None:
        """Let time reach `now`: close the open period and those that passed empty."""
        if now < slot[1]:
            return
        if now - slot[1] > (self.keep + 2) * _LONGEST_MS:
            slot[:4] = self._after_long_silence(now, known)
        while now >= slot[1]:
            start, end = period_of(slot[1], self.period, known.zone)
            # Where the entity's zone has changed, the next period began before this one ended. One that was mostly
            # over then goes on as the open one, so that a sliver of a period never counts as a whole one.
            if 2 * (slot[1] - start) <= end - start:
                slot[3].insert(0, [slot[0], slot[2]])
                del slot[3][self.keep :]
                slot[2] = self._kept.fresh()
            slot[0], slot[1] = start, end

    def _after_long_silence(self, now: int, known: Known) -> Slot:
        """Only empty periods would be kept, so there is no need to walk through all of them."""
        start, end = period_of(now, self.period, known.zone)
        closed: list[list[Any]] = []
        before = start
        for _ in range(self.keep):
            before = period_of(before - 1, self.period, known.zone)[0]
            closed.append([before, self._kept.fresh()])
        return [start, end, self._kept.fresh(), closed]

    def _period(self, slot: Slot, at: int, known: Known) -> list[Any] | None:
        if at >= slot[0]:
            kept: list[Any] = slot[2]
            return kept
        start = period_of(at, self.period, known.zone)[0]
        for closed in slot[3]:
            if closed[0] == start:
                held: list[Any] = closed[1]
                return held
        if len(slot[3]) < self.keep and at < (slot[3][-1][0] if slot[3] else slot[0]):
            return self._reach_back(slot, start, known)
        return None

    def _reach_back(self, slot: Slot, start: int, known: Known) -> list[Any] | None:
        """Before anything known of the entity: late events may still open the periods that would be kept."""
        while len(slot[3]) < self.keep:
            before = (slot[3][-1][0] if slot[3] else slot[0]) - 1
            opened = period_of(before, self.period, known.zone)[0]
            slot[3].append([opened, self._kept.fresh()])
            if opened == start:
                held: list[Any] = slot[3][-1][1]
                return held
        return None

    def open_value(self, slot: Slot, now: int, known: Known) -> list[Any]:
        self.roll(slot, now, known)
        kept: list[Any] = slot[2]
        return kept

    def closed_values(self, slot: Slot, now: int, known: Known, periods: int) -> list[list[Any]] | None:
        """What the last `periods` closed periods held, newest first; None if one of them was not wholly seen."""
        self.roll(slot, now, known)
        closed = slot[3][:periods]
        begun = max(known.first_seen, slot[4]) if len(slot) > 4 else known.first_seen
        if len(closed) < periods or closed[-1][0] < begun:
            return None
        return [kept for _start, kept in closed]

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        self.roll(slot, now, known)
        end: int = slot[1]
        return end

    def begin(self, slot: Slot, now: int) -> None:
        slot[4:] = [now]

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot
