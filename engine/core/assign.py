"""The assign step: tasks for colleagues in, as many chosen as there is room for, the best first; the others wait.

It comes behind deciding, and each owner's moments are taken one after the other. What it takes at a moment has to be
all that any unit hands over at that moment; whoever drives it sees to that.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

import msgspec

from engine.core.decide import Units
from engine.core.digest import digest
from engine.core.effects import Effects
from engine.core.gates import Stop
from engine.core.handing import OWNER, capacity_of
from engine.core.moments import spoken_moment
from engine.core.periods import period_of
from engine.core.tasks import Desk, Handover, Task, Waits
from engine.model import Outcome
from engine.ports import NEVER
from engine.spec.policies import CapacitySpec
from engine.spec.types import Configuration

GATE = "capacity"
# A capacity's word for its period, as periods are named.
_PERIODS = {"day": "1d", "week": "1w"}
_NO_END = CapacitySpec(at_most=NEVER, waiting=NEVER)


class Assign:
    """One partition's assign step. Effects are appended to `effects`."""

    def __init__(self, configuration: Configuration, units: Units, effects: Effects) -> None:
        self._units = units
        self._effects = effects
        self._project = configuration.project
        # When each owner has to be looked at, the earliest first. Those read from a store may be due at any time.
        self._dues: list[tuple[int, str]] = [(0, name) for name in sorted(units.waiting) if name.startswith(OWNER)]

    def take(self, handovers: Iterable[Handover]) -> None:
        """Keep them until time has come to their moments."""
        for handover in handovers:
            unit = self._units.change(handover.owner)
            unit.desk = unit.desk or Desk()
            unit.desk.coming.append(handover)
            heappush(self._dues, (handover.at, handover.owner))

    def on_tick(self, at: int) -> None:
        """Everything up to `at`: owner by owner, and of each in order of time."""
        names = set()
        while self._dues and self._dues[0][0] <= at:
            names.add(heappop(self._dues)[1])
        for name in sorted(names):
            desk = self._units.get(name).desk
            if desk is not None and desk.is_waiting:
                self._catch_up(name, desk, at)

    def _catch_up(self, name: str, desk: Desk, at: int) -> None:
        rule = capacity_of(name, self._project.policies)
        while (now := self._next_moment(desk, rule, at)) <= at:
            self._units.change(name)
            self._assign(name, desk, rule or _NO_END, now)
        if now < NEVER:
            heappush(self._dues, (now, name))

    def _next_moment(self, desk: Desk, rule: CapacitySpec | None, at: int) -> int:
        """When something comes, or there is room again. Where the rule is gone, there is room now."""
        again = [one.until if rule else at for one in desk.waiting]
        return min([*again, *(handover.at for handover in desk.coming)], default=NEVER)

    def _assign(self, name: str, desk: Desk, rule: CapacitySpec, now: int) -> None:
        arrived = [handover for handover in desk.coming if handover.at <= now]
        desk.coming = [handover for handover in desk.coming if handover.at > now]
        instead = {h.task.decision.id: h.instead for h in arrived if h.task and h.instead}
        desk.waiting += [Waits(h.task, h.about) for h in arrived if h.task]
        self._withdraw(desk, {handover.withdrawn for handover in arrived if handover.withdrawn}, now)
        began, ends = period_of(now, _PERIODS[rule.per], rule.time_zone)
        if began > desk.began:
            desk.began, desk.used = began, 0
        detail = _full(name, rule)
        waiting, desk.waiting = sorted(desk.waiting, key=lambda one: one.order), []
        for one in waiting:
            expires_at = one.task.action.expires_at
            if expires_at and expires_at <= now:
                self._stop(one, Stop("expired", f"it was worth doing until {spoken_moment(expires_at)}"), now)
            elif desk.used < rule.at_most or one.task.at_once:
                desk.used += 1
                self._choose(one.task, one.round, now)
            elif other := instead.get(one.task.decision.id):
                self._stop(one, Stop(GATE, f"{detail}; {other.decision.play} is done instead"), now)
                self._choose(other, 0, now)
            elif len(desk.waiting) >= rule.waiting:
                self._stop(one, Stop(GATE, f"{detail}, and {rule.waiting} tasks of more value wait already"), now)
            else:
                desk.waiting.append(one)
                if one.until <= now:
                    self._stop(one, Stop(GATE, f"{detail}; decided again at {spoken_moment(ends)}", ends), now)

    def _withdraw(self, desk: Desk, signals: set[str], now: int) -> None:
        """What waits about a signal that has closed is not done any more."""
        gone: list[Waits] = []
        waiting, desk.waiting = desk.waiting, []
        for one in waiting:
            ends = one.task.decision.signal_id in signals and not one.task.stays
            (gone if ends else desk.waiting).append(one)
        for one in sorted(gone, key=lambda one: one.order):
            self._stop(one, Stop("resolved", "the signal closed before there was room"), now)

    # ---- what is recorded

    def _choose(self, task: Task, round_: int, now: int) -> None:
        decision_id = _decision_id(task, round_)
        self._effects.decisions.append(msgspec.structs.replace(task.decision, id=decision_id, at=now))
        self._effects.actions.append(msgspec.structs.replace(task.action, decision_id=decision_id, at=now))

    def _stop(self, one: Waits, stop: Stop, now: int) -> None:
        decision = msgspec.structs.replace(
            one.task.decision,
            id=_decision_id(one.task, one.round),
            at=now,
            outcome=Outcome.HELD if stop.until else Outcome.DROPPED,
            gate=stop.gate,
            detail=stop.detail,
            until=stop.until,
            action_id="",
        )
        self._effects.decisions.append(decision)
        one.until, one.round = stop.until, one.round + 1


def _decision_id(task: Task, round_: int) -> str:
    """The first decision has the id that it was written with; those that follow each one of their own."""
    return digest(task.decision.id, GATE, str(round_)) if round_ else task.decision.id


def _full(name: str, rule: CapacitySpec) -> str:
    """`ida has no room: at most 8 a day`."""
    return f"{name.removeprefix(OWNER)} has no room: at most {rule.at_most} a {rule.per}"
