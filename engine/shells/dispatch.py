"""Sends what the ledger holds, one lane per sink, so that a slow or hanging channel never delays another.

A lane's round: take what is due, write all intents in one transaction, send, write all results in one transaction.
docs/delivery.md tells what a crash between any two of these does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, TypeAlias

import msgspec

from engine.core.quiet import awake_at
from engine.model import Action
from engine.ports import Confirming, Delivered, Rejected, Retry, Sink, Unknown
from engine.shells.faults import fault_point
from engine.shells.ledger import WAITING, Ledger, Pause, Row, Settled, State
from engine.shells.outcome import (
    PAUSE_MS,
    RETRY_AFTER_MAX_MS,
    SCHEDULE_MS,
    in_doubt,
    is_postponed,
    outlived,
    postponed,
    settled,
)
from engine.shells.sending import AT_ONCE, NotSent, Sending, Sent
from engine.spec.bounds import Bounds
from engine.spec.policies import QuietHours

BATCH = 32
NAP_MS = 1_000

# Wall time in ms.
Clock: TypeAlias = Callable[[], int]
# Waits until what the ledger was told is safe, wherever that is.
Durable: TypeAlias = Callable[[], Awaitable[None]]
# After a row: what becomes of it, or None for one that goes back as it was.
Written: TypeAlias = tuple[Row, Settled | None, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth a log line and a count.

    `what` is a ledger state, or `paused`, `resumed`, `stranded`, or `postponed` where it is no time to send.
    """

    what: State | Literal["paused", "resumed", "stranded", "postponed"]
    sink: str
    why: str = ""
    channel: str = ""
    action_id: str = ""
    attempts: int = 0
    took_ms: int = 0
    possible_duplicate: bool = False

    @property
    def why_in_brief(self) -> str:
        """Without what the receiver said, which may be what it was sent. The ledger keeps all of it."""
        return self.why.partition(": ")[0]


async def _at_once() -> None:
    """A ledger that is on the disk when its transaction ends needs no waiting."""


def _always() -> bool:
    return True


def _nobody(row: Row, change: Settled, now: int) -> None:
    """Nobody wants to know what became of it."""


