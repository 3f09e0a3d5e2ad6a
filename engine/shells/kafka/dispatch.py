"""The dispatch stage: actions in, through the sinks, what became of them into the ledger and out as receipts.

The ledger is the local shell's, in a file; every change of it goes into this partition's log before anything relies on
it. So an intent is on the broker before the action is sent, and a worker that has lost the partition learns of it from
the broker's answer instead of sending.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from engine.core.erasure import masked
from engine.core.plan import Plan
from engine.core.receipts import comes_back
from engine.model import Action, Recall
from engine.ports import Sink
from engine.shells.dispatch import Dispatcher, Report
from engine.shells.faults import fault_point
from engine.shells.kafka import wire
from engine.shells.kafka.log import Commit, PartitionLog
from engine.shells.kafka.poison import Poisoned
from engine.shells.kafka.replica import HEAD, RENEW_BYTES, Head, head_of, refuse_cut
from engine.shells.kafka.stage import (
    CONFIGURATION,
    Out,
    RawRecord,
    Shared,
    is_configure,
    own_configuration,
    plan_in,
    unread,
)
from engine.shells.ledger import Ledger, Row, State, concerned
from engine.shells.receipts import receipt_of
from engine.shells.store import Store

STAGE = "dispatch"
ERASED, FORGET = "erased", "forget"
# The tables of the ledger, each with the column that names a row.
TABLES = {"actions": "id", "recalls": "id", "ledger_facts": "name", "sink_pauses": "sink"}
RENEWED_AT_ONCE = 500
# Rows of the ledger that the log does not have yet, in the file as they are: it may be ahead of the log at any time.
CHANGED = """CREATE TABLE IF NOT EXISTS changed (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, name TEXT NOT NULL)"""
WITHOUT_RECEIPT = {State.PENDING, State.INTENT, State.HELD}


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """How this process sends. `sinks` builds those of a configuration; `lease_ms`: longer than this after the broker
    last confirmed that a partition is ours, it may be another's."""

    sinks: Callable[[Plan], Mapping[str, Sink]]
    clock: Callable[[], int]
    report: Callable[[Report, Action | None], None]
    lease_ms: int


