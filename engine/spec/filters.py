"""Comparators, and what is built of them: attribute filters (`where`) and the steps of a sequence."""

from __future__ import annotations

from typing import Annotated, get_args

import msgspec

from engine.model import Scalar
from engine.ports import As, Comparator, FieldTest, Step
from engine.spec import values
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode
from engine.spec.report import LATER, either, near
from engine.spec.values import Scope

COMPARATORS: tuple[Comparator, ...] = get_args(Comparator)
ORDERED = ("above", "below", "at_least", "at_most")
Limit = Scalar | tuple[Scalar, ...]


class Refused(msgspec.Struct, frozen=True):
    """Stands for a limit that could not be read, as None is a limit of its own."""


def comparator(key: ScalarNode, scope: Scope) -> Comparator | None:
    """The comparator a key names, or None with the problem reported."""
    for known in COMPARATORS:
        if key.text == known:
            return known
    if key.text in LATER:
        scope.report.later(key, key.text)
    else:
        hint = near(key.text, COMPARATORS) or f" - write {either(COMPARATORS)}"
        scope.report.error(key, "unknown-comparator", f"unknown comparator '{key.text}'{hint}")
    return None


def limit(node: Node, word: Comparator, scope: Scope) -> Limit | Refused:
    """What something is held against: a number for the ordered comparators, any scalar or a list of them for `is`."""
    if word in ORDERED:
        found = values.number(node, scope)
        return Refused() if found is None else found
    if isinstance(node, ListNode):
        return _any_of(node, word, scope)
    if isinstance(node, ScalarNode):
        return node.value
    scope.report.error(node, "wrong-type", f"'{word}' takes a value or a list of them, not a mapping")
    return Refused()


def _any_of(node: ListNode, word: Comparator, scope: Scope) -> Limit | Refused:
    if node.items and all(isinstance(item, ScalarNode) for item in node.items):
        return tuple(item.value for item in node.items if isinstance(item, ScalarNode))
    scope.report.error(node, "wrong-type", f"'{word}' takes a value or a list of them")
    return Refused()


def tests_of(path: str, node: Node, scope: Scope) -> list[FieldTest]:
    """`high`, `[high, urgent]`, `{above: 500}`, `{at_least: 5, below: 10}`."""
    if not isinstance(node, MappingNode):
        found = limit(node, "is", scope)
        return [] if isinstance(found, Refused) else [FieldTest(path, "is", found)]
    if not node.entries:
        scope.report.error(node, "wrong-type", f"write what '{path}' is held against, as in {{is: high}}")
    tests: list[FieldTest] = []
    for key, value in node:
        word = comparator(key, scope)
        against = Refused() if word is None else limit(value, word, scope)
        if word is not None and not isinstance(against, Refused):
            tests.append(FieldTest(path, word, against))
    return tests


def where(node: Node, scope: Scope) -> tuple[FieldTest, ...] | None:
    """Attribute filters; all of them have to hold."""
    if not isinstance(node, MappingNode) or not node.entries:
        scope.report.error(node, "wrong-type", "write attributes and their values, as in {priority: [high, urgent]}")
        return None
    before = scope.report.errors
    found = [test for key, value in node for test in _tests_of_key(key, value, scope)]
    return tuple(found) if scope.report.errors == before else None


def _tests_of_key(key: ScalarNode, value: Node, scope: Scope) -> list[FieldTest]:
    named = ScalarNode(key.place, key.text, key.text)
    return [] if values.field(named, scope) is None else tests_of(key.text, value, scope)


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How often a step has to occur."""

    at_least: Annotated[int, As.COUNT, "no fewer than this"] = 1
    at_most: Annotated[int, As.COUNT, "no more than this"] = 0


class StepDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it is written: `{event: card.declined, times: {at_least: 3}}`, or `{not: support.contacted}`."""

    event: Annotated[tuple[str, ...], As.EVENTS, "the event type of this step, or a list of them"] = ()
    not_: Annotated[tuple[str, ...], As.EVENTS, "no such event between the steps around this one"] = msgspec.field(
        default=(), name="not"
    )
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only events whose attributes match"] = ()
    times: Annotated[Times, "how often: a number, or at_least and at_most"] = Times()
    strict: Annotated[bool, As.FLAG, "nothing else may come before the next step"] = False


def step_of(node: MappingNode, written: StepDocument, scope: Scope) -> Step | None:
    """A step out of its document; one of `event` and `not` is given."""
    if bool(written.event) == bool(written.not_):
        scope.report.error(node, "bad-step", "a step has either 'event' or 'not'")
        return None
    times = written.times
    if times.at_most and times.at_most < times.at_least:
        scope.report.error(node, "bad-step", f"at_most {times.at_most} is less than at_least {times.at_least}")
        return None
    if written.not_ and (times != Times() or written.strict):
        scope.report.error(node, "bad-step", "a step with 'not' takes neither 'times' nor 'strict'")
        return None
    return Step(
        events=written.event or written.not_,
        where=written.where,
        at_least=times.at_least,
        at_most=times.at_most,
        strict=written.strict,
        negated=bool(written.not_),
    )
