"""The detect step: a record in, signals out. It owns the entities' state and changes it in place.

Per event and entity: skip what was seen before, run the timers that were due before it, feed the slots it concerns,
judge the detectors that read them. Per tick: run the timers that are due. A timer runs with its due time as the
present, so what it says does not depend on when the tick came.
"""

from __future__ import annotations

import zlib

import xxhash

from engine.core.effects import Effects, set_aside
from engine.core.entities import Entities
from engine.core.episodes import Episodes
from engine.core.periods import is_zone
from engine.core.plan import KindPlan, Ops, Plan
from engine.core.state import EVENT_IDS_KEPT, Entity, Stalls
from engine.model import Routed, StreamResumed, StreamStalled
from engine.ports import NEVER


class Detect:
    """One partition's detect step. Effects are appended to `effects`."""

    def __init__(self, plan: Plan, entities: Entities, stalls: Stalls, effects: Effects) -> None:
        project = plan.configuration.project
        self.plan = plan
        self.entities = entities
        self.effects = effects
        self.stalls = stalls
        self._episodes = Episodes(plan, effects)
        self._profile = {stream.name: stream.describes for stream in project.streams if stream.describes}
        self._seeds = {stream.name: zlib.crc32(stream.name.encode()) for stream in project.streams}
        self._generation = max(1, project.bounds.seen_ids // 2)
        self._dedup_for_ms = project.dedup_for_ms
        self._keys_most = project.bounds.keys_per_entity_kind
        self._ttl_ms = project.retention.entities_ms
        self._zone = project.time_zone

    # ---- events

    def on_event(self, routed: Routed) -> None:
        kind = self.plan.kinds.get(routed.entity)
        if kind is None:
            return
        event = routed.event
        entity = self.entities.get(routed.entity, routed.key)
        if entity is None or event.at > entity.seen_at + self._ttl_ms:
            entity = self._first_sight(kind, routed, entity)
            if entity is None:
                return
        elif routed.position <= entity.position:
            return
        if not entity.touched:
            entity.touched = True
            self.entities.touched.append(entity)
        entity.position = routed.position
        if not event.id_is_weak and self._is_repeat(entity, routed):
            return
        at = event.at
        if at > entity.wake:
            self._run_timers(kind, entity, at - 1)
        if at > entity.seen_at:
            entity.seen_at = at
        elif at < entity.first_seen:
            self._seen_earlier(kind, entity, at)
        if len(event.entities) > 1:
            self._relate(entity, routed)
        if self._profile and self._profile.get(event.stream) == routed.entity:
            self._learn(entity, routed)
        self._feed(kind.by_event.get(event.event, kind.otherwise), entity, routed, kind)

    def _feed(self, ops: Ops, entity: Entity, routed: Routed, kind: KindPlan) -> None:
        event, refused = routed.event, False
        for at, add in ops.adds:
            slot = entity.slots[at]
            if slot is None:
                slot = entity.slots[at] = kind.trackers[at].empty(entity)
                entity.event_ids[at] = []
            taken = add(slot, event, entity)
            if taken:
                ids = entity.event_ids[at]
                assert ids is not None
                ids.append(event.id)
                if len(ids) > EVENT_IDS_KEPT:
                    del ids[0]
            elif taken is False:
                refused = True
        now = entity.seen_at
        episodes = entity.episodes
        for judge in ops.judges:
            if judge.when.truth(entity, now) or judge.when.timed or (episodes and judge.index in episodes):
                self._episodes.judge(judge, entity, now)
                self._set_wake(kind, entity)
        if refused:
            self._too_late(routed)

    def _first_sight(self, kind: KindPlan, routed: Routed, old: Entity | None) -> Entity | None:
        """A new entity, or one that was silent for so long that it has been forgotten."""
        if old is None and self.entities.count(routed.entity) >= self._keys_most:
            if routed.primary:
                self._refuse(routed, "key_limit", f"there are {self._keys_most} of this kind already")
            return None
        entity = Entity(routed.entity, routed.key, len(kind.trackers), self.stalls)
        entity.first_seen = entity.seen_at = entity.ids_since = routed.event.at
        entity.zone = self._zone
        if old is None:
            self.entities.add(entity)
        else:
            self.entities.by_kind[routed.entity][routed.key] = entity
        self._arm(kind, entity)
        return entity

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

    def _is_repeat(self, entity: Entity, routed: Routed) -> bool:
        """Has this entity had an event of this stream and id? The same id with another body is set aside."""
        event = routed.event
        seen = xxhash.xxh3_64_intdigest(event.id.encode(), self._seeds.get(event.stream, 0))
        ids = entity.ids
        body = ids.get(seen)
        if body is None and entity.ids_before is not None:
            body = entity.ids_before.get(seen)
        if body is None:
            ids[seen] = event.body
            if len(ids) >= self._generation or event.at - entity.ids_since > self._dedup_for_ms:
                self._next_generation(entity, routed)
            return False
        if routed.primary:
            self.effects.counts["duplicate", event.stream] += 1
            if body != event.body:
                self._refuse(routed, "id_conflict", "an event with this id and another content came before")
        return True

    def _next_generation(self, entity: Entity, routed: Routed) -> None:
        """Ids are kept in two generations, so an id is remembered for at least `dedup_for` or half of `seen_ids`."""
        if routed.event.at - entity.ids_since <= self._dedup_for_ms:
            self.effects.counts["seen_ids_evicted", routed.event.stream] += len(entity.ids_before or ())
        entity.ids_before, entity.ids = entity.ids, {}
        entity.ids_since = routed.event.at

    def _relate(self, entity: Entity, routed: Routed) -> None:
        """Remember which other entities this one was last seen with."""
        if routed.event.at < entity.seen_at:
            return
        others = {kind: key for kind, key in routed.event.entities.items() if kind != entity.kind}
        if any(entity.related.get(kind) != key for kind, key in others.items()):
            entity.related = {**entity.related, **others}

    def _learn(self, entity: Entity, routed: Routed) -> None:
        entity.learn(routed.event.attributes, routed.event.at)
        zone = entity.attributes.get("time_zone")
        if isinstance(zone, str) and is_zone(zone):
            entity.zone = zone

    def _too_late(self, routed: Routed) -> None:
        self.effects.counts["late", routed.event.stream] += 1
        self._refuse(routed, "late", "older than what its windows still hold")

    def _refuse(self, routed: Routed, reason: str, detail: str) -> None:
        self.effects.dead_letters.append(set_aside(routed, reason, detail))

    # ---- time

    def on_tick(self, at: int) -> None:
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
            self.entities.set_alarm(wake, entity.kind, entity.key)

    def on_stall(self, record: StreamStalled | StreamResumed) -> None:
        """Silence on a stalled stream is held against nobody: its events' stalls are known to all entities."""
        for event, streams in self.plan.streams_of.items():
            if record.stream in streams:
                spans = self.stalls.by_event.setdefault(event, [])
                if isinstance(record, StreamStalled):
                    spans.append((record.since, NEVER))
                elif spans and spans[-1][1] == NEVER:
                    spans[-1] = (spans[-1][0], record.at)


def _wakes(kind: KindPlan, index: int, due: int) -> int:
    return due + kind.judges[index].lateness_ms
