"""One play document to its typed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from engine.ports import As
from engine.spec import courses, priority, remedy
from engine.spec.digest import version_of
from engine.spec.eligibility import read_eligibility
from engine.spec.nodes import MappingNode, Node, ScalarNode, text_of
from engine.spec.reading import RAW, read
from engine.spec.report import unknown
from engine.spec.review import read_share
from engine.spec.types import PlaySpec
from engine.spec.wording import check_text, compiled_at
from engine.spec.world import World

# What has no meaning for a colleague or a system.
CUSTOMERS_ONLY = ("mandatory", "in_session", "fallback", "obeys_limits", "counts", "tags", "suppress", *priority.KEYS)


class PlayDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A play as it is written."""

    play: Annotated[str, As.TEXT, "the play's name"]
    channel: Annotated[str, As.TEXT, "the way it goes, one of the project's channels"]
    class_: Annotated[Literal["critical", "service", "marketing"], "what kind of message it is"] = msgspec.field(
        name="class"
    )
    owner: Annotated[str, As.TEXT, "the team that looks after it"]
    text: Annotated[str, As.TEXT, "what is said (Liquid)"]
    to: Annotated[Literal["customer", "owner", "system"], "whom it reaches"] = "customer"
    tier: Annotated[Literal[1, 2, 3], "1 fixes itself, 2 reaches out, 3 is a person"] = 2
    title: Annotated[str, As.TEXT, "the headline (Liquid)"] = ""
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


class ReadPlay(msgspec.Struct, frozen=True, kw_only=True):
    """A play, whom it reaches, its tags, and the nodes of its texts; `spec` is None where something in it is wrong."""

    name: str
    to: str
    tags: tuple[str, ...]
    texts: tuple[ScalarNode, ...]
    spec: PlaySpec | None


def read_play(node: MappingNode, world: World) -> ReadPlay:
    """Read one document; all its problems go to the world's report."""
    before = world.report.errors
    first = _read_alone(node, world)
    course, texts = courses.read_course(node, first.spec, world, _read_alone)
    spec = msgspec.structs.replace(first.spec, **course) if first.spec and world.report.errors == before else None
    return msgspec.structs.replace(first, spec=spec, texts=(*first.texts, *texts))


def _read_alone(node: MappingNode, world: World) -> ReadPlay:
    """The play without what may follow."""
    before = world.report.errors
    written = read(node, PlayDocument, world.scope)
    assert written is not None, node.place
    document = written.value
    texts = _texts(written.nodes, world)
    only_if, unless = read_eligibility(document.only_if, world), read_eligibility(document.unless, world)
    chance = priority.read_chance(document.chance, written.nodes, world)
    context = tuple(priority.read_context(document.context, world))
    remedied = remedy.read_remedy(document.remedy, written.nodes, world)
    _judge(document, written.nodes, world)
    review = read_share(document.review, written.nodes, "review", world.scope) if document.review else -1
    if world.report.errors > before:
        return ReadPlay(name=document.play, to=document.to, tags=document.tags, texts=texts, spec=None)
    spec = PlaySpec(
        name=document.play,
        channel=document.channel,
        text=document.text,
        version=version_of(node),
        purpose=document.class_,
        owner=document.owner,
        to=document.to,
        tier=document.tier,
        title=document.title,
        desk=document.desk,
        expires_ms=document.expires,
        class_reason=document.reason,
        offer=document.offer,
        mandatory=document.mandatory,
        in_session=document.in_session,
        fallback=document.fallback,
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
        remedy=remedied,
    )
    return ReadPlay(name=document.play, to=document.to, tags=document.tags, texts=texts, spec=spec)


def _texts(nodes: Mapping[str, Node], world: World) -> tuple[ScalarNode, ...]:
    """The texts that compile."""
    found = [nodes.get(name) for name in ("title", "text")]
    return tuple(node for node in found if isinstance(node, ScalarNode) and compiled_at(node, world))


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
    if document.desk and document.to != "owner":
        world.report.error(nodes["desk"], "unused-option", "'desk' goes with 'to: owner'")


def _judge_switches(document: PlayDocument, nodes: Mapping[str, Node], world: World) -> None:
    """Refuse what could not take effect."""
    if document.to != "customer":
        for name in CUSTOMERS_ONLY:
            if name in nodes:
                world.report.error(nodes[name], "unused-option", f"'{name}' goes with 'to: customer'")
    priority.judge_numbers(document.value, document.lever, nodes, world)
    for name in priority.KEYS if document.mandatory or document.class_ == "critical" else ():
        if name in nodes:
            message = f"what is critical or mandatory competes with nothing - take '{name}' away"
            world.report.error(nodes[name], "unused-option", message)
    if document.mandatory and document.class_ == "marketing":
        world.report.error(nodes["mandatory"], "bad-choice", "marketing is never owed to anybody - write another class")
    if document.in_session and not document.expires:
        message = "what answers a session is worth nothing after it - add 'expires'"
        world.report.error(nodes["in_session"], "missing-key", message)
    if "obeys_limits" in nodes and (document.mandatory or document.class_ == "critical"):
        message = "no limit stops a play that is critical or mandatory - take 'obeys_limits' away"
        world.report.error(nodes["obeys_limits"], "unused-option", message)


def check_use(play: ReadPlay, detector: str, measures: frozenset[str], world: World) -> None:
    """Check the play's texts against the measures of a detector that chooses it."""
    for node in play.texts:
        check_text(node, measures, world, used_by=detector)
