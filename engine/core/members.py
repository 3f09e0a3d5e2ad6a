"""Who belongs to a group: the customers of a region, the buyers of a product, as far as its events named them lately.

A busy group has thousands of members, so they do not stand in its own record, which is written whole whenever it
changes. They lie in drawers, by a digest of their ids. A drawer is remembered like an entity, under a kind of its own,
by the partition that has the group; an event writes the one drawer that it concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from xxhash import xxh3_64_intdigest

from engine.core.compiled import slot_of
from engine.core.entities import Entities
from engine.core.matching import Predicate, compile_where
from engine.core.state import Entity
from engine.model import Event, Json
from engine.ports import NEVER, Known, Slot
from engine.spec.members import ForEach, Guard

DRAWERS = 256
_SIGN = ">"


class Member(msgspec.Struct, array_like=True):
    """What a group remembers of one member.

    `seen_at`, `event_id` and `related` are of its latest event, `facts` are that event's fields in the clause's order.
    `since` is when the incident began in which it was last addressed (0 = none), `updates` how often it was told more.
    """

    seen_at: int
    event_id: str
    related: dict[str, str]
    facts: list[Json]
    since: int = 0
    updates: int = 0


class Incident(msgspec.Struct, array_like=True):
    """An open signal of the group: its id and beginning, to how many it was passed on, and what a person said of it."""

    id: str
    since: int
    members: int
    cooling_until: int = 0
    verdict: str = ""
    by: str = ""
    because: str = ""


class Roll:
    """What a group knows of its members as a whole. Slot: [how many lie in drawers, when that was last counted anew,
    how many were turned away since, the open incident or None].
    """

    timed = False
    columns: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    def __init__(self, identity: str) -> None:
        self.identity = f"roll of {identity}"

    def empty(self, known: Known) -> Slot:
        return [0, 0, 0, None]

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        """Members are taken in by the fan-out, as they lie elsewhere."""
        return None

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        return NEVER

    def begin(self, slot: Slot, now: int) -> None:
        """Members are those seen from now on."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot


class Drawer(Roll):
    """Some of a group's members by their ids. Slot: [id -> Member]; `columns` are the facts that are kept of them."""

    def __init__(self, identity: str, facts: tuple[str, ...]) -> None:
        super().__init__(identity)
        self.identity = f"drawer of {identity}"
        self.columns = facts

    def empty(self, known: Known) -> Slot:
        return [{}]

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        """A fact that is new is not known before the member's next event."""
        had = {name: at for at, name in enumerate(columns)}
        for member in opened(slot).values():
            member.facts = [member.facts[had[name]] if name in had else None for name in self.columns]
        return slot


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One `for_each`, compiled: of which detector, and where its roll and its drawers are kept."""

    judge: int
    spec: ForEach
    group: str
    roll: Roll
    roll_at: int
    drawer: Drawer
    drawer_at: int
    where: Predicate | None
    guard: Guard

    @property
    def drawers(self) -> str:
        """The kind of entity that its drawers are remembered as."""
        return drawers_of(self.group, self.spec.kind)

    def member_of(self, event: Event) -> str | None:
        """Whom an event makes a member, None where it is nobody."""
        if event.event not in self.spec.events or (self.where is not None and not self.where(event.attributes)):
            return None
        return event.entities.get(self.spec.kind)


def clause_of(judge: int, detector: str, group: str, spec: ForEach, guard: Guard, places: tuple[int, int]) -> Clause:
    """`places` are those of the roll among the group's trackers, and of the drawer among those of its kind."""
    identity = f"{detector} {spec.play} {spec.kind} {spec.events} {spec.where}"
    return Clause(
        judge=judge,
        spec=spec,
        group=group,
        roll=Roll(identity),
        roll_at=places[0],
        drawer=Drawer(identity, spec.facts),
        drawer_at=places[1],
        where=compile_where(spec.where),
        guard=guard,
    )


def drawers_of(group: str, member: str) -> str:
    return f"{group}{_SIGN}{member}"


def are_drawers(kind: str) -> bool:
    return _SIGN in kind


def are_drawers_of(kind: str, member: str) -> bool:
    return kind.endswith(f"{_SIGN}{member}")


