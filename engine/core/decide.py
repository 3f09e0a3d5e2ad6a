"""The decide step: signals in, one decision record per candidate out, and an action where it was chosen.

Signals wait with their unit until a tick has passed their time (and the project's `wait`), so that what happens
together is decided together, in an order that does not depend on how the work was split.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from engine.core.digest import digest
from engine.core.effects import Effects
from engine.core.gates import Candidate, UnitState, attributes_of, first_stop
from engine.core.state import keep_newest
from engine.model import Action, Decision, Json, Outcome, Routed, Signal
from engine.ports import NEVER
from engine.spec.text import Text, compile_text
from engine.spec.types import Configuration, DetectorSpec, PlaySpec

# Reads a unit that is not in memory; None where there is none.
LoadUnit: TypeAlias = Callable[[str], UnitState | None]
FIRST_STEP = "first"


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

    def __init__(self, configuration: Configuration, units: Units, effects: Effects) -> None:
        self.units = units
        self.effects = effects
        self._project = configuration.project
        self._version = configuration.version
        self._detectors = {spec.name: spec for spec in configuration.detectors}
        self._plays = configuration.plays
        self._texts: dict[str, Text] = {}
        self._next_close = 0  # units read from a store may have candidates waiting

    def on_profile(self, routed: Routed, describes: str) -> None:
        """Remember the attributes of one of the unit's entities, for `only_if`, `unless` and texts."""
        key = routed.event.entities.get(describes)
        if key is not None:
            unit, name = self.units.change(routed.key), f"{describes}:{key}"
            known, times = unit.attributes.setdefault(name, {}), unit.attribute_times.setdefault(name, {})
            keep_newest(known, times, routed.event.attributes, routed.event.at)

    def on_signal(self, signal: Signal) -> None:
        unit = self.units.change(signal.unit)
        if signal.state == "resolved":
            unit.firing.pop(signal.id, None)
            if any(waiting.id == signal.id for waiting in unit.waiting):
                unit.resolved.append(signal.id)
            return
        unit.firing[signal.id] = signal.detector
        if self._detectors[signal.detector].play:
            unit.waiting.append(signal)
            self.units.waiting.add(signal.unit)
            self._next_close = min(self._next_close, signal.at + self._project.wait_ms)

    def on_tick(self, at: int) -> None:
        """Decide every candidate whose time has come, in order of (at, signal id, play)."""
        if at < self._next_close:
            return
        closing, first_left = at - self._project.wait_ms, NEVER
        for name in sorted(self.units.waiting):
            unit = self.units.get(name)
            ready = [signal for signal in unit.waiting if signal.at <= closing]
            if ready:
                self._close(name, ready)
            if not unit.waiting:
                self.units.waiting.discard(name)
            first_left = min([first_left, *(signal.at for signal in unit.waiting)])
        self._next_close = first_left + self._project.wait_ms

    def _close(self, name: str, ready: list[Signal]) -> None:
        unit = self.units.change(name)
        for signal in sorted(ready, key=lambda one: (one.at, one.id)):
            detector = self._detectors.get(signal.detector)
            play = self._plays.get(detector.play) if detector else None
            if detector and play:
                self._decide(Candidate(signal, detector, play, unit))
        done = {signal.id for signal in ready}
        unit.waiting = [signal for signal in unit.waiting if signal.id not in done]
        unit.resolved = [signal_id for signal_id in unit.resolved if signal_id not in done]

    def _decide(self, candidate: Candidate) -> None:
        gate, detail = first_stop(candidate)
        values = self._values(candidate)
        why = self._render(candidate.detector.why, values)
        recipient = _recipient(candidate)
        action = None if gate else self._action(candidate, recipient, values | {"why": why}, why)
        self.effects.decisions.append(self._record(candidate, recipient, why, action, (gate, detail)))
        if action:
            self.effects.actions.append(action)

    def _record(
        self, candidate: Candidate, recipient: str, why: str, action: Action | None, stopped: tuple[str, str]
    ) -> Decision:
        signal, play = candidate.signal, candidate.play
        return Decision(
            id=digest(signal.id, play.name, recipient, "decision"),
            at=signal.at + self._project.wait_ms,
            unit=signal.unit,
            recipient=recipient,
            signal_id=signal.id,
            detector=signal.detector,
            entity=signal.entity,
            key=signal.key,
            play=play.name,
            outcome=Outcome.CHOSEN if action else Outcome.DROPPED,
            gate=stopped[0],
            detail=stopped[1],
            why=why,
            reason=signal.reason,
            severity=signal.severity,
            action_id=action.id if action else "",
            readings=signal.readings,
            event_ids=signal.event_ids,
            versions={"detector": signal.version, "play": play.version, "configuration": self._version},
        )

    def _action(self, candidate: Candidate, recipient: str, values: dict[str, Json], why: str) -> Action:
        signal, play = candidate.signal, candidate.play
        at = signal.at + self._project.wait_ms
        return Action(
            id=digest(signal.id, play.name, recipient, play.channel, FIRST_STEP),
            signal_id=signal.id,
            decision_id=digest(signal.id, play.name, recipient, "decision"),
            play=play.name,
            detector=signal.detector,
            channel=play.channel,
            unit=signal.unit,
            recipient=recipient,
            step=FIRST_STEP,
            at=at,
            expires_at=at + play.expires_ms if play.expires_ms else 0,
            tier=play.tier,
            purpose=play.purpose,
            owner=play.owner,
            title=self._render(play.title, values),
            text=self._render(play.text, values),
            why=why,
            severity=signal.severity,
            event_ids=signal.event_ids,
            readings=signal.readings,
            about=f"{signal.entity}:{signal.key}",
        )

    def _values(self, candidate: Candidate) -> dict[str, Json]:
        """What a text may name: measures, the signal, and every entity it knows with its profile."""
        signal = candidate.signal
        values: dict[str, Json] = {r.measure: _number(r.value) for r in signal.readings}
        values |= {"reason": signal.reason, "owner": signal.owner, "severity": signal.severity.value}
        values |= {"detector": signal.detector, "entity": signal.entity, "key": signal.key, "at": signal.at}
        values |= {"play": candidate.play.name, "title": candidate.play.title, "event_ids": list(signal.event_ids)}
        for kind, key in {**signal.related, signal.entity: signal.key}.items():
            values[kind] = {"id": key, "name": key, **attributes_of(candidate, kind)}
        return values

    def _render(self, source: str, values: dict[str, Json]) -> str:
        text = self._texts.get(source)
        if text is None:
            text = self._texts[source] = compile_text(source)
        return text.render(values, self._project.bounds.text_chars)[0].strip()


