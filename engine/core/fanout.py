"""Fan-out: a signal about a group is passed on to each of its members, as a signal of the member's own.

The group's entity in detect sees every event that makes somebody a member, so it knows them all. When its signal opens,
each of them gets one; who joins while it is open gets one then; when a fact that is watched changes, there is an
update; and all are resolved with the group's own. What is then done about each is decided under the member's own rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from engine.core.digest import digest
from engine.core.effects import Effects
from engine.core.entities import Entities
from engine.core.episodes import FIRING, signal_of
from engine.core.matching import read_path
from engine.core.members import Cabinet, Clause, Drawer, Incident, Member, incident_in, outdated
from engine.core.plan import Judge, KindPlan, Plan
from engine.core.state import Entity
from engine.core.units import unit_of
from engine.model import Event, Json, Membership, Signal
from engine.spec.members import APPROVED, DECLINED

ASKED, IS_APPROVED, IS_DECLINED = "asked", "approved", "declined"
ASK, FIRST = "ask", "first"


class Met(msgspec.Struct):
    """A member of whom an event told: which incident of the group was open before, and did a watched fact change?"""

    clause: Clause
    name: str
    member: Member
    incident: str
    is_changed: bool


class FanOut:
    """Keeps the members of one partition's groups, and adds their signals to `effects`."""

    def __init__(self, plan: Plan, entities: Entities, effects: Effects) -> None:
        project = plan.configuration.project
        drawers = {
            kind: [tracker for tracker in each.trackers if isinstance(tracker, Drawer)]
            for kind, each in plan.kinds.items()
        }
        self._cabinet = Cabinet(entities, drawers, project.bounds.keys_per_entity_kind)
        self._clauses: dict[int, list[Clause]] = {}
        for kind in plan.kinds.values():
            for clause in kind.clauses:
                self._clauses.setdefault(clause.judge, []).append(clause)
        self._entities = entities
        self._effects = effects
        self._project = project

    # ---- who is a member

    def take(self, group: Entity, event: Event, clauses: Iterable[Clause]) -> list[Met]:
        """Note the members that an event tells of, before the detectors are judged by it."""
        found = []
        for clause in clauses:
            name = clause.member_of(event)
            if name is not None and event.at > group.seen_at - clause.spec.over_ms:
                met = self._note(clause, group, name, event)
                found += [] if met is None else [met]
        return found

    def _note(self, clause: Clause, group: Entity, name: str, event: Event) -> Met | None:
        place = self._cabinet.open(clause, group, name)
        if place is None:
            self._turn_away(clause, group, event)
            return None
        drawer, members = place
        roll = self._cabinet.roll(clause, group)
        incident = incident_in(roll)
        member, facts = members.get(name), [read_path(event.attributes, path) for path in clause.spec.facts]
        if member is None:
            self._tidy(clause, group, members, group.seen_at)
            if roll[0] >= clause.spec.at_most_members and not self._make_room(clause, group):
                self._turn_away(clause, group, event)
                return None
            member = members[name] = Member(event.at, event.id, _others(event, clause), facts)
            roll[0] += 1
            is_changed = False
        elif event.at < member.seen_at:
            return None
        else:
            is_changed = _watched(clause, member.facts) != _watched(clause, facts)
            member.seen_at, member.event_id, member.facts = event.at, event.id, facts
            member.related = _others(event, clause)
        self._cabinet.touch(drawer, event.at)
        return Met(clause, name, member, incident.id if incident else "", is_changed)

    def _tidy(self, clause: Clause, group: Entity, members: dict[str, Member], now: int) -> None:
        """Let go of those in one drawer who have not been seen for too long."""
        roll = self._cabinet.roll(clause, group)
        incident = incident_in(roll)
        gone = outdated(members, now - clause.spec.over_ms, incident.since if incident else 0)
        for name in gone:
            del members[name]
        roll[0] = max(0, roll[0] - len(gone))

    def _make_room(self, clause: Clause, group: Entity) -> bool:
        """Let go of those in all drawers, which is tried 60 times in the length of the clause's window."""
        roll = self._cabinet.roll(clause, group)
        if group.seen_at < roll[1] + clause.spec.over_ms // 60:
            return False
        roll[0], roll[1] = 0, group.seen_at
        for drawer, members in self._cabinet.all(clause, group):
            roll[0] += len(members)
            self._tidy(clause, group, members, group.seen_at)
            self._entities.touch(drawer)
        return bool(roll[0] < clause.spec.at_most_members)

    def _turn_away(self, clause: Clause, group: Entity, event: Event) -> None:
        self._cabinet.roll(clause, group)[2] += 1
        self._effects.counts["members_beyond", event.stream] += 1

    # ---- what they are told

    def said(self, judge: Judge, group: Entity, signal: Signal) -> None:
        """The group's own signal has opened or closed."""
        for clause in self._clauses.get(judge.index, ()):
            if signal.state == "firing":
                self._open(clause, group, signal)
            else:
                self._close(clause, group, signal)

    def _open(self, clause: Clause, group: Entity, signal: Signal) -> None:
        roll, found = self._cabinet.roll(clause, group), dict[str, Member]()
        roll[0], roll[2] = 0, 0
        for drawer, members in self._cabinet.all(clause, group):
            roll[0] += len(members)
            self._tidy(clause, group, members, signal.at)
            self._entities.touch(drawer)
            found |= members
        incident = Incident(signal.id, signal.started_at, len(found), signal.cooldown_until)
        roll[3] = incident
        self._ask_if_many(clause, incident, signal)
        self._begin(clause, incident, signal, found)

    def _ask_if_many(self, clause: Clause, incident: Incident, signal: Signal) -> None:
        """The flood guard: who joins counts, too."""
        if 0 < clause.guard.above < incident.members and not incident.verdict:
            incident.verdict = ASKED
            self._effects.signals.append(_asking(signal, clause, incident))

    def _begin(self, clause: Clause, incident: Incident, signal: Signal, found: Mapping[str, Member]) -> None:
        turns = _turns(clause, incident, found, signal.at)
        for name, member in sorted(found.items()):
            member.since, member.updates = incident.since, 0
            self._pass_on(signal, clause, incident, name, member, not_before=turns.get(name, 0))

    def _close(self, clause: Clause, group: Entity, signal: Signal) -> None:
        roll = self._cabinet.roll(clause, group)
        incident = incident_in(roll)
        if incident is None:
            return
        if incident.verdict == ASKED:
            self._effects.signals.append(_asking(signal, clause, incident))
        found = self._addressed(clause, group, incident)
        for name, member in sorted(found.items()):
            self._pass_on(signal, clause, incident, name, member)
        roll[3] = None
        roll[0] = 0
        for drawer, members in self._cabinet.all(clause, group):
            roll[0] += len(members)
            self._tidy(clause, group, members, signal.at)
            self._entities.touch(drawer)

    def _addressed(self, clause: Clause, group: Entity, incident: Incident) -> dict[str, Member]:
        """Those to whom the incident was passed on."""
        drawers = self._cabinet.all(clause, group)
        return {name: one for _, members in drawers for name, one in members.items() if one.since == incident.since}

    def go_on(self, group: Entity, kind: KindPlan, found: Iterable[Met], event: Event) -> None:
        """After the detectors were judged: what the event means to an incident that was open before."""
        self._follow_up(group, kind, found)
        if event.event in (APPROVED, DECLINED):
            self._hear(group, kind, event)

    def _follow_up(self, group: Entity, kind: KindPlan, found: Iterable[Met]) -> None:
        """Who joined, and for whom a fact changed."""
        for met in found:
            incident = incident_in(self._cabinet.roll(met.clause, group))
            step = _next_step(met, incident)
            if incident is None or not step:
                continue
            signal = self._group_signal(met.clause, group, kind, incident)
            if step == FIRST:
                met.member.since, met.member.updates = incident.since, 0
                incident.members += 1
                self._ask_if_many(met.clause, incident, signal)
            else:
                met.member.updates += 1
            self._pass_on(signal, met.clause, incident, met.name, met.member, step)

    def _group_signal(self, clause: Clause, group: Entity, kind: KindPlan, incident: Incident) -> Signal:
        """The group's signal as it is now, to be passed on."""
        judge, episode = kind.judges[clause.judge], (group.episodes or {})[clause.judge]
        assert episode.phase == FIRING, (judge.spec.name, group.key)
        return signal_of(self._project, judge, group, episode, "firing", group.seen_at, incident.cooling_until)

    # ---- what a person said of it

    def _hear(self, group: Entity, kind: KindPlan, event: Event) -> None:
        """Somebody has approved or declined."""
        wanted, is_found = event.attributes.get("incident"), False
        for clause in kind.clauses:
            incident = incident_in(self._cabinet.roll(clause, group)) if clause.guard.above else None
            if incident is not None and wanted in (None, "", incident.id):
                is_found = True
                self._judged(clause, group, kind, incident, event)
        if not is_found:
            self._effects.counts["nothing_to_approve", event.stream] += 1

    def _judged(self, clause: Clause, group: Entity, kind: KindPlan, incident: Incident, event: Event) -> None:
        verdict, before = IS_APPROVED if event.event == APPROVED else IS_DECLINED, incident.verdict
        if verdict == before:
            return
        signal = self._group_signal(clause, group, kind, incident)
        if before == ASKED:
            self._effects.signals.append(_asking(msgspec.structs.replace(signal, state="resolved"), clause, incident))
        by, because = event.attributes.get("by"), event.attributes.get("because")
        incident.verdict = verdict
        incident.by, incident.because = (text if isinstance(text, str) else "" for text in (by, because))
        found = self._addressed(clause, group, incident)
        turns = _turns(clause, incident, found, signal.at)
        for name, member in sorted(found.items()):
            self._pass_on(signal, clause, incident, name, member, verdict, not_before=turns.get(name, 0))

    def _pass_on(
        self,
        signal: Signal,
        clause: Clause,
        incident: Incident,
        name: str,
        member: Member,
        step: str = FIRST,
        *,
        not_before: int = 0,
    ) -> None:
        """The group's signal as one of the member's."""
        kind, related = clause.spec.kind, {**member.related, clause.group: signal.key}
        first = digest(incident.id, kind, name, clause.spec.play)
        membership = Membership(
            incident=incident.id,
            of=first,
            group=clause.group,
            play=clause.spec.play,
            step=step,
            members=incident.members,
            not_before=not_before,
            verdict=incident.verdict,
            by=incident.by,
            because=incident.because,
            facts=_facts(clause, member),
            attributes=signal.attributes,
        )
        self._effects.signals.append(
            msgspec.structs.replace(
                signal,
                id=first if step == FIRST else digest(first, step),
                entity=kind,
                key=name,
                unit=unit_of(self._project.unit, kind, name, related),
                event_ids=(member.event_id,),
                related=related,
                attributes={},
                member=membership,
            )
        )


