"""Functions written as source, per event type: feed the plain counts and sums, and say which conditions hold.

Nearly every event changes nothing: each detector is looked at, and none of them holds. Asked one by one, a condition
costs a call for itself and for each of its parts; written out side by side they cost a comparison each. Numbers of the
configuration are the only thing that goes into the source from outside. The conditions one by one are the oracle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Generic, TypeAlias, TypeVar, cast

import msgspec

from engine.core.accumulate import LARGEST, MICRO, micro
from engine.core.compiled import Joined, Limit, Quick, slot_of
from engine.core.shapes import Fields
from engine.core.sliding import SumTracker
from engine.core.state import Entity
from engine.ports import Tracker

_LINES = "found by line"
_TOTAL = re.compile(r"slot\[(\d+)\]")
_OPERATORS = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}

Found = TypeVar("Found")
# The ones that hold for the entity at that time, in order.
Glance: TypeAlias = Callable[[Entity, int], "tuple[Found, ...]"]
# The same once an event of the entity's present is fed to all trackers that want it; None: it has to go the long way.
Step: TypeAlias = Callable[[Entity, Fields, int], "tuple[Found, ...] | None"]


class Asked(msgspec.Struct, Generic[Found], frozen=True):
    """A condition, and what to answer where it holds."""

    quick: Quick
    found: Found


def compile_glance(asked: Sequence[Asked[Found]], trackers: Sequence[Tracker]) -> Glance[Found]:
    """A function that answers for all conditions at once."""
    return _Writer(trackers).compile(asked)


def compile_step(
    asked: Sequence[Asked[Found]], trackers: Sequence[Tracker], fed: Sequence[int], place_of: Callable[[str], str]
) -> Step[Found] | None:
    """A function that feeds these trackers and then answers for all conditions; None if it cannot be written.

    `place_of` gives the name under which a row has a field.
    """
    plain = [each for at in fed if isinstance(each := trackers[at], SumTracker) and each.plain_fields is not None]
    if len(plain) == len(fed):
        return _Writer(trackers).compile_step(asked, fed, place_of)
    return None


def asked_on_line(names: Mapping[str, object], line: int) -> object | None:
    """What a glance was asking on a line of it, given its globals; None for any other function. For error reports."""
    lines = names.get(_LINES)
    return lines.get(line) if isinstance(lines, dict) else None


class _Writer:
    """Collects source, and the values that its names stand for."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = trackers
        self._names: dict[str, object] = {"__builtins__": {}, "slot_of": slot_of}
        self._slots: dict[int, Limit] = {}
        self._fed: Sequence[int] = ()

    def compile(self, asked: Sequence[Asked[Found]]) -> Glance[Found]:
        return cast("Glance[Found]", self._function(["def glance(entity, now):", " slots = entity.slots"], asked))

    def compile_step(
        self, asked: Sequence[Asked[Found]], fed: Sequence[int], place_of: Callable[[str], str]
    ) -> Step[Found]:
        sums = {at: tracker for at in fed if isinstance(tracker := self._trackers[at], SumTracker)}
        fields = {field: place_of(field) for tracker in sums.values() for field in tracker.plain_fields or ()}
        self._fed = fed
        self._names |= {"type": type, "float": float, "round": round, "micro": micro}
        head = ["def step(entity, row, now):", " slots = entity.slots"]
        head += [line for at, tracker in sums.items() for line in self._ready(at, tracker)]
        head += [line for place in fields.values() for line in self._number(place)]
        head += [line for at, tracker in sums.items() for line in self._addition(at, tracker, fields)]
        return cast("Step[Found]", self._function(head, asked))

    def _function(self, head: list[str], asked: Sequence[Asked[Found]]) -> FunctionType:
        tests = [line for number, each in enumerate(asked) for line in self._test(number, each)]
        unfed = sorted((at, limit) for at, limit in self._slots.items() if at not in self._fed)
        head += [line for at, limit in unfed for line in self._slot(at, limit)]
        head.append(" found = ()")
        self._names[_LINES] = {len(head) + 1 + 2 * number: each.found for number, each in enumerate(asked)}
        source = "\n".join([*head, *tests, " return found"])
        module = compile(source, "<glance>", "exec")
        code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
        return FunctionType(code, self._names)

    def _ready(self, at: int, tracker: SumTracker) -> list[str]:
        """The slot of a tracker that is fed, with its newest pane that of the present."""
        self._names |= {f"tracker_{at}": tracker, f"renew_{at}": tracker.renew, f"newest_{at}": [-1]}
        return [
            f" slot_{at} = slots[{at}]",
            f" if slot_{at} is None:",
            f"  slot_{at} = slot_of(entity, {at}, tracker_{at})",
            f" pane = now // {tracker.pane_ms}",
            f" if pane == newest_{at}[0]:",  # one object for all entities, which is in the cache when theirs is not
            f"  pane = newest_{at}[0]",
            " else:",
            f"  newest_{at}[0] = pane",
            f" if slot_{at}[1] != pane:",
            f"  if pane < slot_{at}[1] or pane < slot_{at}[0]:",
            "   return None",
            f"  renew_{at}(slot_{at}, pane)",
        ]

    def _number(self, place: str) -> list[str]:
        """A field in millionths, and whether it is a number."""
        return [
            f" value = row.{place}",
            f" if type(value) is float and -{LARGEST!r} < value < {LARGEST!r}:",
            f"  {place}_is, {place}_micro = 1, round(value * {MICRO})",
            " else:",
            f"  {place}_micro = micro(value)",
            f"  {place}_is = 0 if {place}_micro is None else 1",
            f"  {place}_micro = {place}_micro or 0",
        ]

    def _addition(self, at: int, tracker: SumTracker, fields: Mapping[str, str]) -> list[str]:
        deltas = ["1"]
        for field in tracker.plain_fields or ():
            deltas += [f"{fields[field]}_is", f"{fields[field]}_micro"]
        slot = f"slot_{at}"
        return [f" total_{at}_{c} = {slot}[{c}] = {slot}[{c}] + {delta}" for c, delta in enumerate(deltas, 2)]

    def _test(self, number: int, asked: Asked[Found]) -> list[str]:
        self._names[f"found_{number}"] = (asked.found,)
        return [f" if {self._condition(asked.quick)}:", f"  found += found_{number}"]

    def _condition(self, quick: Quick) -> str:
        if isinstance(quick, Joined):
            return "(" + f" {quick.word} ".join(self._condition(part) for part in quick.parts) + ")"
        if isinstance(quick, Limit):
            return self._limit(quick)
        name = f"truth_{len(self._names)}"
        self._names[name] = quick
        return f"{name}(entity, now)"

    def _limit(self, limit: Limit) -> str:
        self._slots[limit.at] = limit
        test = f"{limit.inline.value} {_OPERATORS[limit.comparator]} {limit.limit!r}"
        whole = f"({limit.inline.known} and {test})" if limit.inline.known else test
        if limit.at in self._fed:  # its totals were read a moment ago
            whole = _TOTAL.sub(rf"total_{limit.at}_\1", whole)
        return whole.replace("slot", f"slot_{limit.at}")

    def _slot(self, at: int, limit: Limit) -> list[str]:
        """The slot, made if it is not there yet, and brought to the present."""
        self._names |= {f"tracker_{at}": self._trackers[at], f"advance_{at}": limit.inline.advance}
        return [
            f" slot_{at} = slots[{at}]",
            f" if slot_{at} is None:",
            f"  slot_{at} = slot_of(entity, {at}, tracker_{at})",
            f" if slot_{at}[0] < now // {limit.inline.step_ms}:",
            f"  advance_{at}(slot_{at}, now // {limit.inline.step_ms})",
        ]
