"""Where Faust ends: the only file that imports it.

Faust brings membership of the consumer group, assignment, fetching and committing of input offsets. What it would do
for each record is paid here once per batch: the transport hands an agent whole batches of one partition, and commits
the longest run of batches that are done from the beginning on. Nothing is acknowledged that was not taken in, and no
exception reaches an agent, as either would lose data.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import faust
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import KafkaError
from faust.transport import drivers
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from engine.shells.kafka.link import Record
from engine.shells.kafka.unpack import unpack_whole

# Records that travel as one, when there are so many: what an entity remembers is written once per batch.
BATCH = 20_000
FETCHED_AT_ONCE = 80_000
FETCH_WAIT_MS = 20
FETCHED_BYTES = 4 * 1024 * 1024
COMMIT_EVERY_S = 1.0

Batch: TypeAlias = Sequence[Record]
Place: TypeAlias = tuple[str, int]
Acknowledge: TypeAlias = Callable[[], Awaitable[object]]
# Takes a batch of (topic, partition) in. When it returns, the batch may be acknowledged.
Take: TypeAlias = Callable[[str, int, Batch], Awaitable[None]]


class PromptThread(driver.AIOKafkaConsumerThread):
    """Faust's thread that fetches, which waits for a moment only.

    A request that asks for quiet partitions alone holds up the busy ones, which wait for their turn meanwhile.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  Faust has no setting for it
        return consumer

    async def seek_to_committed(self) -> Any:
        """Where what was fetched and not handed out is read again. Gives the committed offsets, by partition."""
        return await self.call_thread(seek_back, self._ensure_consumer())

    async def _fetch_records(self, consumer: Any, *args: Any, **options: Any) -> Any:
        for fetched in consumer._fetcher._records.values():  # noqa: SLF001  aiokafka has no setting for it
            if type(fetched) is FetchResult and "getall" not in vars(fetched):
                unpack_whole(fetched)
        return await super()._fetch_records(consumer, *args, **options)


async def seek_back(consumer: Any) -> Mapping[Any, int | None]:
    """Have an `AIOKafkaConsumer` read on at what is committed, and at the beginning where nothing is.

    Its own `seek_to_committed` leaves a partition where it is if nothing was ever committed. What Faust had fetched and
    thrown away by then, as it does while a new group finds together, would never be read.
    """
    committed: Mapping[Any, int | None] = await consumer.seek_to_committed()
    unread = [partition for partition, offset in committed.items() if not offset]
    if unread:
        await consumer.seek_to_beginning(*unread)
    return committed


class BatchConsumer(driver.Consumer):
    """Faust's consumer, with batches instead of records in its messages.

    `round` counts the rebalances. What was handed out before one and not begun by then is fetched again, so it must not
    be taken as well: those between it and what was taken would seem to have been taken too.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._underway: dict[TP, deque[int]] = {}
        self.round = 0

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.round += 1
        for partition in revoked:
            self._underway.pop(partition, None)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._underway.clear()
        await super().on_partitions_assigned(assigned, generation_id)

    def _new_offset(self, tp: TP) -> int | None:
        """The offset after the longest run of done batches, from the oldest that is underway on."""
        underway, done, offset = self._underway.get(tp), self._acked_index[tp], None
        while underway and underway[0] in done:
            last = underway.popleft()
            done.discard(last)
            offset = last + 1
        if offset is not None:
            self._acked[tp][:] = [acked for acked in self._acked[tp] if acked >= offset]
        return offset

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """(partition, message) for each batch; a message's offset is that of its last record."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            # In the middle of a rebalance this may fail, and the rebalance ends with the same.
            with suppress(KafkaError):
                await self.perform_seek()
            return
        for tp, found in records.items():
            if active is not None and tp not in active and tp not in self._buffered_partitions:
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            for at in range(0, len(found), BATCH):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                batch = self._unread(tp, found[at : at + BATCH])
                if batch:
                    yield tp, self._message_of(tp, batch, generation)

    def _unread(self, tp: TP, records: Batch) -> Batch:
        # Faust's "read offset" is the next one to read after a seek, and the last one read otherwise. So the record at
        # it is taken: a stage knows one that it has taken before, but one that is left out here is lost.
        read = self._read_offset[tp]
        return records if read is None else [record for record in records if record.offset >= read]

    def _message_of(self, tp: TP, batch: Batch, generation: int) -> ConsumerMessage:
        last = batch[-1]
        self._underway.setdefault(tp, deque()).append(last.offset)
        # Faust looks for gaps between messages; inside a batch there is nothing to look for.
        self._read_offset[tp] = last.offset - 1
        value: Any = (self.round, batch)  # Faust says bytes, and hands on what it gets
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            list(last.headers),
            None,
            value,
            None,
            0,
            0,
            tp,
        )
        message.generation_id = generation
        return message


