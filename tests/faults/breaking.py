"""A detector plugin with a fault in it: `breaks: {event: ...}` fails on events that carry `breaks`.

`"breaks": "raises"` raises as a bug in a plugin would, `"kills"` ends the process as a crash in a C library would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from engine.model import Event, Reading
from engine.ports import NEVER, As, Known, OptionProblem, Slot


class Options(msgspec.Struct, frozen=True, kw_only=True):
    event: Annotated[tuple[str, ...], As.EVENTS, "the events to fail on"]


class Breaking:
    """A condition that never holds."""

    timed = False
    columns: tuple[str, ...] = ()

    def __init__(self, options: Options, die: Callable[[], None]) -> None:
        self.events = options.event
        self.identity = f"breaks {options.event}"
        self._die = die

    def empty(self, known: Known) -> Slot:
        return []

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        how = event.attributes.get("breaks")
        if how == "kills":
            self._die()
        if how == "raises":
            raise ValueError("a fault in a plugin")
        return None

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        return NEVER

    def begin(self, slot: Slot, now: int) -> None:
        pass

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot

    def truth(self, slot: Slot, now: int, known: Known) -> bool | None:
        return False

    def readings(self, slot: Slot, now: int, known: Known) -> tuple[Reading, ...]:
        return ()


class Breaks:
    words = ("breaks",)
    options = Options

    def __init__(self, die: Callable[[], None]) -> None:
        self._die = die

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        return ()

    def build(self, word: str, options: Options) -> Breaking:
        return Breaking(options, self._die)


KINDS = (Breaks(die=lambda: os._exit(86)),)
