"""What the files of a configuration may refer to: the names that the others define."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

import msgspec

from engine.ports import AnyKind, ConditionKind, LearnedKind, MeasureKind, Plugins
from engine.spec.policies import CapacitySpec
from engine.spec.report import Report
from engine.spec.types import Place, ProjectSpec
from engine.spec.values import Scope


class World(msgspec.Struct, frozen=True, kw_only=True):
    """`detectors` and `plays` hold the place of each name, also of those that could not be read whole.

    `entities` maps a kind to the fields its id is found in. `events` are empty where the project does not list all.
    """

    report: Report
    plugins: Plugins
    entities: Mapping[str, tuple[str, ...]] = {}
    events: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    detectors: Mapping[str, Place] = {}
    plays: Mapping[str, Place] = {}
    project: ProjectSpec = ProjectSpec()
    capacity: tuple[CapacitySpec, ...] = ()

    @property
    def scope(self) -> Scope:
        return Scope(report=self.report, events=self.events)

    def measure_kinds(self) -> dict[str, MeasureKind]:
        return {word: kind for word, kind in self.plugins.items() if _measures(kind)}

    def condition_kinds(self) -> dict[str, ConditionKind]:
        return {word: kind for word, kind in self.plugins.items() if _conditions(kind)}

    def learned_kinds(self) -> dict[str, LearnedKind]:
        return {word: kind for word, kind in self.plugins.items() if _learns(kind)}


def _measures(kind: AnyKind) -> TypeGuard[MeasureKind]:
    # Only measures are shared, so only their kinds say what may be.
    return hasattr(kind, "share_key")


def _learns(kind: AnyKind) -> TypeGuard[LearnedKind]:
    return hasattr(kind, "learner")


def _conditions(kind: AnyKind) -> TypeGuard[ConditionKind]:
    return not _measures(kind) and not _learns(kind)