class BatchTransport(driver.Transport):
    Consumer = BatchConsumer


class Untouched(faust.Schema[Any, Any]):
    """Leaves a batch as it is."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        return message.value


class Seam:
    """An app with one agent per stage. `stages` names the topics of each. `listen` comes before `start`."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        group: str,
        stages: Mapping[str, Sequence[str]],
        folder: Path,
        session_timeout_ms: int,
    ) -> None:
        drivers.TRANSPORTS.aliases["batch"] = f"{__name__}:BatchTransport"
        self._lanes: dict[Place, Lane] = {}
        servers = connection["bootstrap_servers"]
        servers = [servers] if isinstance(servers, str) else list(servers)
        self.app = faust.App(
            group,
            broker=[f"batch://{server}" for server in servers],
            broker_producer=[f"kafka://{server}" for server in servers],
            broker_credentials=_credentials(connection),
            broker_session_timeout=session_timeout_ms / 1000,
            broker_heartbeat_interval=session_timeout_ms / 5_000,
            broker_max_poll_records=FETCHED_AT_ONCE,
            consumer_max_fetch_size=FETCHED_BYTES,
            broker_commit_interval=COMMIT_EVERY_S,
            consumer_auto_offset_reset="earliest",
            stream_wait_empty=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            store="memory://",
            datadir=str(folder),
        )
        for stage, topics in stages.items():
            channel = self.app.topic(*topics, schema=Untouched())
            self.app.agent(channel, name=stage)(self._agent)
        assigned_signal: Any = self.app.on_partitions_assigned
        assigned_signal.connect(self._on_assigned)
        revoked_signal: Any = self.app.on_partitions_revoked
        revoked_signal.connect(self._on_revoked)

    def listen(
        self, take: Take, assigned: Callable[[set[Place]], Awaitable[None]], failed: Callable[[BaseException], None]
    ) -> None:
        """Who takes the batches in, and who is told of all partitions that are this process's now.

        `failed` is told of whatever went wrong, after which nothing more of that partition is taken, and the process
        has to end.
        """
        self._take, self._assigned, self._failed = take, assigned, failed

    async def start(self) -> None:
        """Join the group. Raises what aiokafka raises."""
        self.app.finalize()
        await self.app.start()

    async def stop(self) -> None:
        """Commit what is done, and leave the group."""
        for lane in self._lanes.values():
            await lane.cancel()
        await self.app.stop()

    async def finish(self, within_s: float) -> None:
        """Take nothing more, and wait for what is being taken."""
        for lane in self._lanes.values():
            lane.end()
        waiting = [lane.idle() for lane in self._lanes.values()]
        if waiting:
            await asyncio.wait([asyncio.ensure_future(each) for each in waiting], timeout=within_s)

    def taken(self) -> dict[Place, int]:
        """The offset after the last record that was taken, by (topic, partition)."""
        return {place: lane.reached for place, lane in self._lanes.items()}

    async def between_batches(self, place: Place, work: Callable[[], Awaitable[object]]) -> None:
        """Do something with a partition while no batch of it is being taken; not at all if it is not ours."""
        lane = self._lanes.get(place)
        if lane is not None:
            await lane.between_batches(work)

    # ---- inside

    async def _agent(self, stream: Any) -> None:
        """Hands each batch to its partition's lane, so that one partition's waiting is another's working time."""
        async for event in stream.noack().events():
            place = (event.message.topic, event.message.partition)
            lane = await self._lane_of(place)
            if lane is not None:
                handed_in, batch = event.value
                await lane.put(handed_in, batch, partial(stream.ack, event))

    async def _lane_of(self, place: Place) -> Lane | None:
        """The lane of a partition, None if it is not ours any more: whoever has it then gets its batches again."""
        while place not in self._lanes and TP(*place) in self.app.consumer.assignment():
            await asyncio.sleep(0.01)
        return self._lanes.get(place)

    async def _on_assigned(self, _app: Any, assigned: Any = (), **_: Any) -> None:
        places = {(tp.topic, tp.partition) for tp in assigned}
        for place in self._lanes.keys() - places:
            await self._lanes.pop(place).cancel()
        await self._assigned(places)
        for place in places - self._lanes.keys():
            self._lanes[place] = Lane(place, self._take, self._failed, self._round)

    def _round(self) -> int:
        consumer: Any = self.app.consumer
        return int(consumer.round)

    async def _on_revoked(self, _app: Any, revoked: Any = (), **_: Any) -> None:
        """What waits is dropped, as it comes again; what is being taken comes to its end, if it is quick."""
        lanes = [lane for place, lane in self._lanes.items() if TP(*place) in revoked]
        for lane in lanes:
            lane.empty()
        if lanes:
            await asyncio.wait([asyncio.ensure_future(lane.idle()) for lane in lanes], timeout=2)


