"""Counts and sums over a sliding window: the measure that nearly every event feeds, so it is built for speed.

A window of `over` is cut into `panes` panes aligned to 1970, and covers the pane of the present moment and those
before it, so it is up to one pane shorter than `over`, never longer. Only panes that hold something are kept.

How it works: an event of the newest pane changes the totals alone. What the newest pane holds is the difference
between the totals and what they were when it began; it is worked out when the next pane begins, once per pane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import sub
from typing import TypeAlias

from engine.core.accumulate import LARGEST, MICRO
from engine.core.sums import SumColumns
from engine.model import Event
from engine.ports import NEVER, Inline, Known, Slot

Add: TypeAlias = Callable[[Slot, Event, Known], bool | None]


class SumTracker:
    """All columns of one pane side by side in one flat list.

    Slot: [time pane, newest pane held or -1, total of each column ..., the same without the newest pane ..., then for
    each older pane held, oldest first: pane, column ...]. Totals always cover exactly the panes held.

    `add` has forms of its own for the two commonest sets of columns; the general one is their oracle in tests.
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
        self._before = 2 + self._width
        self._head = self._before + self._width
        self._nothing = (-1,) + (0,) * (2 * self._width)
        self.add: Add = self._add_any
        if columns.where is None and columns.names == ("n",):
            self.add = self._add_one
        elif columns.where is None and columns.is_count_and_sum:
            self.add = self._adder_of(columns.names[2][2:])

    def empty(self, known: Known) -> Slot:
        return [known.seen_at // self.pane_ms, *self._nothing]

    def _add_any(self, slot: Slot, event: Event, known: Known) -> bool | None:
        deltas = self._deltas.of(event)
        return None if deltas is None else self._put(slot, event.at // self.pane_ms, deltas)

    def _add_one(self, slot: Slot, event: Event, known: Known) -> bool | None:
        """One plain count."""
        pane = event.at // self.pane_ms
        if slot[1] != pane:
            if pane < slot[0] or pane < slot[1]:
                return self._put(slot, pane, (1,))
            if slot[1] <= pane - self.panes:
                slot[:] = (pane, pane, 1, 0)
                return True
            self._move_to(slot, pane)
        slot[2] += 1
        return True

    def renew(self, slot: Slot, pane: int) -> None:
        """A pane begins that is newer than any held; what it holds so far is nothing."""
        newest = slot[1]
        if newest <= pane - self.panes:
            slot[1:] = self._nothing
            slot[0] = slot[1] = pane
        elif len(slot) == self._head:  # no older pane is held: all totals are the newest one's
            totals = slot[2 : self._before]
            slot[0] = slot[1] = pane
            slot[self._before :] = [*totals, newest, *totals]
        else:
            self._move_to(slot, pane)

    @property
    def plain_fields(self) -> tuple[str, ...] | None:
        """The fields whose numbers it adds up besides counting events, None if it keeps anything else."""
        return None if self._deltas.where is not None else self._deltas.plain_fields

    def _adder_of(self, field: str) -> Add:
        """A count and an average of one field."""
        pane_ms, panes, move_to, general = self.pane_ms, self.panes, self._move_to, self._add_any

        def add(slot: Slot, event: Event, known: Known) -> bool | None:
            value = event.attributes.get(field)
            if type(value) is not float or not -LARGEST < value < LARGEST:
                return general(slot, event, known)
            pane = event.at // pane_ms
            if slot[1] != pane:
                if pane < slot[0] or pane < slot[1]:
                    return general(slot, event, known)
                if slot[1] <= pane - panes:  # nothing is held, or nothing will be
                    slot[:] = (pane, pane, 1, 1, round(value * MICRO), 0, 0, 0)
                    return True
                move_to(slot, pane)
            slot[2] += 1
            slot[3] += 1
            slot[4] += round(value * MICRO)
            return True

        return add

    def _put(self, slot: Slot, pane: int, deltas: Sequence[int]) -> bool:
        """An event of any time."""
        if pane > slot[0]:
            self.advance(slot, pane)
        elif pane <= slot[0] - self.panes:
            return False
        if pane < slot[1]:
            return self._put_late(slot, pane, deltas)
        if pane > slot[1]:
            self._begin_pane(slot, pane)
        for column, delta in enumerate(deltas, 2):
            slot[column] += delta
        return True

    def _put_late(self, slot: Slot, pane: int, deltas: Sequence[int]) -> bool:
        """An event of a pane before the newest, whose place among the older ones has to be found."""
        if pane <= slot[0] - self.panes:
            return False
        base = self._place_of(slot, pane) + 1
        for column, delta in enumerate(deltas):
            slot[base + column] += delta
            slot[2 + column] += delta
            slot[self._before + column] += delta
        return True

    def _place_of(self, slot: Slot, pane: int) -> int:
        """Where an older pane stands, made room for if it is not held yet."""
        at, stride = len(slot), self._stride
        while at > self._head and slot[at - stride] > pane:
            at -= stride
        if at > self._head and slot[at - stride] == pane:
            return at - stride
        slot[at:at] = [pane] + [0] * self._width
        return at

    def _move_to(self, slot: Slot, pane: int) -> None:
        """Time reaches a pane that is newer than any held, and it begins."""
        if pane > slot[0]:
            self.advance(slot, pane)
        self._begin_pane(slot, pane)

    def _begin_pane(self, slot: Slot, pane: int) -> None:
        """A newer pane begins; what the newest so far has brought goes to the older ones."""
        before, head = self._before, self._head
        if slot[1] >= 0:
            totals = slot[2:before]
            slot.append(slot[1])
            slot += map(sub, totals, slot[before:head])
            slot[before:head] = totals
        slot[1] = pane

    def advance(self, slot: Slot, pane: int) -> None:
        """Let time reach `pane`: drop the panes that the window has left behind."""
        if pane <= slot[0]:
            return
        slot[0] = pane
        oldest = pane - self.panes + 1
        if slot[1] < oldest:
            if slot[1] >= 0:
                slot[1:] = self._nothing
            return
        head, stride = self._head, self._stride
        while len(slot) > head and slot[head] < oldest:
            for column in range(self._width):
                gone = slot[head + 1 + column]
                slot[2 + column] -= gone
                slot[self._before + column] -= gone
            del slot[head : head + stride]

    def total(self, slot: Slot, column: int, now: int) -> int:
        if now // self.pane_ms > slot[0]:
            self.advance(slot, now // self.pane_ms)
        value: int = slot[2 + column]
        return value

    def inline(self, value: str, known: str = "") -> Inline:
        """A measure as source; `{0}`, `{1}` stand for the totals of the columns, as in `{1} / {0}`."""
        totals = [f"slot[{2 + column}]" for column in range(self._width)]
        return Inline(value.format(*totals), known.format(*totals), self.pane_ms, self.advance)

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        self.advance(slot, now // self.pane_ms)
        if slot[1] < 0:
            return NEVER
        oldest: int = slot[self._head] if len(slot) > self._head else slot[1]
        return (oldest + self.panes) * self.pane_ms

    def begin(self, slot: Slot, now: int) -> None:
        """When a low value starts to mean something is kept by the entity (`begun`)."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        had, carried = len(columns), slot[:2]
        carried += self._rearranged(slot[2 : 2 + had], columns)
        carried += self._rearranged(slot[2 + had : 2 + 2 * had], columns)
        for at in range(2 + 2 * had, len(slot), had + 1):
            carried.append(slot[at])
            carried += self._rearranged(slot[at + 1 : at + 1 + had], columns)
        return carried

    def _rearranged(self, values: list[int], had: tuple[str, ...]) -> list[int]:
        by_name = dict(zip(had, values, strict=True))
        return [by_name.get(name, 0) for name in self.columns]
