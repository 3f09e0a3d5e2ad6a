"""`watch:` - the measures of a detector, each a name, a word (`count`) and that kind's own options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from engine.model import HOUR_MS
from engine.ports import AnyKind, As, LearnedKind, OfPeriods
from engine.spec.departures import PEERS, USUAL, WHY
from engine.spec.formula import FORMULA, FormulaError, parse
from engine.spec.nodes import MappingNode, Node, ScalarNode
from engine.spec.profile import PROFILE, read_profile
from engine.spec.reading import Written, options_of, read
from engine.spec.report import LATER, listed, near, unknown
from engine.spec.types import MeasureSpec
from engine.spec.values import text
from engine.spec.wording import NAMES as TEXT_NAMES
from engine.spec.world import World

MOST_PANES = 1_000
STEPS, LEAST_STEP_MS = 12, 1_000
# What a measure is made of: events or a profile; arithmetic over those; either, learned from; and arithmetic over that.
PLAIN, ARITHMETIC, LEARNS, AFTER_LEARNING = range(4)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A measure as far as it could be read. `word` is empty, and `spec` None, where something is wrong with it."""

    key: ScalarNode
    word: str = ""
    spec: MeasureSpec | None = None

    @property
    def period(self) -> str:
        return self.spec.period if self.spec else ""

    @property
    def name(self) -> str:
        return self.key.text


def read_watch(node: Node | None, world: World) -> dict[str, Measure]:
    """All measures by name, also the unsound ones, so that what refers to them is not called unknown."""
    if node is None:
        return {}
    if not isinstance(node, MappingNode):
        world.report.error(node, "wrong-type", "name each measure, as in logins: {count: usage.login, over: 7d}")
        return {}
    measures = {key.text: _measure(key, value, world) for key, value in node}
    # A formula reads any but formulas, and what learns reads any but what learns or reads such, so that each finds what
    # it reads judged already.
    ranks = {name: _rank(measure, measures, world) for name, measure in measures.items()}
    for rank in range(AFTER_LEARNING + 1):
        chosen = {name: measure for name, measure in measures.items() if ranks[name] == rank}
        measures |= {name: _judged(measure, measures, ranks, world) for name, measure in chosen.items()}
    return measures


def _rank(measure: Measure, measures: Mapping[str, Measure], world: World) -> int:
    if measure.word in world.learned_kinds():
        return LEARNS
    if measure.word != FORMULA:
        return PLAIN
    read = [measures[name] for name in (measure.spec.inputs if measure.spec else ()) if name in measures]
    return AFTER_LEARNING if any(each.word in world.learned_kinds() for each in read) else ARITHMETIC


def _measure(key: ScalarNode, node: Node, world: World) -> Measure:
    if not NAME.fullmatch(key.text) or key.text in _reserved(world) or key.text.startswith((USUAL, PEERS, WHY)):
        _refuse_name(key, world)
        return Measure(key=key)
    if not isinstance(node, MappingNode):
        world.report.error(node, "wrong-type", f"write what '{key.text}' is, as in {{count: usage.login, over: 7d}}")
        return Measure(key=key)
    word = _word(key, node, world)
    if word is None:
        return Measure(key=key)
    if word == FORMULA:
        spec = _formula(key, node, world)
    else:
        spec = read_profile(key, node, world) if word == PROFILE else _of_kind(key, word, node, world)
    return Measure(key=key, word=word, spec=spec)


def _reserved(world: World) -> set[str]:
    """Names that mean something else already in conditions or in texts."""
    return {"any_of", "date", "happened", *world.condition_kinds(), *world.entities, *TEXT_NAMES}


def _refuse_name(key: ScalarNode, world: World) -> None:
    if NAME.fullmatch(key.text):
        world.report.error(key, "bad-name", f"'{key.text}' means something else already - choose another name")
    else:
        fault = f"'{key.text}' is no name for a measure - use letters, digits and _, as in open_tickets"
        world.report.error(key, "bad-name", fault)


