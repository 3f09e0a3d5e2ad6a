"""The typed form of `for_each`: what a signal about a group means to each of its members.

Built only by the parser, as everything in `types`. Durations are int milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.ports import FieldTest

if TYPE_CHECKING:
    from engine.spec.types import Eligibility, Place

# What a person says of a fan-out that waits for one, as events about the group.
APPROVED, DECLINED = "fanout.approved", "fanout.declined"
MEMBERS_MOST = 100_000


class ForEach(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `then` that goes to each member of the group that the detector watches.

    A member is an entity of `kind` that one of `events` named together with the group in the last `over_ms`. `facts`
    are the fields of a member's own event that texts may name; when one of `update_on` changes, there is an update.
    At most `portion` of them begin in each `span_ms` (0 = all at once). Above `ask_above` members (0 = what the project
    says) nothing goes out before a person has approved, which the play `ask` asks for.
    """

    kind: str
    play: str
    events: tuple[str, ...]
    over_ms: int
    where: tuple[FieldTest, ...] = ()
    facts: tuple[str, ...] = ()
    update_on: tuple[str, ...] = ()
    all_clear: str = ""
    keep_adding: bool = True
    portion: int = 0
    span_ms: int = 0
    ask_above: int = 0
    ask: str = ""
    at_most_members: int = MEMBERS_MOST
    only_if: Eligibility = ()
    unless: Eligibility = ()
    place: Place | None = None


class FanOutSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The project's flood guard: above so many members (0 = however many), the play `ask` asks a person first."""

    ask_above: int = 0
    ask: str = ""


class Guard(msgspec.Struct, frozen=True):
    """What a clause's guard comes to, its own words before the project's. `above` 0 = it has none."""

    above: int
    ask: str


def guard_of(clause: ForEach, project: FanOutSpec) -> Guard:
    return Guard(clause.ask_above or project.ask_above, clause.ask or project.ask)
