"""The book of actions: what is to be sent, what was begun, and what became of it.

One row per action id, in the same database as all other state, so that a decision and its action are stored together.
An action is written down as intended before it is sent and settled afterwards; one that is only intended after a crash
may or may not have been sent. Everything is a row with a next time: nothing here waits, and nothing here reads a clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from engine.errors import OperatorError
from engine.model import Action
from engine.shells import returns
from engine.shells.mark import Mark
from engine.shells.returns import Returns
from engine.shells.transacting import Transacting, immediate

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS actions (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        channel TEXT NOT NULL,
        sink TEXT NOT NULL,
        state TEXT NOT NULL,
        rank INTEGER NOT NULL,
        at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        next_at INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        intent_at INTEGER NOT NULL DEFAULT 0,
        doubtful_at INTEGER NOT NULL DEFAULT 0,
        possible_duplicate INTEGER NOT NULL DEFAULT 0,
        changed_at INTEGER NOT NULL DEFAULT 0,
        run INTEGER NOT NULL DEFAULT 0,
        reference TEXT NOT NULL DEFAULT '',
        why TEXT NOT NULL DEFAULT '',
        payload BLOB NOT NULL
    ) STRICT""",
    """CREATE INDEX IF NOT EXISTS actions_waiting ON actions (sink, rank, next_at, seq)
        WHERE state IN ('pending', 'retry')""",
    "CREATE INDEX IF NOT EXISTS actions_by_state ON actions (state, sink, at)",
    "CREATE TABLE IF NOT EXISTS ledger_facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS sink_pauses (
        sink TEXT PRIMARY KEY, until INTEGER NOT NULL, why TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

BEFORE_EPOCH = "decided before the restored backup's epoch"


class State(StrEnum):
    PENDING = "pending"  # to be sent
    INTENT = "intent"  # being sent, or cut off while being sent
    DELIVERED = "delivered"
    RETRY = "retry"  # to be sent again at next_at
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # may or may not have taken effect; waits for a person
    HELD = "held"  # not sent; waits for a person
    EXPIRED = "expired"
    RECALLED = "recalled"  # not sent, because somebody had said no meanwhile


WAITING = (State.PENDING, State.RETRY)
OPEN = (*WAITING, State.INTENT)

# Critical goes before service, service before marketing.
_RANK = {"critical": 0, "service": 1, "marketing": 2}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An action with what the ledger knows of it.

    `doubtful_at` is when the first attempt began whose outcome nobody knows, 0 = none. `possible_duplicate` says that
    it was released once more although such an attempt may have taken effect.
    """

    action: Action
    sink: str
    state: State
    attempts: int
    intent_at: int
    doubtful_at: int
    possible_duplicate: bool


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a row. `next_at` matters for RETRY, and for PENDING: it was not the time to send it."""

    state: State
    why: str = ""
    reference: str = ""
    next_at: int = 0
    doubtful_at: int = 0
    possible_duplicate: bool = False


class Pause(msgspec.Struct, frozen=True):
    """A sink that nothing is sent through until `until`."""

    until: int
    why: str


