"""What becomes of a play after its first message: `goal`, `stop_if`, `steps`, `suppress` and `recommend`.

A step is written like a play of its own, which takes from the play what it does not say itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Protocol, TypeVar

import msgspec

from engine.ports import As, FieldTest
from engine.spec import play_parts
from engine.spec.happened import are_named, read_happened
from engine.spec.nodes import Entry, ListNode, MappingNode, Node, ScalarNode
from engine.spec.reading import read
from engine.spec.suppress import read_suppress
from engine.spec.types import FIRST_STEP, CourseStep, Happened, PlaySpec
from engine.spec.values import flag, text
from engine.spec.world import World

# The keys that this file reads.
KEYS = ("goal", "stop_if", "steps", "while_open", "suppress", "recommend")
# What a step may say for itself; all else is the play's.
OF_A_STEP = ("to", "desk", "channel", "fallback", "tier", "title", "text", "human", "link", "only_if", "unless")
# What is the first message's alone, or the course's as a whole. A link goes with the text that names it.
OF_THE_FIRST = (*KEYS, "only_if", "unless", "title", "text", "link")
# What a colleague has no use for.
OF_CUSTOMERS = (
    *("mandatory", "fallback", "obeys_limits", "counts", "tags", "value", "lever", "chance", "context"),
    *play_parts.CUSTOMERS_ONLY,
)
# Who among the colleagues gets it means nothing to a customer.
OF_COLLEAGUES = ("desk", "assign")


class GoalDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A goal as it is written."""

    event: Annotated[tuple[str, ...], As.EVENTS, "the event that says it worked, or several of which one is enough"]
    within: Annotated[int, As.DURATION, "how long after a message of the play"]
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only events whose attributes match"] = ()


class CourseStepDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a step says beside the keys that it shares with plays."""

    step: Annotated[str, As.TEXT, "the step's name"]
    after: Annotated[int, As.DURATION, "how long after the message before it"]


class Read(Protocol):
    """A play that was read: `spec` is None where something in it is wrong."""

    @property
    def spec(self) -> PlaySpec | None: ...


R = TypeVar("R", bound=Read)


def read_course(
    node: MappingNode, first: PlaySpec | None, world: World, read_alone: Callable[[MappingNode, World], R]
) -> tuple[dict[str, object], tuple[R, ...]]:
    """The fields of the play's specification that stand here, and its steps as they were read.

    `first` is the play without them, None where something is wrong in it; `read_alone` reads a step as a play.
    """
    steps, as_plays = _steps(node, first, world, read_alone)
    fields: dict[str, object] = {
        "goal": _goal(node.get("goal"), world),
        "stop_if": tuple(read_happened(stop, world)) if (stop := node.get("stop_if")) else (),
        "steps": steps,
        "suppress": tuple(read_suppress(node.get("suppress"), world.scope)),
    }
    if (recommend := node.get("recommend")) is not None:
        fields["recommend"] = text(recommend, world.scope) or ""
    if (while_open := node.get("while_open")) is not None:
        fields["while_open"] = flag(while_open, world.scope) is True
        if node.get("steps") is None:
            world.report.error(while_open, "unused-option", "'while_open' goes with 'steps'")
    fields["steps"] = tuple(_as_a_whole(step, first, fields) for step in steps if first is not None)
    _judge(node, first, world)
    return fields, as_plays


def _as_a_whole(step: CourseStep, first: PlaySpec, fields: Mapping[str, object]) -> CourseStep:
    """The step with what holds of the course as a whole, and of what the play asks besides its own."""
    names = ["while_open", *(["suppress"] if step.play.to == "customer" else [])]
    whole = {name: fields[name] for name in names if name in fields}
    asked = {"only_if": first.only_if + step.play.only_if, "unless": first.unless + step.play.unless}
    return msgspec.structs.replace(step, play=msgspec.structs.replace(step.play, **whole, **asked))


def _goal(node: Node | None, world: World) -> Happened | None:
    written = read(node, GoalDocument, world.scope) if node is not None else None
    if node is None or written is None or not written.sound or not are_named(written.value.event, node, world):
        return None
    return Happened(written.value.event, written.value.where, written.value.within)


def _judge(node: MappingNode, first: PlaySpec | None, world: World) -> None:
    """Refuse what could not take effect."""
    if first is None:
        return
    suppress, steps = node.get("suppress"), node.get("steps")
    if suppress is not None and (first.purpose == "critical" or first.mandatory):
        message = "nothing suppresses a play that is critical or mandatory - take 'suppress' away"
        world.report.error(suppress, "unused-option", message)
    if steps is not None and first.in_session:
        world.report.error(steps, "unused-option", "what answers a session is over with it - take 'steps' away")


# ---- steps


def _steps(
    node: MappingNode, first: PlaySpec | None, world: World, read_alone: Callable[[MappingNode, World], R]
) -> tuple[tuple[CourseStep, ...], tuple[R, ...]]:
    written = node.get("steps")
    if written is None:
        return (), ()
    if not isinstance(written, ListNode) or not written.items:
        message = "write the steps as a list, as in [{step: remind-them, after: 3d, channel: sms, text: ...}]"
        world.report.error(written, "wrong-type", message)
        return (), ()
    steps, as_plays = list[CourseStep](), list[R]()
    for item in written.items:
        for step, read_one in _step(item, node, world, read_alone):
            as_plays.append(read_one)
            steps += [step] if step is not None else []
    if first is not None and len(steps) == len(written.items):
        _judge_row(written.items, first, steps, world)
    return tuple(steps), tuple(as_plays)


def _step(
    item: Node, node: MappingNode, world: World, read_alone: Callable[[MappingNode, World], R]
) -> Iterator[tuple[CourseStep | None, R]]:
    said = read(item, CourseStepDocument, world.scope, apart=OF_A_STEP)
    if said is None or not isinstance(item, MappingNode):
        return
    read_one = read_alone(_overlaid(item, node), world)
    spec = read_one.spec
    if spec is None or not said.sound:
        yield None, read_one
        return
    yield CourseStep(name=said.value.step, after_ms=said.value.after, play=spec), read_one


def _overlaid(step: MappingNode, play: MappingNode) -> MappingNode:
    """The step as a play: its own keys, and those of the play that it leaves out."""
    own = tuple(entry for entry in step if entry.key.text in OF_A_STEP)
    left_out = {entry.key.text for entry in own} | set(OF_THE_FIRST)
    if _word(step, "to") not in ("", _word(play, "to") or "customer"):
        left_out |= {*OF_COLLEAGUES, *OF_CUSTOMERS}
    if step.get("channel") is not None:
        left_out |= {"fallback", "urgency"}
    if step.get("desk") is not None:
        left_out.add("assign")
    taken: tuple[Entry, ...] = tuple(entry for entry in play if entry.key.text not in left_out)
    return MappingNode(step.place, (*taken, *own))


def _word(node: MappingNode, key: str) -> str:
    found = node.get(key)
    return found.text if isinstance(found, ScalarNode) else ""


def _judge_row(items: tuple[Node, ...], first: PlaySpec, steps: list[CourseStep], world: World) -> None:
    """What only shows when all steps stand beside each other."""
    names, tier, passed = {FIRST_STEP}, first.tier, 0
    for item, step in zip(items, steps, strict=True):
        passed += step.after_ms
        if step.name in names:
            world.report.error(item, "duplicate-step", f"there is a step '{step.name}' already - give it another name")
        if step.play.tier < tier:
            message = (
                f"a course goes up, and this goes from tier {tier} down to {step.play.tier} - write {tier} or more"
            )
            world.report.error(item, "bad-step", message)
        if first.expires_ms and passed >= first.expires_ms:
            world.report.error(item, "no-effect", "by then the play has expired - let it expire later, or do it sooner")
        names.add(step.name)
        tier = step.play.tier
