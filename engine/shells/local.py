"""The local shell: one process from input to delivered actions, with nothing beside it.

It reads files (once, or following them as they grow) or standard input, takes batches into one partition, and sends
what was decided. Time, signals of the operating system and the order of starting and stopping live here.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from engine.core.effects import Effects
from engine.core.route import Row
from engine.errors import OperatorError, SpecError, in_brief
from engine.model import Tick
from engine.ports import Sink
from engine.shells.dispatch import Dispatcher, Report
from engine.shells.files import FilePlace
from engine.shells.follow import Follower
from engine.shells.ledger import State
from engine.shells.logs import logger
from engine.shells.metrics import Metrics
from engine.shells.modelling import reports
from engine.shells.partition import Partition
from engine.shells.receipts import coming_back
from engine.shells.serving import Server, application
from engine.shells.sources import read_all
from engine.shells.store import Store, in_words
from engine.shells.times import RunningClock, wall_ms
from engine.shells.wiring import build_sinks, load_configuration, plan_of
from engine.spec.types import Configuration

POLL_S = 0.2
RELOAD_CHECK_S = 10.0
HOUSE_EVERY_S = 60.0
DRAIN_MS = 8_000
# All files were read to their end and nothing came for this long: time follows the wall clock.
QUIET_AFTER_S = 1.0
# A loop that has not come round for this long is not live.
STUCK_S = 60.0

log = logger("local")


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a run was asked for. `config` and `state` are folders; `data` is where sources are read.

    `event_clock`: sending follows event time instead of the wall clock, for a run over history or a demonstration.
    `until`: at the end of finite input, let event time go on to this moment.
    """

    config: Path
    data: Path
    state: Path
    follow: bool = False
    dry_run: bool = False
    event_clock: bool = False
    until: int | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    ledger_epoch_ms: int | None = None


Watch = Callable[[Effects], None]