class Lane:
    """The batches of one partition, taken one after another. What was handed out in an earlier `round` is left."""

    def __init__(
        self, place: Place, take: Take, failed: Callable[[BaseException], None], round_now: Callable[[], int]
    ) -> None:
        self.reached = -1
        self._place = place
        self._take = take
        self._failed = failed
        self._round = round_now
        self._queue: asyncio.Queue[tuple[int, Batch, Acknowledge]] = asyncio.Queue(maxsize=2)
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_over = False
        self._turn = asyncio.Lock()
        self._task = asyncio.create_task(self._run())

    async def put(self, handed_in: int, batch: Batch, acknowledge: Acknowledge) -> None:
        """Take a batch that was handed out in this round, when its turn comes."""
        if not self._is_over:
            await self._queue.put((handed_in, batch, acknowledge))

    async def _run(self) -> None:
        while True:
            handed_in, batch, acknowledge = await self._queue.get()
            self._is_idle.clear()
            try:
                async with self._turn:
                    if handed_in != self._round():
                        continue
                    await self._take(*self._place, batch)
            except asyncio.CancelledError:
                raise
            except BaseException as fault:  # whatever it is must reach the one who ends the process
                self._is_over = True
                self._failed(fault)
                return
            else:
                self.reached = batch[-1].offset + 1
                await acknowledge()
            finally:
                self._is_idle.set()

    async def between_batches(self, work: Callable[[], Awaitable[object]]) -> None:
        async with self._turn:
            try:
                await work()
            except Exception as fault:
                self._is_over = True
                self._failed(fault)

    def end(self) -> None:
        """Take nothing more."""
        self._is_over = True
        self.empty()

    def empty(self) -> None:
        """Drop what waits."""
        while not self._queue.empty():
            self._queue.get_nowait()

    async def idle(self) -> None:
        await self._is_idle.wait()

    async def cancel(self) -> None:
        self._is_over = True
        self.empty()
        self._task.cancel()
        await asyncio.wait({self._task})


def _credentials(connection: Mapping[str, Any]) -> Any:
    protocol, context = connection.get("security_protocol", "PLAINTEXT"), connection.get("ssl_context")
    if protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=connection["sasl_plain_username"],
            password=connection["sasl_plain_password"],
            mechanism=connection["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if protocol == "SSL" else None
