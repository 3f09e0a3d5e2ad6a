"""What plugins must offer, and the small types that they share with the engine.

A detector plugin is one file in `detectors/` with a module-level `KINDS`, a tuple of `MeasureKind` or `ConditionKind`.
A sink plugin is one file in `sinks/` with `Options` and `Sink`. Other distributions add theirs through the entry
points `beforehand.detectors` and `beforehand.sinks`. `docs/plugins.md` shows both by example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from engine.model import Action, Event, Json, Reading, Scalar

# Later than any event: the due time of a timer that is not set.
NEVER = 1 << 62


class As(StrEnum):
    """How an option is written in YAML. The parser, the JSON Schema and the docs test read these marks."""

    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"  # a whole number of at least 1
    FLAG = "flag"  # true or false
    DURATION = "duration"  # 90s, 15m, 6h, 2d, 1w -> int milliseconds
    PERIOD = "period"  # a calendar period: 1h, 6h, 1d, 1w, 1mo -> "1w"
    EVENTS = "events"  # one event type, or a list of them -> tuple[str, ...]
    WHERE = "where"  # attribute filters -> tuple[FieldTest, ...]
    FIELD = "field"  # the (dotted) name of an attribute
    FIELDS = "fields"  # one such name, or a list of them -> tuple[str, ...]
    STEPS = "steps"  # the steps of a sequence -> tuple[Step, ...]
    SECRET = "secret"  # noqa: S105  env:NAME or file:PATH, never the value itself -> Secret
    URL = "url"
    PATH = "path"  # relative to the data folder
    TEXTS = "texts"  # a text, or a list of them -> tuple[str, ...]
    MAPPING = "mapping"  # name: text pairs -> dict[str, str]
    SHARE = "share"  # a part of a whole: 80%, or 0.8 -> 0.8, more than nothing and less than all
    LEARNER = "learner"  # who learns: a plain name, or {river: linear_model.LogisticRegression, with: {l2: 0.01}}
    LEARNERS = "learners"  # one learner, or a list of them -> tuple[str, ...]
    MEASURES = "measures"  # another measure of the same detector, or a list of them -> tuple[str, ...]


# Options are msgspec structs whose fields are written like `Annotated[int, As.DURATION, "how long nothing may come"]`;
# the sentence becomes documentation, and a field without a default is required.
Text: TypeAlias = Annotated[str, As.TEXT]
DurationMs: TypeAlias = Annotated[int, As.DURATION]

Comparator: TypeAlias = Literal["above", "below", "at_least", "at_most", "is", "is_not"]


class FieldTest(msgspec.Struct, frozen=True):
    """One attribute held against a value. A tuple value means any of them (`is`) or none of them (`is_not`)."""

    path: str
    comparator: Comparator
    value: Scalar | tuple[Scalar, ...]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a sequence. `negated`: no such event between its neighbours. `strict`: nothing in between.

    `at_most` 0 means no upper bound.
    """

    events: tuple[str, ...]
    where: tuple[FieldTest, ...] = ()
    at_least: int = 1
    at_most: int = 0
    strict: bool = False
    negated: bool = False


class Known(Protocol):
    """What a tracker may read of the entity it works for. Times in ms; `zone` is a tz database name."""

    first_seen: int
    seen_at: int
    zone: str
    attributes: dict[str, Json]

    def stalled_ms(self, events: tuple[str, ...], since: int, until: int) -> int:
        """For how much of that time the streams of these events were stalled, so that silence proved nothing."""


# A tracker's memory for one entity: nested lists, dicts, strings, numbers. It is stored as msgpack as it is.
Slot: TypeAlias = list[Any]


