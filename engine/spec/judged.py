"""`model.judged`: how good a model was on a day, as an event that detectors read like any other.

The engine makes it, of entities of a kind that it makes as well: `per: model`. A project that has a kind `model` of its
own keeps it, and hears of no model then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from engine.ports import As, FieldTest
from engine.spec.conditions import used_by
from engine.spec.departures import CHANCE
from engine.spec.detectors import ReadDetector
from engine.spec.happened import ANY_EVENT
from engine.spec.nodes import MappingNode, text_of
from engine.spec.reading import event_types, options_of
from engine.spec.remedy import followers
from engine.spec.report import Report, near, unknown
from engine.spec.types import (
    AttributeTest,
    Configuration,
    DetectorSpec,
    Happened,
    MeasureSpec,
    Place,
    PlaySpec,
    ProjectSpec,
    StreamSpec,
)
from engine.spec.world import World

MODEL, JUDGED = "model", "model.judged"
# What each learner's word is held against; of the one that counts at the top, of the others below `challengers`.
FIGURES = ("answers", "came", "expected", "log_loss", "off_by", "auc", "lift")
FIELDS = (MODEL, "version", "learner", *FIGURES)
CHALLENGERS = "challengers"


def plain_name(learner: str) -> str:
    """A learner's name as one step of a dotted field: `river_naive_bayes_GaussianNB`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", learner).strip("_")


def makes_models(project: ProjectSpec) -> bool:
    """Are entities of the kind `model` the engine's own, and not the project's?"""
    return all(entity.kind != MODEL for entity in project.entities)


def hears_models(project: ProjectSpec, detectors: Iterable[DetectorSpec]) -> bool:
    """Does one of them watch the engine's models?"""
    return makes_models(project) and any(spec.per == MODEL for spec in detectors)


def kinds_of(configuration: Configuration) -> list[str]:
    """Every kind of entity there is."""
    kinds = [entity.kind for entity in configuration.project.entities]
    return [*kinds, MODEL] if hears_models(configuration.project, configuration.detectors) else kinds


def with_models(world: World, detectors: Iterable[MappingNode]) -> World:
    """With the kind `model`, if some detector is about it and the project has none of its own."""
    is_watched = any(text_of(each.get("per")) == MODEL for each in detectors)
    if not (is_watched and makes_models(world.project)):
        return world
    return msgspec.structs.replace(world, entities={**world.entities, MODEL: (MODEL,)})


def for_detectors(world: World) -> World:
    """What detectors may read besides the events of streams. Nothing that decides hears of it."""
    return msgspec.structs.replace(world, events=world.events | {JUDGED}) if world.events else world


def check_judged(
    detectors: Iterable[ReadDetector], nodes: Mapping[str, MappingNode], plays: Mapping[str, PlaySpec], world: World
) -> None:
    """Refuse what could not take effect. `nodes` are the detectors' documents by name, `plays` the sound ones."""
    for stream in world.project.streams:
        if _brings(stream):
            message = f"'{JUDGED}' is what the engine itself says of its models - give your event another name"
            world.report.error(stream.place, "reserved-event", message)
    found = [(each, each.spec) for each in detectors if each.spec is not None]
    models = _models(spec for _read, spec in found)
    for read, spec in found:
        if spec.per == MODEL and makes_models(world.project):
            _OfModels(spec, nodes[spec.name], models, world.report).check()
            _check_plays(read, spec, plays, world.report)
        else:
            _check_other(spec, nodes[spec.name], world)


def _brings(stream: StreamSpec) -> bool:
    mapped = [each.event for each in stream.maps]
    named = [name for each in mapped for name in (each.constant, *each.values.values())]
    return JUDGED in (*stream.events, *named)


def _chances(spec: DetectorSpec) -> Iterator[tuple[str, Place]]:
    """The chances that a detector asks for, with where they stand."""
    return ((measure.name, measure.place) for measure in spec.watch if measure.word == CHANCE)


def _models(specs: Iterable[DetectorSpec]) -> dict[str, str]:
    """Every measure that asks for a chance, as `detector.measure`, with the name of the model that it asks: that of the
    first measure which asks the same.
    """
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for spec in specs:
        for measure in spec.watch:
            if measure.word == CHANCE:
                name = f"{spec.name}.{measure.name}"
                found[name] = first.setdefault(_asked(measure, spec), name)
    return found


def _asked(measure: MeasureSpec, spec: DetectorSpec) -> str:
    """What is asked, of whom and from what, without the names that authors give and without who tells it."""
    by_name = {each.name: each for each in spec.watch}
    reads = [[_meant(by_name[name], by_name)] for name in measure.inputs]
    options = measure.options
    return repr((spec.per, options.event, options.where, options.within, measure.step_ms, reads))


def _meant(measure: MeasureSpec, by_name: Mapping[str, MeasureSpec]) -> object:
    if not measure.inputs:
        return measure.word, measure.options
    return measure.word, measure.options.source, [_meant(by_name[name], by_name) for name in measure.inputs]