def group_of(drawer: Entity) -> str:
    """The id of the group whose drawer it is."""
    return drawer.key.rpartition("#")[0]


def drawers_in(kinds: Iterable[str], group: str, key: str) -> list[tuple[str, str]]:
    """(kind, key) of all drawers that a group may have."""
    return [(kind, each) for kind in kinds if kind.startswith(f"{group}{_SIGN}") for each in drawer_keys(key)]


def drawer_keys(group: str) -> list[str]:
    """The keys of all drawers that a group may have."""
    return [_drawer_key(group, number) for number in range(DRAWERS)]


def _drawer_key(group: str, number: int) -> str:
    return f"{group}#{number:02x}"


def opened(slot: Slot) -> dict[str, Member]:
    """The members in a drawer's slot, which came out of a store as plain lists."""
    kept: dict[str, Any] = slot[0]
    if kept and not isinstance(next(iter(kept.values())), Member):
        slot[0] = kept = msgspec.convert(kept, dict[str, Member])
    return kept


def incident_in(slot: Slot) -> Incident | None:
    """The open incident in a roll's slot."""
    if slot[3] is not None and not isinstance(slot[3], Incident):
        slot[3] = msgspec.convert(slot[3], Incident)
    found: Incident | None = slot[3]
    return found


class Cabinet:
    """All drawers of the groups in one partition."""

    def __init__(self, entities: Entities, trackers: Mapping[str, Sequence[Drawer]], keys_most: int) -> None:
        """`trackers` are those of each kind of drawers; at most so many drawers of a kind are kept."""
        self._entities = entities
        self._trackers = trackers
        self._keys_most = keys_most

    def roll(self, clause: Clause, group: Entity) -> Slot:
        return slot_of(group, clause.roll_at, clause.roll)

    def open(self, clause: Clause, group: Entity, name: str) -> tuple[Entity, dict[str, Member]] | None:
        """The drawer that somebody belongs in, made on first use; None where there may be no more of them."""
        key = _drawer_key(group.key, xxh3_64_intdigest(name.encode()) % DRAWERS)
        drawer = self._entities.get(clause.drawers, key)
        if drawer is None:
            if self._entities.count(clause.drawers) >= self._keys_most:
                return None
            drawer = Entity(clause.drawers, key, len(self._trackers[clause.drawers]), group.stalls)
            drawer.first_seen = group.seen_at
            self._entities.add(drawer)
        return drawer, opened(slot_of(drawer, clause.drawer_at, clause.drawer))

    def find(self, clause: Clause, group: Entity, name: str) -> Member | None:
        """Somebody who may be in a drawer."""
        key = _drawer_key(group.key, xxh3_64_intdigest(name.encode()) % DRAWERS)
        drawer = self._entities.get(clause.drawers, key)
        slot = None if drawer is None else drawer.slots[clause.drawer_at]
        return None if slot is None else opened(slot).get(name)

    def touch(self, drawer: Entity, at: int) -> None:
        drawer.seen_at = max(drawer.seen_at, at)
        self._entities.touch(drawer)

    def all(self, clause: Clause, group: Entity) -> Iterator[tuple[Entity, dict[str, Member]]]:
        """Every drawer of the group with what is in it."""
        for key in drawer_keys(group.key):
            drawer = self._entities.get(clause.drawers, key)
            if drawer is not None and drawer.slots[clause.drawer_at] is not None:
                yield drawer, opened(drawer.slots[clause.drawer_at] or [{}])


def forget_member(drawer: Entity, name: str) -> bool:
    """Take somebody out of a drawer, and out of what it says of others. True if there was anything."""
    kind, _, key = name.partition(":")
    is_changed = False
    for slot in drawer.slots:
        members = opened(slot) if slot is not None else {}
        if are_drawers_of(drawer.kind, kind) and members.pop(key, None) is not None:
            is_changed = True
        for member in members.values():
            if member.related.get(kind) == key:
                del member.related[kind]
                is_changed = True
    return is_changed


def outdated(members: Mapping[str, Member], before: int, since: int) -> list[str]:
    """Those not seen since `before`, unless they were addressed in the incident that began at `since` and is open."""
    return [name for name, one in members.items() if one.seen_at <= before and not (since and one.since == since)]
