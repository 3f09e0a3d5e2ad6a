"""The life of a signal: quiet -> pending (`for`) -> firing -> quiet again (`resolve_when`, `keep_firing_for`).

What fires does not fire again. A cooldown counts from the start of an episode; an episode that begins inside it
is recorded like any other and carries `cooldown_until`, so that deciding drops it by name. A rise in severity breaks
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from engine.core.asking import treat
from engine.core.digest import digest
from engine.core.effects import Effects
from engine.core.plan import Judge, Plan
from engine.core.seen import EVENT_IDS_KEPT, list_evidence
from engine.core.state import Entity, Episode
from engine.core.units import unit_of
from engine.model import Reading, Severity, Signal
from engine.ports import NEVER
from engine.spec.departures import WHY
from engine.spec.formula import FORMULA
from engine.spec.types import DetectorSpec, ProjectSpec

COOLING, PENDING, FIRING = 0, 1, 2
# Told of every signal of an entity that opens or closes.
Said: TypeAlias = Callable[[Judge, Entity, Signal], None]
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Episodes:
    """Moves one detector's episode for one entity on, and says so in `effects.signals`."""

    def __init__(self, plan: Plan, effects: Effects, said: Said) -> None:
        self._project = plan.configuration.project
        self._effects = effects
        self._said = said

    def judge(self, judge: Judge, entity: Entity, now: int) -> None:
        """Look at `now`, open or close what that calls for, and set when to look next."""
        truth = judge.when.truth(entity, now)
        episode = (entity.episodes or {}).get(judge.index)
        phase = episode.phase if episode else COOLING
        if phase == COOLING and truth:
            self._begin(judge, entity, episode, now)
        elif phase == PENDING and episode:
            self._wait(judge, entity, episode, truth, now)
        elif phase == FIRING and episode:
            self._watch(judge, entity, episode, truth, now)
        self.set_due(judge, entity, now)

    def is_open(self, judge: Judge, entity: Entity) -> bool:
        """Is it pending or firing?"""
        episode = (entity.episodes or {}).get(judge.index)
        return episode is not None and episode.phase != COOLING

    def goes_on(self, judge: Judge, entity: Entity, now: int) -> bool:
        """Its condition holds at `now`, of which an event came: does that change nothing, not even when to look next?

        A busy entity may fire for long, and each of its events would otherwise work out the same again.
        """
        episode = (entity.episodes or {}).get(judge.index)
        if episode is None or episode.phase != FIRING or episode.untrue_since or not judge.is_steady:
            return False
        return (entity.dues or {}).get(judge.index, 0) > now

    def _begin(self, judge: Judge, entity: Entity, episode: Episode | None, now: int) -> None:
        if episode is None:
            episode = Episode(COOLING, now)
            entity.episodes = {**(entity.episodes or {}), judge.index: episode}
        episode.phase, episode.since, episode.untrue_since = PENDING, now, 0
        if not judge.spec.for_ms:
            self._fire(judge, entity, episode, now)

    def _wait(self, judge: Judge, entity: Entity, episode: Episode, truth: bool | None, now: int) -> None:
        if truth is False:
            self._rest(judge, entity, episode, now)
        elif truth and now >= episode.since + judge.spec.for_ms:
            self._fire(judge, entity, episode, now)

    def _watch(self, judge: Judge, entity: Entity, episode: Episode, truth: bool | None, now: int) -> None:
        over = truth is False
        if judge.resolve_when:
            over = judge.resolve_when.truth(entity, now) is True and truth is not True
        if not over:
            episode.untrue_since = 0
            return
        episode.untrue_since = episode.untrue_since or now
        if now >= episode.untrue_since + judge.spec.keep_firing_for_ms:
            self._say("resolved", judge, entity, episode, now)
            self._rest(judge, entity, episode, now)

    def _fire(self, judge: Judge, entity: Entity, episode: Episode, now: int) -> None:
        rank = _RANKS[judge.spec.severity]
        cooling = episode.cooling_until if episode.since < episode.cooling_until and rank <= episode.severity else 0
        episode.phase = FIRING
        episode.unit = _unit(judge.spec, entity, self._project)
        self._say("firing", judge, entity, episode, now, cooling)
        if not cooling and judge.treats:
            treat(entity.slots, judge.asks, judge.treats.of(episode.unit))
        if not cooling:
            episode.cooling_until = episode.since + judge.spec.cooldown_ms
            episode.severity = rank

    def _rest(self, judge: Judge, entity: Entity, episode: Episode, now: int) -> None:
        """Back to quiet; the episode is kept only as long as its cooldown may matter."""
        episode.phase, episode.untrue_since = COOLING, 0
        if now >= episode.cooling_until and entity.episodes:
            del entity.episodes[judge.index]
            entity.episodes = entity.episodes or None

    def set_due(self, judge: Judge, entity: Entity, now: int) -> None:
        """When this detector must look at this entity again if no event makes it look before."""
        due = self._next_look(judge, entity, now)
        if due < NEVER:
            assert due > now, (judge.spec.name, entity.key, due, now)
            if entity.dues is None:
                entity.dues = {}
            entity.dues[judge.index] = due
        elif entity.dues:
            entity.dues.pop(judge.index, None)

    def _next_look(self, judge: Judge, entity: Entity, now: int) -> int:
        episode = (entity.episodes or {}).get(judge.index)
        if episode is None or episode.phase == COOLING:
            return judge.when.wait(entity, now) if judge.when.timed else NEVER
        due = judge.when.turn(entity, now)
        if episode.phase == PENDING:
            fires = episode.since + judge.spec.for_ms
            return min(due, fires) if fires > now else due
        if judge.resolve_when:
            due = min(due, judge.resolve_when.turn(entity, now))
        if episode.untrue_since:
            due = min(due, episode.untrue_since + judge.spec.keep_firing_for_ms)
        return due

    def _say(
        self,
        state: Literal["firing", "resolved"],
        judge: Judge,
        entity: Entity,
        episode: Episode,
        now: int,
        cooling: int = 0,
    ) -> None:
        signal = signal_of(self._project, judge, entity, episode, state, now, cooling)
        self._effects.signals.append(signal)
        if judge.spec.for_each:
            self._said(judge, entity, signal)


