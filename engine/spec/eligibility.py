"""`only_if:` and `unless:` - what is known of the entity, and what else is firing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.spec.filters import tests_of
from engine.spec.happened import read_happened
from engine.spec.nodes import MappingNode, Node, ScalarNode
from engine.spec.report import LATER, Report, unknown
from engine.spec.types import AttributeTest, DetectorSpec, Eligibility, Firing, Happened, InVariant, Place
from engine.spec.values import texts
from engine.spec.world import World


def read_eligibility(node: Node | None, world: World) -> Eligibility:
    """The tests that could be read; what could not is reported."""
    if node is None:
        return ()
    if not isinstance(node, MappingNode) or not node.entries:
        message = "write attributes and what they have to be, as in {account.stage: {is: live}}"
        world.report.error(node, "wrong-type", message)
        return ()
    return tuple(test for key, value in node for test in _tests(key, value, world))


def _tests(key: ScalarNode, value: Node, world: World) -> Iterator[AttributeTest | Firing | Happened | InVariant]:
    if key.text in LATER:
        world.report.later(key, key.text)
    elif key.text == "happened":
        yield from read_happened(value, world)
    elif key.text == "firing":
        yield from _firing(value, world)
    elif key.text == "variant":
        yield from _variant(value, world)
    else:
        yield from _attribute(key, value, world)


def _firing(node: Node, world: World) -> Iterator[Firing]:
    for name in texts(node, world.scope) or ():
        if name in world.detectors:
            yield Firing(name)
        else:
            world.report.error(node, "unknown-detector", unknown("detector", name, world.detectors))


def _variant(node: Node, world: World) -> Iterator[InVariant]:
    """`{warmer-words: warmer}`: an experiment and one or several of its arms."""
    if not isinstance(node, MappingNode) or not node.entries:
        world.report.error(node, "wrong-type", "write an experiment and its arm, as in {warmer-words: warmer}")
        return
    known = world.project.experiments
    for key, value in node:
        arms = texts(value, world.scope) or ()
        if key.text not in known:
            world.report.error(key, "unknown-experiment", unknown("experiment", key.text, known))
            continue
        for arm in arms:
            if arm not in known[key.text]:
                world.report.error(value, "unknown-arm", unknown("arm", arm, known[key.text]))
        yield InVariant(key.text, arms)


def _attribute(key: ScalarNode, value: Node, world: World) -> Iterator[AttributeTest]:
    entity, _dot, path = key.text.partition(".")
    if not path:
        fault = f"'{key.text}' is not an attribute - write the entity first, as in account.{key.text}"
        world.report.error(key, "bad-field", fault)
    elif entity not in world.entities:
        world.report.error(key, "unknown-entity", unknown("entity", entity, world.entities))
    else:
        for test in tests_of(path, value, world.scope):
            yield AttributeTest(entity, test)


def report_cycles(waits: Mapping[str, tuple[str, ...]], places: Mapping[str, Place], report: Report) -> None:
    """Detectors that wait for each other can never be judged. Each cycle is reported once, at its first name."""
    told: set[frozenset[str]] = set()
    for name in sorted(waits):
        cycle = _cycle_from(name, waits)
        if cycle and frozenset(cycle) not in told:
            told.add(frozenset(cycle))
            shown = " -> ".join((*cycle, name))
            report.error(places[name], "firing-cycle", f"these detectors wait for each other: {shown}")


def _cycle_from(start: str, waits: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    seen: set[str] = set()
    paths: list[tuple[str, ...]] = [(start,)]
    while paths:
        path = paths.pop()
        for name in waits.get(path[-1], ()):
            if name == start:
                return path
            if name not in seen:
                seen.add(name)
                paths.append((*path, name))
    return ()


def waits_for(detector: DetectorSpec) -> tuple[str, ...]:
    """The detectors whose firing this one asks about."""
    tests = (*detector.only_if, *detector.unless)
    return tuple(test.detector for test in tests if isinstance(test, Firing))
