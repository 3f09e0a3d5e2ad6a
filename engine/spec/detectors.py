"""One detector document to its typed form, with every problem in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated

import msgspec

from engine.model import DAY_MS, Mode, Severity
from engine.ports import As
from engine.spec.against import numbers_wanted
from engine.spec.choices import ReadChoices, read_choices
from engine.spec.conditions import Used, read_condition, used_by
from engine.spec.departures import CHANCE, PeersSpec, UsualSpec, why_names
from engine.spec.digest import version_of
from engine.spec.eligibility import read_eligibility
from engine.spec.fanout import is_for_each, read_for_each
from engine.spec.formula import Formula
from engine.spec.lateness import judge_lateness
from engine.spec.members import ForEach
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode
from engine.spec.peers import read_peers
from engine.spec.profile import judge_profiles
from engine.spec.reading import RAW, Written, event_types, read
from engine.spec.report import unknown
from engine.spec.tests import read_tests
from engine.spec.text import TextError, compile_text
from engine.spec.types import AllOf, ConditionSpec, DetectorSpec, MeasureSpec
from engine.spec.usual import judge_usual, read_usual, usual_names
from engine.spec.values import Span
from engine.spec.watch import Measure, read_watch
from engine.spec.wording import check_text
from engine.spec.world import World

FROM_ZERO = Span(0, 400 * DAY_MS)


class DetectorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A detector as it is written."""

    detector: Annotated[str, As.TEXT, "the detector's name"]
    owner: Annotated[str, As.TEXT, "the team that looks after it"]
    reason: Annotated[str, As.TEXT, "a short code for why the customer is in this state"]
    per: Annotated[str, As.TEXT, "the entity that is watched: customer, account, order"]
    when: Annotated[Node, RAW, "what has to hold for a signal to open"]
    severity: Annotated[Severity, "how much it matters"] = Severity.WATCH
    mode: Annotated[Mode, "live acts, shadow only records, paused does nothing"] = Mode.LIVE
    watch: Annotated[Node | None, RAW, "the measures, each with a name"] = None
    usual: Annotated[Node | None, RAW, "from which part of its past what is usual for the entity is told"] = None
    peers: Annotated[Node | None, RAW, "who is alike, to hold a measure against what is usual among them"] = None
    resolve_when: Annotated[Node | None, RAW, "what has to hold for the signal to close; else 'when' no longer"] = None
    for_: Annotated[int, As.DURATION, FROM_ZERO, "how long 'when' has to hold first"] = msgspec.field(
        default=0, name="for"
    )
    keep_firing_for: Annotated[int, As.DURATION, FROM_ZERO, "how long the signal stays after 'when' last held"] = 0
    cooldown: Annotated[int, As.DURATION, FROM_ZERO, "how long nothing more is done after a signal opened"] = 0
    only_if: Annotated[Node | None, RAW, "what has to be known of the entity for anything to be done"] = None
    unless: Annotated[Node | None, RAW, "what must not be so for anything to be done"] = None
    then: Annotated[Node | None, RAW, "the plays, as in [{play: call-the-champion}], one for each audience"] = None
    why: Annotated[str, As.TEXT, "the sentence that explains it (Liquid)"] = ""
    tests: Annotated[Node | None, RAW, "rows of events and what they lead to"] = None