class Dispatcher:
    """Owns the sinks it is given: opens them, sends through them, closes them.

    Drive it with `run()`, or with `round()` where the caller decides when. The ledger's guard (`open_guard`) comes
    before `open()`. `passed` is told of each fault point. Where the ledger is safe only once somebody else has it too,
    `durable` waits for that, after the intent and after the result; `is_ours` says, right before each send, whether
    these actions still are this process's to send. `quiet` are the hours in which what heeds them is not sent.
    `settling` is told of each row inside the transaction that settles it.
    """

    def __init__(
        self,
        ledger: Ledger,
        sinks: Mapping[str, Sink],
        clock: Clock,
        bounds: Bounds,
        on_event: Callable[[Report], None] = lambda _: None,
        *,
        passed: Callable[[str], None] = fault_point,
        durable: Durable = _at_once,
        is_ours: Callable[[], bool] = _always,
        quiet: QuietHours | None = None,
        settling: Callable[[Row, Settled, int], None] = _nobody,
    ) -> None:
        self._quiet = quiet
        self._settling = settling
        self._durable = durable
        self._is_ours = is_ours
        self._ledger = ledger
        self._clock = clock
        self._bounds = bounds
        self._report = on_event
        self._passed = passed
        self._lanes = {name: self._lane(name, sink) for name, sink in sinks.items()}
        self._rounds: set[asyncio.Future[None]] = set()
        self._stopping = False
        self._run = 0

    async def open(self) -> None:
        """Open every sink and settle what an earlier run left in doubt. Raises OperatorError if a sink cannot open."""
        for lane in self._lanes.values():
            await lane.sink.open()
        self._run = self._ledger.begin_run()
        await self._recover()
        self._report_stranded()

    async def run(self) -> None:
        """Send until `drain()`."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes.values():
                group.create_task(self._keep_going(lane))

    async def round(self) -> int:
        """One round of every lane. Returns how many actions were looked at; 0 = nothing is due."""
        return sum(await asyncio.gather(*(self._round(lane) for lane in self._lanes.values())))

    def wake(self) -> None:
        """There is something new in the ledger."""
        for lane in self._lanes.values():
            lane.woken.set()

    async def drain(self, limit_ms: int) -> None:
        """Begin nothing new, wait this long for what is in flight, record as unknown what did not answer."""
        self._stopping = True
        for lane in self._lanes.values():
            lane.sending.stop()
        self.wake()
        if self._rounds:
            await asyncio.wait(set(self._rounds), timeout=limit_ms / 1000)
        for lane in self._lanes.values():
            lane.sending.cut()
        if self._rounds:
            await asyncio.wait(set(self._rounds))

    async def close(self) -> None:
        """Close every sink."""
        for lane in self._lanes.values():
            await lane.sink.close()

    def last_look(self, action: Action, now: int) -> str | None:
        """A named reason not to send an action after all, looked at when it is taken and again just before sending."""
        why = self._ledger.returns.why_recalled(action.id)
        if why:
            return f"{State.RECALLED}: {why}"
        return "expired" if 0 < action.expires_at <= now else None

    def quiet_until(self, action: Action, now: int) -> int:
        """When the recipient may be written to, 0 if that is now. By the clock that dispatch goes by."""
        if self._quiet is None or not action.zones:
            return 0
        until = awake_at(now, self._quiet, action.zones)
        return until if until > now else 0

    # ---- a lane's round

    async def _keep_going(self, lane: _Lane) -> None:
        while not self._stopping:
            lane.woken.clear()
            if not await self._round(lane):
                await self._nap(lane)

    async def _nap(self, lane: _Lane) -> None:
        due = self._ledger.next_due(lane.name)
        wait_ms = NAP_MS if due is None else min(max(due - self._clock(), 10), NAP_MS)
        with suppress(TimeoutError):
            await asyncio.wait_for(lane.woken.wait(), wait_ms / 1000)

    async def _round(self, lane: _Lane) -> int:
        """Tracked as a whole, so that drain() can wait until its results are on the disk."""
        over = asyncio.get_running_loop().create_future()
        self._rounds.add(over)
        try:
            return await self._send_due(lane)
        finally:
            self._rounds.discard(over)
            over.set_result(None)

    async def _send_due(self, lane: _Lane) -> int:
        now = self._clock()
        pause = self._ledger.pauses().get(lane.name)
        if self._stopping or now < lane.rest_until or (pause is not None and now < pause.until):
            return 0
        looked_at = self._ledger.due(lane.name, now, lane.batch if pause is None else 1)
        rows = self._fit_to_send(looked_at, lane, now)
        if rows:
            await self._send(rows, lane, pause, now)
        if looked_at:
            await self._durable()
        return len(looked_at)

    async def _send(self, rows: list[Row], lane: _Lane, pause: Pause | None, now: int) -> None:
        self._passed("D2")
        self._ledger.intend([row.action.id for row in rows], now, self._run)
        await self._durable()
        self._passed("D2b")
        begun = [msgspec.structs.replace(row, attempts=row.attempts + 1, intent_at=now) for row in rows]
        lane.rows = {row.action.id: row for row in rows}
        results = await lane.sending.batch([row.action for row in rows])
        written = [await self._outcome(row, result, lane) for row, result in zip(begun, results, strict=True)]
        self._passed("D4")
        self._write(written, lane, pause, results)
        self._passed("D5")

    def _fit_to_send(self, rows: list[Row], lane: _Lane, now: int) -> list[Row]:
        """Settle the rows that are not to be sent any more, and return the others."""
        settled_now: list[Written] = []
        for row in rows:
            reason = self.last_look(row.action, now)
            if reason is not None:
                settled_now.append((row, _dropped(row, reason), 0))
            elif outlived(row, lane.sink, now):
                why = "the receiver may no longer recognise the id"
                settled_now.append((row, in_doubt(row, why, lane.sink, now, self._bounds.send_attempts), 0))
            elif until := self.quiet_until(row.action, now):
                settled_now.append((row, postponed(row, until), 0))
        if settled_now:
            self._write(settled_now, lane, None, ())
        gone = {row.action.id for row, _, _ in settled_now}
        return [row for row in rows if row.action.id not in gone]

    async def _outcome(self, row: Row, result: Sent | NotSent, lane: _Lane) -> Written:
        match result:
            case NotSent(reason=""):
                return row, None, 0
            case NotSent(reason=reason):
                return row, _dropped(row, reason), 0
            case Sent(verdict=Unknown(why=why), took_ms=took_ms):
                return row, await self._resolved(row, why, lane), took_ms
            case Sent(verdict=verdict, took_ms=took_ms):
                return row, settled(row, verdict, lane.sink, self._clock(), self._bounds.send_attempts), took_ms

    async def _resolved(self, row: Row, why: str, lane: _Lane) -> Settled:
        """What becomes of a row that may have taken effect: what the channel knows of it, else the rule."""
        known = await lane.sending.confirm(row.action.id)
        now, attempts_max = self._clock(), self._bounds.send_attempts
        if known is None:
            return in_doubt(row, why, lane.sink, now, attempts_max)
        # An answer of "it did" does not say how often, so a second release after a doubt stays flagged.
        flagged = row.possible_duplicate and isinstance(known, Delivered)
        certain = msgspec.structs.replace(row, doubtful_at=0, possible_duplicate=flagged)
        return settled(certain, known, lane.sink, now, attempts_max)

    # ---- writing down

    def _write(
        self, written: Sequence[Written], lane: _Lane, pause: Pause | None, results: Sequence[Sent | NotSent]
    ) -> None:
        now = self._clock()
        lane.rest_until = max(lane.rest_until, now + _asked_to_wait(results))
        refused = _refusal(results)
        resumed = pause is not None and refused is None and any(_got_through(result) for result in results)
        with self._ledger.transaction():
            self._ledger.withdraw([row.action.id for row, change, _ in written if change is None])
            for row, change, _ in written:
                if change is not None:
                    self._ledger.settle(row.action.id, change, now)
                    self._settling(row, change, now)
            if refused is not None:
                self._ledger.pause(lane.name, now + PAUSE_MS, refused)
            if resumed:
                self._ledger.resume(lane.name)
        self._tell(written, lane, refused, resumed=resumed)

    def _tell(self, written: Sequence[Written], lane: _Lane, refused: str | None, *, resumed: bool) -> None:
        for row, change, took_ms in written:
            if change is not None:
                self._report(_told(row, change, took_ms))
        if refused is not None:
            self._report(Report(what="paused", sink=lane.name, why=refused))
        if resumed:
            self._report(Report(what="resumed", sink=lane.name))

    # ---- at the start

    async def _recover(self) -> None:
        for row in self._ledger.unsettled_intents(self._run):
            change, now = await self._recovered(row), self._clock()
            with self._ledger.transaction():
                self._ledger.settle(row.action.id, change, now)
                self._settling(row, change, now)
            self._report(_told(row, change, 0))
        await self._durable()

    async def _recovered(self, row: Row) -> Settled:
        why = "the process stopped while it was being sent"
        lane = self._lanes.get(row.sink)
        if lane is None:
            return Settled(state=State.UNKNOWN, why=f"{why}, and its sink is no longer in the project file")
        found = await self._resolved(row, why, lane)
        # The wait is for a receiver in trouble. Here it was this process that was, however often it was tried before.
        return msgspec.structs.replace(found, next_at=min(found.next_at, self._clock() + SCHEDULE_MS[0]))

    def _report_stranded(self) -> None:
        for (sink, state), count in self._ledger.counts().items():
            if state in WAITING and sink not in self._lanes:
                why = f"{count} actions wait for a sink that the project file no longer has"
                self._report(Report(what="stranded", sink=sink, why=why))

    def _lane(self, name: str, sink: Sink) -> _Lane:
        def look(action: Action) -> str | None:
            now = self._clock()
            # The process may have been held up since these were taken, for longer than a receiver recognises an id.
            row = lane.rows.get(action.id)
            if not self._is_ours() or (row is not None and outlived(row, sink, now)) or self.quiet_until(action, now):
                return ""
            return self.last_look(action, now)

        lane = _Lane(name, sink, Sending(sink, self._bounds.send_timeout_ms, look, self._passed))
        return lane


class _Lane:
    """One sink with what is in flight through it."""

    def __init__(self, name: str, sink: Sink, sending: Sending) -> None:
        self.name = name
        self.sink = sink
        self.sending = sending
        self.woken = asyncio.Event()
        self.rest_until = 0
        self.rows: dict[str, Row] = {}  # those that are being sent, as they were taken
        # What a crash leaves in doubt is a batch; where nobody could clear that up, the batch is what is in flight.
        self.batch = BATCH if sink.idempotent or isinstance(sink, Confirming) else AT_ONCE


def _dropped(row: Row, reason: str) -> Settled:
    """A row that the last look stopped. If an earlier attempt may have taken effect, that stays the news."""
    if row.doubtful_at:
        return Settled(state=State.UNKNOWN, why=f"{reason} after an attempt in doubt", doubtful_at=row.doubtful_at)
    state, _, why = reason.partition(": ")
    return Settled(state=State(state), why=why or reason)


def _told(row: Row, change: Settled, took_ms: int) -> Report:
    return Report(
        what="postponed" if is_postponed(change) else change.state,
        sink=row.sink,
        why=change.why,
        channel=row.action.channel,
        action_id=row.action.id,
        attempts=row.attempts,
        took_ms=took_ms,
        possible_duplicate=change.possible_duplicate,
    )


def _asked_to_wait(results: Sequence[Sent | NotSent]) -> int:
    """A receiver that names a time means every request, not only the one it answered."""
    named = [r.verdict.after_ms for r in results if isinstance(r, Sent) and isinstance(r.verdict, Retry)]
    return min(max(named, default=0), RETRY_AFTER_MAX_MS)


def _refusal(results: Sequence[Sent | NotSent]) -> str | None:
    """Why the whole channel is to stop, if a verdict says so."""
    for result in results:
        match result:
            case Sent(verdict=Rejected(why=why, pause=True)):
                return why
    return None


def _got_through(result: Sent | NotSent) -> bool:
    return isinstance(result, Sent) and isinstance(result.verdict, Delivered | Rejected)
