"""How signals become candidates: one for each entry of `then`, of several plays the first that may be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from engine.core.experiments import Experiments
from engine.core.gates import may_be_done
from engine.core.unit_state import Candidate, UnitState, Waiting, recipient_of
from engine.model import Signal
from engine.spec.types import Choice, Configuration, DetectorSpec, PlaySpec

NOTHING_ASKED = Choice()


def waiting_for(signal: Signal, detector: DetectorSpec, plays: Mapping[str, PlaySpec]) -> list[Waiting]:
    """What waits to be decided once a signal has opened."""
    grouped = {name for group in detector.first_of for name in group}
    alone = [(name,) for name in detector.plays if name not in grouped]
    groups = [tuple(name for name in group if name in plays) for group in (*alone, *detector.first_of)]
    # In the order of `then`, so that one entry more or less does not change the others.
    groups.sort(key=lambda group: detector.plays.index(group[0]) if group else -1)
    return [
        Waiting(signal, group[0], signal.at, _due_alone(signal, [plays[name] for name in group]), others=group[1:])
        for group in groups
        if group
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
        detector, usual = self._detectors.get(one.signal.detector), self._plays.get(name)
        if detector is None or usual is None:
            return None
        trying = self._experiments.trying(one.signal, usual, unit)
        play = trying.play
        return Candidate(
            signal=one.signal,
            detector=detector,
            play=play,
            recipient=recipient_of(one.signal, play, unit),
            channel=play.channel,
            unit=unit,
            project=self._project,
            now=now,
            round=one.round,
            asked=name,
            choice=detector.choices.get(name, NOTHING_ASKED),
            variants=trying.variants,
            left_out_by=trying.left_out_by,
        )
