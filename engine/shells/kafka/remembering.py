"""What the stages that remember have in common: a partition whose memory is kept by its log, taken batch by batch.

A stage says how it steps over records, what of its memory goes into the commit, and what a batch led to.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from engine.core.effects import Effects
from engine.core.erasure import masked
from engine.core.plan import Plan
from engine.shells.faults import fault_point
from engine.shells.kafka import wire
from engine.shells.kafka.forgetting import Forgetting
from engine.shells.kafka.log import PartitionLog
from engine.shells.kafka.poison import Held, Poisoned
from engine.shells.kafka.replica import Replica, refuse_cut
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
from engine.shells.memory import Memory
from engine.shells.wiring import plan_of

ERASED = "erased"
# Where the process died on a batch, it may again, and at once. Before that, the other stages are given the time to get
# some way and let Kafka know of it: or route would read the same rows in each life, and write each time the event on
# which the process dies once more.
BEFORE_A_DEATH_S = 3.0


class Remembering(ABC):
    """One partition of a stage. `writer` names this taking over among all that ever were.

    `stage` is its name; `letter` begins the names of its fault points.
    """

    stage: ClassVar[str]
    letter: ClassVar[str]
    _memory: Memory  # made by `_restore`

    def __init__(self, shared: Shared, partition: int, writer: str, topic: str, log_topic: str) -> None:
        self.topic = topic
        self.partition = partition
        self._shared = shared
        self._source = f"{topic}/{partition}"
        log = PartitionLog(shared.link, log_topic, partition, writer)
        self.replica = Replica(log, shared.state / self.stage / str(partition))
        self._poisoned = Poisoned(self.replica.folder, self._source, self._same)
        self._left_out: set[str] = set()

    async def open(self) -> None:
        """Take it over, and restore what it remembers. Raises OperatorError, KafkaError."""
        replica = self.replica
        await refuse_cut(replica.store, replica.log)
        await replica.restore(lambda done, of: self._shared.restoring(self.stage, self.partition, done, of))
        self._take_plan(plan_in(self._shared, replica.head.facts.get(CONFIGURATION)))
        if CONFIGURATION not in replica.head.facts:
            replica.fact(CONFIGURATION, own_configuration(self._shared))
        await self._carry_over()

    async def close(self, *, is_ours: bool) -> None:
        """Let go of it."""
        self._poisoned.clear()
        self.replica.close(is_ours=is_ours)

    @property
    @abstractmethod
    def now(self) -> int:
        """The event time that everything before this stage has reached, in ms."""

    @property
    def position(self) -> int:
        """The offset of the next record to take."""
        return self.replica.head.positions.get(self.topic, 0)

    @property
    def restored(self) -> int:
        """How many commits were read to have the state back."""
        return self.replica.restored

    @property
    def plan(self) -> Plan:
        """What is in force here, which the files on this disk may be ahead of."""
        return self._plan

    def _take_plan(self, plan: Plan) -> None:
        self._plan = plan
        self._load()

    def _load(self) -> None:
        """Everything in memory anew from what was committed."""
        self.replica.discard()
        self._effects, self._out = Effects(), Out(self._shared)
        self._erased = {name: int(until) for name, until in self.replica.head.rows.get(ERASED, {}).items()}
        self._forgetting = Forgetting(self.replica)
        self._restore()

    @abstractmethod
    def _restore(self) -> None:
        """The stage's own part of that."""

    # ---- batches

    async def take(self, records: Sequence[RawRecord]) -> None:
        """Take a batch. When this returns, all of it counts. Raises Fenced, KafkaError, OperatorError."""
        place, begin = (self.topic, self.partition), 0
        fresh = await unread(self._shared, place, records, self.position)
        for at, record in enumerate(fresh):
            if record.key is None and is_configure(record):
                await self._take(fresh[begin:at])
                await self._configure(record)
                begin = at + 1
        await self._take(fresh[begin:])

    async def _take(self, records: Sequence[RawRecord]) -> None:
        if not records:
            return
        if self._poisoned.has_died_on(records):
            await asyncio.sleep(BEFORE_A_DEATH_S)
        letters = self._poisoned.keep_trying(records, self._step, self._settle, self._load)
        effects = self._effects.take()
        effects.dead_letters[:0] = letters
        for letter in effects.dead_letters:
            self._out.dead_letter(letter)
        self._put_out(effects)
        await self._commit(records[-1].offset + 1)
        await self._forgetting.go_on()
        self._shared.told(self.stage, self.partition, effects)
        if self._poisoned.circuit.out - self._left_out:
            self._left_out = set(self._poisoned.circuit.out)
            self._take_plan(plan_of(self._poisoned.circuit.without(self._plan.configuration)))

    def _same(self, record: RawRecord | Held) -> str:
        """What a record has in common with one that says the same again, "" if that cannot be."""
        return ""

    @abstractmethod
    def _step(self, records: Sequence[RawRecord]) -> None:
        """Take in records, in memory only."""

    @abstractmethod
    def _settle(self) -> None:
        """Put what has changed in memory into the commit to come."""

    @abstractmethod
    def _put_out(self, effects: Effects) -> None:
        """Put what the records led to into `_out`, and into `effects` where it is missing."""

    async def _commit(self, position: int) -> None:
        fault_point(f"{self.letter}2")
        await self._out.write()
        fault_point(f"{self.letter}3")
        await self.replica.commit({self.topic: position})
        fault_point(f"{self.letter}5")
        self._memory.saved()
        self._out = Out(self._shared)

    # ---- a changed configuration

    async def _configure(self, record: RawRecord) -> None:
        """From here on another configuration is in force. One that this engine cannot read ends the process."""
        message = wire.read_message(record.value or b"")
        assert isinstance(message, wire.Configure)
        if message.version != self._plan.configuration.version:
            self._left_out = set()
            self._take_plan(plan_in(self._shared, record.value))
            self.replica.fact(CONFIGURATION, record.value or b"")
        await self._commit(record.offset + 1)
        await self._carry_over()

    async def _carry_over(self) -> None:
        """What is remembered meets a plan that may be another than before."""
        return

    # ---- erased names

    def _remember_erased(self, name: str, until: int) -> None:
        """Take nothing about it any more before `until`. Kept masked, as it is to be forgotten."""
        if until > self.now:
            self._erased[masked(name)] = until
            self.replica.row(ERASED, masked(name), str(until).encode())

    def _forget_erased(self) -> None:
        """An erasure itself is forgotten once nothing of before it can come any more."""
        for name in [name for name, until in self._erased.items() if until <= self.now]:
            del self._erased[name]
            self.replica.row(ERASED, name, None)
