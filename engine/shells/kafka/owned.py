"""The partitions that are a worker's at the moment: taking them over, working on them, and letting them go."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence

from engine.errors import OperatorError
from engine.shells.kafka import decide, detect, dispatch, route
from engine.shells.kafka.decide import DecidePartition
from engine.shells.kafka.detect import DetectPartition
from engine.shells.kafka.dispatch import DispatchPartition, Sending
from engine.shells.kafka.log import Fenced
from engine.shells.kafka.remembering import Remembering
from engine.shells.kafka.route import RoutePartition, Routing
from engine.shells.kafka.seam import Place
from engine.shells.kafka.stage import Out, RawRecord, Shared, StagePartition
from engine.shells.logs import logger
from engine.shells.metrics import WorkerMetrics
from engine.shells.times import wall_ms

# Those that have a log, and with it a position and a configuration of their own.
Keeping = Remembering | DispatchPartition

log = logger("worker")


class Owned:
    """By (topic, partition). `opened` is called with each partition that has been restored, before its first batch."""

    def __init__(
        self,
        shared: Shared,
        routing: Routing,
        sending: Sending,
        metrics: WorkerMetrics,
        opened: Callable[[StagePartition], Awaitable[None]],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._shared = shared
        self._routing = routing
        self._sending = sending
        self._metrics = metrics
        self._opened = opened
        self._failed = failed
        self._stages: dict[Place, StagePartition] = {}
        self._opening: dict[Place, asyncio.Task[None]] = {}
        self.is_assigned = False
        topics = shared.topics
        self._stage_of = dict.fromkeys(topics.raw.values(), route.STAGE) | {
            topics.events: detect.STAGE,
            topics.candidates: decide.STAGE,
            topics.actions: dispatch.STAGE,
        }

    def places(self) -> list[Place]:
        return list(self._stages)

    def ready(self) -> Iterator[tuple[Place, StagePartition]]:
        """Those that have been restored."""
        for place, stage in list(self._stages.items()):
            opening = self._opening.get(place)
            if opening is not None and opening.done():
                yield place, stage

    def restoring(self) -> int:
        """How many are still to be restored."""
        return sum(not opening.done() for opening in self._opening.values())

    # ---- whose they are

    async def assign(self, places: set[Place]) -> None:
        """These are ours now, and no others."""
        self._metrics.rebalanced()
        for place in self._stages.keys() - places:
            await self.let_go(place, is_ours=False)
        for place in sorted(places - self._stages.keys()):
            stage = self._stages[place] = self._new_stage(*place)
            self._metrics.assigned(self._stage_of[place[0]], place[1])
            self._opening[place] = asyncio.create_task(self._open(place, stage))
        self.is_assigned = True
        log.info("partitions", count=len(places))

    def _new_stage(self, topic: str, partition: int) -> StagePartition:
        # A name for each taking over, so that nothing written under an earlier one can be mistaken for it.
        shared, stage, writer = self._shared, self._stage_of[topic], uuid.uuid4().hex[:16]
        if stage == detect.STAGE:
            return DetectPartition(shared, partition, writer)
        if stage == decide.STAGE:
            return DecidePartition(shared, partition, writer)
        if stage == dispatch.STAGE:
            return DispatchPartition(shared, partition, writer, self._sending)
        return RoutePartition(shared, self._routing, topic, partition)

    async def _open(self, place: Place, stage: StagePartition) -> None:
        began = time.monotonic()
        try:
            await stage.open()
            await self._compare(place, stage)
            await self._opened(stage)
        except Exception as fault:
            self._fail(place, fault)
            raise
        name, (_, partition) = self._stage_of[place[0]], place
        if isinstance(stage, Remembering):
            self._metrics.restored(name, partition, stage.restored, time.monotonic() - began)
        if isinstance(stage, DetectPartition):
            self._metrics.restored_firing(partition, stage.open_signals)

    async def _compare(self, place: Place, stage: StagePartition) -> None:
        """Input is let go of after the log has its batch. Where the log knows less, it has lost something."""
        if not isinstance(stage, Keeping):
            return
        group = self._shared.plan.configuration.project.kafka.group
        committed, position = await self._shared.link.committed(group, [place]), stage.position
        read = committed.get(place, 0)
        if read > position:
            raise OperatorError(
                f"{place[0]}/{place[1]} has been read up to offset {read}, and the log of {self._stage_of[place[0]]} "
                f"knows only of {position}: it was deleted or cut. Restore it, or begin anew with another `prefix`"
            )

    def _fail(self, place: Place, fault: BaseException) -> None:
        if isinstance(fault, Fenced):
            self._metrics.fenced(self._stage_of[place[0]])
        self._failed(fault)

    async def let_go(self, place: Place, *, is_ours: bool) -> None:
        """`is_ours`: nobody else can have taken it over yet. What is restored in part is not kept as if it were all."""
        opening = self._opening.pop(place)
        if not opening.done():
            opening.cancel()
            await asyncio.wait({opening})
        is_restored = not opening.cancelled() and opening.exception() is None
        await self._stages.pop(place).close(is_ours=is_ours and is_restored)
        self._metrics.forget_lag(*place)
        self._metrics.revoked(self._stage_of[place[0]], place[1])

    async def drain(self, within_ms: int) -> None:
        """Begin to send nothing more, and wait for what is being sent."""
        sending = [stage for stage in self._stages.values() if isinstance(stage, DispatchPartition)]
        await asyncio.gather(*(stage.drain(within_ms) for stage in sending))

    # ---- working on them

    async def take(self, topic: str, partition: int, records: Sequence[RawRecord]) -> None:
        """Take a batch, once the partition is restored. Raises Fenced, KafkaError, OperatorError."""
        place = (topic, partition)
        stage, opening = self._stages[place], self._opening[place]
        await asyncio.shield(opening)
        began = time.monotonic()
        try:
            await stage.take(records)
        except Fenced:
            self._metrics.fenced(self._stage_of[topic])
            raise
        took_s = time.monotonic() - began
        self._metrics.batch(self._stage_of[topic], partition, len(records), took_s, wall_ms())
        if isinstance(stage, DetectPartition):
            self._metrics.watermark(partition, stage.now)

    async def tend(self, ends: dict[Place, int], taken: dict[Place, int]) -> None:
        """Now and then: let time go on where nothing comes, and notice sending that has failed. Raises KafkaError."""
        out = Out(self._shared)  # of all together, so that what reads them has one batch of them a second
        for place, stage in self.ready():
            if isinstance(stage, RoutePartition) and place in ends:
                mark = stage.beat(is_caught_up=ends[place] <= taken.get(place, 0))
                if mark is not None:
                    out.to_all(self._shared.topics.events, mark)
            if isinstance(stage, DispatchPartition) and stage.fault is not None:
                self._fail(place, stage.fault)
        await out.write()

    def positions(self) -> dict[Place, int]:
        """Where those that remember it are to be read on."""
        return {place: stage.position for place, stage in self.ready() if isinstance(stage, Keeping)}

    def measure(self) -> dict[str, int]:
        """Show the size of what is remembered. Returns how many entities of each kind."""
        counts: dict[str, int] = {}
        for (topic, partition), stage in self.ready():
            if isinstance(stage, Remembering):
                self._metrics.state_size(self._stage_of[topic], partition, stage.replica.size())
            for kind, count in stage.entity_counts().items() if isinstance(stage, DetectPartition) else ():
                counts[kind] = counts.get(kind, 0) + count
        return counts
