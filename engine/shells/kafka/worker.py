"""The worker: one process of a group that shares the partitions of all stages, from its start to its end.

It has no state that Kafka does not have. Whenever something is wrong that it cannot put right, it ends with exit code
70 and leaves it to its supervisor to start another: what was not acknowledged is then taken again, to the same results.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import msgspec
from aiokafka.errors import KafkaError

from engine.core.effects import Effects
from engine.errors import OperatorError, SpecError, in_brief
from engine.model import Action
from engine.shells.dispatch import Report
from engine.shells.kafka import decide, detect, dispatch, route, wire
from engine.shells.kafka.decide import DecidePartition
from engine.shells.kafka.detect import DetectPartition
from engine.shells.kafka.dispatch import DispatchPartition, Sending
from engine.shells.kafka.doctor import examine
from engine.shells.kafka.learning import OWNER
from engine.shells.kafka.link import Link, acknowledged
from engine.shells.kafka.owned import Keeping, Owned
from engine.shells.kafka.route import Routing
from engine.shells.kafka.seam import Place, Seam
from engine.shells.kafka.settings import connection
from engine.shells.kafka.stage import Shared, StagePartition, text_of
from engine.shells.kafka.topics import topics_of
from engine.shells.kafka.watch import GAVE_UP, Movement, Watchdog
from engine.shells.logs import logger
from engine.shells.metrics import Metrics, WorkerMetrics
from engine.shells.modelling import reports
from engine.shells.serving import Server, application
from engine.shells.times import wall_ms
from engine.shells.wiring import build_sinks, load_configuration, plan_of
from engine.spec.types import Configuration

BEAT_S = 1.0
RELOAD_CHECK_S = 10.0
HOUSE_EVERY_S = 60.0

log = logger("worker")


class WorkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker was asked for. `state` is a folder of its own, which no other worker may use.

    `event_clock`: time follows the events alone, and ends with them, for recorded history.
    """

    config: Path
    state: Path
    dry_run: bool = False
    event_clock: bool = False
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None


