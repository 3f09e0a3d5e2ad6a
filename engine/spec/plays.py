"""One play document to its typed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from engine.ports import As
from engine.spec import capacity, courses, play_parts, priority, remedy
from engine.spec.digest import version_of
from engine.spec.eligibility import read_eligibility
from engine.spec.messages import Urgency
from engine.spec.nodes import MappingNode, Node, ScalarNode, text_of
from engine.spec.play_parts import About, AssignDocument, LinkDocument, PartKeys, Parts, read_parts
from engine.spec.reading import RAW, read
from engine.spec.report import unknown
from engine.spec.review import read_share
from engine.spec.types import PlaySpec
from engine.spec.wording import check_text
from engine.spec.world import World

# What has no meaning for a colleague or a system.
CUSTOMERS_ONLY = (
    "mandatory",
    "in_session",
    "fallback",
    "obeys_limits",
    "counts",
    "tags",
    "suppress",
    *priority.KEYS,
    *play_parts.CUSTOMERS_ONLY,
)


class PlayDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A play as it is written."""

    play: Annotated[str, As.TEXT, "the play's name"]
    class_: Annotated[Literal["critical", "service", "marketing"], "what kind of message it is"] = msgspec.field(
        name="class"
    )
    owner: Annotated[str, As.TEXT, "the team that looks after it"]
    text: Annotated[Node, RAW, "what is said (Liquid), or for each channel and language what is said there"]
    channel: Annotated[str, As.TEXT, "the way it goes, one of the project's channels"] = ""
    to: Annotated[Literal["customer", "owner", "system"], "whom it reaches"] = "customer"
    tier: Annotated[Literal[1, 2, 3], "1 fixes itself, 2 reaches out, 3 is a person"] = 2
    title: Annotated[Node | None, RAW, "the headline (Liquid), or one for each channel and language"] = None
    desk: Annotated[str, As.TEXT, "with 'to: owner', who gets it where no owner is known"] = ""
    expires: Annotated[int, As.DURATION, "how long after the signal it is still worth sending"] = 0
    reason: Annotated[str, As.TEXT, "why it is critical, which lets it pass limits and quiet hours"] = ""
    offer: Annotated[bool, As.FLAG, "it is an incentive, an upgrade or a promotion"] = False
    mandatory: Annotated[bool, As.FLAG, "it is owed (policy, contract, recall), so that no limit stops it"] = False
    in_session: Annotated[bool, As.FLAG, "it answers what somebody is doing, so that it waits for nothing"] = False
    fallback: Annotated[tuple[str, ...], As.TEXTS, "channels to take instead, where the first is closed"] = ()
    obeys_limits: Annotated[bool, As.FLAG, "limits may stop it"] = True
    counts: Annotated[bool, As.FLAG, "limits count it"] = True
    tags: Annotated[tuple[str, ...], As.TEXTS, "words by which limits know it"] = ()
    value: Annotated[float, As.NUMBER, "what it is worth if it works, in a measure of your own"] = 1
    lever: Annotated[float, As.NUMBER, "percent to put on its priority, or below 0 to take off"] = 0
    chance: Annotated[priority.ChanceDocument | None, "how often it works"] = None
    context: Annotated[Node | None, RAW, "where it is worth more"] = None
    when_full: Annotated[str, As.TEXT, "the play that is done instead where a colleague has no room"] = ""
    goal: Annotated[Node | None, RAW, "the event that says it worked, and how long after a message"] = None
    stop_if: Annotated[Node | None, RAW, "events after which nothing more of it goes out"] = None
    steps: Annotated[Node | None, RAW, "what follows, if nothing ends it: each with a name and 'after'"] = None
    while_open: Annotated[bool, As.FLAG, "its steps end when the signal closes"] = True
    suppress: Annotated[Node | None, RAW, "to leave those alone who ignored or dismissed it several times"] = None
    recommend: Annotated[str, As.TEXT, "what a colleague should do when somebody answers it"] = ""
    review: Annotated[str, As.TEXT, "how many of its decisions a person looks at, as in 20%"] = ""
    remedy: Annotated[remedy.RemedyDocument | None, "what follows what a machine does"] = None
    only_if: Annotated[Node | None, RAW, "what has to be known of an entity for it to be done"] = None
    unless: Annotated[Node | None, RAW, "what must not be so for it to be done"] = None
    human: Annotated[Node | None, RAW, "how the customer reaches a person"] = None
    about: Annotated[About | None, "the trouble that it tells of"] = None
    acknowledges: Annotated[Node | None, RAW, "with 'about', the sentence that says it is known (Liquid)"] = None
    next_step: Annotated[Node | None, RAW, "with 'about', what happens next (Liquid)"] = None
    new_date: Annotated[Node | None, RAW, "with 'about', the date that holds now (Liquid)"] = None
    resources: Annotated[Node | None, RAW, "what to read or watch"] = None
    link: Annotated[LinkDocument | None, "a one-click fix"] = None
    assign: Annotated[AssignDocument | None, "with 'to: owner', which colleague gets it"] = None
    topic: Annotated[str, As.TEXT, "what it is about, as people choose topics"] = ""
    urgency: Annotated[Urgency | None, "how urgent it is, by which the project's strategy picks channels"] = None


