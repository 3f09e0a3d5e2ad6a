"""`for_each` in a detector's `then`, and the project's `fan_out`, to their typed form."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated

import msgspec

from engine.model import DAY_MS, HOUR_MS, MINUTE_MS
from engine.ports import As, FieldTest
from engine.spec.eligibility import read_eligibility
from engine.spec.members import APPROVED, DECLINED, MEMBERS_MOST, FanOutSpec, ForEach
from engine.spec.nodes import MappingNode, Node
from engine.spec.reading import RAW, Written, read
from engine.spec.report import near, unknown
from engine.spec.types import DetectorSpec, Place, PlaySpec, ProjectSpec, StreamSpec
from engine.spec.wording import NAMES
from engine.spec.world import World

# What the texts of a play may name when it goes to a member, besides the facts.
MEMBER_NAMES = ("members", "incident", "step")
_SPANS = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}
_PACE = re.compile(r"([1-9][0-9]{0,8}) per (minute|hour|day)")


class SeenInDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Which events make somebody a member."""

    event: Annotated[tuple[str, ...], As.EVENTS, "events that name both the group and the member"]
    over: Annotated[int, As.DURATION, "how long one makes somebody a member"]
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only events whose attributes match"] = ()


class ForEachDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `then` that goes to each member of the group."""

    for_each: Annotated[str, As.TEXT, "the entity that members are: customer, account"]
    seen_in: Annotated[SeenInDocument, "which events make somebody a member"]
    play: Annotated[str, As.TEXT, "what each of them gets"]
    with_: Annotated[tuple[str, ...], As.TEXTS, "fields of a member's own event that texts may name"] = msgspec.field(
        default=(), name="with"
    )
    update_on: Annotated[tuple[str, ...], As.TEXTS, "which of these are told anew when they change"] = ()
    all_clear: Annotated[str, As.TEXT, "the play for those who were told, once it is over"] = ""
    keep_adding: Annotated[bool, As.FLAG, "who becomes a member while it lasts is told too"] = True
    at_most: Annotated[str, As.TEXT, "how many begin at a time, as in 500 per hour"] = ""
    ask_above: Annotated[int, As.COUNT, "above so many members, a person is asked first"] = 0
    ask: Annotated[str, As.TEXT, "the play that asks"] = ""
    at_most_members: Annotated[int, As.COUNT, "how many members of one group are remembered"] = MEMBERS_MOST
    only_if: Annotated[Node | None, RAW, "what has to be known of the member"] = None
    unless: Annotated[Node | None, RAW, "what must not be so of the member"] = None


class FanOutDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The project's flood guard."""

    ask_above: Annotated[int, As.COUNT, "above so many members, a person is asked before they are told"]
    ask: Annotated[str, As.TEXT, "the play that asks"]


def is_for_each(item: Node) -> bool:
    return isinstance(item, MappingNode) and item.get("for_each") is not None


def read_for_each(item: Node, per: str, measures: Collection[str], world: World) -> ForEach | None:
    """One entry of `then`, None where something in it is wrong."""
    before = world.report.errors
    written = read(item, ForEachDocument, world.scope)
    if written is None:
        return None
    document = written.value
    _judge_members(written, per, world)
    _judge_facts(written, measures, world)
    _judge_plays(written, world)
    portion, span_ms = _pace(written, world)
    only_if, unless = read_eligibility(document.only_if, world), read_eligibility(document.unless, world)
    if world.report.errors > before:
        return None
    return ForEach(
        kind=document.for_each,
        play=document.play,
        events=document.seen_in.event,
        over_ms=document.seen_in.over,
        where=document.seen_in.where,
        facts=document.with_,
        update_on=document.update_on,
        all_clear=document.all_clear,
        keep_adding=document.keep_adding,
        portion=portion,
        span_ms=span_ms,
        ask_above=document.ask_above,
        ask=document.ask,
        at_most_members=document.at_most_members,
        only_if=only_if,
        unless=unless,
        place=written.nodes["play"].place,
    )


def _judge_members(written: Written[ForEachDocument], per: str, world: World) -> None:
    document, nodes = written.value, written.nodes
    kind = document.for_each
    if kind and kind not in world.entities:
        world.report.error(nodes["for_each"], "unknown-entity", unknown("entity", kind, world.entities))
    elif kind and kind == per:
        message = f"the detector watches each {per} by itself - write for_each with what belongs to it, as in customer"
        world.report.error(nodes["for_each"], "no-effect", message)
    if 0 < document.at_most_members <= document.ask_above:
        message = f"it never knows of more than {document.at_most_members} members - ask above fewer"
        world.report.error(nodes["ask_above"], "no-effect", message)


def _judge_facts(written: Written[ForEachDocument], measures: Collection[str], world: World) -> None:
    document, nodes = written.value, written.nodes
    named: set[str] = set()
    for path in document.with_:
        name = path.rpartition(".")[2]
        if name in world.entities:
            message = (
                f"texts know the {name} anyway, as {{{{ {name}.id }}}} - take it away, or give the field another name"
            )
            world.report.error(nodes["with_"], "bad-field", message)
        elif name in (*NAMES, *MEMBER_NAMES, *measures):
            message = f"'{name}' means something else in texts - give the field another name"
            world.report.error(nodes["with_"], "bad-field", message)
        elif name in named:
            world.report.error(nodes["with_"], "bad-field", f"two fields would be {{{{ {name} }}}} in texts")
        named.add(name)
    for path in document.update_on:
        if path not in document.with_:
            hint = near(path, document.with_) or " - add it to 'with'"
            world.report.error(nodes["update_on"], "unknown-field", f"'{path}' is not kept of a member{hint}")