def _number(value: object) -> Json:
    """Numbers as a person would write them: no more than two decimals."""
    if isinstance(value, float):
        return round(value, 2)
    return value if isinstance(value, str | int | bool) else None


def _recipient(candidate: Candidate) -> str:
    """`customer:c7`: who the play is for. Staff plays go to the desk it names, the account's owner, or the play's."""
    signal, play = candidate.signal, candidate.play
    if play.to == "customer":
        if signal.entity == "customer":
            return f"customer:{signal.key}"
        return f"customer:{signal.related['customer']}" if "customer" in signal.related else signal.unit
    if play.to == "owner":
        owner = attributes_of(candidate, "account").get("owner")
        return f"owner:{play.desk or (owner if isinstance(owner, str) else play.owner)}"
    return f"system:{play.channel}"


def encode_unit(state: UnitState) -> bytes:
    return msgspec.msgpack.encode(state)


def decode_unit(record: bytes) -> UnitState:
    return msgspec.msgpack.decode(record, type=UnitState)


def is_idle(state: UnitState) -> bool:
    """Nothing is remembered that could matter again."""
    return not (state.waiting or state.firing or state.attributes)


def spec_of(configuration: Configuration, name: str) -> tuple[DetectorSpec | None, PlaySpec | None]:
    """A detector and its play by the detector's name."""
    detector = next((spec for spec in configuration.detectors if spec.name == name), None)
    return detector, configuration.plays.get(detector.play) if detector else None