class Tracker(Protocol):
    """Keeps one slot of an entity's record up to date. Pure: it sees only its slot, the event and what is known."""

    events: tuple[str, ...]  # the event types it wants, ("*",) for all
    identity: str  # histories with the same identity continue each other across configurations
    columns: tuple[str, ...]  # what the slot holds beside what identity fixes

    def empty(self, known: Known) -> Slot:
        """The slot of an entity just seen for the first time (or seen first by this tracker)."""

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        """Take an event in. True: counted. False: too late to be held. None: not concerned (its `where` says no)."""

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        """The next time after `now` at which what it says may change without an event, or NEVER."""

    def begin(self, slot: Slot, now: int) -> None:
        """The tracker was added while the entity was known already: nothing before `now` counts as seen."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        """Carry a slot written with other columns into the present ones; what is missing starts empty."""


class Inline(msgspec.Struct, frozen=True):
    """A measure as a Python expression over its `slot`, so that many limits can be looked at in one go.

    `known` is an expression that is true where there is a value ("" = always). Both are right once `slot[0]` is
    `now // step_ms` or more; else `advance(slot, now // step_ms)` comes first. Nothing a user wrote may stand in them.
    Events in order of time never bring the tracker's `turn` forward.
    """

    value: str
    known: str
    step_ms: int
    advance: Callable[[Slot, int], None]


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """How a measure is read out of its tracker's slot.

    `value(slot, now, known)` is None where nothing is known. `closed(slot, now, known, n)` gives the values of the
    last n full calendar periods, newest first, or None where there are fewer; only calendar measures have it.
    `moves`: events can only raise it ("up"), only lower it ("down") or either ("both"). `settles_ms`: a low value of a
    counting measure means something only this long after the entity was first seen (0 = at once). `inline` may give
    the value as source, for the hot path; it must then be the same as `value`.
    """

    value: Callable[[Slot, int, Known], Scalar]
    moves: Literal["up", "down", "both"] = "both"
    closed: Callable[[Slot, int, Known, int], Sequence[Scalar] | None] | None = None
    settles_ms: int = 0
    inline: Inline | None = None


class OptionProblem(msgspec.Struct, frozen=True):
    """Something a kind finds wrong in its own options. `field` is the option's name; "" = the whole."""

    field: str
    code: str
    message: str


class MeasureKind(Protocol):
    """A family of measures (`watch:`). One word each; the word's own value in YAML is the option `event`."""

    words: tuple[str, ...]
    options: type[msgspec.Struct]

    def problems(self, word: str, options: Any) -> Sequence[OptionProblem]:
        """What is wrong with these options taken together."""

    def share_key(self, word: str, options: Any) -> tuple[object, ...]:
        """Uses with an equal key are kept by one tracker."""

    def build(self, uses: Sequence[tuple[str, Any, int]]) -> tuple[Tracker, list[Reader]]:
        """One tracker for all uses (word, options, closed periods needed) of a share key, and a reader for each use."""


class Learner(Protocol):
    """Learns from samples of other measures, one after the other, and says something about each. Pure, like a tracker.

    Its memory is a `Slot` too, so it is stored, carried to another machine and replayed with the entity's record.
    """

    identity: str  # histories with the same identity, over the same measures, continue each other

    def fresh(self) -> Slot:
        """The memory of one who has seen nothing."""

    def take(self, slot: Slot, at: int, values: Sequence[Scalar], known: Known) -> None:
        """Say something about this sample, then learn it. `at` is a moment of what it was measured over; None in
        `values` is unknown, as an average of nothing is, or a count while its stream was stalled.
        """

    def value(self, slot: Slot) -> Scalar:
        """What was said of the newest sample; None while there is too little to say anything."""


@runtime_checkable
class Joining(Protocol):
    """What a `Learner` may offer besides: several with the same identity keep one memory, out of which each reads its
    own `value`.
    """

    def join(self, other: Learner) -> None:
        """From now on, `take` puts into the memory what the other will read as well."""


class LearnedKind(Protocol):
    """A family of measures of other measures. The word's own value in YAML is the option marked `As.MEASURES`, or
    `event` where there is one. An option `step` says how often to look at sliding windows.
    """

    words: tuple[str, ...]
    options: type[msgspec.Struct]

    def problems(self, word: str, options: Any) -> Sequence[OptionProblem]:
        """What is wrong with these options taken together."""

    def percentile(self, word: str, share: float) -> float | None:
        """What a limit like p99 (0.99) means as a value of this measure; None where it means nothing."""

    def learner(self, word: str, options: Any, sampling: Sampling) -> Learner:
        """One for all entities: their memories are in their slots."""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """How samples are taken: of each calendar `period`, or ("") of sliding windows, where a sample has events in common
    with the last `overlap` before it.
    """

    period: str = ""
    overlap: int = 0


