"""Silence: an event that has not come for a while.

Use it for "no login for 14 days". It is armed when the entity is first seen, by any event or profile; the silence
begins there, or at the last matching event if that came later. While the stream of the event is stalled it waits,
because then silence proves nothing. It cannot notice an entity of which nothing has ever been heard.

    when: {absent: {event: usage.login, within: 14d}}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from engine.core.matching import compile_where
from engine.model import MINUTE_MS, Event, Reading
from engine.ports import NEVER, As, FieldTest, Known, OptionProblem, Slot


class Options(msgspec.Struct, frozen=True, kw_only=True):
    event: Annotated[tuple[str, ...], As.EVENTS, "the event that should come, or a list of which any will do"]
    within: Annotated[int, As.DURATION, "how long it may stay away"]
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only such events break the silence"] = ()


class Silence:
    """Slot: [time of the last match, or -1]."""

    timed = True
    columns: tuple[str, ...] = ()

    def __init__(self, options: Options) -> None:
        self.events = options.event
        self.identity = f"absent {options.event} {options.where}"
        self._within = options.within
        self._where = compile_where(options.where)

    def empty(self, known: Known) -> Slot:
        return [-1]

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        if self._where is not None and not self._where(event.attributes):
            return None
        slot[0] = max(slot[0], event.at)
        return True

    def _due(self, slot: Slot, now: int, known: Known) -> int:
        """Time during which the stream was stalled does not count as silence."""
        since: int = max(slot[0], known.first_seen)
        return since + self._within + known.stalled_ms(self.events, since, now)

    def truth(self, slot: Slot, now: int, known: Known) -> bool | None:
        return now >= self._due(slot, now, known)

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        due = self._due(slot, now, known)
        if due <= now:
            return NEVER
        # While a stall lasts the due time moves along with it; this keeps a long one from being looked at all the time.
        pause = max(MINUTE_MS, self._within // 60) if known.stalled_ms(self.events, now - 1, now) else 0
        return max(due, now + pause)

    def begin(self, slot: Slot, now: int) -> None:
        slot[0] = max(slot[0], now)

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot

    def readings(self, slot: Slot, now: int, known: Known) -> tuple[Reading, ...]:
        silent_ms = now - max(slot[0], known.first_seen)
        name = "silence since " + ", ".join(self.events)
        return (Reading(name, silent_ms, "at_least", self._within, met=silent_ms >= self._within),)


class Absent:
    words = ("absent",)
    options = Options

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        return ()

    def build(self, word: str, options: Options) -> Silence:
        return Silence(options)


KINDS = (Absent(),)