class DispatchPartition:
    """One partition of the dispatch stage."""

    def __init__(self, shared: Shared, partition: int, writer: str, sending: Sending) -> None:
        self.partition = partition
        self._shared = shared
        self._sending = sending
        self.topic = shared.topics.actions
        self._log = PartitionLog(shared.link, shared.topics.log_dispatch, partition, writer)
        self._store = Store(shared.state / STAGE / str(partition), durable=False)
        self._store.db.execute(CHANGED)
        self._poisoned = Poisoned(self._store.folder, f"{self.topic}/{partition}")
        # As the log has it; the facts that it does not have yet; and what goes out before the rows that led to it. What
        # comes is put into the last of these, as the others are being written.
        self._head = Head()
        self._facts: dict[str, bytes] = {}
        self._outs = [Out(shared)]
        self._turn = asyncio.Lock()
        self._confirmed = 0.0
        self._log_bytes = 0
        self._running: asyncio.Task[None] | None = None
        self._dispatcher: Dispatcher | None = None
        self._erased: dict[str, int] = {}

    # ---- taking over

    async def open(self) -> None:
        """Take it over, restore the ledger, settle what is in doubt, and send. Raises OperatorError, KafkaError."""
        await refuse_cut(self._store, self._log)
        until = await self._log.take_over()
        self._confirmed = time.monotonic()
        head = self._head = await head_of(self._store, self._log)
        last_owner = head.owner
        since = head.since
        async for found in self._log.replay(since, until, head.owner):
            last_owner = found.owner
            self._restore(found.commit)
            self._shared.restoring(STAGE, self.partition, found.begin - since, until - since)
        self._plan = plan_in(self._shared, head.facts.get(CONFIGURATION))
        self._watch()
        self._catch_up_receipts()
        if last_owner and last_owner != head.owner:
            await self._outlast()
        self._keep_head()
        self._erased = msgspec.msgpack.decode(head.facts.get(ERASED, b"\x80"), type=dict[str, int])
        if CONFIGURATION not in head.facts:
            self._fact(CONFIGURATION, own_configuration(self._shared))
        if head.facts.get(FORGET):
            await self._forget()
        await self._start()

    def _restore(self, commit: Commit) -> None:
        self._head.positions.update(commit.positions)
        self._head.facts.update(commit.facts)
        with self._store.transaction():
            for table, key, content in commit.rows:
                self._restore_row(table, key, content)

    def _restore_row(self, table: str, key: str, content: bytes | None) -> None:
        name = TABLES[table]
        self._store.db.execute("DELETE FROM changed WHERE place = ? AND name = ?", (table, key))
        if content is None:
            self._store.db.execute(f"DELETE FROM {table} WHERE {name} = ?", (key,))  # noqa: S608  a name of ours
            return
        values = msgspec.msgpack.decode(content)
        places = ", ".join("?" * len(values))
        self._store.db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", values)  # noqa: S608

    def _watch(self) -> None:
        """From here on every changed row is remembered until the log has it, also beyond the death of the process."""
        db = self._store.db
        for table, name in TABLES.items():
            for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
                db.execute(
                    f"""CREATE TEMP TRIGGER {table}_{event.lower()} AFTER {event} ON main.{table}
                        BEGIN INSERT INTO changed (place, name) VALUES ('{table}', {row}.{name}); END"""  # noqa: S608
                )

    def _catch_up_receipts(self) -> None:
        """What was settled in the file and did not reach the log has no receipt either."""
        for (name,) in self._store.db.execute("SELECT DISTINCT name FROM changed WHERE place = 'actions'").fetchall():
            row = self.ledger.get(name)
            if row is not None and row.state not in WITHOUT_RECEIPT:
                self._receipt(row, str(row.state), "")

    async def _outlast(self) -> None:
        """Another process had this partition. Wait until whatever it may still be sending has come to an end."""
        bounds = self._shared.plan.configuration.project.bounds
        begun = [row.intent_at for row in self._store.ledger.unsettled_intents(-1)]
        last = max(begun, default=0) + self._sending.lease_ms + bounds.send_timeout_ms
        await asyncio.sleep(max(0, last - self._sending.clock()) / 1000 if begun else 0)

    def _keep_head(self) -> None:
        head = self._head
        head.since, head.owner = self._log.end, self._log.writer
        with self._store.transaction():
            self._store.set_fact(HEAD, msgspec.msgpack.encode(head))

    @property
    def ledger(self) -> Ledger:
        return self._store.ledger

    @property
    def position(self) -> int:
        """The offset of the next record to take."""
        return self._head.positions.get(self.topic, 0)

    @property
    def plan(self) -> Plan:
        """What is in force here, which the files on this disk may be ahead of."""
        return self._plan

    # ---- batches

    async def take(self, records: Sequence[RawRecord]) -> None:
        """Take a batch into the ledger. When this returns, it counts. Raises Fenced, KafkaError, OperatorError."""
        fresh = await unread(self._shared, (self.topic, self.partition), records, self.position)
        if not fresh:
            return
        for record in fresh:
            if record.key is None:
                await self._message(record)
        found: list[Action | Recall] = []
        letters = self._poisoned.keep_trying(
            [record for record in fresh if record.key is not None],
            lambda some: found.extend(wire.read_action(record.value or b"") for record in some),
            lambda: None,
            found.clear,
        )
        for letter in letters:
            self._outs[-1].dead_letter(letter)
        actions = [one for one in found if isinstance(one, Action) and not self._is_erased(one)]
        with self._store.transaction():
            self.ledger.add(actions, self._plan.configuration.project.channels)
            self.ledger.returns.recall(one for one in found if isinstance(one, Recall))
        await self._flush(fresh[-1].offset + 1)
        if self._head.facts.get(FORGET):
            await self._forget()
        if self._dispatcher is not None and found:
            self._dispatcher.wake()

    async def _message(self, record: RawRecord) -> None:
        message = wire.read_message(record.value or b"")
        if isinstance(message, wire.Erase):
            self._erase(message)
        elif is_configure(record) and isinstance(message, wire.Configure):
            await self._configure(message, record.value or b"")

    def _erase(self, erase: wire.Erase) -> None:
        name, now = f"{erase.entity}:{erase.key}", self._sending.clock()
        with self._store.transaction():
            self.ledger.erase(name)
        self._erased = {known: until for known, until in self._erased.items() if until > now} | {
            masked(name): erase.until
        }
        self._fact(ERASED, msgspec.msgpack.encode(self._erased))
        self._fact(FORGET, b"1")

    def _fact(self, name: str, value: bytes) -> None:
        """Remember it, in the log with the next commit."""
        self._facts[name] = value

    def _is_erased(self, action: Action) -> bool:
        return bool(self._erased) and not self._erased.keys().isdisjoint(map(masked, concerned(action)))

    async def _forget(self) -> None:
        """After an erasure: neither the log nor the file holds any more what was forgotten."""
        async with self._turn:
            await self._renew()
            await asyncio.to_thread(self._store.sweep)
            # Only now, or a death on the way would leave the old log to stay.
            await self._append(Commit(facts={FORGET: b""}))
            self._keep_head()

    async def _configure(self, message: wire.Configure, content: bytes) -> None:
        if message.version == self._plan.configuration.version:
            return
        plan = plan_in(self._shared, content)
        await self._stop_sending(self._plan.configuration.project.kafka.drain_within_ms)
        self._plan = plan
        self._fact(CONFIGURATION, content)
        await self._start()

    async def durable(self) -> None:
        """Wait until the log has what the ledger was told. Raises Fenced, KafkaError."""
        await self._flush()

    async def _flush(self, position: int | None = None) -> None:
        """Bring the log up to date, with `position` where all records before that are in the ledger."""
        async with self._turn:
            latest, rows = self._changed()
            if not rows and position is None:
                return
            positions = {} if position is None else {self.topic: position}
            await self._append(Commit(positions, dict(self._facts), rows=rows))
            self._store.db.execute("DELETE FROM changed WHERE seq <= ?", (latest,))
            self._keep_head()
            if self._log_bytes > RENEW_BYTES:
                await self._renew()

    async def _append(self, commit: Commit) -> None:
        """Write a commit that was made at this very moment, once all is out that goes before it.

        Meanwhile batches are taken and results come in. Nothing of those may count with this commit, neither a position
        nor a receipt, as their rows are not in it: a death before the next commit would lose them. And where this is
        broken off, because the partition goes to another, what was to go out is still there for the last commit.
        """
        self._outs.append(Out(self._shared))
        before = self._outs[:-1]
        for out in before:
            await out.write()
        fault_point("S3")
        self._log_bytes += await self._log.append(commit)
        del self._outs[: len(before)]
        self._confirmed = time.monotonic()
        self._head.positions.update(commit.positions)
        self._head.facts.update(commit.facts)
        self._facts = {name: value for name, value in self._facts.items() if commit.facts.get(name) != value}
        fault_point("S5")

    def _changed(self) -> tuple[int, list[tuple[str, str, bytes | None]]]:
        """The rows that the log does not have as they are now, and the number of the latest change among them."""
        found = self._store.db.execute("SELECT max(seq), place, name FROM changed GROUP BY place, name").fetchall()
        latest = max((seq for seq, _, _ in found), default=0)
        return latest, [(table, name, self._content(table, name)) for _, table, name in found]

    def _content(self, table: str, name: str) -> bytes | None:
        row = self._store.db.execute(f"SELECT * FROM {table} WHERE {TABLES[table]} = ?", (name,)).fetchone()  # noqa: S608
        return None if row is None else msgspec.msgpack.encode(row)

    async def _renew(self) -> None:
        """Write the whole ledger behind a new beginning of the log, and drop what is before it."""
        begin = await self._log.begin_anew()
        names = [(t, name) for t, column in TABLES.items() for (name,) in self._names(t, column)]
        self._log_bytes = 0
        await self._append(Commit(dict(self._head.positions), dict(self._head.facts)))
        for at in range(0, len(names), RENEWED_AT_ONCE):
            rows = [(table, name, self._content(table, name)) for table, name in names[at : at + RENEWED_AT_ONCE]]
            await self._append(Commit(rows=rows))
        await self._log.truncate(begin)

    def _names(self, table: str, column: str) -> list[tuple[str]]:
        return self._store.db.execute(f"SELECT {column} FROM {table}").fetchall()  # noqa: S608

    # ---- sending

    async def _start(self) -> None:
        bounds = self._plan.configuration.project.bounds
        dispatcher = Dispatcher(
            self.ledger,
            self._sending.sinks(self._plan),
            self._sending.clock,
            bounds,
            self._report,
            durable=self.durable,
            is_ours=self._is_ours,
            # Recorded events are decided by the clock of their own time, whatever the one on the wall shows.
            quiet=None if self._shared.event_clock else self._plan.configuration.project.policies.quiet_hours,
        )
        await dispatcher.open()
        self._dispatcher = dispatcher
        self._running = asyncio.create_task(dispatcher.run())

    def _is_ours(self) -> bool:
        """Has the broker confirmed it recently enough that nobody else can be sending?"""
        return (time.monotonic() - self._confirmed) * 1000 < self._sending.lease_ms

    def _report(self, report: Report) -> None:
        row = self.ledger.get(report.action_id) if report.action_id else None
        self._sending.report(report, row.action if row else None)
        if row is not None and report.what != "postponed":
            self._receipt(row, str(report.what), report.why_in_brief)

    def _receipt(self, row: Row, what: str, why: str) -> None:
        """What became of an action goes out with the next commit."""
        receipt, topics = receipt_of(row, what, why, self._sending.clock()), self._shared.topics
        unit = row.action.unit.encode()
        self._outs[-1].put(topics.receipts, self.partition, unit, wire.encode(receipt))
        # Actions, and with them their receipts, are in the partition of their unit, as all that is decided for it.
        if comes_back(what, self._plan.configuration.plays.get(row.action.play)):
            candidate = wire.Candidate(row.action.unit, 0, "", 0, 0, receipt=receipt)
            self._outs[-1].put(topics.candidates, self.partition, unit, wire.encode(candidate))

    @property
    def fault(self) -> BaseException | None:
        """What ended the sending, which must end the process."""
        running = self._running
        return running.exception() if running is not None and running.done() and not running.cancelled() else None

    async def _stop_sending(self, within_ms: int) -> None:
        if self._dispatcher is None or self._running is None:
            return
        await self._dispatcher.drain(within_ms)
        await asyncio.wait({self._running})
        await self._dispatcher.close()
        self._dispatcher = self._running = None

    async def drain(self, within_ms: int) -> None:
        """Begin nothing new; what does not answer within that time is recorded as unknown."""
        await self._stop_sending(within_ms)

    async def close(self, *, is_ours: bool) -> None:
        """Let go of it. What is in flight may come to its end, where nobody else can have taken it over yet."""
        await self._stop_sending(self._plan.configuration.project.kafka.drain_within_ms if is_ours else 0)
        self._poisoned.clear()
        self._store.close()

    # ---- keeping house

    async def keep_house(self) -> int:
        """Apply the retention of the ledger. Returns how many rows went."""
        keep = self._plan.configuration.project.retention
        with self._store.transaction():
            before = self._sending.clock() - keep.ledger_ms
            gone = self.ledger.prune(before) + self.ledger.returns.prune(before)
        if gone:
            await self._flush()
        return gone
