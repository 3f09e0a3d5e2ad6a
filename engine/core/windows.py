"""Memory over time: sliding windows cut into panes, and calendar periods.

A window of `over` is cut into `panes` panes aligned to 1970, and covers the pane of the present moment and those
before it, so it is up to one pane shorter than `over`, never longer. Empty panes are not kept. A late event is counted
where it belongs while its pane is there; older ones are refused. Nothing here knows a watermark.
Counts and sums have a form of their own, in `sliding`.
"""

from __future__ import annotations

from typing import Any

from engine.core.accumulate import Accumulator
from engine.core.matching import Predicate
from engine.core.periods import period_of
from engine.model import DAY_MS, Event
from engine.ports import NEVER, Known, Slot

_LONGEST_MS = 32 * DAY_MS


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
