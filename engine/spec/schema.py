"""JSON Schema (draft-07) for editors, made from the same structs and marks that the reader uses.

It is as strict as a schema can be; what spans several places (names, events, texts) only `check` can tell.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import get_args

import msgspec

from engine.model import Json
from engine.ports import As, ConditionKind, Plugins
from engine.spec.capacity import CapacityDocument
from engine.spec.choices import FirstOf, PlayChoice
from engine.spec.consent import ConsentDocument
from engine.spec.courses import OF_A_STEP, CourseStepDocument, GoalDocument
from engine.spec.deciding import InhibitDocument, LimitDocument
from engine.spec.detectors import DetectorDocument
from engine.spec.experiments import ArmDocument, ExperimentDocument
from engine.spec.fanout import ForEachDocument
from engine.spec.filters import COMPARATORS, ORDERED, StepDocument, Times
from engine.spec.formula import FORMULA
from engine.spec.handoff import HandOffDocument
from engine.spec.happened import HappenedDocument
from engine.spec.holdout import HoldoutDocument
from engine.spec.kafka import KafkaDocument
from engine.spec.learners import LearnerDocument
from engine.spec.messages import Urgency
from engine.spec.peers import BY_PEERS, PeersDocument
from engine.spec.play_parts import SENTENCES, ResourceDocument
from engine.spec.plays import PlayDocument
from engine.spec.priority import ContextDocument
from engine.spec.profile import PROFILE, ProfileOptions
from engine.spec.project import EntityDocument, ProjectDocument, SinkOptions
from engine.spec.project_messages import HumanDocument, LinksDocument, TeamDocument
from engine.spec.quiet import QuietDocument
from engine.spec.reactions import ReactionsDocument
from engine.spec.reading import RAW, Option, options_of
from engine.spec.report import Report
from engine.spec.review import ReviewDocument
from engine.spec.streams import MapDocument, StreamDocument, TimeDocument, ValueDocument
from engine.spec.suppress import SuppressDocument
from engine.spec.tests import ExpectDocument, TestDocument
from engine.spec.texts import TextDocument
from engine.spec.usual import BY_USUAL, UsualDocument
from engine.spec.values import DURATION_PATTERN, PERIODS
from engine.spec.watch import NAME
from engine.spec.world import World

Schema = dict[str, Json]
Raw = Mapping[tuple[type[msgspec.Struct], str], Schema]
DRAFT = "http://json-schema.org/draft-07/schema#"

TEXT: Schema = {"type": "string", "minLength": 1}
SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
DURATION: Schema = {"type": "string", "pattern": f"^{DURATION_PATTERN}$", "examples": ["90s", "15m", "6h", "2d"]}
COUNT: Schema = {"type": "integer", "minimum": 1}
DAYS: Schema = {"enum": ["all", "weekdays", "weekend"]}


def _some(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _named(value: Json) -> Schema:
    return {"type": "object", "additionalProperties": value}


def _comparing(limits: Schema, **more: Json) -> Schema:
    return {"type": "object", "properties": {**limits, **more}, "additionalProperties": False, "minProperties": 1}


def _limits(ordered: Schema) -> Schema:
    return {word: ordered if word in ORDERED else _some(SCALAR) for word in COMPARATORS}


ATTRIBUTE: Schema = {"anyOf": [SCALAR, _some(SCALAR), _comparing(_limits({"type": "number"}))]}
# A number, a part like 40%, a percentile like p99, or the name of another measure.
LIMIT: Schema = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": rf"^(-?[0-9]+(\.[0-9]+)?\s*%|p[0-9]{{1,2}}(\.[0-9]+)?|{NAME.pattern})$"},
    ]
}
OF_USUAL: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*(%|sd)$", "examples": ["40%", "3sd"]}
COMPARE: Schema = _comparing(_limits(LIMIT), **dict.fromkeys((*BY_USUAL, *BY_PEERS), OF_USUAL), in_a_row=COUNT)
SIMPLE: Mapping[As, Schema] = {
    As.TEXT: TEXT,
    As.NUMBER: {"type": "number"},
    As.SHARE: {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%$", "examples": ["80%"]},
        ]
    },
    As.COUNT: COUNT,
    As.FLAG: {"type": "boolean"},
    As.DURATION: DURATION,
    As.PERIOD: {"enum": list(PERIODS)},
    As.EVENTS: _some(TEXT),
    As.WHERE: {**_named(ATTRIBUTE), "minProperties": 1},
    As.FIELD: TEXT,
    As.FIELDS: _some(TEXT),
    As.SECRET: {"type": "string", "pattern": r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*)$"},
    As.URL: {"type": "string", "pattern": "^https?://"},
    As.PATH: TEXT,
    As.TEXTS: _some(TEXT),
    As.MAPPING: _named({"type": "string"}),
    As.MEASURES: _some(TEXT),
}
# So deep may classes of River be parameters of one another.
LEARNERS_DEEP = 4


def detector_schema(plugins: Plugins) -> Schema:
    """The schema of one document in detectors/."""
    world = World(report=Report(), plugins=plugins)
    condition: Schema = {"$ref": "#/definitions/condition"}
    raw: Raw = {
        (DetectorDocument, "watch"): _watch(world),
        (DetectorDocument, "usual"): _object(UsualDocument),
        (DetectorDocument, "peers"): _object(PeersDocument),
        (DetectorDocument, "when"): condition,
        (DetectorDocument, "resolve_when"): condition,
        (DetectorDocument, "only_if"): ELIGIBILITY,
        (DetectorDocument, "unless"): ELIGIBILITY,
        (DetectorDocument, "then"): {"type": "array", "items": _entry_of_then(), "minItems": 1},
        (DetectorDocument, "tests"): {"type": "array", "items": _object(TestDocument, _TESTS)},
    }
    return _titled("Detector", _object(DetectorDocument, raw), {"condition": _condition(world)})


def play_schema() -> Schema:
    """The schema of one document in playbooks/."""
    context = _object(ContextDocument, {(ContextDocument, "when"): ELIGIBILITY})
    raw: Raw = {
        (PlayDocument, "only_if"): ELIGIBILITY,
        (PlayDocument, "unless"): ELIGIBILITY,
        (PlayDocument, "goal"): _object(GoalDocument),
        (PlayDocument, "stop_if"): HAPPENINGS,
        (PlayDocument, "steps"): {"type": "array", "items": _step(), "minItems": 1},
        (PlayDocument, "suppress"): _some(_object(SuppressDocument)),
        (PlayDocument, "context"): {"type": "array", "items": context, "minItems": 1},
        **{(PlayDocument, key): WORDS for key in ("text", "title", *SENTENCES)},
        (PlayDocument, "human"): HUMAN,
        (PlayDocument, "resources"): {"type": "array", "items": _object(ResourceDocument), "minItems": 1},
    }
    return _titled("Play", _object(PlayDocument, raw))


def _step() -> Schema:
    """A step is written with keys of its own and some of a play's."""
    own = _object(CourseStepDocument)
    raw: Raw = {(PlayDocument, key): ELIGIBILITY for key in ("only_if", "unless")}
    raw = {**raw, **{(PlayDocument, key): WORDS for key in ("text", "title")}, (PlayDocument, "human"): HUMAN}
    whole = _object(PlayDocument, raw)
    properties, played = own["properties"], whole["properties"]
    assert isinstance(properties, dict), own
    assert isinstance(played, dict), whole
    shared: Schema = {key: played[key] for key in OF_A_STEP}
    return {**own, "properties": {**properties, **shared}, "required": ["step", "after", "text"]}


