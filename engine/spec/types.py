"""The typed form of everything a user writes. Built only by the parser, so each instance is known to be sound.

Durations are int milliseconds. Names are as written. `Place` says where in which file a thing stands, for messages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from engine.model import HOUR_MS, MINUTE_MS, SECOND_MS, Mode, Resource, Scalar, Severity
from engine.ports import Comparator, FieldTest
from engine.spec.bounds import Bounds, Retention
from engine.spec.broker import KafkaSpec
from engine.spec.departures import Departs, PeersSpec, UsualSpec
from engine.spec.members import ForEach
from engine.spec.messages import Assign, Disruption, HumanSpec, LinkSpec, MessageRules, Words
from engine.spec.policies import Chance, Policies, Remedy, Suppress
from engine.spec.scoring import TextSpec

if TYPE_CHECKING:
    from engine.spec.draws import Experiment
    from engine.spec.trials import DetectorTest


class Place(msgspec.Struct, frozen=True):
    path: str = ""
    line: int = 0
    column: int = 0


# ---- detectors


class MeasureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`logins: {count: usage.login, over: 7d}`: name, word (`count`) and the kind's own options.

    `inputs` are the measures that it is made of, if any. `period` is the calendar period that it is measured by, "" if
    none; a measure that learns looks at sliding windows every `step_ms`.
    """

    name: str
    word: str
    options: Any
    place: Place = Place()
    inputs: tuple[str, ...] = ()
    period: str = ""
    step_ms: int = 0


class Compare(msgspec.Struct, frozen=True, kw_only=True):
    """A measure held against a limit; with `in_a_row` n, in each of the last n closed periods (0 = now).

    With `limit_of`, the limit is what that measure says, and `limit` is None.
    """

    measure: str
    comparator: Comparator
    limit: Scalar | tuple[Scalar, ...]
    in_a_row: int = 0
    limit_of: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A condition of a plugin kind (`absent`, `expect`, `sequence`) with its own options."""

    word: str
    options: Any


class AttributeTest(msgspec.Struct, frozen=True):
    """`account.stage: {is: live}`: an attribute from a profile. `entity` is the word before the first dot."""

    entity: str
    test: FieldTest


class Firing(msgspec.Struct, frozen=True):
    """Another detector is firing for the same unit."""

    detector: str


class InVariant(msgspec.Struct, frozen=True):
    """The unit is in one of these arms of an experiment."""

    experiment: str
    arms: tuple[str, ...]


class Happened(msgspec.Struct, frozen=True):
    """One of these events has happened to the unit's person, in the last `within_ms` (0 = ever)."""

    events: tuple[str, ...]
    where: tuple[FieldTest, ...] = ()
    within_ms: int = 0


class AllOf(msgspec.Struct, frozen=True):
    parts: tuple[ConditionSpec, ...]


class AnyOf(msgspec.Struct, frozen=True):
    parts: tuple[ConditionSpec, ...]


ConditionSpec: TypeAlias = Compare | Departs | Kept | AllOf | AnyOf
# `only_if` and `unless`: all of these must hold (only_if), or none may (unless).
Eligibility: TypeAlias = tuple[AttributeTest | Firing | Happened | InVariant, ...]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry of `then` asks before its play is done."""

    only_if: Eligibility = ()
    unless: Eligibility = ()


class DetectorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A detector as it is written: what it watches, for which entity, when it fires, and what that calls for.

    `version` is a hex digest of what it means (not of comments, tests or layout). `events` are all types it reads.
    `plays` are about the entity itself, `for_each` about its members. `choices` are what `then` asks of a play besides,
    `first_of` the plays of which the first that may be done is. `variant_of` names the detector of which this is what
    an arm of an experiment makes of it.
    """

    name: str
    owner: str
    reason: str
    per: str
    version: str
    when: ConditionSpec
    watch: tuple[MeasureSpec, ...] = ()
    severity: Severity = Severity.WATCH
    mode: Mode = Mode.LIVE
    resolve_when: ConditionSpec | None = None
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    cooldown_ms: int = 0
    only_if: Eligibility = ()
    unless: Eligibility = ()
    plays: tuple[str, ...] = ()
    why: str = ""
    events: tuple[str, ...] = ()
    tests: tuple[DetectorTest, ...] = ()
    place: Place = Place()
    choices: Mapping[str, Choice] = {}
    first_of: tuple[tuple[str, ...], ...] = ()
    variant_of: str = ""
    for_each: tuple[ForEach, ...] = ()
    usual: UsualSpec = UsualSpec()
    peers: PeersSpec = PeersSpec()


# ---- plays

# The name of a play's first message among its steps.
FIRST_STEP = "first"


class Context(msgspec.Struct, frozen=True):
    """Where all of `when` is so, the play is worth `add` percent more."""

    when: Eligibility
    add: float


class PlaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done about a signal.

    `to`: "customer", "owner" (the account's owner or the desk in `desk`) or "system". `purpose` is written `class:` in
    YAML. `offer`: it proposes a reduction, an upgrade or the like. `mandatory`: it is owed, so no limit stops it.
    `in_session`: it answers what somebody is doing and waits for nothing. `fallback` are other channels for it, in
    order. `counts`: limits count it. `value`, `lever` (percent), `chance` and `context` make its priority. `only_if`
    and `unless` are asked besides those of the detector. `goal` and `stop_if` end its course, which goes through
    `steps`; with `while_open`, its signal's closing too. `recommend`: what a colleague should do when somebody answers.
    `review_places` of 10,000 decisions a person looks at, -1 = as many as the project says. `when_full` is done instead
    where a colleague has no room. `remedy` says what follows what a machine does. `texts` and `titles` hold what
    differs by channel or language, in Liquid, `text` and `title` what does not.
    """

    name: str
    channel: str
    text: str
    version: str
    purpose: Literal["critical", "service", "marketing"]
    owner: str
    to: Literal["customer", "owner", "system"] = "customer"
    tier: Literal[1, 2, 3] = 2
    title: str = ""
    desk: str = ""
    expires_ms: int = 0
    class_reason: str = ""
    offer: bool = False
    mandatory: bool = False
    in_session: bool = False
    fallback: tuple[str, ...] = ()
    obeys_limits: bool = True
    counts: bool = True
    tags: tuple[str, ...] = ()
    value: float = 1
    lever: float = 0
    chance: Chance | None = None
    context: tuple[Context, ...] = ()
    review_places: int = -1
    only_if: Eligibility = ()
    unless: Eligibility = ()
    goal: Happened | None = None
    stop_if: tuple[Happened, ...] = ()
    steps: tuple[CourseStep, ...] = ()
    while_open: bool = True
    suppress: tuple[Suppress, ...] = ()
    recommend: str = ""
    place: Place = Place()
    texts: Words = Words()
    titles: Words = Words()
    human: HumanSpec | None = None
    disruption: Disruption | None = None
    resources: tuple[Resource, ...] = ()
    link: LinkSpec | None = None
    assign: Assign | None = None
    topic: str = ""
    when_full: str = ""
    remedy: Remedy | None = None


class CourseStep(msgspec.Struct, frozen=True, kw_only=True):
    """What follows `after_ms` after the message before it, as a play of the same name."""

    name: str
    after_ms: int
    play: PlaySpec


# ---- the project file


class EntitySpec(msgspec.Struct, frozen=True, kw_only=True):
    """`customer: customer_id`, or a compound `cart: [customer_id, cart_id]`, with other names the id goes by."""

    kind: str
    fields: tuple[str, ...]
    also_known_as: tuple[str, ...] = ()
    normalise: Literal["none", "nfc"] = "none"


class ValueFrom(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mapped value comes from: a raw field (dotted), or a constant; `as_` is a declared coercion.

    `values` translates raw texts; what it does not name stays as it is, or is refused with `only_listed`.
    """

    field: str = ""
    constant: Scalar = None
    as_: Literal["", "text", "number", "whole", "flag"] = ""
    values: Mapping[str, str] = {}
    only_listed: bool = False


class TimeFrom(msgspec.Struct, frozen=True, kw_only=True):
    """How event time is read: numbers by `unit`, texts as ISO 8601 or by `format` (strptime), `zone` for naive ones."""

    field: str = "at"
    unit: Literal["iso", "s", "ms", "us", "ns"] = "iso"
    format: str = ""
    zone: str = ""


class EventMap(msgspec.Struct, frozen=True, kw_only=True):
    """How one raw row becomes one event. `when_present`: the row yields no such event if its time field is empty."""

    event: ValueFrom = ValueFrom(field="event")
    at: TimeFrom = TimeFrom()
    id: tuple[str, ...] = ("id",)
    entities: Mapping[str, ValueFrom | tuple[ValueFrom, ...]] = {}
    attributes: Mapping[str, ValueFrom] | None = None  # None = the raw row as it is
    when_present: bool = False


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where events of a family come from, and how their rows are read.

    `source` is a path or glob under the data folder, "-" for stdin, "" for none (fed by another way). `topic` is the
    Kafka topic that a worker reads instead, "" for the one named after the stream. With `maps` empty the rows are
    already in the event shape (or CloudEvents 1.0); several maps make several events of one row. `describes` names
    the entity whose attributes a profile stream carries.
    """

    name: str
    family: Literal["usage", "ticket", "sentiment", "logistics", "profile", "outcome", "other"] = "other"
    source: str = ""
    topic: str = ""
    format: Literal["jsonl", "csv"] = "jsonl"
    delimiter: str = ","
    maps: tuple[EventMap, ...] = ()
    events: tuple[str, ...] = ()
    describes: str = ""
    lateness_ms: int = 5 * SECOND_MS
    idle_after_ms: int = 30 * SECOND_MS
    stalled_after_ms: int = 0
    sort: bool = False
    strict_json: bool = False
    text: TextSpec | None = None
    place: Place = Place()

    def may_carry(self, events: Collection[str]) -> bool:
        """One of these types? A stream that does not list its events may carry any."""
        return not self.events or not set(self.events).isdisjoint(events)


class SinkSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A named sink: its kind (the file in `sinks/`) and the options that kind declares."""

    name: str
    kind: str
    options: Any
    place: Place = Place()


class ProjectSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`config/beforehand.yml`. `channels` maps a play's channel to a sink's name, `policies` say how it decides.

    `experiments` are the arms of each, by name; what they change stands with the configuration.
    """

    project: str = "beforehand"
    time_zone: str = "UTC"
    unit: tuple[str, ...] = ("account", "customer")
    entities: tuple[EntitySpec, ...] = ()
    streams: tuple[StreamSpec, ...] = ()
    sinks: tuple[SinkSpec, ...] = ()
    channels: Mapping[str, str] = {}
    max_ahead_ms: int = 5 * MINUTE_MS
    dedup_for_ms: int = 24 * HOUR_MS
    wait_ms: int = 0
    retention: Retention = Retention()
    bounds: Bounds = Bounds()
    kafka: KafkaSpec = KafkaSpec()
    policies: Policies = Policies()
    place: Place = Place()
    messages: MessageRules = MessageRules()
    experiments: Mapping[str, tuple[str, ...]] = {}


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, sound as a whole. `version` is a hex digest over the project, detectors and plays."""

    project: ProjectSpec
    detectors: tuple[DetectorSpec, ...]
    plays: Mapping[str, PlaySpec]
    version: str
    folder: str = "."
    experiments: tuple[Experiment, ...] = ()
