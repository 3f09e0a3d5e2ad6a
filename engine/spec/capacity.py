"""`capacity:` - how many tasks colleagues can do - and a play's `when_full`, which is done where there is no room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, Protocol

import msgspec

from engine.ports import As
from engine.spec.nodes import ListNode, Node
from engine.spec.policies import CapacitySpec
from engine.spec.reading import Written, read
from engine.spec.report import unknown
from engine.spec.types import PlaySpec
from engine.spec.values import Scope
from engine.spec.world import World
from engine.spec.zones import judge_zone


class CapacityDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `capacity`."""

    at_most: Annotated[int, As.COUNT, "so many tasks"]
    of: Annotated[tuple[str, ...], As.TEXTS, "the owners and desks that it is about, each for itself"] = ()
    per: Annotated[Literal["day", "week"], "in each calendar day, or week from Monday"] = "day"
    time_zone: Annotated[str, As.TEXT, "the zone by whose calendar it is counted"] = ""
    waiting: Annotated[int, As.COUNT, "so many tasks wait at most, where there is no room"] = 200


class Choice(Protocol):
    """What is known of a play: `spec` is None where it is unsound, `when_full` where it names no other play."""

    @property
    def name(self) -> str: ...
    @property
    def spec(self) -> PlaySpec | None: ...
    @property
    def when_full(self) -> Node | None: ...


def read_capacity(node: Node | None, zone: str, scope: Scope) -> tuple[CapacitySpec, ...]:
    """All entries that could be read. `zone` is the project's own."""
    if node is None:
        return ()
    if not isinstance(node, ListNode) or not node.items:
        scope.report.error(node, "wrong-type", "write the capacities as a list, as in [{at_most: 8}]")
        return ()
    return tuple(_entries(node, zone, scope))


def _entries(node: ListNode, zone: str, scope: Scope) -> Iterator[CapacitySpec]:
    taken: set[str] = set()
    for item in node.items:
        written = read(item, CapacityDocument, scope)
        if written is None or not written.sound:
            continue
        document = written.value
        judge_zone(written.nodes.get("time_zone"), document.time_zone, scope)
        _judge_names(item, written, taken, scope)
        taken |= set(document.of or ("",))
        yield CapacitySpec(
            at_most=document.at_most,
            of=document.of,
            per=document.per,
            time_zone=document.time_zone or zone,
            waiting=document.waiting,
        )


def _judge_names(item: Node, written: Written[CapacityDocument], taken: set[str], scope: Scope) -> None:
    """One entry for each, as a second one would not count."""
    if not written.value.of and "" in taken:
        scope.report.error(item, "no-effect", "an entry without 'of' is there already - name somebody in 'of'")
    for name in written.value.of:
        if name in taken:
            scope.report.error(written.nodes["of"], "no-effect", f"'{name}' has an entry already - keep one of them")


def is_counted(to: str, desk: str, rules: Sequence[CapacitySpec]) -> bool:
    """Can a capacity count such a play? A desk has one only where it is named; who owns an account, the data say."""
    if to != "owner":
        return False
    return any(desk in rule.of for rule in rules) if desk else bool(rules)


def judge_when_full(play: PlaySpec, nodes: Mapping[str, Node], world: World) -> None:
    """Refuse a `when_full` that could not take effect. What it names is judged once all plays are read."""
    node = nodes.get("when_full")
    if node is None:
        return
    if not is_counted(play.to, play.desk, world.capacity):
        what = f"the desk '{play.desk}'" if play.desk else "this play"
        message = f"no capacity counts {what} - add one in the project file, or take 'when_full' away"
        world.report.error(node, "unused-option", message)
    elif play.purpose == "critical":
        world.report.error(node, "unused-option", "there is always room for what is critical - take 'when_full' away")
    elif play.when_full not in world.plays:
        world.report.error(node, "unknown-play", unknown("play", play.when_full, world.plays))


def check_plays(choices: Iterable[Choice], node: Node | None, world: World) -> None:
    """What the plays and the capacities say of each other. `node` is where the capacities stand."""
    by_name = {choice.name: choice for choice in choices}
    for choice in by_name.values():
        other = by_name.get(choice.spec.when_full) if choice.spec else None
        if choice.when_full is not None and other is not None and other.spec is not None:
            _judge_other(choice.when_full, other.spec, world)
    plays = [choice.spec for choice in by_name.values() if choice.spec]
    counted = [play.name for play in plays if is_counted(play.to, play.desk, world.capacity)]
    is_whole = len(plays) == len(by_name) > 0  # what is wrong in a play is said already
    if node is not None and world.capacity and is_whole and not counted:
        message = "no play goes to any of these - write 'to: owner' in one, or take 'capacity' away"
        world.report.error(node, "no-effect", message)


def _judge_other(node: Node, other: PlaySpec, world: World) -> None:
    """It is done from where the room is counted, where neither a customer's limits are known nor another's room."""
    if other.to == "customer":
        message = f"'{other.name}' goes to a customer, whose limits are not known here - name one to a system or a desk"
        world.report.error(node, "bad-choice", message)
    elif other.to == "owner" and (not other.desk or is_counted(other.to, other.desk, world.capacity)):
        message = f"'{other.name}' needs room itself - name one to a system, or to a desk that no capacity names"
        world.report.error(node, "bad-choice", message)
