"""The decide step: signals in, one decision record per candidate out, and an action where it was chosen.

Signals wait with their unit until a tick has passed their time, become a candidate for each of their plays, and are
gathered for the project's `wait`, so that what happens together is decided together, in an order that does not depend
on how the work was split. A unit's moments are taken one after the other, however far apart the ticks are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from typing import TypeAlias

import msgspec

from engine.core.arbitrate import field_of, lost, ranked
from engine.core.candidates import Candidates, waiting_for
from engine.core.consent import is_consent, remember_consent
from engine.core.course_state import Heard
from engine.core.courses import Courses
from engine.core.effects import Effects
from engine.core.gates import ON_PURPOSE, Stop, judge, kept_back
from engine.core.handing import handed_over, is_counted, task_of
from engine.core.incidents import (
    absorbed,
    forget_told,
    is_update,
    is_verdict,
    plays_of,
    remember_told,
    take_end,
    take_verdict,
)
from engine.core.inhibit import remember_firing
from engine.core.limits import remember_sent
from engine.core.listening import Listening
from engine.core.recall import recalled
from engine.core.receipts import (
    RECEIPT,
    are_recorded,
    followed_by,
    note_came,
    read_receipt,
    remember_underway,
    taken_for_done,
)
from engine.core.records import Records
from engine.core.review import ASKED, is_sampled, to_review, verdict_of
from engine.core.state import keep_newest
from engine.core.tasks import Handover, round_after
from engine.core.unit_state import Candidate, UnitState, again
from engine.model import Action, Receipt, Routed, Signal
from engine.ports import NEVER
from engine.spec.types import Configuration, PlaySpec

# Reads a unit that is not in memory; None where there is none.
LoadUnit: TypeAlias = Callable[[str], UnitState | None]


def _nothing_stored(unit: str) -> UnitState | None:
    return None


class Units:
    """The units in memory. `touched` are those changed since the last `saved()`, `waiting` those with candidates."""

    def __init__(self, load: LoadUnit = _nothing_stored, waiting: set[str] | None = None) -> None:
        self.known: dict[str, UnitState] = {}
        self.touched: dict[str, UnitState] = {}
        self.waiting: set[str] = waiting or set()
        self._load = load

    def get(self, unit: str) -> UnitState:
        state = self.known.get(unit)
        if state is None:
            state = self._load(unit) or UnitState()
            self.known[unit] = state
        return state

    def change(self, unit: str) -> UnitState:
        state = self.get(unit)
        self.touched[unit] = state
        return state

    def saved(self) -> None:
        self.touched.clear()

    def forget_beyond(self, most: int) -> None:
        for unit in list(self.known)[: max(0, len(self.known) - most)]:
            del self.known[unit]


class Decide:
    """One partition's decide step. Effects are appended to `effects`."""

    def __init__(self, configuration: Configuration, units: Units, effects: Effects, *, is_trial: bool = False) -> None:
        """`is_trial`: nothing is sent, so a remedy is taken to work, unless it is recorded what became of it."""
        self.units = units
        self.effects = effects
        # Everything up to this moment has been decided.
        self.passed = 0
        self._configuration = configuration
        self._project = configuration.project
        self._detectors = {spec.name: spec for spec in configuration.detectors}
        self._plays = configuration.plays
        self._records = Records(configuration)
        self._candidates = Candidates(configuration)
        self._describes = {s.name: s.describes for s in self._project.streams if s.describes}
        self._listening = Listening(configuration)
        self._courses = Courses(configuration)
        self._takes_for_done = is_trial and not are_recorded(configuration)
        # When each unit has to be looked at, the earliest first. Units read from a store may be due at any time.
        self._dues: list[tuple[int, str]] = [(0, name) for name in sorted(units.waiting)]

    # ---- what comes in

    def on_event(self, routed: Routed) -> None:
        """What a unit is to hear of: profiles, what somebody agreed to, and every event that some rule asks about."""
        event, review = routed.event, self._project.policies.review
        if event.event == RECEIPT:
            self._came_back(routed.key, *read_receipt(event), event.at)
        elif review is not None and event.event == review.event:
            if counted := verdict_of(review, self.units.change(routed.key), event):
                self.effects.reviews[counted] += 1
        elif event.event in self._listening.types:
            unit = self.units.change(routed.key)
            unit.heard.append(self._listening.heard(event))
            self._wake(routed.key, event.at)
        if describes := self._describes.get(event.stream):
            self._on_profile(routed, describes)

    def _on_profile(self, routed: Routed, describes: str) -> None:
        """Remember what one of the unit's entities is like, for `only_if`, `unless` and texts, or has agreed to."""
        event = routed.event
        key = event.entities.get(describes)
        if key is None:
            return
        unit, name = self.units.change(routed.key), f"{describes}:{key}"
        consent = self._project.policies.consent
        if consent is not None and is_consent(event, consent):
            remember_consent(unit, name, event, consent)
        else:
            known, times = unit.attributes.setdefault(name, {}), unit.attribute_times.setdefault(name, {})
            keep_newest(known, times, event.attributes, event.at)
        if consent is not None and unit.underway:
            self.effects.recalls += recalled(routed.key, unit, name, self._plays, consent, event.at)

    def on_receipt(self, receipt: Receipt, now: int) -> None:
        """What became of an action, as of the event time that has been reached."""
        if any(one.action_id == receipt.action_id for one in self.units.get(receipt.unit).underway):
            self._came_back(receipt.unit, receipt.action_id, receipt.what, now)

    def _came_back(self, name: str, action_id: str, what: str, at: int) -> None:
        note_came(self.units.change(name), action_id, what, at)
        self._wake(name, at)

    def on_signal(self, signal: Signal) -> None:
        unit = self.units.change(signal.unit)
        if signal.state == "resolved":
            self._end(unit, signal)
            return
        if is_verdict(signal):
            if take_verdict(unit, signal):
                self._wake(signal.unit, signal.at)
            return
        if not is_update(signal):
            unit.firing[signal.id] = signal.detector
            remember_firing(unit, signal, self._project.policies)
        if self._plays_of(signal):
            unit.waiting.append(signal)
            self._wake(signal.unit, signal.at)

    def _end(self, unit: UnitState, signal: Signal) -> None:
        unit.firing.pop(signal.id, None)
        unit.muting.pop(signal.id, None)
        at = round_after(max(signal.at, self.passed))
        for owner in unit.handed.pop(signal.id, ()):
            self.effects.handovers.append(Handover(owner=owner, at=at, withdrawn=signal.id))
        if unit.waits_for(signal.root):
            unit.resolved.append(signal.root)
        if take_end(unit, signal, self._detectors.get(signal.detector)):
            self._wake(signal.unit, signal.at)

    def _plays_of(self, signal: Signal) -> list[PlaySpec]:
        """What may be done about it, under this configuration."""
        detector = self._detectors.get(signal.detector)
        names = plays_of(signal, detector, self._project.policies.fan_out) if detector else ()
        return [self._plays[name] for name in names if name in self._plays]

    def on_tick(self, at: int) -> None:
        """Decide every candidate whose time has come: unit by unit, and of each in order of time."""
        names = set()
        while self._dues and self._dues[0][0] <= at:
            names.add(heappop(self._dues)[1])
        for name in sorted(names & self.units.waiting):
            self._catch_up(name, at)
        self.passed = max(self.passed, at)

    # ---- the moments of a unit

    def _wake(self, name: str, at: int) -> None:
        self.units.waiting.add(name)
        heappush(self._dues, (at, name))

    def _catch_up(self, name: str, at: int) -> None:
        unit = self.units.get(name)
        if self._next_look(unit) <= at:
            self.units.change(name)
            self._split(unit, at)
            while (now := self._next_moment(unit)) <= at:
                self._hear(unit, now)
                unit.candidates += followed_by(unit, now, self._plays, self.effects.returned)
                if unit.candidates:
                    self._decide(unit, now)
            self._forget_resolved(unit)
        self.units.waiting.discard(name)
        # What only its owner's room is waited for is none of this step's.
        if (again := self._next_look(unit)) < NEVER:
            self._wake(name, again)

    def _split(self, unit: UnitState, at: int) -> None:
        """Make candidates of the signals that the tick has reached, one for each play."""
        reached = [signal for signal in unit.waiting if signal.at <= at]
        unit.waiting = [signal for signal in unit.waiting if signal.at > at]
        for signal in reached:
            if not absorbed(unit, signal) and (spec := self._detectors.get(signal.detector)):
                unit.candidates += waiting_for(signal, spec, self._plays_of(signal))

    def _next_moment(self, unit: UnitState) -> int:
        """When the next of its candidates is decided, or it hears of something that was said.

        A gathering closes `wait` after its first one came.
        """
        gathering = [one.since + self._project.wait_ms for one in unit.candidates if not one.due]
        others = [one.due for one in unit.candidates if one.due]
        told = [one.at for one in unit.heard] + [one.at for one in unit.came]
        return min([*gathering, *others, *told], default=NEVER)

    def _next_look(self, unit: UnitState) -> int:
        return min([self._next_moment(unit), *(signal.at for signal in unit.waiting)])

    def _hear(self, unit: UnitState, now: int) -> None:
        """Take what happened up to that moment, before anything is decided at it."""
        reached = sorted((one for one in unit.heard if one.at <= now), key=lambda one: (one.at, one.event, one.id))
        if reached:
            unit.heard = [one for one in unit.heard if one.at > now]
        for heard in reached:
            self._listening.remember(unit, heard)
            self._follow(unit, heard, now)
        self._courses.tidy(unit, now)

    def _follow(self, unit: UnitState, heard: Heard, now: int) -> None:
        """What an event means to the messages that went out, and to those that are to follow."""
        news = self._courses.hear(unit, heard)
        self.effects.decisions += [self._records.result(result) for result in news.results if result.course.signal]
        for waiting, stop in news.stopped:
            for candidate in self._candidates.of(waiting, unit, now):
                self._settle(candidate, stop)
        if news.is_unmatched:
            self.effects.counts["unmatched", heard.stream] += 1

    def _decide(self, unit: UnitState, now: int) -> None:
        """Decide what is due, and all that was gathered if the gathering closes now."""
        gathered = [one for one in unit.candidates if not one.due and one.since <= now]
        closes = any(one.since + self._project.wait_ms <= now for one in gathered)
        ready = [one for one in unit.candidates if 0 < one.due <= now] + (gathered if closes else [])
        taken = {id(one) for one in ready}
        unit.candidates = [one for one in unit.candidates if id(one) not in taken]
        made = (candidate for one in ready for candidate in self._candidates.of(one, unit, now))
        candidates = sorted(made, key=lambda one: one.order)
        for candidate in candidates:
            if not candidate.competes:
                self._settle(*judge(candidate))
        self._arbitrate([candidate for candidate in candidates if candidate.competes])

    def _arbitrate(self, candidates: Iterable[Candidate]) -> None:
        """Of those that pass every gate, one goes to each recipient."""
        passed: list[Candidate] = []
        for candidate in candidates:
            way, stop = judge(candidate)
            if stop is None:
                passed.append(way)
            else:
                self._settle(way, stop)
        rivals, winners = ranked(passed), dict[str, Candidate]()
        for place, rival in enumerate(rivals):
            way, stop = _beside(rival, winners)
            if stop is None:
                way = msgspec.structs.replace(way, runner_up=_runner_up(rival, rivals[place + 1 :]))
                winners[field_of(rival)] = way
                stop = kept_back(way)
            self._settle(way, stop)

    def _settle(self, candidate: Candidate, stop: Stop | None) -> None:
        if stop is not None:
            self.effects.decisions.append(self._records.stopped(candidate, stop))
            self._review(candidate)
            if stop.until:
                self._hold(candidate, stop.until)
            if stop.gate in ON_PURPOSE:
                remember_sent(candidate, is_shadow=True)
                remember_told(candidate)
                self._courses.note(candidate, None)
        elif is_counted(candidate):
            self._courses.note(candidate, self._hand_over(candidate))
        else:
            decision, action = self._records.chosen(candidate)
            self.effects.decisions.append(decision)
            self.effects.actions.append(action)
            self._review(candidate)
            remember_sent(candidate, is_shadow=False)
            remember_told(candidate)
            self._courses.note(candidate, action)
            remember_underway(candidate, action.id)
            if self._takes_for_done:
                taken_for_done(candidate, action.id)
        # The step that follows waits already where this one is on its second way.
        is_for_good = (stop is None or not stop.until) and not candidate.refused
        if is_for_good and (step := self._courses.after(candidate, stop)):
            candidate.unit.candidates.append(step)

    def _review(self, candidate: Candidate) -> None:
        """Have a person look at the newest decision, if it is among those."""
        spec, decision = self._project.policies.review, self.effects.decisions[-1]
        if spec is not None and is_sampled(candidate, decision):
            _decision, would = self._records.chosen(candidate)
            self.effects.actions.append(to_review(spec, candidate, decision, would))
            self.effects.reviews[decision.play, ASKED] += 1

    def _hold(self, candidate: Candidate, until: int) -> None:
        """It passes every gate again then."""
        held = again(candidate, candidate.now, until, candidate.step)
        held.round, held.answer = candidate.round + 1, candidate.answer
        held.refused, held.after, held.has_worked = candidate.refused, candidate.after, candidate.has_worked
        candidate.unit.candidates.append(held)

    def _hand_over(self, candidate: Candidate) -> Action:
        """Whether there is room for it is decided with its owner. Returns what is done if there is."""
        at = round_after(max(candidate.now, self.passed))
        task = task_of(candidate, self._records)
        self.effects.handovers.append(handed_over(candidate, task, at, self._records, self._configuration))
        owners = candidate.unit.handed.setdefault(candidate.signal.id, [])
        if not task.stays and candidate.recipient not in owners:
            owners.append(candidate.recipient)
        return task.action

    def _forget_resolved(self, unit: UnitState) -> None:
        unit.resolved = [signal_id for signal_id in unit.resolved if unit.waits_for(signal_id)]
        forget_told(unit)


def _beside(rival: Candidate, winners: Mapping[str, Candidate]) -> tuple[Candidate, Stop | None]:
    """What becomes of a rival whose gates were open before these winners went."""
    if winner := winners.get(field_of(rival)):
        return rival, lost(rival, winner)
    # One that went to somebody else of the unit may have used up a limit.
    return judge(rival) if winners else (rival, None)


def _runner_up(winner: Candidate, others: Iterable[Candidate]) -> str:
    return next((other.play.name for other in others if field_of(other) == field_of(winner)), "")


def encode_unit(state: UnitState) -> bytes:
    return msgspec.msgpack.encode(state)


def decode_unit(record: bytes) -> UnitState:
    return msgspec.msgpack.decode(record, type=UnitState)