def signal_of(
    project: ProjectSpec,
    judge: Judge,
    entity: Entity,
    episode: Episode,
    state: Literal["firing", "resolved"],
    now: int,
    cooling: int = 0,
) -> Signal:
    """The signal of an episode, as it is at that moment."""
    spec = judge.spec
    return Signal(
        id=digest(project.project, spec.name, entity.kind, entity.key, str(episode.since)),
        detector=spec.variant_of or spec.name,
        version=spec.version,
        entity=entity.kind,
        key=entity.key,
        unit=episode.unit,
        state=state,
        at=now,
        started_at=episode.since,
        severity=spec.severity,
        mode=spec.mode,
        reason=spec.reason,
        owner=spec.owner,
        readings=_story(judge, entity, now),
        event_ids=_event_ids(judge, entity),
        related=_related(spec, entity, project),
        attributes=dict(entity.attributes),
        cooldown_until=cooling,
        models=_models(judge, entity),
    )


def _models(judge: Judge, entity: Entity) -> dict[str, str]:
    """The versions of the models that its chances and what is usual among peers were told from, by measures' names."""
    if not judge.versions:
        return {}
    formulas = {measure.name for measure in judge.spec.watch if measure.word == FORMULA}
    found = {}
    for measure in judge.measures:
        version = judge.versions.get(measure.at[0]) if measure.at and measure.name not in formulas else None
        slot = entity.slots[measure.at[0]] if version else None
        if version and slot and not measure.name.startswith(WHY):
            found[measure.name] = version(slot)
    return {name: version for name, version in found.items() if version}


def _unit(spec: DetectorSpec, entity: Entity, project: ProjectSpec) -> str:
    """A group is its own unit: that one of its members was seen last says nothing of it."""
    if spec.for_each:
        return f"{entity.kind}:{entity.key}"
    return unit_of(project.unit, entity.kind, entity.key, entity.related)


def _related(spec: DetectorSpec, entity: Entity, project: ProjectSpec) -> dict[str, str]:
    if not spec.for_each:
        return dict(entity.related)
    personal = {*project.unit, *(clause.kind for clause in spec.for_each)}
    return {kind: key for kind, key in entity.related.items() if kind not in personal}


def _story(judge: Judge, entity: Entity, now: int) -> tuple[Reading, ...]:
    """What was held against what, and the measures that only the text mentions."""
    readings = judge.when.story(entity, now)
    told = {reading.measure for reading in readings}
    others = [Reading(m.name, m.value(entity, now)) for m in judge.measures if m.name not in told]
    return tuple(readings + others)


def _event_ids(judge: Judge, entity: Entity) -> tuple[str, ...]:
    list_evidence(entity)
    ids = [event_id for at in judge.at for event_id in entity.event_ids[at][-EVENT_IDS_KEPT:]]
    return tuple(dict.fromkeys(ids))[-EVENT_IDS_KEPT:]
