"""One partition of the local shell: rows in, everything they led to on the disk, in one transaction per batch.

A batch either has its positions, state, decisions, actions and dead letters on the disk, or none of them; after a
crash it is simply taken again and comes to the same.
"""

from __future__ import annotations

import hashlib
import sqlite3
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from engine.core.chain import Chain
from engine.core.digest import digest
from engine.core.effects import RAW_KEPT, Effects
from engine.core.erasure import names_in
from engine.core.experiments import detectors_of
from engine.core.express import Express
from engine.core.plan import Plan
from engine.core.route import Router, RouterChanges, Row
from engine.errors import OperatorError
from engine.model import DeadLetter, Record, Routed
from engine.shells.attempts import Attempts
from engine.shells.circuit import Circuit
from engine.shells.faults import fault_point
from engine.shells.files import FilePlace
from engine.shells.journal import WAITING_BYTES, Journal
from engine.shells.memory import Memory, OversizedRecord, stalls_from_bytes, stalls_to_bytes
from engine.shells.model_state import key_of, restore, save
from engine.shells.store import Store
from engine.shells.wiring import plan_of

# Faults that say nothing about the row that was being taken when they showed.
NOT_THE_ROW = (OperatorError, sqlite3.Error, MemoryError)
ROUTER, PLACES, STALLS, PLAN = "router", "places", "stalls", "plan"


