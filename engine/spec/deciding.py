"""The project's rules for deciding to their typed form."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

import msgspec

from engine.model import HOUR_MS
from engine.ports import As
from engine.spec.capacity import read_capacity
from engine.spec.consent import read_consent
from engine.spec.handoff import read_hand_off
from engine.spec.holdout import read_holdout
from engine.spec.members import FanOutSpec
from engine.spec.nodes import ListNode, Node
from engine.spec.policies import ArbitrationSpec, InhibitSpec, LimitSpec, Policies
from engine.spec.quiet import read_quiet_hours
from engine.spec.reactions import read_reactions
from engine.spec.reading import Written, read
from engine.spec.report import either, near, unknown
from engine.spec.review import read_review
from engine.spec.suppress import read_suppress
from engine.spec.types import StreamSpec
from engine.spec.values import Scope

CLASSES = ("critical", "service", "marketing")


class LimitDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One limit as it is written."""

    at_most: Annotated[int, As.COUNT, "so many messages"]
    over: Annotated[int, As.DURATION, "in any span of this length"]
    per: Annotated[Literal["customer", "account", "unit"], "whose messages are counted together"] = "customer"
    class_: Annotated[tuple[str, ...], As.TEXTS, "only those of this class, or of these"] = msgspec.field(
        default=(), name="class"
    )
    channel: Annotated[tuple[str, ...], As.TEXTS, "only those on this channel, or on these"] = ()
    tag: Annotated[tuple[str, ...], As.TEXTS, "only those of plays with this tag, or with one of these"] = ()
    reserve: Annotated[int, As.COUNT, "so many of them are kept for the class service"] = 0


class InhibitDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `inhibits`."""

    firing: Annotated[str, As.TEXT, "the detector whose open signal mutes"]
    mutes: Annotated[tuple[str, ...], As.TEXTS, "the plays that it mutes"]
    equal: Annotated[tuple[str, ...], As.TEXTS, "entities that both have to be about"] = ()


class ArbitrationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How messages compete."""

    per: Annotated[Literal["recipient", "unit"], "who gets one message of several"] = "recipient"
    again_after: Annotated[int, As.DURATION, "when a service message that lost is decided again"] = HOUR_MS


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules may name."""

    channels: Collection[str]
    kinds: Collection[str]
    unit: tuple[str, ...]
    streams: tuple[StreamSpec, ...]
    time_zone: str = "UTC"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Where each of the rules stands, None where it is left out."""

    limits: Node | None
    quiet_hours: Node | None
    consent: Node | None
    inhibits: Node | None
    arbitration: ArbitrationDocument
    holdout: Node | None
    reactions: Node | None
    suppress: Node | None
    hand_off: Node | None
    review: Node | None
    fan_out: FanOutSpec
    models_key: str
    examples_kept: int
    capacity: Node | None = None


def read_policies(rules: Rules, known: Known, scope: Scope) -> Policies:
    """All rules of the project file; what is wrong goes to the report."""
    return Policies(
        limits=tuple(_limits(rules.limits, known, scope)),
        quiet_hours=read_quiet_hours(rules.quiet_hours, scope),
        inhibits=tuple(_inhibits(rules.inhibits, known, scope)),
        holdout=read_holdout(rules.holdout, scope),
        capacity=read_capacity(rules.capacity, known.time_zone, scope),
        arbitration=ArbitrationSpec(per=rules.arbitration.per, again_after_ms=rules.arbitration.again_after),
        reactions=read_reactions(rules.reactions, known.streams, scope),
        suppress=tuple(read_suppress(rules.suppress, scope)),
        hand_off=read_hand_off(rules.hand_off, scope),
        review=read_review(rules.review, known.channels, known.streams, scope),
        fan_out=rules.fan_out,
        models_key=rules.models_key,
        examples_kept=rules.examples_kept,
        consent=read_consent(rules.consent, known.channels, known.streams, scope),
    )


# ---- limits


def _limits(node: Node | None, known: Known, scope: Scope) -> Iterator[LimitSpec]:
    if node is None:
        return
    if not isinstance(node, ListNode) or not node.items:
        scope.report.error(node, "wrong-type", "write the limits as a list, as in [{at_most: 3, over: 7d}]")
        return
    for item in node.items:
        written = read(item, LimitDocument, scope)
        if written is not None and written.sound:
            _judge_limit(written, known, scope)
            yield _limit(written.value)


def _limit(document: LimitDocument) -> LimitSpec:
    return LimitSpec(
        at_most=document.at_most,
        over_ms=document.over,
        per=document.per,
        classes=document.class_,
        channels=document.channel,
        tags=document.tag,
        reserve=document.reserve,
    )


def _judge_limit(written: Written[LimitDocument], known: Known, scope: Scope) -> None:
    document, nodes = written.value, written.nodes
    judge_classes(document.class_, nodes.get("class_"), scope)
    if document.class_ and set(document.class_) <= {"critical"}:
        scope.report.error(nodes["class_"], "no-effect", "nothing limits critical plays - name another class")
    for channel in document.channel:
        if channel not in known.channels:
            scope.report.error(nodes["channel"], "unknown-channel", unknown("channel", channel, known.channels))
    if document.per == "account" and known.unit[:1] != ("account",):
        message = "what an account got is not known in one place - begin 'unit' with account"
        scope.report.error(nodes["per"], "no-effect", message)
    if document.reserve >= document.at_most:
        message = f"{document.reserve} kept of {document.at_most} leaves none for marketing - keep fewer"
        scope.report.error(nodes["reserve"], "no-effect", message)
    if document.reserve and document.class_ and not {"service", "marketing"} <= set(document.class_):
        message = "some are kept for service from marketing - the limit has to count both"
        scope.report.error(nodes["reserve"], "no-effect", message)


def judge_classes(classes: tuple[str, ...], node: Node | None, scope: Scope) -> None:
    """Report words that are no class of a play."""
    for word in classes:
        if node is not None and word not in CLASSES:
            hint = near(word, CLASSES) or f" - write {either(CLASSES)}"
            scope.report.error(node, "bad-choice", f"'{word}' is not possible here{hint}")


# ---- inhibits


def _inhibits(node: Node | None, known: Known, scope: Scope) -> Iterator[InhibitSpec]:
    """The detectors and plays that they name are checked once those are read."""
    if node is None:
        return
    if not isinstance(node, ListNode) or not node.items:
        message = "write the rules as a list, as in [{firing: outage, mutes: offer-bigger-plan}]"
        scope.report.error(node, "wrong-type", message)
        return
    for item in node.items:
        written = read(item, InhibitDocument, scope)
        if written is None or not written.sound:
            continue
        document = written.value
        for kind in document.equal:
            if kind not in known.kinds:
                scope.report.error(written.nodes["equal"], "unknown-entity", unknown("entity", kind, known.kinds))
        yield InhibitSpec(firing=document.firing, mutes=document.mutes, equal=document.equal)