def _word(key: ScalarNode, node: MappingNode, world: World) -> str | None:
    """The one word that says what kind of measure this is."""
    words = [FORMULA, PROFILE, *world.measure_kinds(), *world.learned_kinds()]
    later = next((entry.key for entry in node if entry.key.text in LATER), None)
    if later:
        world.report.later(later, later.text)
        return None
    found = [entry.key for entry in node if entry.key.text in words]
    if len(found) == 1:
        return found[0].text
    if found:
        both = " and ".join(f"'{word.text}'" for word in found)
        world.report.error(found[1], "two-words", f"'{key.text}' has both {both} - a measure has one of them")
        return None
    _refuse_word(key, node, words, world)
    return None


def _refuse_word(key: ScalarNode, node: MappingNode, words: list[str], world: World) -> None:
    hints = [(entry.key, near(entry.key.text, words)) for entry in node]
    place, hint = next(((place, hint) for place, hint in hints if hint), (None, ""))
    if place:
        world.report.error(place, "unknown-measure-kind", f"unknown measure kind '{place.text}'{hint}")
    else:
        message = f"'{key.text}' does not say what it measures - give it one of: {listed(words)}"
        world.report.error(node, "unknown-measure-kind", message)


def _of_kind(key: ScalarNode, word: str, node: MappingNode, world: World) -> MeasureSpec | None:
    kind = world.measure_kinds().get(word) or world.learned_kinds()[word]
    written = read(node, kind.options, world.scope, word=word)
    if written is None or not written.sound:
        return None
    before = world.report.errors
    place_problems(kind, word, node, written, world)
    panes = written.nodes.get("panes")
    if panes and getattr(written.value, "panes", 0) > MOST_PANES:
        world.report.error(panes, "too-many-panes", f"{MOST_PANES} panes are the most")
    if world.report.errors > before:
        return None
    inputs = measures_named(written.value)
    period = "" if inputs else getattr(written.value, "every", "")
    return MeasureSpec(name=key.text, word=word, options=written.value, place=key.place, inputs=inputs, period=period)


def measures_named(options: msgspec.Struct) -> tuple[str, ...]:
    """The measures that these options name, by their marks."""
    named = [getattr(options, option.field) for option in options_of(type(options)) if option.mark is As.MEASURES]
    return tuple(dict.fromkeys(name for names in named for name in names))


def place_problems(kind: AnyKind, word: str, node: Node, written: Written[msgspec.Struct], world: World) -> None:
    """Report what a kind finds wrong in its own options, at the option it names."""
    for problem in kind.problems(word, written.value):
        world.report.error(written.nodes.get(problem.field, node), problem.code, problem.message)


def _formula(key: ScalarNode, node: MappingNode, world: World) -> MeasureSpec | None:
    before = world.report.errors
    for entry in node:
        if entry.key.text != FORMULA:
            world.report.error(entry.key, "unknown-key", f"unknown key '{entry.key.text}' - a formula stands alone")
    value = node.get(FORMULA)
    assert value is not None, key
    source = text(value, world.scope)
    if source is None or world.report.errors > before:
        return None
    try:
        formula = parse(source)
        return MeasureSpec(name=key.text, word=FORMULA, options=formula, place=key.place, inputs=formula.names)
    except FormulaError as error:
        world.report.error(value, "bad-formula", str(error))
        return None


def _judged(measure: Measure, measures: Mapping[str, Measure], ranks: Mapping[str, int], world: World) -> Measure:
    """With what it reads: that must be there, and be of a kind that it can read, so that no order is needed."""
    if measure.spec is None or not measure.spec.inputs:
        return measure
    learns = ranks[measure.name] == LEARNS
    readable = (PLAIN, ARITHMETIC) if learns else (PLAIN, LEARNS)
    others = {name: other for name, other in measures.items() if ranks[name] in readable}
    missing = [name for name in measure.spec.inputs if name not in others]
    for name in missing:
        if name in measures:
            world.report.error(measure.key, *_cannot_read(measure, measures[name], learns))
        else:
            world.report.error(measure.key, "unknown-measure", unknown("measure", name, others))
    if missing:
        return msgspec.structs.replace(measure, spec=None)
    inputs = [others[name] for name in measure.spec.inputs]
    return _sampled(measure, measure.spec, inputs, world) if learns else _calculated(measure, measure.spec, inputs)


