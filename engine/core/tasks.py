"""Tasks for colleagues, on their way from the unit that raised them to the owner who can do only so many.

A task is written out where it is raised, with its texts, as only that unit knows what they name. Whether there is room
for it is known with its owner alone.
"""

from __future__ import annotations

import msgspec

from engine.model import SECOND_MS, Action, Decision


def round_after(at: int) -> int:
    """The end of the second that holds `at`: when owners take what was raised in it.

    Of what happens at one moment, some is heard of before time is told to have come there and some after, and which
    depends on how the work was split. At the end of the second all of it is there.
    """
    return (at // SECOND_MS + 1) * SECOND_MS


class Task(msgspec.Struct, frozen=True):
    """What would be recorded and done if it were chosen.

    `at_once`: it waits for no room. `stays`: it is done though its signal has closed.
    """

    decision: Decision
    action: Action
    at_once: bool = False
    stays: bool = False


class Handover(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task for an owner (`owner:ida`), or with `withdrawn` the id of a signal that has closed.

    `at` is when the owner takes it in. `instead` is what is done where there is no room. `about`
    names all that the task was raised for and with (`customer:c7`), so that an erasure finds it.
    """

    owner: str
    at: int
    task: Task | None = None
    instead: Task | None = None
    about: tuple[str, ...] = ()
    withdrawn: str = ""


class Waits(msgspec.Struct, array_like=True):
    """A task that there was no room for. `round` counts the decisions made of it, the next is due at `until`."""

    task: Task
    about: tuple[str, ...]
    until: int = 0
    round: int = 0

    @property
    def order(self) -> tuple[bool, float, int, str, str]:
        """The best comes first. What cannot wait comes before all; equal ones in the order of their coming."""
        decision = self.task.decision
        return not self.task.at_once, -decision.priority, decision.at, decision.signal_id, decision.play


class Desk(msgspec.Struct, array_like=True):
    """What is remembered of an owner: what no tick has reached yet, what waits, and how much of the period is used."""

    coming: list[Handover] = []
    waiting: list[Waits] = []
    began: int = 0
    used: int = 0

    @property
    def is_waiting(self) -> bool:
        return bool(self.coming or self.waiting)