def project_schema(sink_options: SinkOptions, sink_kinds: Collection[str] = ()) -> Schema:
    """The schema of the project file; the options of each kind in `sink_kinds` are spelled out."""
    raw: Raw = {
        (ProjectDocument, "entities"): _named({"anyOf": [_some(TEXT), _object(EntityDocument)]}),
        (ProjectDocument, "streams"): _named(_object(StreamDocument, _STREAMS)),
        (ProjectDocument, "sinks"): _named(_sinks(sink_options, sink_kinds)),
        (ProjectDocument, "channels"): _named(TEXT),
        (ProjectDocument, "limits"): {"type": "array", "items": _object(LimitDocument), "minItems": 1},
        (ProjectDocument, "quiet_hours"): _object(QuietDocument),
        (ProjectDocument, "consent"): _object(ConsentDocument),
        (ProjectDocument, "inhibits"): {"type": "array", "items": _object(InhibitDocument), "minItems": 1},
        (ProjectDocument, "holdout"): _object(HoldoutDocument),
        (ProjectDocument, "human"): HUMAN,
        (ProjectDocument, "links"): _object(LinksDocument),
        (ProjectDocument, "strategy"): _strategy(),
        (ProjectDocument, "teams"): _named(_object(TeamDocument)),
        (ProjectDocument, "experiments"): _named(_experiment()),
        (ProjectDocument, "capacity"): {"type": "array", "items": _object(CapacityDocument), "minItems": 1},
        (ProjectDocument, "review"): _object(ReviewDocument),
        (ProjectDocument, "reactions"): _object(ReactionsDocument),
        (ProjectDocument, "suppress"): _some(_object(SuppressDocument)),
        (ProjectDocument, "hand_off"): _object(HandOffDocument),
        (ProjectDocument, "kafka"): _object(KafkaDocument),
    }
    return _titled("Project", _object(ProjectDocument, raw))