class ReadPlay(msgspec.Struct, frozen=True):
    """A play, whom it reaches, its tags, and the nodes of its texts; `spec` is None where something in it is wrong.

    `names` are what its texts may name besides what any text may, `when_full` is where it names another play, and
    `steps` are what follows it, each read as a play of its own.
    """

    name: str
    to: str
    tags: tuple[str, ...]
    texts: tuple[ScalarNode, ...]
    spec: PlaySpec | None
    names: frozenset[str] = frozenset()
    when_full: Node | None = None
    steps: tuple[ReadPlay, ...] = ()


def read_play(node: MappingNode, world: World) -> ReadPlay:
    """Read one document; all its problems go to the world's report."""
    before = world.report.errors
    first = _read_alone(node, world)
    course, steps = courses.read_course(node, first.spec, world, _read_alone)
    spec = msgspec.structs.replace(first.spec, **course) if first.spec and world.report.errors == before else None
    return msgspec.structs.replace(first, spec=spec, steps=steps)


def _read_alone(node: MappingNode, world: World) -> ReadPlay:
    """The play without what may follow."""
    before = world.report.errors
    written = read(node, PlayDocument, world.scope)
    assert written is not None, node.place
    document = written.value
    parts = read_parts(_part_keys(document), written.nodes, node.place, world)
    only_if, unless = (read_eligibility(asked, world) for asked in (document.only_if, document.unless))
    chance = priority.read_chance(document.chance, written.nodes, world)
    context = tuple(priority.read_context(document.context, world))
    remedied = remedy.read_remedy(document.remedy, written.nodes, world)
    _judge(document, written.nodes, world)
    review = read_share(document.review, written.nodes, "review", world.scope) if document.review else -1
    found = ReadPlay(document.play, document.to, document.tags, parts.nodes, spec=None, names=parts.names)
    found = msgspec.structs.replace(found, when_full=written.nodes.get("when_full"))
    if world.report.errors > before:
        return found
    spec = PlaySpec(
        name=document.play,
        channel=parts.channels[0],
        text=parts.texts.said(""),
        version=version_of(node),
        purpose=document.class_,
        owner=document.owner,
        to=document.to,
        tier=document.tier,
        title=parts.titles.said(""),
        desk=document.desk,
        expires_ms=document.expires,
        class_reason=document.reason,
        offer=document.offer,
        mandatory=document.mandatory,
        in_session=document.in_session or document.urgency == "in_session",
        fallback=parts.channels[1:],
        obeys_limits=document.obeys_limits,
        counts=document.counts,
        tags=document.tags,
        value=document.value,
        lever=document.lever,
        chance=chance,
        context=context,
        review_places=review,
        only_if=only_if,
        unless=unless,
        place=node.place,
        when_full=document.when_full,
        topic=document.topic,
        remedy=remedied,
    )
    capacity.judge_when_full(spec, written.nodes, world)
    return msgspec.structs.replace(found, spec=_with_message(spec, parts))