class Worker:
    """One run."""

    def __init__(self, configuration: Configuration, options: WorkerOptions) -> None:
        self.options = options
        self._configuration = configuration
        self._kafka = configuration.project.kafka
        self.metrics = Metrics()
        self._own = WorkerMetrics(self.metrics)
        self._connection = connection(self._kafka, configuration.folder)
        self._ends: dict[Place, int] = {}
        self._taken: dict[Place, int] = {}
        self._stuck_s = self._kafka.stuck_after_ms / 1000
        self._movement = Movement(self._stuck_s)
        self._stopping = asyncio.Event()
        self._reload_asked = False
        self._fault: BaseException | None = None
        self._alive_at = time.monotonic()
        self._reload_due = self._house_due = 0.0
        self.shared = Shared(
            link=Link(self._connection),
            topics=topics_of(configuration.project),
            partitions=self._kafka.partitions,
            state=options.state,
            config=options.config,
            plan=plan_of(configuration),
            event_clock=options.event_clock,
            told=self._told,
            arrived=self._arrived,
            restoring=self._own.restoring,
        )
        sending = Sending(
            sinks=lambda plan: build_sinks(plan.configuration, options.state, "stdout" if options.dry_run else ""),
            clock=wall_ms,
            report=self._report,
            lease_ms=self._kafka.session_timeout_ms,
        )
        self._routing = Routing(self.shared)
        self._owned = Owned(self.shared, self._routing, sending, self._own, self._offer_configuration, self._give_up)

    async def run(self) -> None:
        """Work until told to stop. Raises OperatorError where it cannot start."""
        await self._examine()
        await self.shared.link.start()
        await self._routing.open()
        server = await self._serve()
        self._listen_to_signals()
        lease_s = self._kafka.session_timeout_ms / 1000
        Watchdog(lambda: time.monotonic() - self._alive_at, self._stuck_s, lease_s).start()
        self._seam = self._new_seam()
        await self._seam.start()
        self._note_reload()
        pulse = asyncio.create_task(self._pulse())
        self._chores = asyncio.create_task(self._do_chores())
        while not self._stopping.is_set() and self._fault is None:
            await self._beat()
        if self._fault is not None:
            os._exit(GAVE_UP)  # whatever is under way is taken again by whoever comes next
        pulse.cancel()  # so that a drain that never ends is seen by the watchdog
        await self._drain()
        if server:
            await server.stop()

    def _new_seam(self) -> Seam:
        topics = self.shared.topics
        stages = {
            route.STAGE: list(topics.raw.values()),
            detect.STAGE: [topics.events],
            decide.STAGE: [topics.candidates],
            dispatch.STAGE: [topics.actions],
        }
        seam = Seam(self._connection, self._kafka.group, stages, self.options.state, self._kafka.session_timeout_ms)
        seam.listen(self._owned.take, self._owned.assign, self._give_up)
        return seam

    async def _examine(self) -> None:
        found = await examine(self._configuration.project, self._connection, create=self._kafka.create_topics)
        wrong = [finding for finding in found if finding.severity == "error"]
        if wrong:
            lines = "\n".join(f"  {finding.topic or 'Kafka'}: {finding.what}" for finding in wrong)
            raise OperatorError(f"Kafka is not as it should be:\n{lines}\n`beforehand doctor` says what to do about it")

    async def _serve(self) -> Server | None:
        if self.options.metrics_port is None:
            return None
        pages = application(self.metrics, self._wrong, self._not_ready)
        server = Server(pages, self.options.metrics_host, self.options.metrics_port)
        log.info("serving", host=self.options.metrics_host, port=await server.start())
        return server

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._ask_reload)

    def _ask_reload(self) -> None:
        self._reload_asked = True

    def _give_up(self, fault: BaseException) -> None:
        if self._fault is None:
            self._fault = fault
            log.error("giving up", why=f"{type(fault).__name__}: {fault}")

    async def _drain(self) -> None:
        """Take nothing more, let what is in flight come to an end, and leave the group."""
        self._chores.cancel()
        within_s, began = self._kafka.drain_within_ms / 1000, time.monotonic()
        await self._seam.finish(within_s / 3)
        await self._owned.drain(int(max(0.5, within_s * 0.8 - (time.monotonic() - began)) * 1000))
        for place in self._owned.places():
            await self._owned.let_go(place, is_ours=True)
        await self._routing.close()
        await self._seam.stop()
        await self.shared.link.stop()

    # ---- what is told

    def _wrong(self) -> str:
        """Why this process is not live; "" if it is."""
        if self._fault is not None:
            return f"giving up: {self._fault}"
        still_s = time.monotonic() - self._alive_at
        return f"no sign of life for {still_s:.0f} s" if still_s > self._stuck_s else self._movement.wrong()

    def _not_ready(self) -> str:
        if self._stopping.is_set():
            return "stopping"
        if not self._owned.is_assigned:
            return "waiting for partitions"
        restoring = self._owned.restoring()
        return f"restoring {restoring} partitions" if restoring else ""

    def _told(self, stage: str, partition: int, effects: Effects) -> None:
        counts = self._routing.router.drain_counts() if stage == route.STAGE else {}
        for (what, stream), count in counts.items():
            if what in {"accepted", "dead_letter"}:
                self.metrics.consumed.labels(stream).inc(count)
        self.metrics.note(effects, counts, 0 if self.options.event_clock else wall_ms())
        if stage == detect.STAGE:
            self._own.detected(partition, effects)

    def _arrived(self, at_ms: int) -> None:
        if not self.options.event_clock:
            self.metrics.arrived(at_ms, wall_ms())

    def _report(self, report: Report, action: Action | None) -> None:
        self.metrics.actions.labels(report.channel or report.sink, str(report.what)).inc()
        if report.took_ms:
            self.metrics.action_duration.labels(report.channel).observe(report.took_ms / 1000)
        if report.what in {"paused", "resumed"}:
            self._own.paused(report.sink, is_paused=report.what == "paused")
        if report.what == "postponed":
            return
        if report.what != "delivered":
            why, attempts = report.why_in_brief, report.attempts
            log.warning("action " + str(report.what), sink=report.sink, why=why, attempts=attempts)
        elif action is not None:
            self.metrics.sent(action, wall_ms())

    # ---- now and then

    async def _pulse(self) -> None:
        """Show that the event loop comes round, whatever the rest of this waits for."""
        while True:
            self._alive_at = time.monotonic()
            await asyncio.sleep(BEAT_S / 2)

    async def _beat(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), BEAT_S)
        except TimeoutError:
            await self._look_around()

    async def _look_around(self) -> None:
        try:
            await self._look_at_lag()
        except (KafkaError, TimeoutError) as fault:
            # A broker that does not answer says nothing of us; if it stays away, writing will fail for good.
            log.warning("Kafka does not answer", why=type(fault).__name__)
        if self._routing.fault is not None:
            self._give_up(self._routing.fault)
        # Chores wait for partitions, and for the broker: what stands still has to be noticed meanwhile.
        if self._chores.done():
            failed = self._chores.exception()
            if failed is not None:
                self._give_up(failed)
            self._chores = asyncio.create_task(self._do_chores())

    async def _do_chores(self) -> None:
        try:
            await self._owned.tend(self._ends, self._taken)
            now = time.monotonic()
            if self._reload_asked or now >= self._reload_due:
                self._reload_due, self._reload_asked = now + RELOAD_CHECK_S, False
                await self._reload()
            if now >= self._house_due:
                self._house_due = now + HOUSE_EVERY_S
                await self._keep_house()
        except (KafkaError, TimeoutError) as fault:
            log.warning("Kafka does not answer", why=type(fault).__name__)

    async def _look_at_lag(self) -> None:
        """How far behind each partition is, and whether it moves."""
        places = self._owned.places()
        self._ends = await asyncio.wait_for(self.shared.link.ends(places), 5)
        taken = self._owned.positions() | {place: at for place, at in self._seam.taken().items() if at >= 0}
        unread = [place for place in places if place not in taken]
        self._taken = await asyncio.wait_for(self.shared.link.committed(self._kafka.group, unread), 5) | taken
        ours = set(self._owned.places())
        for place, end in self._ends.items():
            if place in ours:
                self._own.lag(*place, max(0, end - self._taken.get(place, 0)))
            else:
                self._movement.forget(place)
        self._movement.look({place: end for place, end in self._ends.items() if place in ours}, self._taken)
        wrong = self._movement.wrong()
        if wrong:
            self._give_up(TimeoutError(wrong))

    async def _keep_house(self) -> None:
        for place, stage in self._owned.ready():
            if isinstance(stage, DetectPartition | DispatchPartition):
                await self._seam.between_batches(place, stage.keep_house)
            elif isinstance(stage, DecidePartition) and stage.partition == OWNER:
                self.metrics.models.note(reports(stage.plan, stage.learned))
        for kind, count in self._owned.measure().items():
            self.metrics.entities.labels(kind).set(count)
        self.metrics.note_snoozes(self._configuration.project.policies.snoozes, wall_ms())

    # ---- a changed configuration

    async def _reload(self) -> None:
        """Take a changed configuration: partitions get it as a record, in order with everything else."""
        try:
            fresh = load_configuration(self.options.config)
            build_sinks(fresh, self.options.state, "stdout" if self.options.dry_run else "")
        except (SpecError, OperatorError) as wrong:
            if self.metrics.reload_ok._value.get():  # noqa: SLF001  the only way to read a gauge
                log.error("configuration not taken", why=in_brief(wrong))
            self.metrics.reload_ok.set(0)
            return
        if fresh.version != self._configuration.version:
            await self._change_to(fresh)
        self.metrics.reload_ok.set(1)

    async def _change_to(self, fresh: Configuration) -> None:
        self._configuration = fresh
        self.shared.plan = plan_of(fresh)
        self._routing.take_plan(self.shared.plan)
        topics = self.shared.topics
        for topic in (topics.events, topics.candidates, topics.actions):
            for partition in range(self.shared.partitions):
                await self._publish(topic, partition)
        self._note_reload()

    async def _offer_configuration(self, stage: StagePartition) -> None:
        """What was in force when a partition was last worked on may not be what is on this disk."""
        if isinstance(stage, Keeping) and stage.plan.configuration.version != self._configuration.version:
            await self._publish(stage.topic, stage.partition)

    async def _publish(self, topic: str, partition: int) -> None:
        message = wire.Configure(self._configuration.version, text_of(self.options.config))
        await acknowledged(await self.shared.link.send(topic, partition, [(None, wire.encode(message))]))

    def _note_reload(self) -> None:
        self.metrics.reload_ok.set(1)
        self.metrics.reload_at.set(wall_ms() / 1000)
        self.metrics.note_snoozes(self._configuration.project.policies.snoozes, wall_ms())
        version, count = self._configuration.version, len(self._configuration.detectors)
        log.info("configuration in force", version=version, detectors=count)


def run(configuration: Configuration, options: WorkerOptions) -> None:
    """Work in an event loop of its own until told to stop. Raises OperatorError."""

    async def main() -> None:
        await Worker(configuration, options).run()

    asyncio.run(main())
