"""What follows a play that a machine is to do: `remedy` of a play of the first tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import MappingNode, Node
from engine.spec.policies import Remedy
from engine.spec.report import Report, unknown
from engine.spec.types import PlaySpec
from engine.spec.world import World


class RemedyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What follows a remedy."""

    within: Annotated[int, As.DURATION, "how long it has to answer"]
    then_tell: Annotated[str, As.TEXT, "the play that says what was done, where it worked"] = ""
    else_: Annotated[str, As.TEXT, "the play to do instead, where it did not work"] = msgspec.field(
        default="", name="else"
    )


def read_remedy(document: RemedyDocument | None, nodes: Mapping[str, Node], world: World) -> Remedy | None:
    """The typed form, None where there is none or something in it is wrong."""
    if document is None:
        return None
    node, before = nodes["remedy"], world.report.errors
    if not document.then_tell and not document.else_:
        message = "nothing follows it - add 'then_tell' or 'else', or take 'remedy' away"
        world.report.error(node, "no-effect", message)
    for key, name in (("then_tell", document.then_tell), ("else", document.else_)):
        if name and name not in world.plays:
            world.report.error(_at(node, key), "unknown-play", unknown("play", name, world.plays))
    if world.report.errors > before:
        return None
    return Remedy(within_ms=document.within, then_tell=document.then_tell, otherwise=document.else_)


def judge_remedy(to: str, tier: int, nodes: Mapping[str, Node], report: Report) -> None:
    """Only a machine answers whether it has worked."""
    if "remedy" in nodes and (to != "system" or tier != 1):
        report.error(nodes["remedy"], "unused-option", "'remedy' goes with 'to: system' and 'tier: 1'")


def _at(node: Node, key: str) -> Node:
    return (node.get(key) if isinstance(node, MappingNode) else None) or node


# ---- the plays together


def followers(name: str, plays: Mapping[str, PlaySpec]) -> Iterator[str]:
    """The play itself, and all that may follow it."""
    waiting, seen = [name], set[str]()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        yield one
        waiting += _next(plays.get(one))


def _next(play: PlaySpec | None) -> Sequence[str]:
    if play is None or play.remedy is None:
        return ()
    return [name for name in (play.remedy.otherwise, play.remedy.then_tell) if name]


def check_remedies(plays: Mapping[str, PlaySpec], report: Report) -> None:
    """A remedy never follows itself, and what was done is told to a person."""
    for name, play in plays.items():
        if any(name in followers(after, plays) for after in _next(play)):
            message = f"'{name}' follows itself, again and again - name another play in 'else'"
            report.error(play.place, "remedy-cycle", message)
        told = plays.get(play.remedy.then_tell) if play.remedy is not None else None
        if told is not None and told.to == "system":
            message = f"'then_tell' names '{told.name}', which is for a system - what was done is told to a person"
            report.error(play.place, "bad-choice", message)
