"""The vocabulary of the engine: every value that travels between its parts.

All of them are frozen. Times are int milliseconds since 1970 in UTC, and their names end in `at` or `_ms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

Scalar: TypeAlias = str | int | float | bool | None
# What JSON can hold. Attributes keep the shape they came in; conditions read scalars out of them.
if TYPE_CHECKING:
    Json: TypeAlias = "Scalar | list[Json] | dict[str, Json]"
else:
    Json = Any  # msgspec reads records by their types, and cannot follow one that contains itself

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
WEEK_MS = 604_800_000


class Event(msgspec.Struct, frozen=True, gc=False):
    """An immutable fact.

    `entities` maps an entity kind to its id (`{"customer": "c7"}`), `attributes` is the record as it came in,
    `body` is a 64-bit digest of the raw bytes that tells a repeated event from a conflicting one, and `id_is_weak`
    says that the id was derived from the position, so that a repeat at another position cannot be recognised. `seen` is
    the 64-bit digest of stream and id by which a repeat is recognised (0 = not worked out).
    """

    id: str
    event: str
    at: int
    stream: str
    entities: dict[str, str]
    attributes: dict[str, Json]
    arrived_at: int = 0
    body: int = 0
    id_is_weak: bool = False
    seen: int = 0


class Routed(msgspec.Struct, frozen=True, gc=False):
    """One event addressed to one entity, or with `entity` "unit" one that a recipient's unit is to hear of.

    `primary` marks the first of the records that one event became; what is counted once per event is counted there.
    """

    entity: str
    key: str
    position: int
    event: Event
    primary: bool = True


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Event time has reached `at` on every source that is not idle."""

    at: int


class StreamStalled(msgspec.Struct, frozen=True, gc=False):
    """Nothing has come on `stream` since `since`, longer than its `stalled_after`; silence on it proves nothing."""

    stream: str
    since: int


class StreamResumed(msgspec.Struct, frozen=True, gc=False):
    """`stream` flows again from `at`."""

    stream: str
    at: int


Record: TypeAlias = Routed | Tick | StreamStalled | StreamResumed


class DeadLetter(msgspec.Struct, frozen=True):
    """Input that could not be taken, kept with the raw bytes so that it can be replayed after a fix.

    `reason` is one of the codes listed in docs/bad-input.md. `raw` holds at most `RAW_KEPT` bytes; `raw_size` and
    `raw_digest` (hex) describe the whole.
    """

    reason: str
    detail: str
    stream: str
    source: str
    position: int
    raw: bytes
    raw_size: int
    raw_digest: str
    arrived_at: int = 0


class Severity(StrEnum):
    INFO = "info"
    WATCH = "watch"
    URGENT = "urgent"


class Mode(StrEnum):
    LIVE = "live"
    SHADOW = "shadow"
    PAUSED = "paused"


class Reading(msgspec.Struct, frozen=True):
    """One line of a signal's story: what was measured and what it was held against.

    `limit` is the threshold, `comparator` the word between (`at_least`), `in_a_row` how many periods had to agree.
    `limit_of` is the measure that the limit was read from, and not written down where it is a number of the author's.
    """

    measure: str
    value: Scalar
    comparator: str = ""
    limit: Scalar | tuple[Scalar, ...] = None
    in_a_row: int = 0
    met: bool = True
    limit_of: str | msgspec.UnsetType = msgspec.UNSET


