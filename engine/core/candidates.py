"""How signals become candidates: one for each entry of `then`, of several plays the first that may be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from engine.core.experiments import Experiments
from engine.core.gates import may_be_done
from engine.core.unit_state import Candidate, UnitState, Waiting, recipient_of
from engine.model import Signal
from engine.spec.types import FIRST_STEP, Choice, Configuration, DetectorSpec, PlaySpec

NOTHING_ASKED = Choice()


def waiting_for(signal: Signal, detector: DetectorSpec, plays: Sequence[PlaySpec]) -> list[Waiting]:
    """What waits to be decided once a signal has opened, of the plays that it calls for."""
    known = {play.name: play for play in plays}
    # What goes to each member of a group stands beside the entries with several plays.
    first_of = detector.first_of if signal.member is None else ()
    grouped = {name for group in first_of for name in group}
    alone = [(name,) for name in known if name not in grouped]
    groups = [tuple(name for name in group if name in known) for group in (*alone, *first_of)]
    # In the order of `then`, so that one entry more or less does not change the others.
    order = list(known)
    return [
        Waiting(signal, group[0], signal.at, _due_alone(signal, [known[name] for name in group]), others=group[1:])
        for group in sorted(filter(None, groups), key=lambda group: order.index(group[0]))
    ]


def _due_alone(signal: Signal, plays: list[PlaySpec]) -> int:
    """When a play that waits for nobody is decided; 0 for the others."""
    return signal.at if any(play.purpose == "critical" or play.in_session for play in plays) else 0


class Candidates:
    """Makes them under one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._project = configuration.project
        self._detectors = {spec.name: spec for spec in configuration.detectors}
        self._plays = configuration.plays
        self._experiments = Experiments(configuration)

    def of(self, one: Waiting, unit: UnitState, now: int) -> Iterator[Candidate]:
        """The candidates of what waits; where there are several, those after the first that may be done are beaten."""
        first = ""
        for name in (one.play, *one.others):
            candidate = self._candidate(one, name, unit, now)
            if candidate is None:
                continue
            yield msgspec.structs.replace(candidate, beaten_by=first) if first else candidate
            if one.others and not first and may_be_done(candidate):
                first = candidate.play.name

    def _candidate(self, one: Waiting, name: str, unit: UnitState, now: int) -> Candidate | None:
        asked = one.asked or name
        detector, usual = self._detectors.get(one.signal.detector), self._plays.get(asked)
        if detector is None or usual is None:
            return None
        trying = self._experiments.trying(one.signal, usual, unit)
        play = self._play_at(one, name, trying.play)
        if play is None:
            return None
        # What an entry of `then` asks is asked of the entity, not of each member of a group.
        choices = detector.choices if one.signal.member is None else {}
        return Candidate(
            signal=one.signal,
            detector=detector,
            play=play,
            recipient=_recipient(one, play, unit),
            channel=play.channel,
            unit=unit,
            project=self._project,
            now=now,
            round=one.round,
            step=one.step,
            answer=one.answer,
            refused=one.refused,
            after=one.after,
            has_worked=one.has_worked,
            asked=asked,
            choice=choices.get(asked, NOTHING_ASKED),
            variants=trying.variants,
            left_out_by=trying.left_out_by,
        )

    def _play_at(self, one: Waiting, name: str, tried: PlaySpec) -> PlaySpec | None:
        """The play as it is at that step. A course goes on as it began, whatever its arm has become meanwhile."""
        is_first = one.step == FIRST_STEP or one.answer is not None
        play = tried if is_first or tried.name == name else self._plays.get(name)
        if is_first or play is None:
            return play
        return next((step.play for step in play.steps if step.name == one.step), None)


def _recipient(waiting: Waiting, play: PlaySpec, unit: UnitState) -> str:
    """Whoever replied is told who will see to it, whomever the message before was for."""
    if waiting.answer and waiting.answer.whose and play.to == "customer":
        return waiting.answer.whose
    return recipient_of(waiting.signal, play, unit)