def _titled(title: str, schema: Schema, definitions: Schema | None = None) -> Schema:
    return {"$schema": DRAFT, "title": title, **schema, **({"definitions": definitions} if definitions else {})}


# ---- structs


def _object(kind: type[msgspec.Struct], raw: Raw | None = None, word: str = "") -> Schema:
    """A mapping with the options of a struct. With `word`, its first option is written under that word."""
    options = options_of(kind)
    first = next((option for option in options if option.field == "event"), options[0]) if word else None
    keys = {word if option is first else option.key: option for option in options}
    schema: Schema = {
        "type": "object",
        "properties": {key: _described(option, kind, raw or {}) for key, option in keys.items()},
        "additionalProperties": False,
    }
    required: list[Json] = [key for key, option in keys.items() if option.required]
    return {**schema, "required": required} if required else schema


def _described(option: Option, kind: type[msgspec.Struct], raw: Raw) -> Schema:
    schema = raw.get((kind, option.key), {}) if option.mark is RAW else _value(option)
    return {"description": option.doc, **schema} if option.doc else dict(schema)


def _value(option: Option) -> Schema:
    if option.choices:
        return {"enum": list(option.choices)}
    if option.kind is Times:
        return {"anyOf": [COUNT, _object(Times)]}
    if option.kind:
        return _object(option.kind)
    if option.mark is As.STEPS:
        return {"type": "array", "items": {"anyOf": [TEXT, _object(StepDocument)]}, "minItems": 1}
    if option.mark in (As.LEARNER, As.LEARNERS):
        one: Schema = {"anyOf": [TEXT, _of_river(LEARNERS_DEEP)]}
        return one if option.mark is As.LEARNER else _some(one)
    assert isinstance(option.mark, As), option
    return SIMPLE[option.mark]


def _of_river(deep: int) -> Schema:
    """A class of River, whose parameters may be such classes."""
    schema = _object(LearnerDocument)
    value: Schema = {"type": ["string", "number", "boolean"]}
    value = {"anyOf": [value, _of_river(deep - 1)]} if deep else value
    properties = schema["properties"]
    assert isinstance(properties, dict), schema
    given = {"description": _described_by(properties["with"]), **_named(value)}
    return {**schema, "properties": {**properties, "with": given}}


def _described_by(schema: Json) -> Json:
    return schema.get("description") if isinstance(schema, dict) else None


# ---- detectors


WORDS: Schema = {"anyOf": [TEXT, _named({"anyOf": [TEXT, _named(TEXT)]})]}
HUMAN: Schema = _object(HumanDocument, {(HumanDocument, "say"): WORDS})


def _entry_of_then() -> Schema:
    asked: Raw = {(PlayChoice, "only_if"): ELIGIBILITY, (PlayChoice, "unless"): ELIGIBILITY}
    play = _object(PlayChoice, asked)
    several: Raw = {(FirstOf, "first_of"): {"type": "array", "items": play, "minItems": 2}}
    each: Raw = {(ForEachDocument, "only_if"): ELIGIBILITY, (ForEachDocument, "unless"): ELIGIBILITY}
    return {"anyOf": [play, _object(FirstOf, several), _object(ForEachDocument, each)]}


def _strategy() -> Schema:
    channels: Schema = {"description": "the channels of plays of that urgency, the best first", **_some(TEXT)}
    words: Schema = dict.fromkeys(get_args(Urgency), channels)
    return {"type": "object", "properties": words, "additionalProperties": False, "minProperties": 1}


def _experiment() -> Schema:
    """What an arm changes has the keys of a play or detector, which only `check` holds against the rest of it."""
    changes: Raw = {
        (ArmDocument, "plays"): _named({"anyOf": [{"const": "nothing"}, {"type": "object", "minProperties": 1}]}),
        (ArmDocument, "detectors"): _named({"type": "object", "minProperties": 1}),
    }
    arms: Schema = {**_named(_object(ArmDocument, changes)), "minProperties": 2}
    return _object(ExperimentDocument, {(ExperimentDocument, "arms"): arms})


