"""The detect step: a record in, signals out. It owns the entities' state and changes it in place.

Per event and entity: skip what was seen before, run the timers that were due before it, feed the slots it concerns,
judge the detectors that read them. Per tick: run the timers that are due. A timer runs with its due time as the
present, so what it says does not depend on when the tick came.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.core.compiled import slot_of
from engine.core.digest import seen_digest
from engine.core.effects import Effects, set_aside
from engine.core.entities import Entities
from engine.core.episodes import Episodes
from engine.core.fanout import FanOut
from engine.core.judging import Judging
from engine.core.plan import Judge, KindPlan, Ops, Plan
from engine.core.seen import add_evidence, body_seen, end_run, has_by_name, next_generation
from engine.core.state import Entity, Stalls
from engine.model import HOUR_MS, Event, Json, Routed, StreamResumed, StreamStalled
from engine.ports import NEVER
from engine.spec.zones import is_zone


class Detect:
    """One partition's detect step. Effects are appended to `effects`."""

    def __init__(self, plan: Plan, entities: Entities, stalls: Stalls, effects: Effects) -> None:
        project = plan.configuration.project
        self.plan = plan
        self.entities = entities
        self.effects = effects
        self.stalls = stalls
        self.judging = Judging(plan.judged, stalls.models)
        self._fan_out = FanOut(plan, entities, effects)
        self._episodes = Episodes(plan, effects, self._fan_out.said)
        self._touched = entities.touched
        self._watched = {kind: (plan.kinds[kind], entities.of_kind(kind)) for kind in plan.kinds}
        self._profile = {stream.name: stream.describes for stream in project.streams if stream.describes}
        self.generation = max(1, project.bounds.seen_ids // 2)
        self._dedup_for_ms = project.dedup_for_ms
        self._keys_most = project.bounds.keys_per_entity_kind
        self._ttl_ms = project.retention.entities_ms
        self._zone = project.time_zone
        self._hours: dict[int, int] = {}

    # ---- events

    def on_event(self, routed: Routed) -> None:  # noqa: C901  one function, as each call would cost a tenth
        """Take one event of one entity. This is the hot path: what is rare stands in functions of its own."""
        watched = self._watched.get(routed.entity)
        if watched is None:
            return
        kind, known = watched
        event, at = routed.event, routed.event.at
        entity = known.get(routed.key)
        if entity is None or at - entity.seen_at > self._ttl_ms:
            entity = self._meet(kind, routed)
        if entity is None or routed.position <= entity.position:
            return
        entity.position, entity.written = routed.position, -1
        if not entity.touched:
            entity.touched = True
            self._touched.append(entity)
        if entity.run.fed:
            end_run(entity)
        if seen := event.seen or self._digest_of(event):
            ids, before, named = entity.ids, entity.ids_before, entity.run.stream == event.stream
            if seen in ids or (before and seen in before) or (named and has_by_name(entity, event.id)):
                self._repeated(entity, routed, seen)
                return
            ids[seen], entity.digested = event.body, True
            if len(ids) >= self.generation or at - entity.ids_since > self._dedup_for_ms:
                self.next_generation(entity, at, event.stream)
        if at > entity.wake:
            self._run_timers(kind, entity, at - 1)
        if at > entity.seen_at:
            entity.seen_at = at
        elif at < entity.first_seen:
            self._seen_earlier(kind, entity, at)
        if len(event.entities) > 1 or event.stream in self._profile:
            self._get_to_know(entity, routed)
        ops, refused = kind.by_event.get(event.event) or kind.otherwise, False
        for tracker_at, add in ops.adds:
            slot = entity.slots[tracker_at] or slot_of(entity, tracker_at, kind.trackers[tracker_at])
            taken = add(slot, event, entity)
            if taken:
                add_evidence(entity, tracker_at, event.id)
            elif taken is False:
                refused = True
        met = self._fan_out.take(entity, event, ops.clauses) if ops.clauses else ()
        found = ops.glance(entity, entity.seen_at)
        if found or ops.timed or entity.episodes is not None:
            self.look(ops, found, entity, kind, is_late=at < entity.seen_at)
        if kind.of_profiles:
            self._look_at_profile(kind, entity, event.stream)
        if met or ops.judges_fan_out:
            self._fan_out.go_on(entity, kind, met, event)
        if refused:
            self._too_late(routed)

    def look(self, ops: Ops, found: tuple[Judge, ...], entity: Entity, kind: KindPlan, *, is_late: bool) -> None:
        """Those whose condition holds, detectors with timers, and those that are pending, firing or cooling down."""
        now, episodes = entity.seen_at, self._episodes
        for judge in found:
            if is_late or not episodes.goes_on(judge, entity, now):
                episodes.judge(judge, entity, now)
        for judge in ops.timed:
            episodes.judge(judge, entity, now)
        for judge in ops.plain if entity.episodes else ():
            if judge not in found and episodes.is_open(judge, entity):
                episodes.judge(judge, entity, now)
        self._set_wake(kind, entity)

    def _look_at_profile(self, kind: KindPlan, entity: Entity, stream: str) -> None:
        """The detectors that read its profile, which may say something else now, whatever its event is called."""
        if self._profile.get(stream) != kind.kind:
            return
        for judge in kind.of_profiles:
            self._episodes.judge(judge, entity, entity.seen_at)
        self._set_wake(kind, entity)

    def _meet(self, kind: KindPlan, routed: Routed) -> Entity | None:
        """An entity that is not in memory: stored, silent for so long that it is forgotten, or new."""
        entity = self.entities.get(routed.entity, routed.key)
        if entity is None:
            return self._first_sight(kind, routed, entity)
        if routed.event.at - entity.seen_at > self._ttl_ms:
            self._run_timers(kind, entity, routed.event.at - 1)  # what was due before it was forgotten is still said
            return self._first_sight(kind, routed, entity)
        return entity

    def _first_sight(self, kind: KindPlan, routed: Routed, old: Entity | None) -> Entity | None:
        """A new entity, or one that was silent for so long that it has been forgotten."""
        if old is None and self.entities.count(routed.entity) >= self._keys_most:
            if routed.primary:
                self._refuse(routed, "key_limit", f"there are {self._keys_most} of this kind already")
            return None
        entity = self._fresh(kind, routed.key, routed.event.at)
        if self._profile.get(routed.event.stream) == routed.entity:
            self._learn_zone(entity, routed.event.attributes)
        if old is None:
            self.entities.add(entity)
        else:
            self.entities.by_kind[routed.entity][routed.key] = entity
        if kind.armed:
            self._arm(kind, entity)
        return entity

    def _fresh(self, kind: KindPlan, key: str, at: int) -> Entity:
        entity = Entity(kind.kind, key, len(kind.trackers), self.stalls)
        entity.first_seen = entity.seen_at = entity.ids_since = at
        entity.zone = self._zone
        return entity

    # ---- what the express way asks

    def known_or_new(self, kind: KindPlan, key: str, at: int) -> Entity | None:
        """An entity that is not in memory, from the store or anew; None where there may be no more of the kind."""
        entity = self.entities.get(kind.kind, key)
        if entity is None and self.entities.count(kind.kind) < self._keys_most:
            entity = self._fresh(kind, key, at)
            self.entities.add(entity)
            if kind.armed:
                self._arm(kind, entity)
        return entity

    def has_nothing_due(self, entity: Entity, at: int) -> bool:
        """Can an event of that time be taken with no timer run and nothing forgotten before?"""
        until = min(entity.wake, entity.ids_since + self._dedup_for_ms, entity.seen_at + self._ttl_ms)
        # Many entities look at the same whole hour, as one object, which is in the cache when theirs would not be.
        hour = until // HOUR_MS
        entity.look = self._hours.get(hour) or self._hours.setdefault(hour, hour * HOUR_MS)
        return at <= until

    def knows_company(self, entity: Entity, entities: Mapping[str, str]) -> bool:
        """Is the entity known to be seen with all the others that an event names?"""
        related = entity.related
        return all(related.get(kind) == key for kind, key in entities.items() if kind != entity.kind)

    def _seen_earlier(self, kind: KindPlan, entity: Entity, at: int) -> None:
        entity.first_seen = at
        self._arm(kind, entity)

    def _arm(self, kind: KindPlan, entity: Entity) -> None:
        for judge in kind.armed:
            self._episodes.set_due(judge, entity, entity.seen_at)
        self._set_wake(kind, entity)

    def adopt(self, entity: Entity, now: int) -> None:
        """An entity read under a changed configuration: detectors that need a timer and have none get one."""
        kind = self.plan.kinds[entity.kind]
        for judge in kind.armed:
            if judge.index not in (entity.dues or {}):
                self._episodes.set_due(judge, entity, max(now, entity.seen_at))
        entity.wake = NEVER
        self._set_wake(kind, entity)
        self.entities.touch(entity)

    def _digest_of(self, event: Event) -> int:
        """The digest of an id that the router has not worked out; 0 where the id is weak."""
        return 0 if event.id_is_weak else seen_digest(event.id, event.stream)

    def _repeated(self, entity: Entity, routed: Routed, seen: int) -> None:
        """An event that this entity had before. The same id with another body is set aside."""
        if not routed.primary:
            return
        event = routed.event
        self.effects.counts["duplicate", event.stream] += 1
        if body_seen(entity, event.id, event.stream, seen) != event.body:
            self._refuse(routed, "id_conflict", "an event with this id and another content came before")

    def next_generation(self, entity: Entity, at: int, stream: str) -> None:
        """Ids are kept in two generations, so an id is remembered for at least `dedup_for` or half of `seen_ids`."""
        if at - entity.ids_since <= self._dedup_for_ms:
            self.effects.counts["seen_ids_evicted", stream] += len(entity.ids_before or ())
        next_generation(entity, at)

    def _get_to_know(self, entity: Entity, routed: Routed) -> None:
        self._relate(entity, routed)
        if routed.event.stream in self._profile:
            self._learn(entity, routed)

    def _relate(self, entity: Entity, routed: Routed) -> None:
        """Remember which other entities this one was last seen with."""
        if routed.event.at < entity.seen_at:
            return
        others = {kind: key for kind, key in routed.event.entities.items() if kind != entity.kind}
        if any(entity.related.get(kind) != key for kind, key in others.items()):
            entity.related = {**entity.related, **others}

    def _learn(self, entity: Entity, routed: Routed) -> None:
        if self._profile[routed.event.stream] == routed.entity:
            entity.learn(routed.event.attributes, routed.event.at)
            self._learn_zone(entity, entity.attributes)

    def _learn_zone(self, entity: Entity, attributes: Mapping[str, Json]) -> None:
        zone = attributes.get("time_zone")
        if isinstance(zone, str) and is_zone(zone):
            entity.zone = zone

    def _too_late(self, routed: Routed) -> None:
        self.effects.counts["late", routed.event.stream] += 1
        self._refuse(routed, "late", "older than what its windows still hold")

    def _refuse(self, routed: Routed, reason: str, detail: str) -> None:
        self.effects.dead_letters.append(set_aside(routed, reason, detail))

    # ---- time

    def next_wake(self) -> int:
        """Nothing is to be done by itself before this."""
        return min(self.entities.next_wake(), self.judging.due)

    def on_tick(self, at: int) -> None:
        for routed in self.judging.take(at):
            self.on_event(routed)
        entity = self.entities.next_due(at)
        while entity is not None:
            self.entities.touch(entity)
            self._run_timers(self.plan.kinds[entity.kind], entity, at)
            entity = self.entities.next_due(at)

    def _run_timers(self, kind: KindPlan, entity: Entity, until: int) -> None:
        """Run what is due, lateness included, by `until`: one at a time, in order of due time."""
        while entity.wake <= until and entity.dues:
            due, judge = min(
                ((due, kind.judges[index]) for index, due in entity.dues.items() if _wakes(kind, index, due) <= until),
                key=lambda found: (found[0], found[1].index),
            )
            del entity.dues[judge.index]
            if due <= entity.seen_at + self._ttl_ms:
                self._episodes.judge(judge, entity, due)
            self._set_wake(kind, entity)

    def _set_wake(self, kind: KindPlan, entity: Entity) -> None:
        wake = min((_wakes(kind, index, due) for index, due in (entity.dues or {}).items()), default=NEVER)
        if wake != entity.wake:
            entity.wake = wake
            entity.look = min(entity.look, wake)
            self.entities.set_alarm(entity)

    def on_stall(self, record: StreamStalled | StreamResumed) -> None:
        """Silence on a stalled stream is held against nobody: its events' stalls are known to all entities."""
        for event, streams in self.plan.streams_of.items():
            if record.stream in streams:
                if isinstance(record, StreamStalled):
                    self.stalls.begin(event, record.since)
                else:
                    self.stalls.end(event, record.at)


def _wakes(kind: KindPlan, index: int, due: int) -> int:
    return due + kind.judges[index].lateness_ms