def _check_other(spec: DetectorSpec, node: MappingNode, world: World) -> None:
    """A detector about anything but models: nothing tells it of them."""
    happened = any(isinstance(test, Happened) and JUDGED in test.events for test in (*spec.only_if, *spec.unless))
    if JUDGED not in spec.events and not happened:
        return
    place = (node.get("per") or node).place
    if not makes_models(world.project):
        message = f"'{MODEL}' is an entity of the project's own, so '{JUDGED}' is told of none - rename it"
    elif happened:
        place = spec.place
        message = f"'{JUDGED}' happens to models alone - take it away"
    else:
        message = f"'{JUDGED}' is about a model - write 'per: {MODEL}'"
    world.report.error(place, "no-effect", message)


def _check_plays(read: ReadDetector, spec: DetectorSpec, plays: Mapping[str, PlaySpec], report: Report) -> None:
    """A model is nobody's customer."""
    for first in read.plays:
        for name in followers(first, plays):
            if name in plays and plays[name].to == "customer":
                message = f"'{name}' goes to a customer, and a model is none - write 'to: owner' or 'to: system' in it"
                report.error(read.plays[first], "bad-audience", message)


class _OfModels:
    """A detector about models. `models` are the measures that ask one, each with the name of that model."""

    def __init__(self, spec: DetectorSpec, node: MappingNode, models: Mapping[str, str], report: Report) -> None:
        self._spec = spec
        self._node = node
        self._models = models
        self._report = report

    def check(self) -> None:
        """Report all that cannot take effect."""
        spec = self._spec
        if not self._models:
            message = "no detector asks for a chance, so there is no model - write one with 'chance_of' first"
            self._report.error((self._node.get("per") or self._node).place, "no-effect", message)
        for _name, place in _chances(spec):
            self._refuse(place, "models are too few to learn from what becomes of them - take the chance away")
        for place, options in self._options():
            self._check_options(place, options)
        if spec.for_each:
            self._refuse(spec.for_each[0].place or spec.place, f"'{JUDGED}' names nobody, so no model has members")
        for key, tests in (("only_if", spec.only_if), ("unless", spec.unless)):
            if any(isinstance(test, AttributeTest | Happened) for test in tests):
                message = f"all that is known of a model comes with '{JUDGED}' - ask for it under 'watch'"
                self._refuse((self._node.get(key) or self._node).place, message)

    def _refuse(self, place: Place, message: str) -> None:
        self._report.error(place, "no-effect", message)

    def _options(self) -> Iterator[tuple[Place, msgspec.Struct]]:
        """The options of its measures and of its conditions, with where they stand."""
        spec = self._spec
        yield from ((each.place, each.options) for each in spec.watch if not each.inputs and each.word != CHANCE)
        for key, condition in (("when", spec.when), ("resolve_when", spec.resolve_when)):
            for options in used_by(condition).options if condition else ():
                yield (self._node.get(key) or self._node).place, options

    def _check_options(self, place: Place, options: msgspec.Struct) -> None:
        for event in event_types(options):
            if event not in (JUDGED, ANY_EVENT):
                self._refuse(place, f"'{event}' is never about a model - only '{JUDGED}' is")
        for path in _fields(options):
            if not _is_told(path):
                hint = near(path, FIELDS) or f" - it has: {', '.join((*FIELDS, CHALLENGERS))}"
                self._report.error(place, "unknown-field", f"'{JUDGED}' has no '{path}'{hint}")
        for test in _tests(options):
            asked = test.value if isinstance(test.value, tuple) else (test.value,)
            for name in asked if test.path == MODEL else ():
                self._check_name(place, str(name))

    def _check_name(self, place: Place, name: str) -> None:
        known = self._models.get(name)
        if known is None:
            self._report.error(place, "unknown-model", unknown("model", name, set(self._models.values())))
        elif known != name:
            message = f"'{name}' asks the same as '{known}', and that is the name of the model they share"
            self._report.error(place, "unknown-model", message)


def _is_told(path: str) -> bool:
    top, _dot, rest = path.partition(".")
    return path in FIELDS or (top == CHALLENGERS and rest.partition(".")[2] in FIGURES)


def _fields(options: msgspec.Struct) -> Iterator[str]:
    """The attributes that are read, with those that are asked about."""
    for option in options_of(type(options)):
        value = getattr(options, option.field)
        if option.mark in (As.FIELD, As.FIELDS) and value:
            yield from (value,) if isinstance(value, str) else value
    yield from (test.path for test in _tests(options))


def _tests(options: msgspec.Struct) -> Iterator[FieldTest]:
    for option in options_of(type(options)):
        value = getattr(options, option.field)
        if option.mark is As.WHERE:
            yield from value
        elif option.mark is As.STEPS:
            yield from (test for step in value for test in step.where)
