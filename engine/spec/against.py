"""A limit that is another measure of the same detector: `{coming: {above: capacity}}`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from engine.ports import Comparator
from engine.spec.filters import ORDERED, Refused
from engine.spec.formula import FORMULA
from engine.spec.nodes import ListNode, Node, ScalarNode
from engine.spec.report import listed, near
from engine.spec.types import AllOf, AnyOf, Compare, ConditionSpec
from engine.spec.values import shown
from engine.spec.watch import Measure
from engine.spec.world import World

# What these words say is a number, whatever the events hold; `latest` and `profile` may be a text or a flag.
OF_NUMBERS = ("count", "sum", "average", "share", "rate", "distinct", "highest", "lowest", "alike", FORMULA)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A measure that is to be compared, in so many periods in a row (0 = now), and all of the detector by name."""

    measure: Measure
    periods: int
    measures: Mapping[str, Measure]


def against(held: Held, word: Comparator, node: Node, world: World) -> Compare | Refused | None:
    """The comparison with the measure that is named as a limit; None where the limit is no measure."""
    if isinstance(node, ListNode):
        return _in_list(held, node, world)
    name = _text_of(node)
    if name not in held.measures:
        return _mistaken(held, word, node, world)
    other = held.measures[name]
    if not _judged(held, other, node, world) or not other.spec or not held.measure.spec:
        return Refused()
    return Compare(measure=held.measure.name, comparator=word, limit=None, limit_of=name)


def _judged(held: Held, other: Measure, node: Node, world: World) -> bool:
    measure = held.measure
    if other.name == measure.name:
        world.report.error(node, "bad-limit", f"'{measure.name}' is held against itself - name another measure")
        return False
    if held.periods and other.period and other.period != measure.period:
        fault = f"in_a_row compares period by period - give '{other.name}' every: {measure.period}"
        world.report.error(node, "bad-in-a-row", f"{fault} instead of {other.period}")
        return False
    return True


def _in_list(held: Held, node: ListNode, world: World) -> Refused | None:
    named = next((item for item in node.items if _text_of(item) in held.measures), None)
    if named is None:
        return _never(held, node.items, world)
    hint = "compare with it alone, or give it another name if a text is meant"
    world.report.error(named, "bad-limit", f"{shown(named)} is a measure, and a list holds values - {hint}")
    return Refused()


def _mistaken(held: Held, word: Comparator, node: Node, world: World) -> Refused | None:
    """A text where a number belongs, which may be a name that is spelled wrongly."""
    if word not in ORDERED:
        return _never(held, (node,), world)
    if not _text_of(node):
        return None
    others = sorted(set(held.measures) - {held.measure.name})
    if hint := near(_text_of(node), others):
        world.report.error(node, "unknown-measure", f"unknown measure {shown(node)}{hint}")
    elif others:
        known = f"write a number, or one of: {listed(others)}"
        world.report.error(
            node, "wrong-type", f"{shown(node)} is not a number, nor a measure of this detector - {known}"
        )
    else:
        world.report.error(node, "wrong-type", f"{shown(node)} is not a number")
    return Refused()


def _never(held: Held, nodes: Collection[Node], world: World) -> Refused | None:
    """A measure that is always a number is never a text."""
    wrong = next((node for node in nodes if _text_of(node)), None)
    if wrong is None or not is_number(held.measure, world):
        return None
    hint = near(_text_of(wrong), set(held.measures) - {held.measure.name}) or " - write a number"
    fault = f"'{held.measure.name}' is a number, and {shown(wrong)} is not"
    world.report.error(wrong, "wrong-type", f"{fault}{hint}")
    return Refused()


def is_number(measure: Measure, world: World) -> bool:
    """Is it certain that the measure is a number, where it is known?"""
    return measure.word in OF_NUMBERS or measure.word in world.learned_kinds()


def numbers_wanted(
    measures: Mapping[str, Measure], conditions: Collection[ConditionSpec], world: World
) -> frozenset[str]:
    """The measures that have to be numbers: those that are reckoned with, or compared with what is one."""
    found = {name for measure in measures.values() if measure.spec for name in measure.spec.inputs}
    for each in _compared(conditions):
        sides = [each.measure, *([each.limit_of] if each.limit_of else [])]
        if each.comparator in ORDERED and (not each.limit_of or any(is_number(measures[n], world) for n in sides)):
            found.update(sides)
    return frozenset(found)


def _compared(conditions: Collection[ConditionSpec]) -> Iterator[Compare]:
    for each in conditions:
        if isinstance(each, Compare):
            yield each
        elif isinstance(each, AllOf | AnyOf):
            yield from _compared(each.parts)


def _text_of(node: Node) -> str:
    """The text that is written there, "" for anything else."""
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) else ""
