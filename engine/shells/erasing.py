"""Forgetting somebody: what a state folder holds of one entity is deleted, and nothing about it is taken any more."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from engine.core import erasure
from engine.core.decide import Units, encode_unit
from engine.core.entities import Entities
from engine.core.examples import who_of
from engine.core.members import drawers_in
from engine.core.plan import Plan
from engine.core.route import RouterChanges
from engine.errors import OperatorError
from engine.model import DeadLetter, Decision, Signal
from engine.shells.memory import Memory, stalls_from_bytes
from engine.shells.model_state import forget
from engine.shells.partition import ROUTER, STALLS
from engine.shells.store import Store, read_only
from engine.shells.times import iso
from engine.shells.wiring import plan_of
from engine.spec.types import Configuration, ProjectSpec


def name_of(text: str, project: ProjectSpec) -> tuple[str, str]:
    """`customer:c7` as (kind, key). Raises OperatorError."""
    try:
        return erasure.parse(text, [spec.kind for spec in project.entities])
    except ValueError as wrong:
        raise OperatorError(str(wrong)) from wrong


def strip_others(entities: Entities, naming: Iterable[tuple[str, str]], name: str) -> int:
    """Take a name out of the records of other entities; `naming` are those that may hold it. Returns how many did."""
    stripped = 0
    touched = {(entity.kind, entity.key) for entity in entities.touched}
    for place in sorted(touched | set(naming)):
        entity = entities.get(*place)
        if entity is not None and erasure.strip_entity(entity, name):
            entities.touch(entity)
            stripped += 1
    return stripped


def strip_units(units: Units, naming: Iterable[str], name: str) -> int:
    """Forget a unit in memory, and take its name out of the others; `naming` are those that may hold it.

    Returns how many did.
    """
    units.waiting.discard(name)
    units.known.pop(name, None)
    units.touched.pop(name, None)
    stripped = 0
    for unit in sorted({*units.touched, *naming} - {name}):
        state = units.change(unit)
        before = encode_unit(state)
        erasure.strip_unit(state, name)
        stripped += encode_unit(state) != before
    return stripped


def is_named(letter: DeadLetter, key: str) -> bool:
    """Does the raw input hold the id as a word of its own? Other names are kept as `field:id`."""
    word = re.escape(key.rpartition(":")[2].encode())
    return re.search(rb"(?<![\w-])" + word + rb"(?![\w-])", letter.raw + letter.detail.encode()) is not None


# ---- the local shell's


def erase(configuration: Configuration, state: Path, text: str, now: int, *, dry_run: bool) -> str:
    """Forget one entity and its other names. Returns what was deleted, in words.

    Raises OperatorError for a name of no kind, and while a run uses the folder.
    """
    kind, key = name_of(text, configuration.project)
    read_only(state).db.close()
    store = Store(state)
    try:
        keys = _keys(store, kind, key)
        until = now + _longest(configuration.project)
        store.db.execute("BEGIN IMMEDIATE")
        erasing = _Erasing(store, plan_of(configuration))
        gone = erasing.run(kind, keys)
        if dry_run:
            store.db.execute("ROLLBACK")
        else:
            still = {name: at for name, at in store.erased.items() if at > now}
            store.set_erased(still | dict.fromkeys((erasure.masked(f"{kind}:{each}") for each in keys), until))
            store.db.execute("COMMIT")
            store.sweep()
    finally:
        store.close()
    counted = ", ".join(f"{count} of {table}" for table, count in sorted(gone.items()) if count)
    if not counted and not erasing.mentions:
        return f"{kind}:{key}: nobody of that name is known here; {blocked(until, dry_run=dry_run)}"
    also = f", also known as {', '.join(keys[1:])}" if keys[1:] else ""
    named = "nothing but what others' records said of it"
    return f"{'would erase' if dry_run else 'erased'} {kind}:{key}{also}: {counted or named}"


def blocked(until: int, *, dry_run: bool) -> str:
    """That nothing about a name is taken before `until` (ms)."""
    return f"what may still come under it {'would be' if dry_run else 'is'} blocked until {iso(until)[:10]}"


def _keys(store: Store, kind: str, key: str) -> list[str]:
    known = store.aliases().get(kind, {})
    primary = known.get(key, key)
    return [primary, *sorted(alias for alias, of in known.items() if of == primary)]


def _longest(project: ProjectSpec) -> int:
    keep = project.retention
    return max(keep.entities_ms, keep.decisions_ms, keep.ledger_ms, keep.dead_letters_ms)


class _Erasing:
    """Inside a transaction of the caller's."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store = store
        kept = store.fact(ROUTER)
        now = msgspec.msgpack.decode(kept, type=RouterChanges).progress.tick if kept else 0
        self._kinds = tuple(plan.kinds)
        # How many records of others named them.
        self.mentions = 0
        self._memory = Memory(store, plan, stalls_from_bytes(store.fact(STALLS)), now)

    def run(self, kind: str, keys: Sequence[str]) -> Counter[str]:
        gone: Counter[str] = Counter()
        for key in keys:
            gone.update(self._one(kind, key))
        gone["aliases"] += self._delete("aliases WHERE kind = ? AND key = ?", kind, keys[0])
        return gone

    def _one(self, kind: str, key: str) -> dict[str, int]:
        store, memory, name = self._store, self._memory, f"{kind}:{key}"
        entities = self._delete("entities WHERE kind = ? AND key = ?", kind, key)
        memory.entities.stored[kind] = memory.entities.stored.get(kind, 0) - entities
        for place in drawers_in(self._kinds, kind, key):
            dropped = self._delete("entities WHERE kind = ? AND key = ?", *place)
            memory.entities.stored[place[0]] = memory.entities.stored.get(place[0], 0) - dropped
        units = self._delete("units WHERE unit = ?", name)
        self.mentions += strip_others(memory.entities, store.entities_naming(key), name)
        self.mentions += strip_units(memory.units, store.units_naming(key), name)
        memory.save()
        memory.saved()
        return {
            "entities": entities,
            "units": units,
            "signals": self._signals(name, key),
            "decisions": self._decisions(name, key),
            "actions": store.ledger.erase(name),
            "dead_letters": self._letters(key),
            "answers": forget(store, who_of(kind, key)),
        }

    def _delete(self, what: str, *values: str) -> int:
        return self._store.db.execute(f"DELETE FROM {what}", values).rowcount  # noqa: S608  constants above

    def _signals(self, name: str, key: str) -> int:
        found = self._naming("SELECT record FROM signals WHERE instr(record, ?)", key)
        signals = [msgspec.msgpack.decode(record, type=Signal) for record in found]
        gone = [(one.id, one.state) for one in signals if erasure.concerns(one, name)]
        self._store.db.executemany("DELETE FROM signals WHERE id = ? AND state = ?", gone)
        self._store.put_signals(erasure.strip_signal(o, name) for o in signals if not erasure.concerns(o, name))
        return len(gone)

    def _decisions(self, name: str, key: str) -> int:
        found = self._naming("SELECT record FROM decisions WHERE instr(record, ?)", key)
        decisions = [msgspec.msgpack.decode(record, type=Decision) for record in found]
        gone = {one.id for one in decisions if name in (one.unit, one.recipient, f"{one.entity}:{one.key}")}
        self._store.db.executemany("DELETE FROM decisions WHERE id = ?", [(one.id,) for one in decisions])
        self._store.put_decisions(
            msgspec.structs.replace(one, event_ids=erasure.without(one.event_ids, key))
            for one in decisions
            if one.id not in gone
        )
        return len(gone)

    def _letters(self, key: str) -> int:
        gone = [seq for seq, letter in self._store.dead_letters() if is_named(letter, key)]
        self._store.drop_dead_letters(gone)
        return len(gone)

    def _naming(self, query: str, key: str) -> list[bytes]:
        return [record for (record,) in self._store.db.execute(query, (key.encode(),)).fetchall()]
