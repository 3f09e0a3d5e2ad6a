"""What a unit remembers of messages after they were chosen: courses, what was done with them, and answers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.model import Signal
from engine.spec.types import FIRST_STEP

# Of one person, so many courses are remembered at most; of fewer the whole signal they are about.
MOST_COURSES = 20
MOST_SIGNALS = 5
# A reaction of a colleague that ends the waiting for a person.
TAKEN_UP = ("answered", "acknowledged")


class Heard(msgspec.Struct, array_like=True, frozen=True):
    """An event that deciding wants, as far as it is needed: waits with its unit until time has come to it.

    `whose` is the person it is about (`customer:ada`), "" for all of the unit. `met` are the conditions that it meets,
    `said` what somebody wrote.
    """

    at: int
    id: str
    event: str
    stream: str
    whose: str
    met: tuple[str, ...] = ()
    action: str = ""
    play: str = ""
    said: str = ""


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What a colleague has to know of somebody's reply; `opens` is when the desk is there, "" if it is now."""

    at: int
    whose: str
    said: str
    sent: tuple[str, ...] = ()
    recommended: str = ""
    opens: str = ""


class Message(msgspec.Struct, array_like=True):
    """One message of a course, and what was done with it: kind of reaction -> when first.

    `is_shadow` if it was kept back on purpose. `variants` are the arms that it was sent in.
    """

    action: str
    at: int
    recipient: str
    channel: str
    title: str = ""
    step: str = FIRST_STEP
    is_shadow: bool = False
    reactions: dict[str, int] = {}
    variants: Mapping[str, str] = {}

    @property
    def to_staff(self) -> bool:
        """Did it go to a colleague?"""
        return self.recipient.startswith("owner:")

    @property
    def is_taken_up(self) -> bool:
        """Has somebody said that they take care of it?"""
        return any(kind in self.reactions for kind in TAKEN_UP)


class Course(msgspec.Struct, array_like=True):
    """The messages of one play about one signal, to or about the person `whose` ("" = the account as a whole).

    `worked_at` is when its goal was reached, 0 if not; `counted`: it is in the tally of what works. `signal` is
    forgotten where nothing can be asked about it any more.
    """

    signal_id: str
    play: str
    whose: str
    signal: Signal | None
    messages: list[Message]
    worked_at: int = 0
    counted: bool = False

    @property
    def last_at(self) -> int:
        """When its latest message was chosen."""
        return self.messages[-1].at

    def concerns(self, whose: str) -> bool:
        """Does what happened to that person concern it? What names nobody concerns all."""
        return not whose or not self.whose or whose == self.whose
