"""`when:` and `resolve_when:` - measures held against limits, conditions of a kind, and `any_of` between them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from engine.model import Scalar
from engine.ports import Comparator
from engine.spec.against import Held, against
from engine.spec.departures import Departs
from engine.spec.filters import ORDERED, Refused, comparator, limit
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode
from engine.spec.peers import BY_PEERS, PERIODS_OF_PEERS
from engine.spec.profile import PROFILE
from engine.spec.reading import read
from engine.spec.report import LATER, either, listed, near
from engine.spec.types import AllOf, AnyOf, Compare, ConditionSpec, Kept
from engine.spec.usual import BY_USUAL, against_of, departs
from engine.spec.values import count, shape, shown
from engine.spec.watch import Measure, place_problems
from engine.spec.world import World

IN_A_ROW = "in_a_row"
MOST_IN_A_ROW = 400
# Words whose measure is an amount of its own, of which a percentage says nothing.
AMOUNTS = ("count", "sum", "distinct", "rate", "alike")
# Words whose measure never goes beyond this, as no more is remembered.
MOST = {"alike": 64}
_PERCENT = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)\s*%")
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]+)?)")


def read_condition(node: Node, measures: Mapping[str, Measure], world: World) -> ConditionSpec | None:
    """What has to hold, or None with every problem reported."""
    if not isinstance(node, MappingNode) or not node.entries:
        _refuse_shape(node, world)
        return None
    parts = [_part(key, value, measures, world) for key, value in node]
    return None if None in parts else _all_of([part for part in parts if part is not None])


def _refuse_shape(node: Node, world: World) -> None:
    if isinstance(node, ListNode):
        message = "a bare list does not say whether all or any have to hold - write a mapping (all) or any_of: (any)"
    else:
        told = "" if isinstance(node, MappingNode) else f", not {shown(node)}"
        message = f"write a condition here, as in {{tickets: {{at_least: 5}}}}{told}"
    world.report.error(node, "bad-condition", message)


def _all_of(parts: list[ConditionSpec]) -> ConditionSpec:
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _part(key: ScalarNode, value: Node, measures: Mapping[str, Measure], world: World) -> ConditionSpec | None:
    kinds = world.condition_kinds()
    if key.text in measures:
        return _compared(measures[key.text], value, measures, world)
    if key.text == "any_of":
        return _any_of(value, measures, world)
    if key.text in kinds:
        return _kept(key.text, value, world)
    if key.text in LATER:
        world.report.later(key, key.text)
        return None
    words = ["any_of", *kinds, *measures]
    hint = near(key.text, words) or f" - known here: {listed(words)}"
    world.report.error(key, "unknown-measure", f"unknown measure or condition '{key.text}'{hint}")
    return None


def _any_of(node: Node, measures: Mapping[str, Measure], world: World) -> ConditionSpec | None:
    if not isinstance(node, ListNode) or len(node.items) < 2:
        message = "any_of takes a list of at least two conditions: any_of: [{a: {above: 1}}, {b: {above: 2}}]"
        world.report.error(node, "bad-condition", message)
        return None
    parts = [read_condition(item, measures, world) for item in node.items]
    return None if None in parts else AnyOf(tuple(part for part in parts if part is not None))


def _kept(word: str, node: Node, world: World) -> ConditionSpec | None:
    kind = world.condition_kinds()[word]
    written = read(node, kind.options, world.scope)
    if written is None or not written.sound:
        return None
    before = world.report.errors
    place_problems(kind, word, node, written, world)
    return Kept(word=word, options=written.value) if world.report.errors == before else None


# ---- a measure and its limits


def _compared(measure: Measure, node: Node, measures: Mapping[str, Measure], world: World) -> ConditionSpec | None:
    if not isinstance(node, MappingNode):
        told = f"a {shape(node)}" if isinstance(node, ListNode) else shown(node)
        message = f"write how '{measure.name}' is compared, as in {{at_least: 5}}, not {told}"
        world.report.error(node, "bad-condition", message)
        return None
    before = world.report.errors
    periods = _in_a_row(measure, node.get(IN_A_ROW), world)
    entries = [entry for entry in node if entry.key.text != IN_A_ROW]
    held = Held(measure=measure, periods=periods, measures=measures)
    parts = [_compare(held, key, value, world) for key, value in entries]
    if not entries:
        world.report.error(node, "bad-condition", f"'{measure.name}' is held against nothing - add at_least or below")
    if world.report.errors > before:
        return None
    return _all_of([part for part in parts if part is not None])


def _in_a_row(measure: Measure, node: Node | None, world: World) -> int:
    if node is None:
        return 0
    periods = count(node, world.scope) or 0
    if periods > MOST_IN_A_ROW:
        world.report.error(node, "bad-in-a-row", f"{MOST_IN_A_ROW} periods in a row are the most")
    elif measure.word in world.learned_kinds():
        message = f"in_a_row counts periods, which {measure.word} has none of - write 'for: 1d' beside 'when' instead"
        world.report.error(node, "bad-in-a-row", message)
    elif measure.word == PROFILE:
        world.report.error(node, "bad-in-a-row", _timeless(measure, "in_a_row counts whole periods"))
    elif measure.spec is not None and not measure.period:
        fault = f"in_a_row counts whole periods - give '{measure.name}' every: 1d or every: 1w"
        world.report.error(node, "bad-in-a-row", f"{fault} instead of a {_span_word(measure)}")
    return periods


def _timeless(measure: Measure, told: str) -> str:
    return f"{told}, and '{measure.name}' is what a profile says now"


def _span_word(measure: Measure) -> str:
    return measure.word if measure.spec is not None and measure.spec.inputs else "sliding window"


def _compare(held: Held, key: ScalarNode, node: Node, world: World) -> ConditionSpec | None:
    measure, periods = held.measure, held.periods
    if key.text in (*BY_USUAL, *BY_PEERS):
        return _departs(measure, key, node, periods, world)
    word = comparator(key, world.scope)
    if word is None:
        return None
    found = None if _is_a_part(node, word, held) else against(held, word, node, world)
    if found is None:
        limit = _limit(measure, word, node, world)
        found = limit if isinstance(limit, Refused) else Compare(measure=measure.name, comparator=word, limit=limit)
    return None if isinstance(found, Refused) else msgspec.structs.replace(found, in_a_row=periods)


def _is_a_part(node: Node, word: Comparator, held: Held) -> bool:
    """Is it `40%` or `p99`, and no measure's name?"""
    text = node.value if isinstance(node, ScalarNode) else None
    if word not in ORDERED or not isinstance(text, str) or text in held.measures:
        return False
    return bool(_PERCENTILE.fullmatch(text) or _PERCENT.fullmatch(text))


