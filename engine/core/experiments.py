"""Experiments: which arm somebody is in, and what that makes of detectors and plays.

Somebody's arm is a digest of whom they are, so it is the same for ever: after a restart, on another machine, with other
rules. A larger share adds people and moves nobody from one arm to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TypeAlias

import msgspec

from engine.core.compiled import Compiled, Joined
from engine.core.digest import digest
from engine.core.state import Entity
from engine.core.unit_state import UnitState, profile_of
from engine.core.units import unit_of
from engine.model import Signal
from engine.spec.draws import Draw, Experiment
from engine.spec.types import Configuration, DetectorSpec, PlaySpec

PLACES = 10_000
# Does a detector, or what an arm makes of it, hold for this entity?
IsFor: TypeAlias = Callable[[Entity], bool]


@lru_cache(maxsize=65_536)
def arm_of(draw: Draw, whose: str) -> str:
    """The arm in which `account:acme` is, "" if it takes no part."""
    if _number(draw.salt, "part", whose) % PLACES >= draw.places:
        return ""
    at = _number(draw.salt, "arm", whose) % sum(parts for _name, parts in draw.arms)
    for name, parts in draw.arms:
        at -= parts
        if at < 0:
            return name
    raise AssertionError(draw)


def _number(salt: str, layer: str, whose: str) -> int:
    return int(digest("experiment", salt, layer, whose), 16)


def whose_of(signal: Signal, unit: UnitState, contact: str) -> str:
    """Who is in an arm: the account, else the address, so that two customers with one are together, else the unit."""
    if signal.unit.startswith("account:") or not contact:
        return signal.unit
    known = profile_of(signal, unit, "customer").get(contact)
    return f"contact:{known.strip().casefold()}" if isinstance(known, str) and known.strip() else signal.unit


class Trying(msgspec.Struct, frozen=True, kw_only=True):
    """What experiments make of a play for one unit: the play, its arms, and which of them leaves it out, "" if none."""

    play: PlaySpec
    variants: Mapping[str, str] = {}
    left_out_by: str = ""


class Experiments:
    """All of a configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._all = configuration.experiments

    def trying(self, signal: Signal, play: PlaySpec, unit: UnitState) -> Trying:
        """The play as it is for this unit."""
        concerning = [one for one in self._all if signal.detector in one.detectors or play.name in one.plays]
        tried = Trying(play=play)
        for experiment in concerning:
            name = arm_of(experiment.draw, whose_of(signal, unit, experiment.draw.contact))
            if name:
                tried = _tried(tried, experiment, name, play.name)
        return tried


def _tried(tried: Trying, experiment: Experiment, arm: str, play: str) -> Trying:
    changes = experiment.arms[arm]
    return Trying(
        play=changes.plays.get(play, tried.play),
        variants={**tried.variants, experiment.name: arm},
        left_out_by=experiment.name if play in changes.nothing else tried.left_out_by,
    )


# ---- detectors


def detectors_of(configuration: Configuration) -> list[tuple[DetectorSpec, IsFor | None]]:
    """Every detector, then what arms make of them, each with whom it is for; None = for all."""
    order = configuration.project.unit
    found: list[tuple[DetectorSpec, IsFor | None]] = []
    changed: list[tuple[DetectorSpec, IsFor | None]] = []
    for spec in configuration.detectors:
        experiment = next((one for one in configuration.experiments if _changes(one, spec.name)), None)
        if experiment is None:
            found.append((spec, None))
            continue
        variants = dict(_variants(experiment, spec.name))
        others = frozenset(("", *experiment.arms)) - variants.keys()
        found.append((spec, _is_in(experiment.draw, others, spec, order)))
        changed += [
            (
                msgspec.structs.replace(variant, mode=spec.mode),
                _is_in(experiment.draw, frozenset((arm,)), spec, order),
            )
            for arm, variant in variants.items()
        ]
    return found + changed


def _changes(experiment: Experiment, detector: str) -> bool:
    return any(detector in arm.detectors for arm in experiment.arms.values())


def _variants(experiment: Experiment, detector: str) -> Iterator[tuple[str, DetectorSpec]]:
    for name, arm in experiment.arms.items():
        if detector in arm.detectors:
            yield name, arm.detectors[detector]


def _is_in(draw: Draw, arms: frozenset[str], spec: DetectorSpec, order: tuple[str, ...]) -> IsFor:
    def is_in(entity: Entity) -> bool:
        # A group is its own unit, whichever of its members was seen last.
        related = {} if spec.for_each else entity.related
        return arm_of(draw, unit_of(order, entity.kind, entity.key, related)) in arms

    return is_in


def only_for(when: Compiled, is_for: IsFor | None) -> Compiled:
    """The condition, which for all other entities does not hold. Who it is for is asked last, as it costs most."""
    if is_for is None:
        return when

    def truth(entity: Entity, now: int) -> bool | None:
        held = when.truth(entity, now)
        return held if not held or is_for(entity) else False

    def asked(entity: Entity, now: int) -> bool:
        return is_for(entity)

    return msgspec.structs.replace(when, truth=truth, quick=Joined("and", (when.quick, asked)))


# ---- tests


def settled(configuration: Configuration, arms: Mapping[str, str]) -> Configuration:
    """The same with everybody in these arms, and in no experiment that is not named."""
    draws = [(one, _settled(one.draw, arms.get(one.name, ""))) for one in configuration.experiments]
    experiments = [msgspec.structs.replace(one, draw=draw) for one, draw in draws]
    return msgspec.structs.replace(configuration, experiments=tuple(experiments))


def _settled(draw: Draw, arm: str) -> Draw:
    return msgspec.structs.replace(draw, places=PLACES if arm else 0, arms=((arm, 1),) if arm else draw.arms)
