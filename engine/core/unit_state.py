"""What deciding remembers of one unit, and a candidate: a signal with one of its plays, about to be decided."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.core.course_state import Answer, Course, Heard
from engine.core.tasks import Desk
from engine.model import Json, Signal
from engine.spec.types import FIRST_STEP, Choice, DetectorSpec, PlaySpec, ProjectSpec


class Waiting(msgspec.Struct, array_like=True):
    """A signal's play that is not decided for good yet.

    `since` is when it began to wait for others. `due` is when it is decided, 0 = when its gathering closes. `round`
    counts the decisions made of it before, so that each has an id of its own. `step` is its place in the play's course,
    `answer` the reply that it is to follow up. `refused` are the channels that did not take it, `after` is what came
    back and led to it, and `has_worked` says that this was a remedy that did. `others` are plays of which the first
    that may be done takes its place. `asked` is the play that `then` names, where an arm of an experiment does `play`
    instead; "" = the same.
    """

    signal: Signal
    play: str
    since: int
    due: int = 0
    round: int = 0
    step: str = FIRST_STEP
    answer: Answer | None = None
    refused: tuple[str, ...] = ()
    after: str = ""
    has_worked: bool = False
    others: tuple[str, ...] = ()
    asked: str = ""


class Sent(msgspec.Struct, array_like=True, frozen=True):
    """A message that was chosen for a customer, as far as limits count it; `is_shadow` if the holdout kept it back."""

    at: int
    recipient: str
    play: str
    purpose: str
    channel: str
    tags: tuple[str, ...] = ()
    is_shadow: bool = False


class Underway(msgspec.Struct, array_like=True):
    """An action that was chosen, as long as something may still become of it.

    `signal` is kept where something else would be decided then, `left` are the channels that it may still go by.
    `round`, `step`, `refused` and `asked` as in Waiting.
    """

    action_id: str
    at: int
    play: str
    recipient: str
    channel: str
    signal: Signal | None = None
    round: int = 0
    refused: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    step: str = FIRST_STEP
    is_recalled: bool = False
    asked: str = ""


class Came(msgspec.Struct, array_like=True, frozen=True):
    """What became of an action, a state of the ledger; it is taken in when time has come to `at`."""

    at: int
    action_id: str
    what: str


class Word(msgspec.Struct, array_like=True, frozen=True):
    """What somebody said about a channel and a purpose, "" = every one: yes or no, as of when."""

    channel: str
    purpose: str
    given: bool
    at: int


class UnitState(msgspec.Struct, array_like=True):
    """What deciding remembers of one unit.

    `waiting` are the signals that no tick has reached yet, `resolved` the ids of those that have closed before they
    were decided for good, `firing` the open signals (id -> detector), `attributes` the profiles of the unit's entities
    ("account:acme" -> attributes), and `attribute_times` as of when each of those is. `candidates` are what the
    waiting signals became, one for each of their plays. `sent` is what limits may still count, `consent`
    what each of the unit's people ("customer:ada") has said, `muting` whom the open signals are about that mute others.
    `handed` are the owners to whom open signals have brought tasks (id -> `owner:ida`); `desk` is of an owner alone.
    `heard` are events that time has not come to yet, `happened` when each condition was last met, and for whom.
    `courses` are the messages that something may still come of, `tally` how often each play was tried and worked.
    `reviews` are decisions that a person looks at and has said nothing of yet (id -> play).
    `told` are the signals of groups' incidents of which its people were told, as long as those are open.
    `underway` are actions that something may still become of, `came` what has, as far as it is not taken in yet.
    """

    waiting: list[Signal] = []
    resolved: list[str] = []
    firing: dict[str, str] = {}
    attributes: dict[str, dict[str, Json]] = {}
    attribute_times: dict[str, dict[str, int]] = {}
    candidates: list[Waiting] = []
    sent: list[Sent] = []
    consent: dict[str, list[Word]] = {}
    muting: dict[str, dict[str, str]] = {}
    handed: dict[str, list[str]] = {}
    desk: Desk | None = None
    heard: list[Heard] = []
    happened: dict[str, dict[str, int]] = {}
    courses: list[Course] = []
    tally: dict[str, tuple[int, int]] = {}
    reviews: dict[str, str] = {}
    told: list[str] = []
    underway: list[Underway] = []
    came: list[Came] = []

    @property
    def is_waiting(self) -> bool:
        """Is there anything that time will bring to a decision?"""
        desk = bool(self.desk and self.desk.is_waiting)
        return desk or bool(self.waiting or self.candidates or self.heard or self.came)

    def waits_for(self, signal_id: str) -> bool:
        """Is this signal not decided for good yet?"""
        return (
            any(signal.root == signal_id for signal in self.waiting)
            or any(one.signal.root == signal_id for one in self.candidates)
            or any(one.signal is not None and one.signal.root == signal_id for one in self.underway)
        )


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A signal's play for a recipient (`customer:c7`) by a channel, about to be decided at `now`.

    At a later `step` of its course, `play` is that step's. With `answer`, it follows up what somebody replied.
    Where it competes, `priority` is what it is worth beside others, the product of its `factors`, 0 before they are
    known; `runner_up` is the play that would go instead. `refused`, `after` and `has_worked` as in Waiting.
    `asked` is its play's name in `then`, and `choice` what is asked there; `beaten_by` a play that goes in its place.
    `variants` are the arms that concern it, `left_out_by` the experiment of which its arm does nothing.
    """

    signal: Signal
    detector: DetectorSpec
    play: PlaySpec
    recipient: str
    channel: str
    unit: UnitState
    project: ProjectSpec
    now: int
    round: int = 0
    factors: Mapping[str, float] = {}
    priority: float = 0.0
    runner_up: str = ""
    step: str = FIRST_STEP
    answer: Answer | None = None
    refused: tuple[str, ...] = ()
    after: str = ""
    has_worked: bool = False
    asked: str = ""
    choice: Choice = Choice()
    beaten_by: str = ""
    variants: Mapping[str, str] = {}
    left_out_by: str = ""

    @property
    def competes(self) -> bool:
        """Only messages to customers do; what is critical or owed goes beside them."""
        return self.play.to == "customer" and self.play.purpose != "critical" and not self.play.mandatory

    @property
    def expires_at(self) -> int:
        """When it is not worth sending any more, in ms; 0 = never. Waiting for others takes nothing of it."""
        expires_ms = self.play.expires_ms
        begins = self.answer.at if self.answer else self.signal.at
        return begins + self.project.wait_ms + expires_ms if expires_ms else 0

    def profile_of(self, kind: str) -> Mapping[str, Json]:
        """What is known of the entity of that kind which the signal is about or was seen with."""
        return profile_of(self.signal, self.unit, kind)

    @property
    def order(self) -> tuple[int, str, str]:
        """Candidates of one moment are taken in this order."""
        return self.signal.at, self.signal.id, self.play.name