class Membership(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What makes a signal one of a group's incident: the group's own signal, passed on to one of its members.

    `incident` is the id of the group's signal, `of` that of the member's first signal, `play` that of the clause, and
    `group` the group's kind. `step`: "first", "update:n" when a fact changed, "all-clear" when it is over; "ask" goes
    to a person about all `members` there are by then; "approved" and "declined" pass on what that one said.
    `verdict`: "asked" while that is awaited, then "approved" or "declined", `by` whom and `because` of what.
    Nothing goes out before `not_before`. `facts` come from the member's own event, `attributes` are the group's.
    """

    incident: str
    of: str
    group: str
    play: str
    step: str = "first"
    members: int = 0
    not_before: int = 0
    verdict: str = ""
    by: str = ""
    because: str = ""
    facts: Mapping[str, Json] = {}
    attributes: Mapping[str, Json] = {}


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A detector's verdict on one entity, as it opens or closes.

    `id` is the digest of (project, detector, entity, key, started_at) and the same for opening and closing.
    `unit` is whose limits and arbitration it falls under; `related` the other entities its latest events named.
    `cooldown_until` is set while an earlier episode's cooldown still runs. `event_ids` keeps the latest 20. `member` is
    set where a group's signal was passed on to one of its members, which the signal is then about. `models` are the
    versions of the models behind its chances, by the names of the measures.
    """

    id: str
    detector: str
    version: str
    entity: str
    key: str
    unit: str
    state: Literal["firing", "resolved"]
    at: int
    started_at: int
    severity: Severity
    mode: Mode
    reason: str
    owner: str
    readings: tuple[Reading, ...] = ()
    event_ids: tuple[str, ...] = ()
    related: Mapping[str, str] = {}
    attributes: Mapping[str, Json] = {}
    cooldown_until: int = 0
    member: Membership | None = None
    models: Mapping[str, str] = {}

    @property
    def root(self) -> str:
        """The id of the signal that it belongs to: its own, or that of the member's first one of the incident."""
        return self.id if self.member is None else self.member.of


class Outcome(StrEnum):
    CHOSEN = "chosen"
    HELD = "held"
    DROPPED = "dropped"
    WORKED = "worked"
    ANSWERED = "answered"


# What became of an action after it was chosen; the others say what became of a candidate.
RESULTS = (Outcome.WORKED, Outcome.ANSWERED)


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """Something to read or watch that goes with a message."""

    title: str
    url: str
    kind: Literal["article", "video", "link"] = "link"


class HumanPath(msgspec.Struct, frozen=True, kw_only=True):
    """How a customer reaches a person: by which way, the sentence that says so, and a number or address."""

    by: Literal["reply", "chat", "phone", "link"]
    say: str
    at: str = ""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A one-click fix: what it does, until when, and the address under which it stands in the texts.

    The address carries no signature before the action is sent, so that nothing that is kept could be clicked.
    """

    does: str
    expires_at: int
    url: str


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one candidate, at which gate it was held or dropped if it was, and what led there.

    What is held is decided again at `until`, which makes a decision of its own, with the same signal and play. `gate`
    is empty when chosen. `versions` names the detector, play and configuration it was made under. It contains no
    offset, worker or wall time, so replaying the same events gives the same bytes.
    `incident` is the group's signal that it is one of, and `step` the member's step in it.
    What competed has a `priority`, the product of its `factors`; `runner_up` is the play that would have gone instead.
    `variants` are the arms of the experiments that it is part of.
    `step` is its place in the play's course. What came of an action is written down likewise: `worked` when its goal
    was reached, `answered` when a colleague took it up, after `took_ms`. `after` is what came back of an earlier action
    and led to this one (`email rejected`).
    """

    id: str
    at: int
    unit: str
    recipient: str
    signal_id: str
    detector: str
    entity: str
    key: str
    play: str
    outcome: Outcome
    gate: str
    detail: str
    why: str
    reason: str
    severity: Severity
    action_id: str
    readings: tuple[Reading, ...]
    event_ids: tuple[str, ...]
    versions: Mapping[str, str]
    until: int = 0
    priority: float = 0.0
    factors: Mapping[str, float] = {}
    runner_up: str = ""
    step: str = ""
    took_ms: int = 0
    incident: str = ""
    after: str = ""
    variants: Mapping[str, str] = {}


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A chosen play for one recipient on one channel. Derived again, it gets the same id.

    `channel` is the play's word for the way (`desk`), which the project file maps to a sink. `expires_at` 0 = never.
    `about` is the entity whose signal led to it, as `kind:key`. `context` are lines that a colleague should know beside
    the text: what was sent before, what was answered, what is recommended. `zones` are the time zones in which it has
    to be day for it to be sent; none where it heeds no quiet hours. `language` is that of the texts, "" where the
    project names none.
    """

    id: str
    signal_id: str
    decision_id: str
    play: str
    detector: str
    channel: str
    unit: str
    recipient: str
    step: str
    at: int
    expires_at: int
    tier: int
    purpose: Literal["critical", "service", "marketing"]
    owner: str
    title: str
    text: str
    why: str
    severity: Severity
    event_ids: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    about: str = ""
    context: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    language: str = ""
    human: HumanPath | None = None
    resources: tuple[Resource, ...] = ()
    link: Link | None = None
    variants: Mapping[str, str] = {}


class Receipt(msgspec.Struct, frozen=True):
    """What became of an action: a state of the ledger, after how many attempts, and when in wall time.

    `entities` are those it was for and about, by kind.
    """

    action_id: str
    channel: str
    what: str
    at: int
    attempts: int
    why: str = ""
    play: str = ""
    recipient: str = ""
    unit: str = ""
    entities: Mapping[str, str] = {}


class Recall(msgspec.Struct, frozen=True, tag="recall"):
    """Actions of a unit that must not be sent any more, if they have not been yet, and why; as of an event time.

    `why` names nobody.
    """

    unit: str
    action_ids: tuple[str, ...]
    why: str
    at: int
