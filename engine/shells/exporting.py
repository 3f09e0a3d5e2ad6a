"""All that is held about one entity, as one document: for somebody who asks what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from engine.core.chain import Chain
from engine.core.episodes import FIRING, PENDING
from engine.core.erasure import concerns
from engine.core.examples import who_of
from engine.core.members import are_drawers_of, group_of, opened
from engine.core.plan import Plan
from engine.core.state import Entity
from engine.core.tasks import Task
from engine.core.unit_state import UnitState
from engine.model import Action, DeadLetter, Decision, Json, Signal
from engine.shells.answers import Answer, answers_about
from engine.shells.erasing import is_named, name_of
from engine.shells.explain import told
from engine.shells.histories import is_decided_for
from engine.shells.partition import open_chain
from engine.shells.store import Store, read_only
from engine.shells.times import iso
from engine.shells.wiring import plan_of
from engine.spec.types import Configuration

PHASES = {PENDING: "true, and watched whether it stays so", FIRING: "firing"}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one entity. `detectors`: how it stands with each, in words."""

    name: str
    first_seen: str
    last_seen: str
    profile: Mapping[str, Json]
    seen_with: Mapping[str, str]
    detectors: Mapping[str, Sequence[str]]
    episodes: Mapping[str, str]


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """What a group remembers of one of its members, for one play."""

    group: str
    play: str
    last_seen: str
    event_id: str
    seen_with: Mapping[str, str]
    facts: Mapping[str, Json]


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """An action, and what became of it."""

    action: Action
    state: str
    attempts: int


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    reason: str
    detail: str
    stream: str
    source: str
    position: int
    raw: str


class Export(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The document. `events` and `receipts` are of Kafka only; a state folder's events are in the project's files.

    `tasks` wait until a colleague has room for them. `answers` are what models learn from.
    """

    entity: str
    other_names: list[str] = []
    remembered: list[Known] = []
    member_of: list[Membership] = []
    unit: UnitState | None = None
    events: list[msgspec.Raw] = []
    signals: list[Signal] = []
    decisions: list[Decision] = []
    tasks: list[Task] = []
    answers: list[Answer] = []
    actions: list[Sent] = []
    receipts: list[msgspec.Raw] = []
    dead_letters: list[Letter] = []


def as_json(found: Export) -> str:
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def known(entity: Entity, plan: Plan, now: int) -> Known:
    """An entity's record in readable form, as of `now`."""
    judges = plan.kinds[entity.kind].judges
    names = {judge.index: judge.spec.name for judge in judges.values()}
    return Known(
        name=f"{entity.kind}:{entity.key}",
        first_seen=iso(entity.first_seen),
        last_seen=iso(entity.seen_at),
        profile=entity.attributes,
        seen_with=entity.related,
        detectors={j.spec.name: [told(one) for one in j.when.story(entity, now)] for j in judges.values()},
        episodes={
            names[index]: f"{PHASES.get(episode.phase, 'cooling down')} since {iso(episode.since)}"
            for index, episode in (entity.episodes or {}).items()
        },
    )


def memberships(drawer: Entity, key: str, plan: Plan) -> Iterator[Membership]:
    """What a drawer of a group holds of somebody."""
    for kind, each in plan.kinds.items():
        for clause in each.clauses:
            slot = drawer.slots[clause.drawer_at] if clause.drawers == drawer.kind else None
            member = None if slot is None else opened(slot).get(key)
            if member is not None:
                yield Membership(
                    group=f"{kind}:{group_of(drawer)}",
                    play=clause.spec.play,
                    last_seen=iso(member.seen_at),
                    event_id=member.event_id,
                    seen_with=member.related,
                    facts=dict(zip(clause.spec.facts, member.facts, strict=True)),
                )


def letter_of(letter: DeadLetter) -> Letter:
    return Letter(
        reason=letter.reason,
        detail=letter.detail,
        stream=letter.stream,
        source=letter.source,
        position=letter.position,
        raw=letter.raw.decode(errors="replace"),
    )


def tasks_about(units: Iterable[UnitState], names: Sequence[str]) -> list[Task]:
    """What waits at the desks among these units, and was raised for or with one of these names."""
    desks = [unit.desk for unit in units if unit.desk is not None]
    coming = [(handover.task, handover.about) for desk in desks for handover in desk.coming if handover.task]
    waiting = [(one.task, one.about) for desk in desks for one in desk.waiting]
    return [task for task, about in (*coming, *waiting) if not set(about).isdisjoint(names)]


# ---- the local shell's


def export(configuration: Configuration, state: Path, text: str) -> Export:
    """From a state folder, also while a run uses it. Raises OperatorError for a name of no kind."""
    kind, key = name_of(text, configuration.project)
    store, plan = read_only(state), plan_of(configuration)
    try:
        aliases = store.aliases().get(kind, {})
        key = aliases.get(key, key)
        found = Export(
            entity=f"{kind}:{key}", other_names=sorted(alias for alias, primary in aliases.items() if primary == key)
        )
        _fill(found, store, open_chain(store, plan), plan)
    finally:
        store.db.close()
    return found


def _fill(found: Export, store: Store, chain: Chain, plan: Plan) -> None:
    kind, _, key = found.entity.partition(":")
    keys = [key, *found.other_names]
    names = [f"{kind}:{each}" for each in keys]
    entities = [chain.entities.get(kind, each) for each in keys] if kind in plan.kinds else []
    found.remembered = [known(each, plan, max(chain.now, each.seen_at)) for each in entities if each is not None]
    for place in store.entities_naming(key):
        drawer = chain.entities.get(*place) if are_drawers_of(place[0], kind) else None
        found.member_of += [] if drawer is None else memberships(drawer, key, plan)
    found.unit = chain.units.get(found.entity) if store.unit(found.entity) is not None else None
    records = store.db.execute("SELECT record FROM signals WHERE instr(record, ?) ORDER BY at", (key.encode(),))
    signals = [msgspec.msgpack.decode(record, type=Signal) for (record,) in records]
    found.signals = [one for one in signals if any(concerns(one, name) for name in names)]
    found.decisions = [one for one in store.decisions() if any(is_decided_for(one, name) for name in names)]
    desks = sorted({unit for each in keys for unit in store.units_naming(each)})
    found.tasks = tasks_about(map(chain.units.get, desks), names)
    who = {who_of(kind, each) for each in keys}
    found.answers = list(answers_about(plan, who, chain.learn.waiting.values(), chain.learn.shelf))
    rows = {row.action.id: row for name in names for row in store.ledger.about(name)}
    found.actions = [Sent(action=r.action, state=r.state, attempts=r.attempts) for r in rows.values()]
    found.dead_letters = [
        letter_of(letter) for _, letter in store.dead_letters() if any(is_named(letter, each) for each in keys)
    ]
