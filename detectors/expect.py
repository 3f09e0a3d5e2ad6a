"""A, and then no B in time: the promise that was not kept.

Use it for ninety idle seconds in a checkout, a ticket nobody answers, a parcel handed over and never delivered. It
holds from `within` after an unanswered A until a B comes. An event that is both A and B answers the one before it and
waits for the next. It cannot say how many were missed, only that one is missing.

    when: {expect: {after: checkout.step, event: [checkout.step, order.placed], within: 90s}}
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Annotated

import msgspec

from engine.core.matching import compile_where
from engine.model import MINUTE_MS, Event, Reading
from engine.ports import NEVER, As, FieldTest, Known, OptionProblem, Slot

# How many unanswered A are remembered; beyond that those in the middle go, as only the first decides.
OPEN_MOST = 64


class Options(msgspec.Struct, frozen=True, kw_only=True):
    after: Annotated[tuple[str, ...], As.EVENTS, "the event that starts the wait, or a list of them"]
    event: Annotated[tuple[str, ...], As.EVENTS, "the event that should follow, or a list of which any will do"]
    within: Annotated[int, As.DURATION, "how long it may take"]
    after_where: Annotated[tuple[FieldTest, ...], As.WHERE, "only such events start the wait"] = ()
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only such events end it"] = ()


class Promise:
    """Slot: [every A before this is answered, or -1, [times of the A since then, in order]].

    An A at the very moment of a B counts as answered, unless that B is an A itself. So a step that ends a case answers
    a step of the same minute, in whichever order they come.
    """

    timed = True
    columns: tuple[str, ...] = ()

    def __init__(self, options: Options) -> None:
        self.events = tuple(dict.fromkeys(options.after + options.event))
        self.identity = f"expect {options.after} {options.after_where} {options.event} {options.where}"
        self._options = options
        self._starts = compile_where(options.after_where)
        self._ends = compile_where(options.where)

    def empty(self, known: Known) -> Slot:
        return [-1, []]

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        starts = event.event in self._options.after and (self._starts is None or self._starts(event.attributes))
        ends = event.event in self._options.event and (self._ends is None or self._ends(event.attributes))
        if ends:
            self._answer(slot, event.at if starts else event.at + 1)
        if starts:
            self._wait(slot, event.at)
        return True if starts or ends else None

    def _answer(self, slot: Slot, before: int) -> None:
        if before > slot[0]:
            slot[0] = before
        waiting = slot[1]
        del waiting[: bisect_left(waiting, slot[0])]

    def _wait(self, slot: Slot, at: int) -> None:
        if at < slot[0] or at in slot[1]:
            return
        insort(slot[1], at)
        if len(slot[1]) > OPEN_MOST:
            del slot[1][OPEN_MOST // 2]

    def _due(self, slot: Slot, now: int, known: Known) -> int:
        if not slot[1]:
            return NEVER
        first: int = slot[1][0]
        return first + self._options.within + known.stalled_ms(self._options.event, first, now)

    def truth(self, slot: Slot, now: int, known: Known) -> bool | None:
        return now >= self._due(slot, now, known)

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        due = self._due(slot, now, known)
        if due <= now:
            return NEVER
        # While a stall lasts the due time moves along with it; this keeps a long one from being looked at all the time.
        pause = max(MINUTE_MS, self._options.within // 60) if known.stalled_ms(self._options.event, now - 1, now) else 0
        return max(due, now + pause)

    def begin(self, slot: Slot, now: int) -> None:
        """Events before now were not seen, and none of them can matter."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot

    def readings(self, slot: Slot, now: int, known: Known) -> tuple[Reading, ...]:
        waited_ms = now - slot[1][0] if slot[1] else None
        name = f"wait for {', '.join(self._options.event)} after {', '.join(self._options.after)}"
        return (Reading(name, waited_ms, "at_least", self._options.within, met=bool(self.truth(slot, now, known))),)


class Expect:
    words = ("expect",)
    options = Options

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        return ()

    def build(self, word: str, options: Options) -> Promise:
        return Promise(options)


KINDS = (Expect(),)
