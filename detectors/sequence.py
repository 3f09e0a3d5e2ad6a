"""One thing after another: a pattern of events in order, within a time.

Use it for autopay switched on and off again, or three declined cards and then a large charge. It holds while a whole
match lies within the last `within`; other events may come in between, unless a step is `strict`. A `not` step forbids
an event between its neighbours. It cannot end in a `not`: that is what `expect` is for.

    when:
      sequence:
        steps:
          - {event: card.declined, times: {at_least: 3}, strict: true}
          - {not: support.contacted}
          - {event: card.charged, where: {amount: {above: 500}}}
        within: 30m
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import msgspec

from engine.core.matching import compile_where
from engine.model import Event, Reading
from engine.ports import NEVER, As, Known, OptionProblem, Slot, Step

# Events remembered per entity for one sequence; beyond that the oldest go.
HELD_MOST = 256
OTHER = -1

# (step reached, times matched there, something came since, a forbidden event came since) -> latest possible start.
# Of two ways to the same point, the one that began later can do all that the other can.
Paths: TypeAlias = dict[tuple[int, int, bool, bool], int]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    steps: Annotated[tuple[Step, ...], As.STEPS, "what must come, in order"]
    within: Annotated[int, As.DURATION, "from the first event of the match to the last"]


class Pattern:
    """Slot: [latest start of a whole match or -1, [[at, event id, bit mask of the steps it can be], ...] in order].

    The mask has one bit per step of `steps`, negated ones included; 0 stands for an event that only breaks `strict`.
    """

    timed = False
    columns: tuple[str, ...] = ()

    def __init__(self, options: Options) -> None:
        self._within = options.within
        self._tests = [(frozenset(step.events), compile_where(step.where), 1 << at) for at, step in _numbered(options)]
        self._steps = _positive(options.steps)
        strict = any(step.strict for step in options.steps)
        self.events = ("*",) if strict else tuple(dict.fromkeys(e for step in options.steps for e in step.events))
        self.identity = f"sequence {options.steps} {options.within}"
        self._name = " then ".join(_spoken(step) for step in options.steps)

    def empty(self, known: Known) -> Slot:
        return [-1, []]

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        mask = 0
        for types, where, bit in self._tests:
            if event.event in types and (where is None or where(event.attributes)):
                mask |= bit
        if not mask and self.events != ("*",):
            return None
        if event.at < known.seen_at - self._within:
            return False if mask else None
        self._hold(slot, [event.at, event.id, mask], known.seen_at)
        return True if mask else None

    def _hold(self, slot: Slot, entry: list[Any], seen_at: int) -> None:
        held = slot[1]
        insort(held, entry)
        horizon = seen_at - self._within
        while held and (held[0][0] < horizon or len(held) > HELD_MOST):
            del held[0]
        # In order, only the last step can complete a match, and nothing can break one any more.
        if held[-1] is not entry or entry[2] & self._steps[-1].bit:
            self._find(slot)

    def _find(self, slot: Slot) -> None:
        """A late event may break a match as well as complete one; a match older than what is held stays as it was."""
        held = slot[1]
        found = self._latest_start(held)
        slot[0] = found if slot[0] >= held[0][0] else max(slot[0], found)

    def _latest_start(self, held: list[list[Any]]) -> int:
        """The start of the whole match that began last, or -1."""
        best, paths = -1, Paths()
        last = len(self._steps) - 1
        for at, _id, mask in held:
            paths = self._advance(paths, at, mask)
            for (step, times, _gap, _barred), start in paths.items():
                if step == last and times >= self._steps[last].at_least and at - start <= self._within:
                    best = max(best, start)
        return best

    def _advance(self, paths: Paths, at: int, mask: int) -> Paths:
        """All ways to go on after one more event: leave it out, or take it as a step."""
        after: Paths = {}
        for (step, times, _gap, barred), start in paths.items():
            here = self._steps[step]
            _keep(after, (step, times, True, barred or bool(mask & here.barred_after)), start)
        for (step, times, gap, barred), start in paths.items():
            self._take(after, (step, times, gap, barred), start, mask)
        if mask & self._steps[0].bit:
            _keep(after, (0, 1, False, False), at)
        return after

    def _take(self, after: Paths, state: tuple[int, int, bool, bool], start: int, mask: int) -> None:
        step, times, gap, barred = state
        here = self._steps[step]
        more = not here.at_most or times < here.at_most
        if mask & here.bit and more and not (here.strict and gap):
            _keep(after, (step, times + 1 if here.at_most else min(times + 1, here.at_least), False, False), start)
        if times < here.at_least or step + 1 == len(self._steps):
            return
        following = self._steps[step + 1]
        if mask & following.bit and not barred and not (following.strict and gap):
            _keep(after, (step + 1, 1, False, False), start)

    def truth(self, slot: Slot, now: int, known: Known) -> bool | None:
        return bool(slot[0] >= 0 and now - slot[0] <= self._within)

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        if slot[0] < 0 or now - slot[0] > self._within:
            return NEVER
        ends: int = slot[0] + self._within + 1
        return ends

    def begin(self, slot: Slot, now: int) -> None:
        """Events before now were not seen, and none of them can matter."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot

    def readings(self, slot: Slot, now: int, known: Known) -> tuple[Reading, ...]:
        took_ms = now - slot[0] if slot[0] >= 0 else None
        return (Reading(self._name, took_ms, "at_most", self._within, met=bool(self.truth(slot, now, known))),)


class _Positive(msgspec.Struct, frozen=True):
    """A step to be matched. `barred_after` are the bits of the `not` steps between it and the next."""

    bit: int
    at_least: int
    at_most: int
    strict: bool
    barred_after: int


def _numbered(options: Options) -> list[tuple[int, Step]]:
    return list(enumerate(options.steps))


def _positive(steps: tuple[Step, ...]) -> list[_Positive]:
    found: list[_Positive] = []
    for at, step in enumerate(steps):
        if step.negated:
            before = found[-1]
            found[-1] = msgspec.structs.replace(before, barred_after=before.barred_after | 1 << at)
        else:
            found.append(_Positive(1 << at, step.at_least, step.at_most, step.strict, 0))
    return found


def _keep(paths: Paths, state: tuple[int, int, bool, bool], start: int) -> None:
    if paths.get(state, -1) < start:
        paths[state] = start


def _spoken(step: Step) -> str:
    name = " or ".join(step.events)
    if step.negated:
        return f"no {name}"
    return f"{step.at_least}x {name}" if step.at_least > 1 else name


class Sequences:
    words = ("sequence",)
    options = Options

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        steps = options.steps
        if not steps or steps[0].negated:
            return [OptionProblem("steps", "bad-sequence", "a sequence begins with an event, not with 'not'")]
        if steps[-1].negated:
            hint = "a sequence cannot end with 'not' - use expect: {after, event, within} for what did not follow"
            return [OptionProblem("steps", "bad-sequence", hint)]
        if len(steps) == 1 and steps[0].at_least < 2:
            return [OptionProblem("steps", "bad-sequence", "one event is no sequence - give it more steps or 'times'")]
        if sum(max(step.at_least, step.at_most) for step in steps) > HELD_MOST // 2:
            return [OptionProblem("steps", "bad-sequence", f"at most {HELD_MOST // 2} events in all")]
        return ()

    def build(self, word: str, options: Options) -> Pattern:
        return Pattern(options)


KINDS = (Sequences(),)