@runtime_checkable
class OfPeriods(Protocol):
    """What a `LearnedKind` may offer besides, if it matters to it how long that is which it learns from."""

    samples_per_window: int  # of sliding windows, where `step` is not written; with 1, no two samples share an event

    def period_problems(self, word: str, options: Any, period: str) -> Sequence[OptionProblem]:
        """What is wrong with learning from measures of that calendar period ("" = sliding windows)."""


class Condition(Tracker, Protocol):
    """A condition that keeps its own memory (silence, a sequence) instead of comparing a measure."""

    timed: bool  # can become true through time alone, so its timer runs even while nothing is pending

    def truth(self, slot: Slot, now: int, known: Known) -> bool | None:
        """Does it hold at `now`? None = unknown, which neither fires nor resolves."""

    def readings(self, slot: Slot, now: int, known: Known) -> tuple[Reading, ...]:
        """Its lines in the story."""


class ConditionKind(Protocol):
    """A family of conditions (`when:`), one word each; the word's value in YAML is a mapping of its options."""

    words: tuple[str, ...]
    options: type[msgspec.Struct]

    def problems(self, word: str, options: Any) -> Sequence[OptionProblem]:
        """What is wrong with these options taken together."""

    def build(self, word: str, options: Any) -> Condition:
        """The condition, ready to keep slots."""


# ---- sinks


class Delivered(msgspec.Struct, frozen=True):
    """The channel took it. `reference` is the provider's own id, where it gave one."""

    reference: str = ""


class Retry(msgspec.Struct, frozen=True):
    """Provably not accepted, and worth another try, not before `after_ms` from now (0 = the ledger's own schedule)."""

    why: str
    after_ms: int = 0


class Rejected(msgspec.Struct, frozen=True):
    """Refused for good: trying again would not help. `pause` asks that the whole channel stop (a revoked key)."""

    why: str
    pause: bool = False


class Unknown(msgspec.Struct, frozen=True):
    """It may or may not have been accepted."""

    why: str


Verdict: TypeAlias = Delivered | Retry | Rejected | Unknown


class Sink(Protocol):
    """Delivers actions on one channel and says what the answer means: no retry, no log, no clock of its own.

    `idempotent` says that sending the same action id twice takes effect once, for at least `idempotent_for_ms`.
    """

    idempotent: bool
    idempotent_for_ms: int

    async def open(self) -> None:
        """Get ready (connections, files). Raises OperatorError when that cannot be."""

    async def send(self, action: Action) -> Verdict:
        """Deliver. Never raises for what the channel answers; bounded by the dispatcher's time limit."""

    async def close(self) -> None:
        """Let go of what open() took."""


@runtime_checkable
class Confirming(Protocol):
    """What a sink may offer besides: it can find out afterwards whether an action took effect."""

    async def confirm(self, action_id: str) -> Verdict | None:
        """Delivered: it did. Retry: provably not, so it may go again. None: the channel cannot say."""


class SinkContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink may know of its surroundings. `folder` is where relative paths start; `name` its name in the file."""

    name: str
    folder: str
    project: str


class SinkModule(Protocol):
    """A file in `sinks/`: its name is the `kind` in YAML."""

    @property
    def Options(self) -> type[msgspec.Struct]:  # noqa: N802  named as in the file
        """What may be written under the sink in YAML."""

    @property
    def Sink(self) -> Callable[[Any, SinkContext], Sink]:  # noqa: N802
        """The sink's class, called with its options (secrets read) and its surroundings."""


class Secret:
    """A secret read from its reference; prints as ***, and only `reveal()` shows it."""

    def __init__(self, reference: str, value: str) -> None:
        self.reference = reference
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


AnyKind: TypeAlias = MeasureKind | ConditionKind | LearnedKind
Plugins: TypeAlias = Mapping[str, AnyKind]