class ReadDetector(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a detector's document: its plays with where each is named, and what goes to each member of a
    group; `spec` None where it is unsound. `then` is what was read of its plays.
    """

    name: str
    plays: Mapping[str, Node]
    measures: frozenset[str]
    spec: DetectorSpec | None
    then: ReadChoices = ReadChoices()
    for_each: tuple[ForEach, ...] = ()


def read_detector(node: MappingNode, world: World) -> ReadDetector:
    """Read one document; all its problems go to the world's report."""
    before = world.report.errors
    written = read(node, DetectorDocument, world.scope)
    assert written is not None, node.place
    document = written.value
    measures = read_watch(document.watch, world)
    _judge_entity(written, world)
    when = read_condition(document.when, measures, world) if "when" in written.nodes else None
    resolve = None if document.resolve_when is None else read_condition(document.resolve_when, measures, world)
    sound = {name: measure.spec for name, measure in measures.items() if measure.spec}
    judge_profiles(sound, numbers_wanted(measures, _those(when, resolve), world), document.per, world)
    usual, peers = _usual(document, measures, _those(when, resolve), world)
    told = frozenset(measures) | usual_names(_those(when, resolve))
    told |= why_names({name: measure.word for name, measure in measures.items()})
    _judge_why(written, told, world)
    only_if, unless = read_eligibility(document.only_if, world), read_eligibility(document.unless, world)
    then = read_choices(document.then, world)
    for_each = _for_each(document, measures, world)
    tests = read_tests(document.tests, world)
    found = ReadDetector(name=document.detector, plays=then.plays, measures=told, spec=None, then=then)
    found = msgspec.structs.replace(found, for_each=for_each)
    if when is None:
        return found
    _judge_chances(measures, _used(when, resolve).measures, world)
    if all(measure.spec for measure in measures.values()):
        _warn_unused(measures, _used(when, resolve).measures | _told(document.why), world)
    if world.report.errors > before:
        return found
    _warn_untested(node, document, world)
    spec = _spec(node, document, measures, when, resolve)
    spec = msgspec.structs.replace(spec, only_if=only_if, unless=unless, plays=tuple(then.plays), tests=tests)
    spec = msgspec.structs.replace(spec, usual=usual, peers=peers)
    judge_lateness(spec, measures, written.nodes["when"], world)
    spec = msgspec.structs.replace(spec, choices=then.asked, first_of=then.first_of, for_each=for_each)
    return msgspec.structs.replace(found, spec=spec)


def _spec(
    node: MappingNode,
    document: DetectorDocument,
    measures: Mapping[str, Measure],
    when: ConditionSpec,
    resolve: ConditionSpec | None,
) -> DetectorSpec:
    """What it watches for; whom it concerns and what follows is put in by the caller."""
    watch = tuple(measure.spec for measure in measures.values() if measure.spec)
    return DetectorSpec(
        name=document.detector,
        owner=document.owner,
        reason=document.reason,
        per=document.per,
        version=version_of(node, without=("tests",)),
        when=when,
        watch=watch,
        severity=document.severity,
        mode=document.mode,
        resolve_when=resolve,
        for_ms=document.for_,
        keep_firing_for_ms=document.keep_firing_for,
        cooldown_ms=document.cooldown,
        why=document.why,
        events=_events(watch, _used(when, resolve)),
        place=node.place,
    )


def _those(when: ConditionSpec | None, resolve: ConditionSpec | None) -> tuple[ConditionSpec, ...]:
    return tuple(condition for condition in (when, resolve) if condition is not None)


def _usual(
    document: DetectorDocument,
    measures: Mapping[str, Measure],
    conditions: tuple[ConditionSpec, ...],
    world: World,
) -> tuple[UsualSpec, PeersSpec]:
    spec = read_usual(document.usual, world)
    sound = {name: measure.spec for name, measure in measures.items() if measure.spec}
    judge_usual(document.usual, spec, conditions, sound, world)
    return spec, read_peers(document.peers, document.per, conditions, world)


def _judge_entity(written: Written[DetectorDocument], world: World) -> None:
    per = written.value.per
    if per and per not in world.entities:
        world.report.error(written.nodes["per"], "unknown-entity", unknown("entity", per, world.entities))


def _used(when: ConditionSpec, resolve: ConditionSpec | None) -> Used:
    return used_by(when) if resolve is None else used_by(AllOf((when, resolve)))


def _events(watch: tuple[MeasureSpec, ...], used: Used) -> tuple[str, ...]:
    """Every event type that it reads, in order of the alphabet."""
    options = [measure.options for measure in watch if not isinstance(measure.options, Formula)]
    return tuple(sorted({event for each in (*options, *used.options) for event in event_types(each)}))


def _told(why: str) -> frozenset[str]:
    """The names that the sentence mentions."""
    try:
        return frozenset(use.root for use in compile_text(why).uses)
    except TextError:
        return frozenset()


def _warn_unused(measures: Mapping[str, Measure], used: frozenset[str], world: World) -> None:
    read_by = {name for measure in measures.values() if measure.spec for name in measure.spec.inputs}
    for name, measure in measures.items():
        if name not in used and name not in read_by:
            hint = f"nothing reads '{name}' - use it in 'when' or 'why', or remove it"
            world.report.warning(measure.key, "unused-measure", hint)


def _judge_chances(measures: Mapping[str, Measure], compared: frozenset[str], world: World) -> None:
    """Only what a condition holds against a limit is looked at again and again, and so only that is ever asked."""
    reckoned = {name: measure.spec.inputs for name, measure in measures.items() if measure.spec}
    compared |= {name for each in compared for name in reckoned.get(each, ())}
    for name, measure in measures.items():
        if measure.word == CHANCE and name not in compared:
            fault = f"nothing asks for '{name}' - hold it against a limit under 'when', as in {name}: {{at_least: 70%}}"
            world.report.error(measure.key, "no-effect", fault)


def _warn_untested(node: Node, document: DetectorDocument, world: World) -> None:
    if not (isinstance(document.tests, ListNode) and document.tests.items):
        hint = f"'{document.detector}' has no tests - add one that fires and one that stays quiet"
        world.report.warning(node, "no-tests", hint)


def _judge_why(written: Written[DetectorDocument], measures: frozenset[str], world: World) -> None:
    node = written.nodes.get("why")
    if isinstance(node, ScalarNode):
        check_text(node, measures, world)


def _for_each(document: DetectorDocument, measures: Collection[str], world: World) -> tuple[ForEach, ...]:
    """The entries that go to each member of the group."""
    items = document.then.items if isinstance(document.then, ListNode) else ()
    found = [read_for_each(item, document.per, measures, world) for item in items if is_for_each(item)]
    return tuple(clause for clause in found if clause)