def again(candidate: Candidate, since: int, due: int, step: str) -> Waiting:
    """What waits to be decided later: the same play for the same signal, at that step of its course."""
    name = candidate.play.name
    asked = candidate.asked if candidate.asked != name else ""
    return Waiting(candidate.signal, name, since, due, step=step, asked=asked)


def profile_of(signal: Signal, unit: UnitState, kind: str) -> Mapping[str, Json]:
    """The profile of the signal's own entity, or of the one of that kind it was seen with.

    What the unit has learnt of the signal's own entity since the signal counts too: it may have waited for hours. Of a
    member, the group knows nothing but the unit does.
    """
    if signal.member is not None and kind == signal.member.group:
        return dict(signal.member.attributes)
    if signal.member is not None and signal.entity == kind:
        return unit.attributes.get(f"{kind}:{signal.key}", {})
    if signal.entity != kind:
        return unit.attributes.get(f"{kind}:{signal.related.get(kind, '')}", {})
    own = f"{kind}:{signal.key}"
    times, known = unit.attribute_times.get(own), unit.attributes.get(own)
    newer = [name for name, at in times.items() if at > signal.at] if times and known else ()
    return {**signal.attributes, **{name: known[name] for name in newer}} if known and newer else signal.attributes


def recipient_of(signal: Signal, play: PlaySpec, unit: UnitState) -> str:
    """`customer:c7`: who the play is for. Staff plays go to a desk, as they are assigned, or to the account's owner."""
    if play.to == "customer":
        if signal.entity == "customer":
            return f"customer:{signal.key}"
        return f"customer:{signal.related['customer']}" if "customer" in signal.related else signal.unit
    if play.to == "owner":
        kind, other = (play.assign.owner_of, play.assign.team) if play.assign else ("account", play.owner)
        owner = play.desk or profile_of(signal, unit, kind).get("owner")
        return f"owner:{owner if isinstance(owner, str) and owner else other}"
    return f"system:{play.channel}"