def _with_message(spec: PlaySpec, parts: Parts) -> PlaySpec:
    """The play with all that its message is made of."""
    return msgspec.structs.replace(
        spec,
        texts=parts.texts,
        titles=parts.titles,
        human=parts.human,
        disruption=parts.disruption,
        resources=parts.resources,
        link=parts.link,
        assign=parts.assign,
    )


def _part_keys(document: PlayDocument) -> PartKeys:
    return PartKeys(
        to=document.to,
        channel=document.channel,
        fallback=document.fallback,
        urgency=document.urgency,
        text=document.text,
        title=document.title,
        human=document.human,
        about=document.about,
        sentences={name: getattr(document, name) for name in play_parts.SENTENCES},
        resources=document.resources,
        link=document.link,
        assign=document.assign,
    )


def _judge(document: PlayDocument, nodes: Mapping[str, Node], world: World) -> None:
    for name, named in (("channel", (document.channel,)), ("fallback", document.fallback)):
        for channel in named:
            if channel and channel not in world.channels:
                world.report.error(nodes[name], "unknown-channel", unknown("channel", channel, world.channels))
    if document.channel and document.channel in document.fallback:
        world.report.error(
            nodes["fallback"], "no-effect", f"'{document.channel}' is its channel already - take it away"
        )
    if text_of(nodes.get("class_")) == "critical" and not document.reason:
        message = "a critical play passes limits and quiet hours - add 'reason', why that is right"
        world.report.error(nodes["class_"], "missing-key", message)
    if document.offer and document.class_ in ("critical", "service"):
        message = f"an offer is marketing, never {document.class_} - write 'class: marketing', or take 'offer' away"
        world.report.error(nodes["offer"], "bad-offer", message)
    _judge_switches(document, nodes, world)
    remedy.judge_remedy(document.to, document.tier, nodes, world.report)
    for name in ("desk", "assign") if document.to != "owner" else ():
        if name in nodes:
            world.report.error(nodes[name], "unused-option", f"'{name}' goes with 'to: owner'")


def _judge_switches(document: PlayDocument, nodes: Mapping[str, Node], world: World) -> None:
    """Refuse what could not take effect."""
    if document.to != "customer":
        is_counted = capacity.is_counted(document.to, document.desk, world.capacity)
        for name in CUSTOMERS_ONLY:
            if name in nodes and not (is_counted and name in priority.KEYS):
                world.report.error(nodes[name], "unused-option", f"'{name}' goes with 'to: customer'")
    priority.judge_numbers(document.value, document.lever, nodes, world)
    for name in priority.KEYS if document.mandatory or document.class_ == "critical" else ():
        if name in nodes:
            message = f"what is critical or mandatory competes with nothing - take '{name}' away"
            world.report.error(nodes[name], "unused-option", message)
    if document.topic and (document.mandatory or document.class_ == "critical"):
        message = "what is critical or mandatory goes whatever topics somebody chose - take 'topic' away"
        world.report.error(nodes["topic"], "unused-option", message)
    if document.mandatory and document.class_ == "marketing":
        world.report.error(nodes["mandatory"], "bad-choice", "marketing is never owed to anybody - write another class")
    _judge_session(document, nodes, world)
    if "obeys_limits" in nodes and (document.mandatory or document.class_ == "critical"):
        message = "no limit stops a play that is critical or mandatory - take 'obeys_limits' away"
        world.report.error(nodes["obeys_limits"], "unused-option", message)


def _judge_session(document: PlayDocument, nodes: Mapping[str, Node], world: World) -> None:
    in_session = nodes.get("in_session") if document.in_session else None
    in_session = in_session or (nodes.get("urgency") if document.urgency == "in_session" else None)
    if in_session is not None and not document.expires:
        message = "what answers a session is worth nothing after it - add 'expires'"
        world.report.error(in_session, "missing-key", message)
    if document.in_session and document.urgency not in (None, "in_session"):
        message = "a play with 'in_session: true' is of the urgency in_session - write that, or take one of them away"
        world.report.error(nodes["urgency"], "bad-choice", message)


def check_use(play: ReadPlay, detector: str, measures: frozenset[str], world: World) -> None:
    """Check the play's texts against the measures of a detector that chooses it."""
    for each in (play, *play.steps):
        for node in each.texts:
            check_text(node, measures | each.names, world, used_by=detector)
