"""Protocols that look right and are not. The simulation must find each of them out, or it proves nothing.

A mutant changes one thing of the engine through `patch(owner, name, replacement)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from engine.core import route
from engine.core.detect import Detect
from engine.core.effects import Effects
from engine.core.route import Router, RouterChanges
from engine.model import Routed
from engine.ports import Delivered, Sink, Unknown, Verdict
from engine.shells import dispatch, memory, outcome
from engine.shells.dispatch import Dispatcher
from engine.shells.files import FilePlace
from engine.shells.ledger import Ledger, Row, Settled, State
from engine.shells.partition import PLACES, Partition
from engine.shells.returns import Returns
from engine.shells.sending import Sending
from engine.shells.store import Store

# Mutants replace methods of many signatures, so what they are called with is passed on as it is.
Patch: TypeAlias = Callable[[object, str, Any], None]


# ---- one transaction


def places_are_stored_before_state(patch: Patch) -> None:
    commit = Partition._commit

    def split(self: Partition, effects: Effects, places: Any, arrived_at: int, receipts_until: int = 0) -> Effects:
        with self.store.transaction():
            self.store.set_fact(PLACES, msgspec.msgpack.encode(places))
        return commit(self, effects, places, arrived_at, receipts_until)

    patch(Partition, "_commit", split)


def state_is_stored_before_what_it_led_to(patch: Patch) -> None:
    commit = Partition._commit

    def split(self: Partition, effects: Effects, places: Any, arrived_at: int, receipts_until: int = 0) -> Effects:
        commit(self, Effects(), places, arrived_at, receipts_until)
        return commit(self, effects, places, arrived_at)

    patch(Partition, "_commit", split)


def actions_are_stored_after_the_rest(patch: Patch) -> None:
    commit = Partition._commit

    def late(self: Partition, effects: Effects, places: Any, arrived_at: int, receipts_until: int = 0) -> Effects:
        actions, effects.actions = effects.actions, []
        commit(self, effects, places, arrived_at, receipts_until)
        with self.store.transaction():
            self.store.ledger.add(actions, self.plan.configuration.project.channels)
        effects.actions = actions
        return effects

    patch(Partition, "_commit", late)


def dead_letters_are_stored_before_the_rest(patch: Patch) -> None:
    commit = Partition._commit

    def early(self: Partition, effects: Effects, places: Any, arrived_at: int, receipts_until: int = 0) -> Effects:
        letters, effects.dead_letters = effects.dead_letters, []
        with self.store.transaction():
            self.store.put_dead_letters(letters, arrived_at)
        commit(self, effects, places, arrived_at, receipts_until)
        effects.dead_letters = letters
        return effects

    patch(Partition, "_commit", early)


def decisions_are_stored_after_the_rest(patch: Patch) -> None:
    commit = Partition._commit

    def late(self: Partition, effects: Effects, places: Any, arrived_at: int, receipts_until: int = 0) -> Effects:
        decisions, effects.decisions = effects.decisions, []
        commit(self, effects, places, arrived_at, receipts_until)
        with self.store.transaction():
            self.store.put_decisions(decisions)
        effects.decisions = decisions
        return effects

    patch(Partition, "_commit", late)


# ---- what is restored


def places_are_one_row_ahead(patch: Patch) -> None:
    write = Partition._write

    def ahead(self: Partition, effects: Any, places: Any, arrived_at: int) -> None:
        further = {key: FilePlace(place.offset + 1, 1, 1) for key, place in places.items()}
        write(self, effects, further, arrived_at)

    patch(Partition, "_write", ahead)


def timers_are_not_restored(patch: Patch) -> None:
    patch(Store, "alarms", lambda self: [])


def waiting_candidates_are_not_restored(patch: Patch) -> None:
    patch(Store, "waiting_units", lambda self: set())


def the_position_is_not_restored(patch: Patch) -> None:
    _restore_without(patch, lambda changes: msgspec.structs.replace(changes, position=0))


def progress_is_not_restored(patch: Patch) -> None:
    _restore_without(patch, lambda changes: msgspec.structs.replace(changes, progress=route.ProgressState()))


def other_names_are_not_restored(patch: Patch) -> None:
    _restore_without(patch, lambda changes: msgspec.structs.replace(changes, aliases={}))


def _restore_without(patch: Patch, less: Callable[[RouterChanges], RouterChanges]) -> None:
    restore = Router.restore
    patch(Router, "restore", lambda self, changes: restore(self, less(changes)))


def repeats_are_recognised_by_position_only(patch: Patch) -> None:
    on_event = Detect.on_event

    def forgetful(self: Detect, routed: Routed) -> None:
        entity = self.entities.get(routed.entity, routed.key)
        if entity:
            entity.ids, entity.ids_before = {}, None
        on_event(self, routed)

    patch(Detect, "on_event", forgetful)


# ---- ids and the ledger


def ids_are_made_up(patch: Patch) -> None:
    add = Ledger.add
    made = iter(range(1, 1_000_000_000))

    def renamed(self: Ledger, actions: Iterable[Any], channels: Any) -> int:
        return add(self, [msgspec.structs.replace(action, id=f"{next(made)}") for action in actions], channels)

    patch(Ledger, "add", renamed)


def a_known_action_is_taken_in_again(patch: Patch) -> None:
    add = Ledger.add

    def again(self: Ledger, actions: Iterable[Any], channels: Any) -> int:
        actions = list(actions)
        for action in actions:
            self._db.execute("DELETE FROM actions WHERE id = ?", (action.id,))
        return add(self, actions, channels)

    patch(Ledger, "add", again)


def a_repeated_decision_replaces_the_first(patch: Patch) -> None:
    put_decisions = Store.put_decisions

    def put(self: Store, decisions: Iterable[Any]) -> None:
        for each in decisions:
            known = self.db.execute("DELETE FROM decisions WHERE id = ?", (each.id,)).rowcount
            versions = {**each.versions, "again": "yes"} if known else each.versions
            put_decisions(self, [msgspec.structs.replace(each, versions=versions)])

    patch(Store, "put_decisions", put)


def a_retry_gets_a_new_id(patch: Patch) -> None:
    batch = Sending.batch
    made = iter(range(1, 1_000_000_000))

    async def renamed(self: Sending, actions: Any) -> Any:
        return await batch(self, [msgspec.structs.replace(a, id=f"{a.id}-{next(made)}") for a in actions])

    patch(Sending, "batch", renamed)


# ---- sending


def nothing_is_intended(patch: Patch) -> None:
    patch(Ledger, "intend", lambda self, ids, now, run: None)


def intents_are_not_durable(patch: Patch) -> None:
    """As with a disk that says it has written and has not."""
    recover = Dispatcher._recover

    async def after_the_crash(self: Dispatcher) -> None:
        self._ledger._db.execute("UPDATE actions SET state = 'pending' WHERE state = 'intent'")
        await recover(self)

    patch(Dispatcher, "_recover", after_the_crash)


def intents_are_never_recovered(patch: Patch) -> None:
    patch(Ledger, "unsettled_intents", lambda self, run: [])


def the_result_is_written_before_the_send(patch: Patch) -> None:
    intend = Ledger.intend

    def settled_at_once(self: Ledger, ids: Any, now: int, run: int) -> None:
        intend(self, ids, now, run)
        with self.transaction():
            for action_id in ids:
                self.settle(action_id, Settled(state=State.DELIVERED), now)

    patch(Ledger, "intend", settled_at_once)


def unknown_counts_as_delivered(patch: Patch) -> None:
    _doubt(patch, lambda row, why, sink, now, most: Settled(state=State.DELIVERED))


def unknown_is_always_sent_again(patch: Patch) -> None:
    def again(row: Row, why: str, sink: Sink, now: int, most: int) -> Settled:
        return Settled(state=State.RETRY if row.attempts < most else State.UNKNOWN, next_at=now + 1, doubtful_at=now)

    _doubt(patch, again)
    patch(dispatch, "outlived", lambda row, sink, now: False)


def doubt_is_forgotten_by_the_next_attempt(patch: Patch) -> None:
    real = outcome.in_doubt

    def forgotten(row: Row, *rest: Any) -> Settled:
        return msgspec.structs.replace(real(row, *rest), doubtful_at=0)

    _doubt(patch, forgotten)


def a_critical_action_is_sent_without_end(patch: Patch) -> None:
    real = outcome.in_doubt

    def unflagged(row: Row, *rest: Any) -> Settled:
        return msgspec.structs.replace(real(row, *rest), possible_duplicate=False)

    _doubt(patch, unflagged)


def no_answer_counts_as_not_sent(patch: Patch) -> None:
    real = outcome.settled

    def hopeful(row: Row, verdict: Verdict, *rest: Any) -> Settled:
        return real(row, Delivered() if isinstance(verdict, Unknown) else verdict, *rest)

    async def resolved(self: Dispatcher, row: Row, why: str, lane: Any) -> Settled:
        return Settled(state=State.RETRY, next_at=self._clock() + 1)

    patch(dispatch, "settled", hopeful)
    patch(Dispatcher, "_resolved", resolved)


def a_restored_backup_is_not_noticed(patch: Patch) -> None:
    patch(Ledger, "open_guard", lambda self, epoch_ms=None: 0)


def a_stop_leaves_what_is_in_flight(patch: Patch) -> None:
    async def at_once(self: Dispatcher, limit_ms: int) -> None:
        self._stopping = True

    patch(Dispatcher, "drain", at_once)


# ---- what comes back


def receipts_are_written_after_the_result(patch: Patch) -> None:
    write, settle = Dispatcher._write, Dispatcher.__init__

    def late(self: Dispatcher, *arguments: Any, **named: Any) -> None:
        told: list[Any] = []
        tell = named.pop("settling")
        settle(self, *arguments, settling=lambda *one: told.append(one), **named)
        vars(self).update(told=told, tell=tell)

    def then(self: Any, *arguments: Any) -> None:
        write(self, *arguments)
        while self.told:
            with self._ledger.transaction():
                self.tell(*self.told[0])
            self.told.pop(0)

    patch(Dispatcher, "__init__", late)
    patch(Dispatcher, "_write", then)


def receipts_are_forgotten_before_they_are_taken(patch: Patch) -> None:
    take = Partition.take_receipts

    def early(self: Partition, arrived_at: int) -> Any:
        receipts = self.store.ledger.returns.waiting()
        if not receipts:
            return take(self, arrived_at)
        with self.store.transaction():
            self.store.ledger.returns.taken(receipts[-1][0])
        patch(Returns, "waiting", lambda self: receipts)
        try:
            return take(self, arrived_at)
        finally:
            patch(Returns, "waiting", waiting)

    waiting = Returns.waiting
    patch(Partition, "take_receipts", early)


def receipts_are_never_forgotten(patch: Patch) -> None:
    commit = Partition._commit

    def once_more(self: Partition, effects: Effects, places: Any, arrived_at: int, until: int = 0) -> Effects:
        done = commit(self, effects, places, arrived_at)
        if until:
            with self.store.transaction():
                self.store.ledger.returns.taken(until)
        return done

    patch(Partition, "_commit", once_more)


def what_came_back_is_not_restored(patch: Patch) -> None:
    _units_without(patch, "came")


def actions_underway_are_not_restored(patch: Patch) -> None:
    _units_without(patch, "underway")


def _units_without(patch: Patch, name: str) -> None:
    decode = memory.decode_unit

    def forgetful(record: bytes) -> Any:
        unit = decode(record)
        setattr(unit, name, [])
        return unit

    patch(memory, "decode_unit", forgetful)


def _doubt(patch: Patch, replacement: Any) -> None:
    patch(dispatch, "in_doubt", replacement)
    patch(outcome, "in_doubt", replacement)


MUTANTS: tuple[Callable[[Patch], None], ...] = (
    places_are_stored_before_state,
    state_is_stored_before_what_it_led_to,
    actions_are_stored_after_the_rest,
    dead_letters_are_stored_before_the_rest,
    decisions_are_stored_after_the_rest,
    places_are_one_row_ahead,
    timers_are_not_restored,
    waiting_candidates_are_not_restored,
    the_position_is_not_restored,
    progress_is_not_restored,
    other_names_are_not_restored,
    repeats_are_recognised_by_position_only,
    ids_are_made_up,
    a_known_action_is_taken_in_again,
    a_repeated_decision_replaces_the_first,
    a_retry_gets_a_new_id,
    nothing_is_intended,
    intents_are_not_durable,
    intents_are_never_recovered,
    the_result_is_written_before_the_send,
    unknown_counts_as_delivered,
    unknown_is_always_sent_again,
    doubt_is_forgotten_by_the_next_attempt,
    a_critical_action_is_sent_without_end,
    no_answer_counts_as_not_sent,
    a_restored_backup_is_not_noticed,
    a_stop_leaves_what_is_in_flight,
)

# Those that only worlds can find out in which what comes back changes what is decided.
RETURNING: tuple[Callable[[Patch], None], ...] = (
    receipts_are_written_after_the_result,
    receipts_are_forgotten_before_they_are_taken,
    receipts_are_never_forgotten,
    what_came_back_is_not_restored,
    actions_underway_are_not_restored,
)
