"""`watch:` - the measures of a detector, each a name, a word (`count`) and that kind's own options."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from engine.ports import ConditionKind, MeasureKind
from engine.spec.formula import Formula, FormulaError, parse
from engine.spec.nodes import MappingNode, Node, ScalarNode
from engine.spec.reading import Written, read
from engine.spec.report import LATER, listed, near, unknown
from engine.spec.types import MeasureSpec
from engine.spec.values import text
from engine.spec.wording import NAMES as TEXT_NAMES
from engine.spec.world import World

FORMULA = "formula"
MOST_PANES = 1_000
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A measure as far as it could be read. `word` is empty, and `spec` None, where something is wrong with it."""

    key: ScalarNode
    word: str = ""
    spec: MeasureSpec | None = None

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
    return {name: _judged(measure, measures, world) for name, measure in measures.items()}


def _measure(key: ScalarNode, node: Node, world: World) -> Measure:
    if not NAME.fullmatch(key.text) or key.text in _reserved(world):
        _refuse_name(key, world)
        return Measure(key=key)
    if not isinstance(node, MappingNode):
        world.report.error(node, "wrong-type", f"write what '{key.text}' is, as in {{count: usage.login, over: 7d}}")
        return Measure(key=key)
    word = _word(key, node, world)
    if word is None:
        return Measure(key=key)
    spec = _formula(key, node, world) if word == FORMULA else _of_kind(key, word, node, world)
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
    words = [FORMULA, *world.measure_kinds()]
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
    kind = world.measure_kinds()[word]
    written = read(node, kind.options, world.scope, word=word)
    if written is None or not written.sound:
        return None
    before = world.report.errors
    place_problems(kind, word, node, written, world)
    panes = written.nodes.get("panes")
    if panes and getattr(written.value, "panes", 0) > MOST_PANES:
        world.report.error(panes, "too-many-panes", f"{MOST_PANES} panes are the most")
    sound = world.report.errors == before
    return MeasureSpec(name=key.text, word=word, options=written.value, place=key.place) if sound else None


def place_problems(
    kind: MeasureKind | ConditionKind, word: str, node: Node, written: Written[msgspec.Struct], world: World
) -> None:
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
        return MeasureSpec(name=key.text, word=FORMULA, options=parse(source), place=key.place)
    except FormulaError as error:
        world.report.error(value, "bad-formula", str(error))
        return None


def _judged(measure: Measure, measures: Mapping[str, Measure], world: World) -> Measure:
    """A formula reads only what is there, and no other formula, so that no order between them is needed."""
    if measure.spec is None or not isinstance(measure.spec.options, Formula):
        return measure
    others = {name: other for name, other in measures.items() if other.word != FORMULA}
    missing = [name for name in measure.spec.options.names if name not in others]
    for name in missing:
        if name in measures:
            fault = f"'{name}' is a formula itself - a formula reads measures of events"
            world.report.error(measure.key, "bad-formula", fault)
        else:
            world.report.error(measure.key, "unknown-measure", unknown("measure", name, others))
    return msgspec.structs.replace(measure, spec=None) if missing else measure