HAPPENED = _object(HappenedDocument)
HAPPENINGS = _some({"anyOf": [TEXT, HAPPENED]})
ELIGIBILITY: Schema = {
    "type": "object",
    "properties": {
        "firing": {"description": "another detector that is firing", **_some(TEXT)},
        "variant": {"description": "the arm of an experiment", **_named(_some(TEXT))},
        "happened": {"description": "what happened to the person", **HAPPENINGS},
    },
    "patternProperties": {r"^[^.]+\..+$": ATTRIBUTE},
    "additionalProperties": False,
    "minProperties": 1,
}


def _watch(world: World) -> Schema:
    formula: Schema = {
        "type": "object",
        "properties": {FORMULA: {"type": "string", "description": "arithmetic over measures of this detector"}},
        "required": [FORMULA],
        "additionalProperties": False,
    }
    options = {word: kind.options for word, kind in world.measure_kinds().items()}
    options |= {word: kind.options for word, kind in world.learned_kinds().items()}
    options[PROFILE] = ProfileOptions
    kinds = [_object(each, word=word) for word, each in sorted(options.items())]
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": {"anyOf": [*kinds, formula]},
    }


def _condition(world: World) -> Schema:
    """All of it holds; what is neither `any_of` nor the word of a kind is a measure and its limits."""
    either: Schema = {"type": "array", "items": {"$ref": "#/definitions/condition"}, "minItems": 2}
    kinds: Schema = {
        word: {"description": _about(kind), **_object(kind.options)}
        for word, kind in sorted(world.condition_kinds().items())
    }
    properties: Schema = {"any_of": {"description": "one of these is enough", **either}, **kinds}
    return {"type": "object", "properties": properties, "additionalProperties": COMPARE, "minProperties": 1}


def _about(kind: ConditionKind) -> str:
    """The first line of the plugin's file."""
    return (sys.modules[type(kind).__module__].__doc__ or "").strip().partition("\n")[0]


_ROW: Schema = {
    "type": "object",
    "properties": {
        "event": {"description": "the event type", **TEXT},
        "events": {"description": "several, in turn", "type": "array", "items": TEXT},
        "at": {"description": "when the first comes: a duration since the start or an ISO 8601 time", "type": "string"},
        "times": {"description": "how many in all", **COUNT},
        "every": {"description": "how far apart", **DURATION},
        "per_day": {"description": "how many a day", **COUNT},
        "days": {"description": "with per_day: on which days", **DAYS},
        "for": {"description": "with per_day: how long it goes on", **DURATION},
    },
}
_LINE: Raw = {
    (ExpectDocument, "at"): {"type": "string"},
    (ExpectDocument, "factors"): _named({"type": "number"}),
    (ExpectDocument, "fired_in_total"): {"type": "integer", "minimum": 0},
    (ExpectDocument, "sent_to"): {"type": "integer", "minimum": 0},
}
_LINES: Schema = {"type": "array", "items": _object(ExpectDocument, _LINE), "minItems": 1}
_TESTS: Raw = {
    (TestDocument, "start"): {"type": "string"},
    (TestDocument, "given"): {"type": "array", "items": _ROW},
    (TestDocument, "with"): {"type": "object"},
    (TestDocument, "expect"): {"anyOf": [{"const": "nothing"}, _LINES]},
}


# ---- the project file


_VALUE: Schema = {"anyOf": [TEXT, _object(ValueDocument, {(ValueDocument, "value"): SCALAR})]}
_MAP: Raw = {
    (MapDocument, "event"): _VALUE,
    (MapDocument, "at"): {"anyOf": [TEXT, _object(TimeDocument)]},
    (MapDocument, "entities"): _named(_some(_VALUE)),
    (MapDocument, "attributes"): _named(_VALUE),
}
_STREAMS: Raw = {
    (StreamDocument, "from"): TEXT,
    (StreamDocument, "map"): _some(_object(MapDocument, _MAP)),
    (StreamDocument, "text"): _object(TextDocument),
}


def _sinks(sink_options: SinkOptions, kinds: Collection[str]) -> Schema:
    known = {kind: options for kind in sorted(kinds) if (options := sink_options(kind))}
    if not known:
        return {"type": "object", "properties": {"kind": TEXT}, "required": ["kind"]}
    return {"anyOf": [_sink(kind, options) for kind, options in known.items()]}


def _sink(kind: str, options: type[msgspec.Struct]) -> Schema:
    schema = _object(options)
    properties, required = schema["properties"], schema.get("required", [])
    assert isinstance(properties, dict), kind
    assert isinstance(required, list), kind
    return {**schema, "properties": {"kind": {"const": kind}, **properties}, "required": ["kind", *required]}