class Ledger:
    """The tables of SCHEMA on a connection in autocommit mode (`isolation_level=None`).

    Methods that change more than one thing belong inside a transaction, and their docstrings say so. `mark` is the
    guard against a restored backup; without one (a dry run, a database in memory) there is no guard.
    """

    SCHEMA = SCHEMA

    def __init__(
        self,
        connection: sqlite3.Connection,
        transaction: Transacting | None = None,
        mark: Mark | None = None,
        *,
        is_read_only: bool = False,
    ) -> None:
        self._db = connection
        self._mark = mark
        self.transaction: Transacting = transaction or immediate(connection)
        for statement in () if is_read_only else (*SCHEMA, *returns.SCHEMA):
            connection.execute(statement)
        self.returns = Returns(connection)

    # ---- what is to be sent

    def add(self, actions: Iterable[Action], channel_to_sink: Mapping[str, str]) -> int:
        """Take actions in; one whose id is known has no effect. Returns how many were new.

        Runs inside the caller's transaction, together with what led to the actions. An action for a channel without
        a sink is held, never lost.
        """
        epoch = self._fact("epoch")
        rows = [_new_row(action, channel_to_sink.get(action.channel, ""), epoch) for action in actions]
        before = self._db.total_changes
        self._db.executemany(
            """INSERT OR IGNORE INTO actions (id, channel, sink, state, rank, at, expires_at, why, payload)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            rows,
        )
        return self._db.total_changes - before

    def due(self, sink: str, now: int, limit: int) -> list[Row]:
        """What may be sent through a sink now: critical first, then what has waited longest."""
        return self._rows(
            "sink = ? AND state IN ('pending', 'retry') AND next_at <= ? ORDER BY rank, next_at, seq LIMIT ?",
            (sink, now, limit),
        )

    def next_due(self, sink: str) -> int | None:
        """When the next row of a sink is due, None if nothing waits."""
        found = self._db.execute(
            "SELECT min(next_at) FROM actions WHERE sink = ? AND state IN ('pending', 'retry')", (sink,)
        ).fetchone()
        return None if found[0] is None else int(found[0])

    # ---- sending

    def intend(self, ids: Sequence[str], now: int, run: int) -> None:
        """Write down that these are about to be sent, and count the attempt. On the disk when this returns.

        Runs its own transaction. The mark follows the commit and comes before any send: so the file never counts
        further than a database that really was sent from.
        """
        with self.transaction():
            number = self._fact("mark") + 1
            self._db.executemany(
                "UPDATE actions SET state = 'intent', intent_at = ?, attempts = attempts + 1, run = ? WHERE id = ?",
                [(now, run, action_id) for action_id in ids],
            )
            self._set_fact("mark", number)
        if self._mark is not None:
            self._mark.write(number)

    def withdraw(self, ids: Iterable[str]) -> None:
        """Undo intents whose sending never began. Runs inside the caller's transaction."""
        self._db.executemany(
            """UPDATE actions SET attempts = attempts - 1,
               state = iif(why = 'erased', 'expired', iif(attempts > 1, 'retry', 'pending'))
               WHERE id = ? AND state = 'intent'""",
            [(action_id,) for action_id in ids],
        )

    def settle(self, action_id: str, settled: Settled, now: int) -> None:
        """Write down what became of an action. Runs inside the caller's transaction. What was delivered stays so.

        Of one that was erased meanwhile only the state is taken, and it is not sent again.
        """
        self._db.execute(
            """UPDATE actions SET state = iif(why = 'erased' AND ?1 IN ('pending', 'retry', 'held'), 'expired', ?1),
               why = iif(why = 'erased', why, ?2), reference = iif(why = 'erased', '', ?3), next_at = ?4,
               doubtful_at = ?5, possible_duplicate = ?6, changed_at = ?7 WHERE id = ?8 AND state != 'delivered'""",
            (
                settled.state,
                settled.why,
                settled.reference,
                settled.next_at,
                settled.doubtful_at,
                settled.possible_duplicate,
                now,
                action_id,
            ),
        )

    def unsettled_intents(self, run: int) -> list[Row]:
        """Intents of earlier runs: they may or may not have been sent."""
        return self._rows("state = 'intent' AND run != ? ORDER BY seq", (run,))

    def begin_run(self) -> int:
        """The number of this start of the process. Runs its own transaction. Lifts all pauses."""
        with self.transaction():
            run = self._fact("run") + 1
            self._set_fact("run", run)
            self._db.execute("DELETE FROM sink_pauses")
        return run

    # ---- pauses

    def pause(self, sink: str, until: int, why: str) -> None:
        """Stop sending through a sink until then. Runs inside the caller's transaction."""
        self._db.execute("INSERT OR REPLACE INTO sink_pauses (sink, until, why) VALUES (?, ?, ?)", (sink, until, why))

    def resume(self, sink: str) -> None:
        """Lift a pause. Runs inside the caller's transaction."""
        self._db.execute("DELETE FROM sink_pauses WHERE sink = ?", (sink,))

    def pauses(self) -> dict[str, Pause]:
        """The sinks that are paused."""
        return {sink: Pause(until, why) for sink, until, why in self._db.execute("SELECT * FROM sink_pauses")}

    # ---- for people

    def get(self, action_id: str) -> Row | None:
        """The row of an action, if there is one."""
        return next(iter(self._rows("id = ?", (action_id,))), None)

    def counts(self) -> dict[tuple[str, State], int]:
        """How many actions there are, by sink and state."""
        found = self._db.execute("SELECT sink, state, count(*) FROM actions GROUP BY state, sink")
        return {(sink, State(state)): count for sink, state, count in found}

    def oldest(self) -> dict[State, int]:
        """For each state that has actions, the earliest `at` among them."""
        found = self._db.execute("SELECT state, min(at) FROM actions GROUP BY state")
        return {State(state): at for state, at in found}

    def release(self, ids: Iterable[str], why: str) -> int:
        """Let held or unknown actions go once more, because a person said so. Returns how many.

        Runs inside the caller's transaction. One of unknown outcome is flagged as a possible duplicate.
        """
        before = self._db.total_changes
        self._db.executemany(
            """UPDATE actions SET possible_duplicate = (state = 'unknown' OR possible_duplicate), state = 'pending',
               next_at = 0, attempts = 0, why = ?
               WHERE id = ? AND state IN ('held', 'unknown') AND sink != '' AND why != 'erased'""",
            [(why, action_id) for action_id in ids],
        )
        return self._db.total_changes - before

    def prune(self, before: int, limit: int = 1_000) -> int:
        """Forget up to `limit` actions that were decided before then and are not open. Returns how many.

        Runs inside the caller's transaction. Keep them longer than input can be replayed: a forgotten id may be
        sent again.
        """
        return self._db.execute(
            """DELETE FROM actions WHERE seq IN (SELECT seq FROM actions WHERE at < ? AND changed_at < ?
               AND state NOT IN ('pending', 'retry', 'intent') LIMIT ?)""",
            (before, before, limit),
        ).rowcount

    def about(self, name: str) -> list[Row]:
        """What was or is to be said to or about someone (`customer:c7`)."""
        found = self._rows("instr(payload, ?) ORDER BY seq", (name.encode(),))
        return [row for row in found if name in concerned(row.action)]

    def erase(self, name: str) -> int:
        """Forget what was said to or about someone (`customer:c7`), and send nothing more. Returns how many actions.

        Runs inside the caller's transaction. The ids and what became of them stay, so that nothing is sent again.
        """
        rows = self.about(name)
        self.returns.erase(name)
        for row in rows:
            blank = msgspec.structs.replace(
                row.action, recipient="", unit="", about="", title="", text="", why="", readings=(), event_ids=()
            )
            self._db.execute(
                "UPDATE actions SET payload = ?, why = 'erased', reference = '' WHERE id = ?",
                (msgspec.msgpack.encode(blank), blank.id),
            )
            self._db.execute(
                """UPDATE actions SET state = 'expired'
                   WHERE id = ? AND state NOT IN ('delivered', 'intent', 'rejected', 'unknown')""",
                (blank.id,),
            )
        return len(rows)

    # ---- a restored backup

    def open_guard(self, epoch_ms: int | None = None) -> int:
        """Raise OperatorError if this database is an older copy of one that has sent since. Call it before sending.

        With `epoch_ms` an older copy is accepted: actions decided before that time are held, those here and those that
        come in later. Returns how many were held. Runs its own transaction.
        """
        if self._mark is None:
            return 0
        ours, beside = self._fact("mark"), self._mark.read()
        is_older = ours > 0 if beside is None else ours < beside
        if is_older and epoch_ms is None:
            raise OperatorError(_older_copy(beside))
        held = self._accept(max(ours, beside or 0) + 1, epoch_ms) if is_older and epoch_ms is not None else 0
        if is_older or beside is None:
            self._mark.write(self._fact("mark"))
        return held

    def _accept(self, number: int, epoch_ms: int) -> int:
        with self.transaction():
            self._set_fact("mark", number)
            self._set_fact("epoch", max(epoch_ms, self._fact("epoch")))
            return self._db.execute(
                "UPDATE actions SET state = 'held', why = ? WHERE at < ? AND state IN ('pending', 'retry', 'intent')",
                (BEFORE_EPOCH, epoch_ms),
            ).rowcount

    # ---- inside

    def _rows(self, condition: str, values: tuple[object, ...]) -> list[Row]:
        found = self._db.execute(
            f"""SELECT payload, sink, state, attempts, intent_at, doubtful_at, possible_duplicate
                FROM actions WHERE {condition}""",  # noqa: S608  the conditions are the constants above
            values,
        )
        return [_row(*columns) for columns in found]

    def _fact(self, name: str) -> int:
        found = self._db.execute("SELECT value FROM ledger_facts WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def _set_fact(self, name: str, value: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO ledger_facts (name, value) VALUES (?, ?)", (name, value))


def concerned(action: Action) -> tuple[str, str, str]:
    """Whom it is decided for, said to, and about, each as `customer:c7`."""
    return action.unit, action.recipient, action.about


def _new_row(action: Action, sink: str, epoch: int) -> tuple[object, ...]:
    state, why = State.PENDING, ""
    if not sink:
        state, why = State.HELD, f"the channel '{action.channel}' has no sink in channels"
    elif action.at < epoch:
        state, why = State.HELD, BEFORE_EPOCH
    rank, content = _RANK[action.purpose], msgspec.msgpack.encode(action)
    return (action.id, action.channel, sink, state, rank, action.at, action.expires_at, why, content)


def _row(
    content: bytes, sink: str, state: str, attempts: int, intent_at: int, doubtful_at: int, possible_duplicate: int
) -> Row:
    return Row(
        action=msgspec.msgpack.decode(content, type=Action),
        sink=sink,
        state=State(state),
        attempts=attempts,
        intent_at=intent_at,
        doubtful_at=doubtful_at,
        possible_duplicate=bool(possible_duplicate),
    )


def _older_copy(beside: int | None) -> str:
    what = "has sent actions before, but its ledger.mark is gone" if beside is None else "is behind its ledger.mark"
    return (
        f"The database {what}: it looks like a restored backup, and actions sent since would be sent again. "
        "Start with --ledger-epoch and the time from which on actions may be sent; earlier ones are held for a person"
    )