class Partition:
    """State in memory over a store. `places` is how far each source has been consumed, as last committed.

    `waiting_bytes`: so much may wait in the journal before the tables get it.
    """

    def __init__(self, store: Store, plan: Plan, waiting_bytes: int = WAITING_BYTES) -> None:
        self.store = store
        self.plan = plan
        self._waiting_bytes = waiting_bytes
        self.places: dict[str, FilePlace] = {}
        self.chain: Chain
        self.router: Router
        self._memory: Memory
        self._attempts = Attempts(store.folder)
        self.circuit = Circuit()
        self._left_out: set[str] = set()
        self.reload()

    def reload(self) -> None:
        """Forget what is in memory and go on from the disk, under the present plan."""
        kept = self.store.fact(ROUTER)
        changes = msgspec.msgpack.decode(kept, type=RouterChanges) if kept else RouterChanges()
        self.router = Router(self.plan.configuration.project, self.plan.watched)
        self.router.restore(msgspec.structs.replace(changes, aliases=self.store.aliases()))
        places = self.store.fact(PLACES)
        self.places = msgspec.msgpack.decode(places, type=dict[str, FilePlace]) if places else {}
        stalls = stalls_from_bytes(self.store.fact(STALLS))
        self.store.settle()
        self._memory = Memory(self.store, self.plan, stalls, changes.progress.tick, Journal(self.store.db))
        self._model_key = key_of(self.plan.configuration)
        learn = restore(self.store, self.plan, stalls.models)
        self.chain = Chain(self.plan, self._memory.entities, self._memory.units, stalls, learn)
        self.chain.resume(changes.progress.tick)
        self._express = Express(self.router, self.chain)
        if self._is_changed():
            self._carry_over(changes.progress.tick)

    @property
    def now(self) -> int:
        """Event time reached, in ms; 0 before the first tick."""
        return self.chain.now

    # ---- batches

    def take(self, rows: Sequence[Row], places: Mapping[str, FilePlace], arrived_at: int) -> Effects:
        """Take rows in and commit. A row that breaks the engine is set aside, the others are taken.

        Raises OperatorError, sqlite3.Error and MemoryError, after which this partition must not be used any more.
        """
        if self._attempts.begin(digest(*(f"{key}@{place.offset}" for key, place in sorted(self.places.items())))):
            return self._one_by_one(rows, places, arrived_at)
        try:
            return self._commit(self._run(rows), places, arrived_at)
        except NOT_THE_ROW:
            raise
        except Exception:
            self.reload()
            return self._one_by_one(rows, places, arrived_at)

    def take_records(self, records: Sequence[Record], arrived_at: int) -> Effects:
        """Ticks and the like that no row brought."""
        self.chain.take_all(records)
        return self._commit(self.chain.drain(), self.places, arrived_at)

    def take_receipts(self, arrived_at: int) -> Effects | None:
        """Take in what has become of actions, None if nothing has that matters. The next tick decides what follows."""
        receipts = self.store.ledger.returns.waiting()
        if not receipts:
            return None
        self.chain.take_receipts(receipt for _, receipt in receipts)
        return self._commit(self.chain.drain(), self.places, arrived_at, receipts[-1][0])

    def _run(self, rows: Sequence[Row]) -> Effects:
        letters: list[DeadLetter] = []
        if self.store.erased:
            self.chain.take_all(self._not_erased(self.router.route_all(rows, letters)))
        else:
            self._express.take(rows, letters)
        effects = self.chain.drain()
        effects.dead_letters[:0] = letters
        return effects

    def _not_erased(self, records: Iterable[Record]) -> Iterator[Record]:
        """Without the events that name somebody who was erased: they are none of ours for the others either."""
        erased, counts = self.store.erased.keys(), self.chain.effects.counts
        for record in records:
            if isinstance(record, Routed) and not names_in(record.event.entities).isdisjoint(erased):
                counts["erased", record.event.stream] += record.primary
            else:
                yield record

    def _one_by_one(self, rows: Sequence[Row], places: Mapping[str, FilePlace], arrived_at: int) -> Effects:
        """The batch again in one transaction, a row at a time, to find those that cannot be taken."""
        total = Effects()
        with self.store.transaction():
            for number, row in enumerate(rows):
                if self._attempts.is_deadly(number):
                    total.merge(self._skip(row, arrived_at))
                    continue
                self._attempts.at_row(number)
                total.merge(self._alone(row, arrived_at))
            self._write(Effects(), places, arrived_at)
        self.places = dict(places)
        if self.circuit.out - self._left_out:
            self._leave_out()
        return total

    def _leave_out(self) -> None:
        """Go on without the detectors that too many rows have broken in."""
        self._left_out = set(self.circuit.out)
        self.plan = plan_of(self.circuit.without(self.plan.configuration))
        self.reload()

    def _alone(self, row: Row, arrived_at: int) -> Effects:
        self.store.db.execute("SAVEPOINT alone")
        try:
            effects = self._run([row])
            self._write(effects, self.places, arrived_at)
            self._memory.saved()
        except NOT_THE_ROW:
            raise
        except Exception as fault:
            self.store.db.execute("ROLLBACK TO alone")
            self.reload()
            self.circuit.blame(fault, arrived_at)
            effects = Effects()
            effects.dead_letters.append(poison(row, fault))
            self._write(effects, self.places, arrived_at)
        self.store.db.execute("RELEASE alone")
        return effects

    def _skip(self, row: Row, arrived_at: int) -> Effects:
        """Set a row aside unseen, because it has ended the process again and again."""
        effects = Effects()
        effects.dead_letters.append(_set_aside(row, "crash_loop", "the engine died on this row several times"))
        self._write(effects, self.places, arrived_at)
        return effects

    def _commit(
        self, effects: Effects, places: Mapping[str, FilePlace], arrived_at: int, receipts_until: int = 0
    ) -> Effects:
        fault_point("E0")
        with self.store.transaction():
            self._write(effects, places, arrived_at)
            self.store.ledger.returns.taken(receipts_until)
        fault_point("E2")
        self._memory.saved()
        self.places = dict(places)
        return effects

    def _write(self, effects: Effects, places: Mapping[str, FilePlace], arrived_at: int) -> None:
        store, changes = self.store, self.router.changes()
        self._memory.save()
        self._memory.settle(beyond=self._waiting_bytes)
        store.put_aliases(changes.aliases)
        store.put_signals(effects.signals)
        store.put_decisions(effects.decisions)
        store.ledger.add(effects.actions, self.plan.configuration.project.channels)
        store.ledger.returns.recall(effects.recalls)
        store.put_dead_letters(effects.dead_letters, arrived_at)
        store.set_fact(ROUTER, msgspec.msgpack.encode(msgspec.structs.replace(changes, aliases={})))
        store.set_fact(PLACES, msgspec.msgpack.encode(places))
        store.set_fact(STALLS, stalls_to_bytes(self.chain.stalls))
        save(store, self.chain.learn, self.chain.stalls.models, self._model_key)

    def close(self) -> None:
        """Stop of one's own will: the batch at hand, if any, is done."""
        with self.store.transaction():
            self._memory.settle()
        self._attempts.clear()

    # ---- keeping house

    def keep_house(self, now_ms: int) -> dict[str, int]:
        """Apply the retention: delete what is older. Returns how many rows went, by table."""
        keep = self.plan.configuration.project.retention
        with self.store.transaction():
            self._memory.settle()
            gone = {
                "signals": self.store.prune("signals", self.now - keep.decisions_ms),
                "decisions": self.store.prune("decisions", self.now - keep.decisions_ms),
                "dead_letters": self.store.prune("dead_letters", now_ms - keep.dead_letters_ms),
                "actions": self.store.ledger.prune(min(now_ms, self.now) - keep.ledger_ms),
                "recalls": self.store.ledger.returns.prune(min(now_ms, self.now) - keep.ledger_ms),
                "entities": self._memory.drop_unseen_since(self.now - keep.entities_ms),
            }
        return {table: count for table, count in gone.items() if count}

    def entity_counts(self) -> dict[str, int]:
        return dict(self._memory.entities.stored)

    # ---- a changed configuration

    def _is_changed(self) -> bool:
        return self.store.fact(PLAN) != fingerprint(self.plan)

    def _carry_over(self, now: int) -> None:
        """Every stored entity meets the new plan once, so that new detectors with timers start for all of them now."""
        entities, step = self._memory.entities, self.plan.configuration.project.bounds.events_per_batch
        for kind in self.plan.kinds:
            keys = self.store.entity_keys(kind)
            for at in range(0, len(keys), step):
                for key in keys[at : at + step]:
                    entity = entities.get(kind, key)
                    if entity is not None:
                        self.chain.detect.adopt(entity, now)
                with self.store.transaction():
                    self._memory.save()
                    self._memory.settle()
                self._memory.saved()
        with self.store.transaction():
            self.store.set_fact(PLAN, fingerprint(self.plan))


