"""Makes events of how good models were: one for each snapshot whose day was judged, when that one comes into force.

They are made in detect, of the snapshots that every partition is told of, at a moment that the snapshot itself says. So
they are the same in every shell, and none has to be written down: what was not taken yet is known from the snapshots
and how far time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from heapq import heappop, heappush

from engine.core.examples import IN_FORCE_AFTER_MS, Models, Snapshot
from engine.core.judged import Judged
from engine.core.teaching import ModelSpec
from engine.model import Event, Json, Routed
from engine.ports import NEVER
from engine.spec.judged import CHALLENGERS, FIGURES, JUDGED, MODEL, plain_name

STREAM = "models"


class Judging:
    """Of one partition. `wanted` are the models that somebody wants to hear of, by their ids; `is_ours` says whether
    the entity of that key lives here.
    """

    def __init__(self, wanted: Mapping[str, ModelSpec], models: Models) -> None:
        self._wanted = wanted
        self._models = models
        self._coming: list[tuple[int, str, int, Snapshot]] = []
        self.is_ours: Callable[[str], bool] = lambda _key: True
        if wanted:
            models.hears = self._add

    def resume(self, now: int) -> None:
        """Go on from a moment that was reached before: what was due by then was taken."""
        self._coming = []
        for snapshot in self._models.all() if self._wanted else ():
            if _due(snapshot) > now:
                self._add(snapshot)

    @property
    def due(self) -> int:
        """When there is something to take."""
        return self._coming[0][0] if self._coming else NEVER

    def take(self, until: int) -> Iterator[Routed]:
        """The events that are due, in order of time."""
        while self.due <= until:
            _at, name, _version, snapshot = heappop(self._coming)
            yield _routed(self._wanted[snapshot.model], name, snapshot)

    def _add(self, snapshot: Snapshot) -> None:
        spec = self._wanted.get(snapshot.model)
        if spec is not None and spec.learner in snapshot.judged and self.is_ours(spec.name):
            heappush(self._coming, (_due(snapshot), spec.name, snapshot.version, snapshot))


def _due(snapshot: Snapshot) -> int:
    return snapshot.at + IN_FORCE_AFTER_MS


def _routed(spec: ModelSpec, name: str, snapshot: Snapshot) -> Routed:
    at = _due(snapshot)
    day = datetime.fromtimestamp((snapshot.at - 1) / 1000, UTC).date().isoformat()
    attributes: dict[str, Json] = {"model": name, "version": snapshot.version, "learner": spec.learner}
    attributes |= _figures(snapshot.judged[spec.learner])
    others = {each: found for each, found in snapshot.judged.items() if each != spec.learner}
    if others:
        attributes[CHALLENGERS] = {plain_name(each): _figures(found) for each, found in others.items()}
    event = Event(f"{name} {day}", JUDGED, at, STREAM, {MODEL: name}, attributes)
    # An entity takes what has a higher position than all before. Nothing else comes to this one, so its time will do.
    return Routed(MODEL, name, at, event)


def _figures(found: Judged) -> dict[str, Json]:
    """Without what is not known."""
    figures = {name: getattr(found, name) for name in FIGURES}
    return {name: value for name, value in figures.items() if value is not None}
