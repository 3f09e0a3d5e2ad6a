"""One seed, one world: an input, a machine, three receivers, and the real engine living and dying over them.

Everything of the engine but the reading of files and the process itself is the real thing: router, chain, partition,
store and ledger over SQLite in memory, dispatcher and sinks' rules in virtual time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from engine.core.route import Row
from engine.errors import OperatorError
from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Tick
from engine.shells import partition as partitions
from engine.shells import store as stores
from engine.shells.attempts import DEATHS_MOST
from engine.shells.dispatch import Dispatcher
from engine.shells.files import FilePlace
from engine.shells.ledger import State
from engine.shells.partition import Partition
from engine.shells.receipts import coming_back
from engine.shells.store import Store
from tests.simulation import judge
from tests.simulation.disk import Disk, Machine
from tests.simulation.fate import Crash, Fate
from tests.simulation.oracle import Oracle
from tests.simulation.receivers import Asked, Receiver, Recognising
from tests.simulation.story import Story, plan
from tests.simulation.virtual import Time, VirtualLoop

FAULTY_LIVES = 6
DRAIN_MS = 8_000
# What is remembered goes, so that it is worked out anew; what was decided and sent stays.
FORGET = (
    *("DELETE FROM facts", "DELETE FROM layouts", "DELETE FROM aliases"),
    *("DELETE FROM entities", "DELETE FROM units", "DELETE FROM journal", "DELETE FROM dead_letters"),
)


class Troubles:
    """How this world is troubled: some have everything, some nothing, so that each fault is also seen alone."""

    def __init__(self, random: Random) -> None:
        self.crash_mean = random.choice((0, 0, 300, 120, 60))
        self.fault_rate = random.choice((0.0, 0.1, 0.3, 0.6))
        self.pauses = random.random() < 0.3
        self.stops = random.random() < 0.2
        self.breaks = random.random() < 0.2
        self.kills = random.random() < 0.1
        self.aliases = random.random() < 0.4
        # Other names are joined again when rows are read again, so those two are not tried together.
        self.loses_places = not self.aliases and random.random() < 0.1
        self.rebuilds = random.random() < 0.1
        self.restores = random.random() < 0.1


class World:
    """`run()` lives it to the end and judges it. `seen` then counts what went wrong, `reached` the ledger's states."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        root = Random(seed)
        self.random = Random(root.getrandbits(64))
        self.troubles = self._troubles(Troubles(Random(root.getrandbits(64))))
        self.fate = Fate(Random(root.getrandbits(64)), self.troubles.crash_mean)
        self.time = Time()
        self.plan = plan()
        trouble = self.troubles
        self.story = Story(
            Random(root.getrandbits(64)), aliases=trouble.aliases, breaks=trouble.breaks, kills=trouble.kills
        )
        self.machine = Machine(self.fate)
        self.fate.spare = self.machine.may_not_die_now
        self.receivers = self._receivers(Random(root.getrandbits(64)))
        self.lives = 0
        deadly = sum(reason == "crash_loop" for reason in self.story.breaking.values())
        self._lives_most = FAULTY_LIVES + 1 + (DEATHS_MOST + 1) * deadly
        self.is_over = False
        self.lost_places = False
        self.was_restored = False
        self._image = b""
        self._batch_most = self.random.choice((1, 3, 8, 30))

    def _troubles(self, troubles: Troubles) -> Troubles:
        """Which of them there are in worlds of this kind."""
        return troubles

    def _receivers(self, random: Random) -> dict[str, Receiver]:
        kinds: list[type[Receiver]] = [Receiver, Recognising, Asked]
        random.shuffle(kinds)
        rate = self.troubles.fault_rate
        return {
            name: kind(self.fate, self.time, Random(random.getrandbits(64)), rate)
            for name, kind in zip(("desk", "sms", "log"), kinds, strict=True)
        }

    @property
    def seen(self) -> dict[str, int]:
        return self.fate.seen

    def run(self) -> None:
        """Raises AssertionError when a promise was broken."""
        for kind in self.story.kinds:
            self.fate.seen[f"row {kind}"] += 1
        with _points_told(self.fate):
            while not self.is_over:
                self._live()
        for receiver in self.receivers.values():
            receiver.settle()
        judge.judge(self, self._oracle())

    def _oracle(self) -> Oracle:
        """What it has to come to."""
        oracle = Oracle(self.plan)
        oracle.read(self.story)
        return oracle

    # ---- a life

    def _live(self) -> None:
        self.lives += 1
        assert self.lives <= self._lives_most, "no progress: it goes on dying although the faults have stopped"
        if self.lives > FAULTY_LIVES:
            self._stop_faults()
        self.fate.begin_life()
        loop = VirtualLoop(self.time)
        try:
            loop.run_until_complete(self._life())
        except Crash:
            self._trouble_between_lives()
        finally:
            self.fate.is_dead = True
            loop.end()

    def _stop_faults(self) -> None:
        self.troubles.stops = False
        self.fate.stop_faults()
        for receiver in self.receivers.values():
            receiver.fault_rate = 0.0

    async def _life(self) -> None:
        store = self.machine.start_store()
        self._open_guard(store)
        partition = self._new_partition(store)
        configuration, clock = self.plan.configuration, lambda: self.time.ms
        settling = coming_back(store.ledger, configuration.plays)
        dispatcher = Dispatcher(
            store.ledger, self.receivers, clock, configuration.project.bounds, passed=self.fate.step, settling=settling
        )
        await dispatcher.open()
        if not await self._read(partition, dispatcher):
            return
        partition.take_records(partition.router.end() or [Tick(partition.now)], self.time.ms)
        self._stop_faults_at_the_end()
        await self._settle(store, dispatcher)
        while partition.take_receipts(self.time.ms):
            partition.take_records([Tick(partition.now)], self.time.ms)
            await self._settle(store, dispatcher)
        partition.close()
        self.is_over = True

    def _new_partition(self, store: Store) -> Partition:
        return Partition(store, self.plan, self.random.choice((0, 3_000, 1 << 20)))

    def _open_guard(self, store: Store) -> None:
        try:
            store.ledger.open_guard()
        except OperatorError:
            assert self.was_restored, "a database that was never replaced is taken for an older copy"
            self.fate.seen["older copy refused"] += 1
            store.ledger.open_guard(self.time.ms + 400 * DAY_MS)

    async def _read(self, partition: Partition, dispatcher: Dispatcher) -> bool:
        """Take the rest of the input in batches, sending meanwhile. False: told to stop before the end."""
        random, most = self.random, self._batch_most
        sending: asyncio.Task[int] | None = None
        rows = self._rest(partition)
        while rows:
            batch, rows = rows[:most], rows[most:]
            partition.take(batch, _places(partition, batch), self.time.ms)
            if sending is None or sending.done():
                if sending:
                    sending.result()
                sending = asyncio.create_task(dispatcher.round()) if random.random() < 0.4 else None
            await asyncio.sleep(0)
            partition.take_receipts(self.time.ms)
            self._trouble_between_batches(partition)
            if self.troubles.stops and random.random() < 0.05:
                return await self._stop(partition, dispatcher, sending)
        if sending:
            await sending
        return True

    def _rest(self, partition: Partition) -> list[Row]:
        """The rows from the places on, as the reader of files would give them."""
        places = {key: place.offset for key, place in partition.places.items()}
        return [row for row in self.story.rows if row.position >= places.get(_key(row), 0)]

    async def _stop(self, partition: Partition, dispatcher: Dispatcher, sending: asyncio.Task[int] | None) -> bool:
        """What SIGTERM does."""
        self.fate.seen["stop"] += 1
        await dispatcher.drain(DRAIN_MS)
        if sending and self.fate.is_dead:
            await sending  # it died while it was being drained
        counts = partition.store.ledger.counts()
        assert not any(state is State.INTENT for _sink, state in counts), "a stop has left an intent behind"
        if sending:
            await sending
        partition.close()
        return False

    async def _settle(self, store: Store, dispatcher: Dispatcher) -> None:
        """Send until nothing waits, moving time to what is due."""
        for _ in range(400):
            if self.troubles.pauses and self.random.random() < 0.1:
                self.time.jump(2 * HOUR_MS)
            if await dispatcher.round():
                continue
            due = [at for name in self.receivers if (at := store.ledger.next_due(name)) is not None]
            if not due:
                return
            self.time.jump(max(min(due) - self.time.ms, 10 * MINUTE_MS))
        raise AssertionError("no progress: actions still wait although every receiver is well")

    # ---- trouble

    def _stop_faults_at_the_end(self) -> None:
        """Half of the worlds stay troubled while they settle, the others must drain now."""
        if self.random.random() < 0.5:
            self._stop_faults()

    def _trouble_between_batches(self, partition: Partition) -> None:
        random = self.random
        if self.troubles.pauses and random.random() < 0.1:
            self.fate.seen["pause"] += 1
            self.time.jump(random.choice((SECOND_MS, 5 * MINUTE_MS, 30 * HOUR_MS, 20 * DAY_MS)))
        if self.troubles.restores and not self._image and random.random() < 0.2:
            self._image = self.machine.snapshot()
        if random.random() < 0.02:
            partition.keep_house(self.time.ms)

    def _trouble_between_lives(self) -> None:
        random, disk, trouble = self.random, self.machine.disk, self.troubles
        for (state,) in _outside(disk, "SELECT DISTINCT state FROM actions"):
            self.fate.seen[f"state {state}"] += 1
        if self.lives >= FAULTY_LIVES:
            return
        if trouble.loses_places and random.random() < 0.5:
            self.fate.seen["places lost"] += 1
            self.lost_places = True
            _outside(disk, "DELETE FROM facts WHERE name = 'places'")
        if trouble.rebuilds and random.random() < 0.5:
            self.fate.seen["rebuilt"] += 1
            for statement in FORGET:
                _outside(disk, statement)
        if self._image and random.random() < 0.5:
            self._restore()

    def _restore(self) -> None:
        self.fate.seen["restored"] += 1
        self.was_restored = True
        self.machine.restore(self._image)
        self._image = b""


def _outside(disk: Disk, statement: str) -> list[tuple[object, ...]]:
    """A hand on the database while no process runs."""
    if disk.in_transaction:
        disk.execute("ROLLBACK")
    return sqlite3.Connection.execute(disk, statement).fetchall()


def _key(row: Row) -> str:
    return f"{row.stream}:{row.source}"


def _places(partition: Partition, batch: list[Row]) -> dict[str, FilePlace]:
    return {**partition.places, **{_key(row): FilePlace(row.after, 1, 1) for row in batch}}


@contextmanager
def _points_told(fate: Fate) -> Iterator[None]:
    """The named points of the store and the partition become steps, too."""
    before = stores.fault_point, partitions.fault_point
    stores.fault_point = partitions.fault_point = fate.step
    try:
        yield
    finally:
        stores.fault_point, partitions.fault_point = before
