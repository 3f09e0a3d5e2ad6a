"""The worker: one process of a group that shares the partitions of all stages, from its start to its end.

It has no state that Kafka does not have. Whenever something is wrong that it cannot put right, it ends with exit code
70 and leaves it to its supervisor to start another: what was not acknowledged is then taken again, to the same results.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from aiokafka.errors import KafkaError

from engine.core.effects import Effects
from engine.core.plan import Plan
from engine.errors import OperatorError, SpecError
from engine.model import Action
from engine.shells.dispatch import Report
from engine.shells.kafka import decide, detect, dispatch, route, wire
from engine.shells.kafka.decide import DecidePartition
from engine.shells.kafka.detect import DetectPartition
from engine.shells.kafka.dispatch import DispatchPartition, Sending
from engine.shells.kafka.doctor import examine
from engine.shells.kafka.link import Link, acknowledged
from engine.shells.kafka.log import Fenced
from engine.shells.kafka.route import RoutePartition, Routing
from engine.shells.kafka.seam import Place, Seam
from engine.shells.kafka.settings import connection
from engine.shells.kafka.stage import RawRecord, Shared, StagePartition, text_of
from engine.shells.kafka.topics import topics_of
from engine.shells.logs import logger
from engine.shells.metrics import Metrics, WorkerMetrics
from engine.shells.serving import Server, application
from engine.shells.wiring import build_sinks, load_configuration, plan_of
from engine.spec.types import Configuration

BEAT_S = 1.0
RELOAD_CHECK_S = 10.0
HOUSE_EVERY_S = 60.0
# What a supervisor sees when the worker gave up; it is to start it again.
GAVE_UP = 70

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


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Worker:
    """One run."""

    def __init__(self, configuration: Configuration, options: WorkerOptions) -> None:
        self.options = options
        self._configuration = configuration
        self._kafka = configuration.project.kafka
        self.metrics = Metrics()
        self._own = WorkerMetrics(self.metrics)
        self._connection = connection(self._kafka, configuration.folder)
        self._stages: dict[Place, StagePartition] = {}
        self._opening: dict[Place, asyncio.Task[None]] = {}
        self._moved: dict[Place, tuple[int, float]] = {}
        self._ends: dict[Place, int] = {}
        self._taken: dict[Place, int] = {}
        self._stopping = asyncio.Event()
        self._reload_asked = False
        self._fault: BaseException | None = None
        self._is_assigned = False
        self._alive_at = time.monotonic()
        self._reload_due = self._house_due = 0.0
        topics = topics_of(configuration.project)
        self.shared = Shared(
            link=Link(self._connection),
            topics=topics,
            partitions=self._kafka.partitions,
            state=options.state,
            config=options.config,
            writer="",
            plan=plan_of(configuration),
            event_clock=options.event_clock,
            told=self._told,
            restoring=self._own.restoring,
        )
        self._stage_of = dict.fromkeys(topics.raw.values(), route.STAGE) | {
            topics.events: detect.STAGE,
            topics.candidates: decide.STAGE,
            topics.actions: dispatch.STAGE,
        }
        self._sending = Sending(
            sinks=lambda plan: build_sinks(plan.configuration, options.state, "stdout" if options.dry_run else ""),
            clock=wall_ms,
            report=self._report,
            lease_ms=self._kafka.session_timeout_ms,
        )

    async def run(self) -> None:
        """Work until told to stop. Raises OperatorError where it cannot start, and what it gave up for."""
        await self._examine()
        await self.shared.link.start()
        self._routing = Routing(self.shared)
        await self._routing.open()
        server = await self._serve()
        self._listen_to_signals()
        _Watchdog(lambda: time.monotonic() - self._alive_at, self._kafka.stuck_after_ms / 1000).start()
        self._seam = self._new_seam()
        await self._seam.start()
        self._note_reload()
        try:
            while not self._stopping.is_set() and self._fault is None:
                await self._beat()
        finally:
            await self._end()
            if server:
                await server.stop()

    def _new_seam(self) -> Seam:
        topics = self.shared.topics
        return Seam(
            self._connection,
            self._kafka.group,
            {
                route.STAGE: list(topics.raw.values()),
                detect.STAGE: [topics.events],
                decide.STAGE: [topics.candidates],
                dispatch.STAGE: [topics.actions],
            },
            self._take,
            self._assign,
            self._give_up,
            self.options.state,
            self._kafka.session_timeout_ms,
        )

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

    # ---- health

    def _wrong(self) -> str:
        """Why this process is not live; "" if it is."""
        if self._fault is not None:
            return f"giving up: {self._fault}"
        stuck_s = self._kafka.stuck_after_ms / 1000
        still_s = time.monotonic() - self._alive_at
        if still_s > stuck_s:
            return f"no sign of life for {still_s:.0f} s"
        for place, (_, since) in self._moved.items():
            if (still_s := time.monotonic() - since) > stuck_s:
                return f"{place[0]}/{place[1]} has not moved for {still_s:.0f} s while there is something to read"
        return ""

    def _not_ready(self) -> str:
        if self._stopping.is_set():
            return "stopping"
        if not self._is_assigned:
            return "waiting for partitions"
        opening = [place for place, task in self._opening.items() if not task.done()]
        return f"restoring {len(opening)} partitions" if opening else ""

    # ---- partitions

    async def _assign(self, places: set[Place]) -> None:
        """These are ours now, and no others."""
        self._own.rebalanced()
        for place in self._stages.keys() - places:
            await self._let_go(place, is_ours=False)
        for place in sorted(places - self._stages.keys()):
            stage = self._stages[place] = self._new_stage(*place)
            self._own.assigned(self._stage_of[place[0]], place[1])
            self._opening[place] = asyncio.create_task(self._open(place, stage))
        self._is_assigned = True
        log.info("partitions", count=len(places))

    def _new_stage(self, topic: str, partition: int) -> StagePartition:
        # A name for each taking over, so that nothing written under an earlier one can be mistaken for it.
        shared = msgspec.structs.replace(self.shared, writer=uuid.uuid4().hex[:16])
        stage = self._stage_of[topic]
        if stage == detect.STAGE:
            return DetectPartition(shared, partition)
        if stage == decide.STAGE:
            return DecidePartition(shared, partition)
        if stage == dispatch.STAGE:
            return DispatchPartition(shared, partition, self._sending)
        return RoutePartition(shared, self._routing, topic, partition)

    async def _open(self, place: Place, stage: StagePartition) -> None:
        began, name = time.monotonic(), self._stage_of[place[0]]
        try:
            await stage.open()
        except Exception as fault:
            self._give_up(fault)
            raise
        restored = getattr(stage, "restored", 0)
        self._own.restored(name, place[1], restored, time.monotonic() - began)
        await self._offer_configuration(stage)

    async def _let_go(self, place: Place, *, is_ours: bool) -> None:
        opening = self._opening.pop(place, None)
        if opening is not None and not opening.done():
            opening.cancel()
            await asyncio.wait({opening})
        self._moved.pop(place, None)
        self._ends.pop(place, None)
        await self._stages.pop(place).close(is_ours=is_ours)
        self._own.forget_lag(*place)
        self._own.revoked(self._stage_of[place[0]], place[1])

    # ---- batches

    async def _take(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        place = (topic, partition)
        stage, opening = self._stages[place], self._opening[place]
        await asyncio.shield(opening)
        began = time.monotonic()
        await stage.take(records)
        took_s, name = time.monotonic() - began, self._stage_of[topic]
        self._own.batch(name, partition, len(records), took_s, wall_ms())
        if isinstance(stage, DetectPartition):
            self._own.watermark(partition, stage.now)
        if name == route.STAGE:
            self.metrics.consumed.labels(self._routing.streams[topic].name).inc(len(records))

    def _told(self, stage: str, partition: int, effects: Effects) -> None:
        counts = self._routing.router.drain_counts() if stage == route.STAGE else {}
        self.metrics.note(effects, counts, 0 if self.options.event_clock else wall_ms())
        if stage == detect.STAGE:
            self._own.detected(partition, effects)

    def _report(self, report: Report, action: Action | None) -> None:
        self.metrics.actions.labels(report.channel or report.sink, str(report.what)).inc()
        if report.took_ms:
            self.metrics.action_duration.labels(report.channel).observe(report.took_ms / 1000)
        if report.what in {"paused", "resumed"}:
            self._own.paused(report.sink, is_paused=report.what == "paused")
        if report.what != "delivered":
            why = report.why.partition(": ")[0]
            log.warning("action " + str(report.what), sink=report.sink, why=why, attempts=report.attempts)
        elif action is not None:
            self.metrics.sent(action, wall_ms())

    def _give_up(self, fault: BaseException) -> None:
        if self._fault is None:
            self._fault = fault
            log.error("giving up", why=f"{type(fault).__name__}: {fault}")
        if isinstance(fault, Fenced):
            self._own.fenced(detect.STAGE)

    # ---- now and then

    async def _beat(self) -> None:
        self._alive_at = time.monotonic()
        try:
            await asyncio.wait_for(self._stopping.wait(), BEAT_S)
        except TimeoutError:
            pass
        else:
            return
        await self._look_at_lag()
        for place, stage in list(self._stages.items()):
            await self._tend(place, stage)
        if self._routing.fault is not None:
            self._give_up(self._routing.fault)
        now = time.monotonic()
        if self._reload_asked or now >= self._reload_due:
            self._reload_due, self._reload_asked = now + RELOAD_CHECK_S, False
            await self._reload()
        if now >= self._house_due:
            self._house_due = now + HOUSE_EVERY_S
            await self._keep_house()

    async def _tend(self, place: Place, stage: StagePartition) -> None:
        if isinstance(stage, RoutePartition):
            opening = self._opening[place]
            if opening.done() and place in self._ends:
                await stage.beat(is_caught_up=self._ends[place] <= self._taken.get(place, -1))
        if isinstance(stage, DispatchPartition) and stage.fault is not None:
            self._give_up(stage.fault)

    async def _look_at_lag(self) -> None:
        """How far behind each partition is, and whether it moves. A broker that does not answer says nothing of us."""
        try:
            self._ends = await asyncio.wait_for(self.shared.link.ends(list(self._stages)), 5)
        except (KafkaError, TimeoutError):
            return
        self._taken = await self._positions()
        now = time.monotonic()
        for place, end in self._ends.items():
            at = self._taken.get(place, 0)
            self._own.lag(*place, max(0, end - at))
            known = self._moved.get(place)
            if known is None or known[0] != at or at >= end:
                self._moved[place] = (at, now)
        wrong = self._wrong()
        if wrong:
            self._give_up(TimeoutError(wrong))

    async def _positions(self) -> dict[Place, int]:
        """The offset after what was taken, by place; where this process has read nothing yet, what was committed."""
        taken = {place: at for place, at in self._seam.taken().items() if at >= 0}
        unread = [place for place in self._stages if place not in taken]
        for place in unread:
            position = getattr(self._stages[place], "position", None)
            if position is not None and self._opening[place].done():
                taken[place] = position
        rest = [place for place in unread if place not in taken]
        return {**await self.shared.link.committed(self._kafka.group, rest), **taken}

    async def _keep_house(self) -> None:
        counts: dict[str, int] = {}
        for place, stage in list(self._stages.items()):
            if not self._opening[place].done() or not isinstance(stage, DetectPartition | DispatchPartition):
                continue
            await self._seam.between_batches(place, stage.keep_house)
            if isinstance(stage, DetectPartition):
                for kind, count in stage.entity_counts().items():
                    counts[kind] = counts.get(kind, 0) + count
        for kind, count in counts.items():
            self.metrics.entities.labels(kind).set(count)

    # ---- a changed configuration

    async def _reload(self) -> None:
        """Take a changed configuration: partitions get it as a record, in order with everything else."""
        try:
            fresh = load_configuration(self.options.config)
            build_sinks(fresh, self.options.state, "stdout" if self.options.dry_run else "")
        except (SpecError, OperatorError) as wrong:
            if self.metrics.reload_ok._value.get():  # noqa: SLF001  the only way to read a gauge
                why = str(wrong.problems[0]) if isinstance(wrong, SpecError) else str(wrong)
                log.error("configuration not taken", why=why)
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
        plan: Plan | None = getattr(stage, "plan", None)
        if plan is None or plan.configuration.version == self._configuration.version:
            return
        topics = self.shared.topics
        if isinstance(stage, DetectPartition):
            await self._publish(topics.events, stage.partition)
        elif isinstance(stage, DecidePartition):
            await self._publish(topics.candidates, stage.partition)
        elif isinstance(stage, DispatchPartition):
            await self._publish(topics.actions, stage.partition)

    async def _publish(self, topic: str, partition: int) -> None:
        message = wire.Configure(self._configuration.version, text_of(self.options.config))
        await acknowledged(await self.shared.link.send(topic, partition, [(None, wire.encode(message))]))

    def _note_reload(self) -> None:
        self.metrics.reload_ok.set(1)
        self.metrics.reload_at.set(wall_ms() / 1000)
        version, count = self._configuration.version, len(self._configuration.detectors)
        log.info("configuration in force", version=version, detectors=count)

    # ---- the end

    async def _end(self) -> None:
        """Take nothing more, let what is in flight come to an end, and leave. After a fault, just leave."""
        if self._fault is not None:
            os._exit(GAVE_UP)
        within_s = self._kafka.drain_within_ms / 1000
        began = time.monotonic()
        await self._seam.finish(within_s / 3)
        sending = [s for s in self._stages.values() if isinstance(s, DispatchPartition)]
        left_ms = int(max(0.5, within_s * 0.8 - (time.monotonic() - began)) * 1000)
        await asyncio.gather(*(stage.drain(left_ms) for stage in sending))
        for place in list(self._stages):
            await self._let_go(place, is_ours=True)
        await self._routing.close()
        await self._seam.stop()
        await self.shared.link.stop()


class _Watchdog(threading.Thread):
    """Ends the process when its event loop has not come round for too long, as nothing inside the loop could."""

    def __init__(self, silent_s: Callable[[], float], most_s: float) -> None:
        super().__init__(daemon=True, name="watchdog")
        self._silent_s = silent_s
        self._most_s = most_s

    def run(self) -> None:
        while True:
            time.sleep(min(1.0, self._most_s / 5))
            if self._silent_s() > self._most_s:
                os.write(2, b"beforehand: the worker has come to a stop; ending it\n")
                os._exit(GAVE_UP)


def run(configuration: Configuration, options: WorkerOptions) -> None:
    """Work in an event loop of its own until told to stop. Raises OperatorError."""

    async def main() -> None:
        await Worker(configuration, options).run()

    asyncio.run(main())