def _departs(measure: Measure, key: ScalarNode, node: Node, periods: int, world: World) -> ConditionSpec | None:
    past = against_of(key)
    if measure.word == PROFILE:
        world.report.error(key, f"bad-{past}", _timeless(measure, "what is usual is told from whole periods"))
        return None
    if measure.spec is not None and not measure.period:
        fault = f"what is usual is told from whole periods - give '{measure.name}' every: 1d or every: 1w"
        world.report.error(key, f"bad-{past}", f"{fault} instead of a {_span_word(measure)}")
        return None
    if past == "peers" and measure.spec is not None and measure.period not in PERIODS_OF_PEERS:
        fault = f"peers are heard once a day - give '{measure.name}' {either(f'every: {p}' for p in PERIODS_OF_PEERS)}"
        world.report.error(key, "bad-peers", f"{fault} instead of {measure.period}")
        return None
    return departs(measure.name, key, node, periods, world)


def _limit(measure: Measure, word: Comparator, node: Node, world: World) -> Scalar | tuple[Scalar, ...] | Refused:
    written = node.value if isinstance(node, ScalarNode) else None
    if word in ORDERED and isinstance(written, str):
        if percentile := _PERCENTILE.fullmatch(written):
            return _percentile(measure, node, float(percentile[1]), world)
        if percent := _PERCENT.fullmatch(written):
            return _share(measure, word, node, float(percent[1]), world)
    found = limit(node, word, world.scope)
    return _reachable(measure, word, node, found, world)


def _reachable(
    measure: Measure, word: Comparator, node: Node, found: Scalar | tuple[Scalar, ...] | Refused, world: World
) -> Scalar | tuple[Scalar, ...] | Refused:
    most = MOST.get(measure.word)
    if most is None or not isinstance(found, int | float) or found < most + (word != "above"):
        return found
    message = f"a measure of '{measure.word}' never goes beyond {most}, as no more messages are remembered"
    world.report.error(node, "unreachable", message)
    return Refused()


def _percentile(measure: Measure, node: Node, percent: float, world: World) -> float | Refused:
    """A limit like p99, of measures that say how rare a value is."""
    kind = world.learned_kinds().get(measure.word)
    found = kind.percentile(measure.word, percent / 100) if kind else None
    if found is not None:
        return found
    if kind and kind.percentile(measure.word, 0.99) is not None:
        world.report.error(node, "bad-percentile", f"{shown(node)} is nothing rare - write p50 or more, as in p99")
        return Refused()
    message = f"{shown(node)} is a limit for anomaly_of, which says how rare something is - write a number"
    world.report.error(node, "bad-percentile", message)
    return Refused()


def _share(measure: Measure, word: Comparator, node: Node, percent: float, world: World) -> float | Refused:
    if measure.word in AMOUNTS:
        hint = f" - did you mean {word}_usual_by: {shown(node)[1:-1]}?" if word in ("above", "below") else ""
        article = "an" if measure.word[0] in "aeiou" else "a"
        fault = f"{shown(node)} of {article} {measure.word} says nothing without a whole"
        world.report.error(node, "bad-percent", f"{fault}{hint or ' - write a number'}")
        return Refused()
    return round(percent / 100, 12)


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition reads."""

    measures: frozenset[str]
    options: tuple[msgspec.Struct, ...]


def used_by(condition: ConditionSpec) -> Used:
    """The measures compared in a condition, and the options of the kinds in it."""
    match condition:
        case Compare():
            named = (condition.measure, *([condition.limit_of] if condition.limit_of else []))
            return Used(measures=frozenset(named), options=())
        case Departs():
            return Used(measures=frozenset((condition.measure,)), options=())
        case Kept():
            return Used(measures=frozenset(), options=(condition.options,))
        case AllOf() | AnyOf():
            parts = [used_by(part) for part in condition.parts]
            measures = frozenset(name for part in parts for name in part.measures)
            return Used(measures=measures, options=tuple(option for part in parts for option in part.options))