def fingerprint(plan: Plan) -> bytes:
    """What a stored entity has to meet once: what is kept of each kind, and the detectors."""
    kinds = sorted((kind, each.wanted.layout.name) for kind, each in plan.kinds.items())
    detectors = [(spec.name, spec.version) for spec, _is_for in detectors_of(plan.configuration)]
    return msgspec.msgpack.encode([kinds, detectors])


def open_chain(store: Store, plan: Plan) -> Chain:
    """A chain over what a store holds, to look at; nothing is written."""
    kept = store.fact(ROUTER)
    now = msgspec.msgpack.decode(kept, type=RouterChanges).progress.tick if kept else 0
    stalls = stalls_from_bytes(store.fact(STALLS))
    memory = Memory(store, plan, stalls, now)
    chain = Chain(plan, memory.entities, memory.units, stalls, restore(store, plan, stalls.models))
    chain.resume(now)
    return chain


def poison(row: Row, fault: Exception) -> DeadLetter:
    """The dead letter of a row on which the engine itself failed; the digest groups equal failures."""
    trace = "".join(traceback.format_exception(fault))
    where = hashlib.sha256(trace.encode()).hexdigest()[:12]
    reason = "record_too_large" if isinstance(fault, OversizedRecord) else "poison"
    return _set_aside(row, reason, f"{type(fault).__name__}: {fault} (trace {where})")


def _set_aside(row: Row, reason: str, detail: str) -> DeadLetter:
    return DeadLetter(
        reason=reason,
        detail=detail,
        stream=row.stream,
        source=row.source,
        position=row.position,
        raw=row.raw[:RAW_KEPT],
        raw_size=row.size or len(row.raw),
        raw_digest=row.digest or hashlib.sha256(row.raw).hexdigest(),
        arrived_at=row.arrived_at,
    )