def _next_step(met: Met, incident: Incident | None) -> str:
    """At which step of an open incident a member is, of whom an event told; "" where there is nothing to say."""
    if incident is None or met.incident != incident.id:
        return ""
    if met.member.since != incident.since:
        return FIRST if met.clause.spec.keep_adding else ""
    return f"update:{met.member.updates + 1}" if met.is_changed else ""


def _asking(signal: Signal, clause: Clause, incident: Incident) -> Signal:
    """The signal that asks a person whether the members are to be told; closed once that is answered or over."""
    its_id = digest(incident.id, ASK, clause.spec.play)
    membership = Membership(
        incident=incident.id,
        of=its_id,
        group=clause.group,
        play=clause.spec.play,
        step=ASK,
        members=incident.members,
        attributes=signal.attributes,
    )
    return msgspec.structs.replace(signal, id=its_id, member=membership)


def _turns(clause: Clause, incident: Incident, found: Iterable[str], now: int) -> dict[str, int]:
    """When each of them has its turn, where not all begin at once: in the order of a digest, so many in each span."""
    portion, span_ms = clause.spec.portion, clause.spec.span_ms
    if not portion or incident.verdict in (ASKED, IS_DECLINED):
        return {}
    ranked = sorted(found, key=lambda name: digest(incident.id, name))
    return {name: now + rank // portion * span_ms for rank, name in enumerate(ranked) if rank >= portion}


def _others(event: Event, clause: Clause) -> dict[str, str]:
    """The entities that a member was seen with."""
    return {kind: key for kind, key in event.entities.items() if kind not in (clause.spec.kind, clause.group)}


def _watched(clause: Clause, facts: list[Json]) -> list[Json]:
    return [fact for path, fact in zip(clause.spec.facts, facts, strict=True) if path in clause.spec.update_on]


def _facts(clause: Clause, member: Member) -> dict[str, Json]:
    """A member's facts under the names that texts use: the last part of the field's path."""
    pairs = zip(clause.spec.facts, member.facts, strict=True)
    return {path.rpartition(".")[2]: fact for path, fact in pairs if fact is not None}