class LocalShell:
    """One run. `watch` sees the effects of every batch after they were stored."""

    def __init__(self, configuration: Configuration, options: RunOptions, watch: Watch = lambda effects: None) -> None:
        self.options = options
        self.metrics = Metrics()
        self._watch = watch
        self._configuration = configuration
        self._stopping = asyncio.Event()
        self._reload_asked = False
        self._came_round = self._heard = time.monotonic()
        self._ready = "starting"
        self._event_clock = RunningClock()
        self._house_due = 0.0
        self._told_out: set[str] = set()
        self._reload_due = 0.0
        self._follower: Follower | None = None
        self._store = Store(options.state)
        self.partition = Partition(self._store, plan_of(configuration))
        self._event_clock.set(self.partition.now)

    async def run(self) -> None:
        """Run to the end of the input, or until told to stop. Raises OperatorError."""
        held = self._store.ledger.open_guard(self.options.ledger_epoch_ms)
        if held:
            log.warning("actions held", count=held, why="decided before the restored backup's epoch")
        server = await self._serve()
        self._listen_to_signals()
        await self._start_sending(self._sinks_of(self._configuration))
        self._note_reload(self._configuration.version)
        try:
            await self._read()
        finally:
            await self._stop_sending()
            if server:
                await server.stop()
        self.partition.close()
        self._store.close()

    # ---- starting and stopping

    async def _serve(self) -> Server | None:
        if self.options.metrics_port is None:
            return None
        server = Server(
            application(self.metrics, self._wrong, lambda: self._ready),
            self.options.metrics_host,
            self.options.metrics_port,
        )
        port = await server.start()
        log.info("serving", host=self.options.metrics_host, port=port)
        return server

    def _wrong(self) -> str:
        """Why this process is not live; "" if it is."""
        still_s = time.monotonic() - self._came_round
        return f"no progress for {still_s:.0f} s" if still_s > STUCK_S else ""

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._ask_reload)

    def _ask_reload(self) -> None:
        self._reload_asked = True

    def _sinks_of(self, configuration: Configuration) -> dict[str, Sink]:
        return build_sinks(configuration, self.options.state, only_kind="stdout" if self.options.dry_run else "")

    async def _start_sending(self, sinks: dict[str, Sink]) -> None:
        bounds = self._configuration.project.bounds
        self._dispatcher = Dispatcher(
            self._store.ledger,
            sinks,
            self._clock,
            bounds,
            self._report,
            quiet=self._configuration.project.policies.quiet_hours,
            settling=coming_back(self._store.ledger, self._configuration.plays),
        )
        await self._dispatcher.open()
        self._sending = asyncio.create_task(self._dispatcher.run())
        self._ready = ""

    async def _stop_sending(self) -> None:
        self._ready = "stopping"
        await self._dispatcher.drain(DRAIN_MS)
        await self._sending
        await self._dispatcher.close()

    def _clock(self) -> int:
        return self._event_clock.now() if self.options.event_clock else wall_ms()

    def _report(self, report: Report) -> None:
        self.metrics.actions.labels(report.channel or report.sink, str(report.what)).inc()
        if report.took_ms:
            self.metrics.action_duration.labels(report.channel).observe(report.took_ms / 1000)
        if report.what == "expired" and not self.options.follow:
            return  # recorded events have many, which the summary at the end counts
        if report.what not in {"delivered", "postponed"}:
            log.warning(
                "action " + str(report.what), sink=report.sink, why=report.why_in_brief, attempts=report.attempts
            )

    # ---- reading

    async def _read(self) -> None:
        if self.options.follow:
            await self._follow()
        else:
            await self._read_once()
            await self._finish()

    async def _read_once(self) -> None:
        partition = self.partition
        rows = read_all(self._configuration.project, self.options.data, partition.router, partition.places)
        size = self._configuration.project.bounds.events_per_batch
        while not self._stopping.is_set():
            batch = list(islice(rows, size))
            if not batch:
                break
            effects = self._take(batch, rows.positions())
            if effects.actions and self.options.event_clock:
                await self._settle()  # before time goes on, as they would have been then
            await self._between_batches()
        if not self._stopping.is_set():
            # Older records that were added since the last run move no time, but are to be decided on as well.
            last = partition.router.end(self.options.until) or [Tick(partition.now)]
            self._note(partition.take_records(last, wall_ms()))

    async def _settle(self) -> None:
        """Wait until everything that is due has been sent; what is to be retried later stays in the ledger."""
        self._dispatcher.wake()
        while not self._stopping.is_set() and self._is_sending():
            await asyncio.sleep(0.01)
            self._notice_failed_sending()

    async def _finish(self) -> None:
        """Send what is due, and decide and send what follows from that, until nothing does."""
        await self._settle()
        while not self._stopping.is_set() and self._take_receipts():
            self._note(self.partition.take_records([Tick(self.partition.now)], wall_ms()))
            await self._settle()
        # What waited for the morning of the events' clock, which stood at the first action of a batch.
        self._event_clock.set(self.partition.now)
        await self._settle()

    def _take_receipts(self) -> bool:
        """Take in what has become of actions. False if nothing has that matters."""
        effects = self.partition.take_receipts(wall_ms())
        if effects is not None:
            self._note(effects)
        return effects is not None

    def _is_sending(self) -> bool:
        ledger, now = self._store.ledger, self._clock()
        if any(state is State.INTENT for _sink, state in ledger.counts()):
            return True
        open_sinks = [spec.name for spec in self._configuration.project.sinks if spec.name not in ledger.pauses()]
        return any((due := ledger.next_due(name)) is not None and due <= now for name in open_sinks)

    async def _follow(self) -> None:
        self._open_follower()
        size = self._configuration.project.bounds.events_per_batch
        while not self._stopping.is_set():
            assert self._follower is not None
            rows = self._follower.poll(size, wall_ms())
            if rows:
                self._heard = time.monotonic()
                self._take(rows, self._follower.positions())
            else:
                await self._rest()
            await self._between_batches()
        if self._follower:
            self._follower.close()

    def _open_follower(self) -> None:
        project, partition = self._configuration.project, self.partition
        self._follower = Follower(project, self.options.data, partition.router, partition.places)

    async def _rest(self) -> None:
        """Nothing to read: let time pass without the sources that are idle, then look again."""
        assert self._follower is not None
        router, now = self.partition.router, wall_ms()
        for clock in self._follower.idle(now):
            router.idle(clock)
        if time.monotonic() - self._heard > QUIET_AFTER_S:
            router.quiet(now)
        ticks = router.ticks()
        if ticks:
            self._note(self.partition.take_records(ticks, now))
        try:
            await asyncio.wait_for(self._stopping.wait(), POLL_S)
        except TimeoutError:
            return

    def _take(self, rows: list[Row], places: Mapping[str, FilePlace]) -> Effects:
        with self.metrics.batch.time():
            effects = self.partition.take(rows, places, wall_ms())
        for row in rows:
            self.metrics.consumed.labels(row.stream).inc()
        self._note(effects)
        return effects

    def _note(self, effects: Effects) -> None:
        self.metrics.note(effects, self.partition.router.drain_counts())
        self.metrics.watermark.set(self.partition.now / 1000)
        self._event_clock.set(min((action.at for action in effects.actions), default=self.partition.now))
        if effects.actions:
            self._dispatcher.wake()
        for name in self.partition.circuit.out - self._told_out:
            self._told_out.add(name)
            log.error("detector out of service", detector=name, why="too many events broke it within a minute")
        self._watch(effects)

    async def _between_batches(self) -> None:
        """Let the senders run, and do what is due now and then."""
        await asyncio.sleep(0)
        self._take_receipts()
        now = self._came_round = time.monotonic()
        self._notice_failed_sending()
        if now >= self._house_due:
            self._house_due = now + HOUSE_EVERY_S
            self._keep_house()
        if self._reload_asked or now >= self._reload_due:
            self._reload_due = now + RELOAD_CHECK_S
            self._reload_asked = False
            await self._reload()

    def _notice_failed_sending(self) -> None:
        if self._sending.done():
            self._sending.result()

    def _keep_house(self) -> None:
        for table, count in self.partition.keep_house(wall_ms()).items():
            log.info("retention", table=table, deleted=count)
        self.metrics.note_snoozes(self._configuration.project.policies.snoozes, self._clock())
        for table, at in self._store.oldest().items():
            self.metrics.oldest.labels(table).set(at / 1000)
        self.metrics.models.note(reports(self.partition.plan, self.partition.chain.learn.state))
        for kind, count in self.partition.entity_counts().items():
            self.metrics.entities.labels(kind).set(count)

    # ---- a changed configuration

    async def _reload(self) -> None:
        """Take a changed configuration between two batches; one with errors changes nothing."""
        try:
            fresh = load_configuration(self.options.config)
            sinks = self._sinks_of(fresh)
        except (SpecError, OperatorError) as wrong:
            if self.metrics.reload_ok._value.get():  # noqa: SLF001  the only way to read a gauge
                log.error("configuration not taken", why=in_brief(wrong))
            self.metrics.reload_ok.set(0)
            return
        if fresh.version != self._configuration.version:
            await self._change_to(fresh, sinks)
        self.metrics.reload_ok.set(1)

    async def _change_to(self, fresh: Configuration, sinks: dict[str, Sink]) -> None:
        await self._stop_sending()
        self._configuration = fresh
        self.partition.plan = plan_of(fresh)
        self.partition.reload()
        if self._follower:
            self._follower.close()
            self._open_follower()
        await self._start_sending(sinks)
        self._note_reload(fresh.version)
        self._house_due = 0.0  # so that the numbers are those of the new one

    def _note_reload(self, version: str) -> None:
        self.metrics.reload_ok.set(1)
        self.metrics.reload_at.set(wall_ms() / 1000)
        log.info("configuration in force", version=version, detectors=len(self._configuration.detectors))


def run(configuration: Configuration, options: RunOptions, watch: Watch = lambda effects: None) -> LocalShell:
    """Run to the end in an event loop of its own. Raises OperatorError."""

    async def main() -> LocalShell:
        shell = LocalShell(configuration, options, watch)
        await shell.run()
        return shell

    try:
        return asyncio.run(main())
    except (sqlite3.Error, MemoryError, ExceptionGroup) as error:
        raise _in_words(error, options.state) from error


def _in_words(error: Exception, state: Path) -> Exception:
    """What the operator can do about it; any other fault is a bug, and stays what it is."""
    if isinstance(error, ExceptionGroup):
        return _in_words(error.exceptions[0], state)
    if isinstance(error, sqlite3.Error):
        return OperatorError(in_words(state, error))
    if isinstance(error, MemoryError):
        return OperatorError("out of memory; nothing is lost. Give it more, or lower bounds.events_per_batch")
    return error
