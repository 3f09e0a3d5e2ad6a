"""What makes a play's priority: `value`, `lever`, `chance` and `context`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.eligibility import read_eligibility
from engine.spec.nodes import ListNode, Node
from engine.spec.policies import Chance
from engine.spec.reading import RAW, read
from engine.spec.types import Context
from engine.spec.world import World

KEYS = ("value", "lever", "chance", "context")
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")


class ChanceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How often a play works."""

    guess: Annotated[str, As.TEXT, "how often you think it works before you know, as in 10%"]
    worth: Annotated[int, As.COUNT, "how many messages that guess is worth"] = 20
    sent: Annotated[int, As.COUNT, "how many were sent since"] = 0
    worked: Annotated[int, As.COUNT, "how many of them worked"] = 0


class ContextDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `context`."""

    when: Annotated[Node, RAW, "what has to be so, as in only_if"]
    add: Annotated[float, As.NUMBER, "percent to put on, or below 0 to take off"]


def read_chance(document: ChanceDocument | None, nodes: Mapping[str, Node], world: World) -> Chance | None:
    """The typed form, None where there is none or something in it is wrong."""
    if document is None:
        return None
    found = _PERCENT.fullmatch(document.guess)
    if not found or not 0 < float(found[1]) <= 100:
        message = f"'{document.guess}' is not a chance - write one above 0% and up to 100%, as in 10%"
        world.report.error(nodes["chance"], "bad-share", message)
        return None
    if document.worked > document.sent:
        message = f"{document.worked} cannot have worked of {document.sent} that were sent"
        world.report.error(nodes["chance"], "bad-share", message)
    guess = round(float(found[1]) / 100, 9)
    return Chance(guess=guess, worth=document.worth, sent=document.sent, worked=document.worked)


def read_context(node: Node | None, world: World) -> Iterator[Context]:
    """The entries that could be read."""
    if node is None:
        return
    if not isinstance(node, ListNode) or not node.items:
        message = "write it as a list, as in [{when: {account.stage: trial}, add: 50}]"
        world.report.error(node, "wrong-type", message)
        return
    for item in node.items:
        written = read(item, ContextDocument, world.scope)
        if written is not None and written.sound:
            yield Context(read_eligibility(written.value.when, world), written.value.add)


def judge_numbers(value: float, lever: float, nodes: Mapping[str, Node], world: World) -> None:
    """A priority is more than nothing, or the play would never win."""
    if value <= 0:
        world.report.error(nodes["value"], "bad-number", "a value is more than 0 - or no message is worth sending")
    if lever <= -100:
        world.report.error(nodes["lever"], "bad-number", "a lever takes off less than 100 percent")
