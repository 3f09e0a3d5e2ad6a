"""One function per event type that says which detectors' conditions hold, written as source and compiled once.

Nearly every event changes nothing: each detector is looked at, and none of them holds. Asked one by one, a condition
costs a call for itself and for each of its parts; written out side by side they cost a comparison each. Numbers of the
configuration are the only thing that goes into the source from outside. The conditions one by one are the oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Generic, TypeAlias, TypeVar, cast

import msgspec

from engine.core.conditions import Joined, Limit, Quick, slot_of
from engine.core.state import Entity
from engine.ports import Tracker

_LINES = "found by line"
_OPERATORS = {"above": ">", "at_least": ">=", "below": "<", "at_most": "<="}

Found = TypeVar("Found")
# The ones that hold for the entity at that time, in order.
Glance: TypeAlias = Callable[[Entity, int], "tuple[Found, ...]"]


class Asked(msgspec.Struct, Generic[Found], frozen=True):
    """A condition, and what to answer where it holds."""

    quick: Quick
    found: Found


def compile_glance(asked: Sequence[Asked[Found]], trackers: Sequence[Tracker]) -> Glance[Found]:
    """A function that answers for all conditions at once."""
    return _Writer(trackers).compile(asked)


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

    def compile(self, asked: Sequence[Asked[Found]]) -> Glance[Found]:
        tests = [line for number, each in enumerate(asked) for line in self._test(number, each)]
        slots = [line for at, limit in sorted(self._slots.items()) for line in self._slot(at, limit)]
        head = ["def glance(entity, now):", " slots = entity.slots", *slots, " found = ()"]
        self._names[_LINES] = {len(head) + 1 + 2 * number: each.found for number, each in enumerate(asked)}
        source = "\n".join([*head, *tests, " return found"])
        module = compile(source, "<glance>", "exec")
        code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
        return cast("Glance[Found]", FunctionType(code, self._names))

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