def _cannot_read(measure: Measure, other: Measure, learns: bool) -> tuple[str, str]:
    if not learns:
        return "bad-formula", f"'{other.name}' is a formula itself - a formula reads measures that are none"
    if other.word == FORMULA:
        told = f"'{other.name}' is worked out from what learns"
        return "bad-measure", f"{told} - '{measure.word}' reads measures that do not"
    return "bad-measure", f"'{other.name}' learns itself - '{measure.word}' reads measures that do not"


def _calculated(measure: Measure, spec: MeasureSpec, inputs: Sequence[Measure]) -> Measure:
    """A formula has the period that all it reads have in common."""
    periods = periods_of(inputs)
    period = periods.pop() if len(periods) == 1 else ""
    return msgspec.structs.replace(measure, spec=msgspec.structs.replace(spec, period=period))


def periods_of(inputs: Sequence[Measure]) -> set[str]:
    """By which periods they are measured, "" for those that slide. What a profile says goes with any."""
    return {each.period for each in inputs if each.word != PROFILE} or {""}


def _sampled(measure: Measure, spec: MeasureSpec, inputs: Sequence[Measure], world: World) -> Measure:
    """What learns takes one sample per calendar period, or one per step where all it reads slides."""
    if any(each.spec is None for each in inputs):
        return measure
    kind, periods = world.learned_kinds()[measure.word], periods_of(inputs)
    found = msgspec.structs.replace(spec, step_ms=0 if periods != {""} else _step_of(kind, spec, inputs))
    problem = _unfit(measure, spec, inputs) or _unfit_for(kind, measure, found, inputs)
    if problem:
        world.report.error(measure.key, *problem)
        return msgspec.structs.replace(measure, spec=None)
    return msgspec.structs.replace(measure, spec=found)


def _unfit(measure: Measure, spec: MeasureSpec, inputs: Sequence[Measure]) -> tuple[str, str] | None:
    periods = periods_of(inputs)
    if len(periods) > 1:
        names = " and ".join(f"'{each.name}'" for each in inputs if each.word != PROFILE)
        message = f"{names} are not measured over the same period - give them the same 'every', or 'over' to all"
        return "bad-measure", message
    if getattr(spec.options, "step", 0) and periods != {""}:
        dated = next(each for each in inputs if each.period)
        message = f"'step' is for sliding windows - '{dated.name}' is looked at when its {dated.period} is over"
        return "unused-option", message
    return None


def _unfit_for(
    kind: LearnedKind, measure: Measure, spec: MeasureSpec, inputs: Sequence[Measure]
) -> tuple[str, str] | None:
    """What the kind has against these measures."""
    if not isinstance(kind, OfPeriods):
        return None
    period = next((each.period for each in inputs if each.period), "")
    found = next(iter(kind.period_problems(measure.word, spec.options, period)), None)
    if found and all(each.word == PROFILE for each in inputs):
        message = f"'{inputs[0].name}' is what a profile says - '{measure.word}' reads measures of events"
        return "bad-measure", message
    return (found.code, found.message) if found else None


def _step_of(kind: LearnedKind, spec: MeasureSpec, inputs: Sequence[Measure]) -> int:
    """As written; else a twelfth of the shortest window: often enough to see each trouble whole, seldom enough to cost
    little.
    """
    if step := getattr(spec.options, "step", 0):
        return int(step)
    steps = kind.samples_per_window if isinstance(kind, OfPeriods) else STEPS
    spans = [over for each in inputs if (over := getattr(each.spec and each.spec.options, "over", 0))]
    return max(LEAST_STEP_MS, min(spans, default=HOUR_MS) // steps)