def _judge_plays(written: Written[ForEachDocument], world: World) -> None:
    document, nodes = written.value, written.nodes
    for name in ("play", "all_clear", "ask"):
        play = getattr(document, name)
        if play and play not in world.plays:
            world.report.error(nodes[name], "unknown-play", unknown("play", play, world.plays))
    if document.all_clear and document.all_clear == document.play:
        message = "the all-clear would say what the first message said - write a play of its own"
        world.report.error(nodes["all_clear"], "same-play", message)
    if document.ask and not document.ask_above and "ask_above" not in nodes:
        world.report.error(nodes["ask"], "unused-option", "'ask' goes with 'ask_above', above how many members it asks")


def _pace(written: Written[ForEachDocument], world: World) -> tuple[int, int]:
    """How many in which span; nothing where all may begin at once."""
    text = written.value.at_most
    found = _PACE.fullmatch(text)
    if text and not found:
        message = f"'{text}' is no pace - write 20 per minute, 500 per hour or 5000 per day"
        world.report.error(written.nodes["at_most"], "bad-pace", message)
    return (int(found[1]), _SPANS[found[2]]) if found else (0, 0)


def read_fan_out(document: FanOutDocument | None) -> FanOutSpec:
    return FanOutSpec() if document is None else FanOutSpec(ask_above=document.ask_above, ask=document.ask)


# ---- once all is read


def check_fan_out(
    detectors: Iterable[DetectorSpec],
    plays: Mapping[str, PlaySpec],
    project: ProjectSpec,
    node: Node | None,
    world: World,
) -> None:
    """What spans several documents: to whom the plays go, and how an approval would come. `node` is `fan_out`."""
    policy = project.policies.fan_out
    if policy.ask:
        asks = node.get("ask") if isinstance(node, MappingNode) else None
        _check_asking(policy.ask, asks.place if asks else project.place, plays, world)
    stream = carries_verdicts(project)
    if stream is not None and (stream.maps or stream.format != "jsonl"):
        message = f"'{stream.name}' brings {APPROVED}, which is written as it is - leave out 'map' and 'format: csv'"
        world.report.error(stream.place, "bad-stream", message)
    for detector in detectors:
        for clause in detector.for_each:
            place = clause.place or detector.place
            if clause.ask:
                _check_asking(clause.ask, place, plays, world)
            if clause.ask_above and not (clause.ask or policy.ask):
                message = "above so many members nobody would be asked - add 'ask', the play that asks"
                world.report.error(place, "missing-key", message)
            if (clause.ask_above or policy.ask_above) and stream is None:
                message = (
                    f"no stream brings what people say of it - add one with events: [{APPROVED}, {DECLINED}], as in "
                    f"approvals: {{from: approvals.jsonl, events: [{APPROVED}, {DECLINED}]}}"
                )
                world.report.error(place, "unknown-event", message)
        _check_audiences(detector, plays, world)


def carries_verdicts(project: ProjectSpec) -> StreamSpec | None:
    """The stream that brings approvals, None where there is none that lists both."""
    return next((one for one in project.streams if {APPROVED, DECLINED} <= set(one.events)), None)


def _check_asking(name: str, place: Place, plays: Mapping[str, PlaySpec], world: World) -> None:
    play = plays.get(name)
    if name not in world.plays:
        world.report.error(place, "unknown-play", unknown("play", name, world.plays))
    elif play is not None and play.to == "customer":
        message = f"'{name}' asks for an approval, so it goes to a colleague - write 'to: owner' in it"
        world.report.error(place, "bad-audience", message)


def _check_audiences(detector: DetectorSpec, plays: Mapping[str, PlaySpec], world: World) -> None:
    """Each member hears one thing, and so does everybody who hears of the group."""
    for name in detector.plays if detector.for_each else ():
        if name in plays and plays[name].to == "customer":
            message = f"'{name}' goes to a customer, and each {detector.per} has many - write it with 'for_each'"
            world.report.error(detector.place, "bad-audience", message)
    told: dict[tuple[str, str], ForEach] = {}
    for clause in detector.for_each:
        play, over, place = plays.get(clause.play), plays.get(clause.all_clear), clause.place or detector.place
        if play is not None and over is not None and play.to != over.to:
            message = f"the all-clear '{over.name}' goes to the {over.to}, and '{play.name}' went to the {play.to}"
            world.report.error(place, "bad-audience", message)
        if play is None:
            continue
        if (first := told.setdefault((clause.kind, play.to), clause)) is not clause:
            message = f"'{first.play}' goes to the {play.to} for each {clause.kind} already - one of them is enough"
            world.report.error(place, "same-audience", message)


def texts_of(clause: ForEach) -> dict[str, frozenset[str]]:
    """The plays of a clause, each with what its texts may name besides what every text may."""
    facts = frozenset(path.rpartition(".")[2] for path in clause.facts)
    names = {clause.play: facts | {*MEMBER_NAMES}, clause.all_clear: facts | {*MEMBER_NAMES}}
    names[clause.ask] = frozenset(MEMBER_NAMES)
    return {play: known for play, known in names.items() if play}
