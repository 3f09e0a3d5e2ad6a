"""`hand_off:` - which colleague takes over when somebody answers a message, and when the desk is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, TypeAlias

import msgspec

from engine.ports import As
from engine.spec.nodes import MappingNode, Node
from engine.spec.plays import ReadPlay
from engine.spec.policies import HandOff, QuietHours, Suppress
from engine.spec.quiet import DAYS, day_numbers, judge_dates, minute_of
from engine.spec.reading import read
from engine.spec.report import either, unknown
from engine.spec.types import Place, ProjectSpec
from engine.spec.values import Scope
from engine.spec.wording import check_text
from engine.spec.world import World
from engine.spec.zones import judge_zone

# The name under which texts find what is known of the answer.
NAME = "hand_off"
Plays: TypeAlias = Mapping[str, ReadPlay]


class HoursDocument(msgspec.Struct, frozen=True, kw_only=True):
    """When somebody is at the desk."""

    from_: Annotated[str, As.TEXT, 'when it opens, as "09:00"'] = msgspec.field(name="from")
    to: Annotated[str, As.TEXT, "when it closes, the same day"]
    time_zone: Annotated[str, As.TEXT, "the desk's zone"]
    days: Annotated[tuple[str, ...], As.TEXTS, "the days on which it is open"] = DAYS[:5]
    holidays: Annotated[tuple[str, ...], As.TEXTS, "dates on which it is not"] = ()


class HandOffDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The block as it is written."""

    play: Annotated[str, As.TEXT, "the play that reaches the colleague"]
    away: Annotated[str, As.TEXT, "the play that tells the customer when somebody will be there"] = ""
    business_hours: Annotated[HoursDocument | None, "when somebody is at the desk; left out, always"] = None


def read_hand_off(node: Node | None, scope: Scope) -> HandOff | None:
    """The typed form, None where there is none or something in it is wrong; its plays are checked once all are read."""
    written = read(node, HandOffDocument, scope) if node is not None else None
    if node is None or written is None or not written.sound:
        return None
    if written.value.away and written.value.business_hours is None:
        message = "without 'business_hours' somebody is always there - add them, or take 'away' out"
        scope.report.error(written.nodes["away"], "no-effect", message)
    hours = written.nodes.get("business_hours")
    closed = _closed(hours, scope) if hours is not None else None
    return HandOff(play=written.value.play, away=written.value.away, closed=closed)


def _closed(node: Node, scope: Scope) -> QuietHours | None:
    """The time in between, as it is what somebody has to wait for."""
    written = read(node, HoursDocument, scope)
    if written is None or not written.sound:
        return None
    document, nodes, before = written.value, written.nodes, scope.report.errors
    opens, closes = minute_of(document.from_, nodes["from_"], scope), minute_of(document.to, nodes["to"], scope)
    judge_zone(nodes["time_zone"], document.time_zone, scope)
    open_days = tuple(day_numbers(document.days, nodes.get("days", node), scope))
    judge_dates(document.holidays, nodes.get("holidays", node), scope)
    if scope.report.errors == before and opens >= closes:
        scope.report.error(nodes["to"], "no-effect", "the desk closes before it opens - let it close later that day")
    return QuietHours(
        from_minute=closes,
        to_minute=opens,
        unknown_zone=(document.time_zone,),
        days=tuple(day for day in range(7) if day not in open_days),
        holidays=document.holidays,
    )


# ---- once all plays are known


def check_answers(project: ProjectSpec, node: MappingNode | None, plays: Plays, world: World) -> None:
    """What is to follow from reactions needs that somebody hears of them."""
    if node is None:
        return
    for where, rule in _suppressed(node, project, plays):
        if "dismissed" in rule.of:
            _check_heard(where, ("dismissed",), project, world)
        if "ignored" in rule.of:
            _check_heard(where, ("opened", "clicked", "replied"), project, world)
    hand_off, where_hand_off = project.policies.hand_off, node.get("hand_off")
    if hand_off is None or where_hand_off is None:
        return
    _check_heard(where_hand_off, ("replied",), project, world)
    _check_play(where_hand_off, hand_off.play, "owner", plays, world)
    if hand_off.away:
        _check_play(where_hand_off, hand_off.away, "customer", plays, world)


def _suppressed(node: MappingNode, project: ProjectSpec, plays: Plays) -> Iterator[tuple[Node | Place, Suppress]]:
    """Each rule, and where it stands."""
    for rule in project.policies.suppress:
        yield node.get("suppress") or node, rule
    for spec in (play.spec for play in plays.values() if play.spec is not None):
        yield from ((spec.place, rule) for rule in spec.suppress)


def _check_heard(where: Node | Place, kinds: tuple[str, ...], project: ProjectSpec, world: World) -> None:
    """Does one of these reactions come on some stream? Else it would seem as if nobody ever reacted."""
    reactions, streams = project.policies.reactions, project.streams
    known = {event for event, kind in reactions.kinds.items() if kind in kinds} if reactions else set()
    carried = {event for stream in streams for event in stream.events}
    if not known or (all(stream.events for stream in streams) and known.isdisjoint(carried)):
        message = f"nobody would hear that a message was {either(kinds)} - say by 'reactions' which event tells it"
        world.report.error(where, "no-effect", message)


def _check_play(where: Node, name: str, to: str, plays: Plays, world: World) -> None:
    if name not in plays:
        world.report.error(where, "unknown-play", unknown("play", name, world.plays))
        return
    play, spec = plays[name], plays[name].spec
    if spec is not None and spec.to != to:
        message = f"'{name}' goes to the {spec.to} - the play named here goes 'to: {to}'"
        world.report.error(where, "bad-choice", message)
    for each in (play, *play.steps):
        for text in each.texts:
            check_text(text, each.names | {NAME}, world)
