"""Models on Kafka: one partition of decide owns them all, and every partition of detect is told what it has learned.

Answers travel from detect on the topic that decide reads, into the owner's partition, and wait there until every
partition of detect has told that it is past their moment. What is learned at the end of a day is written into every
partition of events, where it takes effect at one place in the order of records.

Live, a snapshot is used an hour of event time after the day it was made for, and is there long before. Recorded events
come faster than that, so where time follows the events alone, each partition waits for the day's word of the owner.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from engine.core.examples import IN_FORCE_AFTER_MS, Example, Models, sealed, who_of
from engine.core.kept import Shelf
from engine.core.learning import Learn
from engine.core.plan import Plan
from engine.core.progress import Notice
from engine.core.teaching import LearnState, day_after
from engine.model import StreamResumed, StreamStalled, Tick
from engine.shells.kafka import wire
from engine.shells.kafka.replica import Replica
from engine.shells.kafka.stage import Out
from engine.shells.model_state import key_of, trusted

OWNER = 0  # the partition of decide
FACT, ANSWERS, BLOCKS = "models", "answers", "kept answers"
FOLLOWED, SNAPSHOTS = "followed", "snapshots"
# So many kept answers are learned at a time: some hundredths of a second, with twenty measures two tenths.
STEPS = 100
# And for so long before the partition takes anything: one that stands still for longer is taken for stuck.
PREPARED_WITHIN_S = 30.0
Waiting = Tick | Notice


class Kept(msgspec.Struct, array_like=True):
    """What the owner knows, and of which day it has told last, as the time at which it learns next."""

    state: LearnState
    told: int = 0


class Owner:
    """Of all models. Does nothing where there are none, or in another partition than the owner's."""

    def __init__(self, replica: Replica, plan: Plan, partition: int) -> None:
        self._replica = replica
        self._key = key_of(plan.configuration)
        content = replica.head.facts.get(FACT)
        kept = msgspec.msgpack.decode(content, type=Kept) if content else Kept(LearnState())
        specs = plan.models if partition == OWNER else {}
        state = msgspec.structs.replace(kept.state, models={n: m for n, m in kept.state.models.items() if n in specs})
        self._told = kept.told
        shelf = Shelf(plan.configuration.project.policies.examples_kept, replica.head.rows.get(BLOCKS), specs)
        self._learn = Learn(specs, Models(), state, shelf)
        self._rows = dict(replica.head.rows.get(ANSWERS, {}))
        self._learn.recall(msgspec.msgpack.decode(row, type=Example) for row in self._rows.values())

    @property
    def state(self) -> LearnState:
        return self._learn.state

    def take(self, example: Example) -> None:
        self._learn.take([example])

    def pass_time(self, until: int) -> None:
        """All answers of before that time are here."""
        self._learn.on_tick(until)

    def forget(self, kind: str, key: str) -> None:
        """Drop the answers of somebody."""
        for example in self._learn.forget(who_of(kind, key)):
            self._rows.pop(_row_of(example), None)
            self._replica.row(ANSWERS, _row_of(example), None)

    async def prepare(self) -> None:
        """Teach learners that were added before the day's end asks for it, and let everything else go on meanwhile."""
        end = time.monotonic() + PREPARED_WITHIN_S
        while self._learn.prepare(STEPS) == STEPS and time.monotonic() < end:
            await asyncio.sleep(0)

    def settle(self) -> None:
        """Into the commit to come."""
        self._learn.prepare(STEPS)  # what there was no time for, or an erasure has undone
        for example in self._learn.fresh:
            self._rows[_row_of(example)] = row = msgspec.msgpack.encode(example)
            self._replica.row(ANSWERS, _row_of(example), row)
        if self._learn.has_learned:
            waiting = {_row_of(example) for example in self._learn.waiting.values()}
            for name in [name for name in self._rows if name not in waiting]:
                del self._rows[name]
                self._replica.row(ANSWERS, name, None)
        for name, block in self._learn.shelf.changed.items():
            self._replica.row(BLOCKS, name, block)
        if self._learn.has_changed:
            self._replica.fact(FACT, msgspec.msgpack.encode(Kept(self.state, self.state.until)))

    def put_out(self, out: Out, topic: str) -> None:
        """Tell every partition of detect how far it has learned, and what."""
        if self.state.until > self._told:
            # Each by itself, as one of peers may be large; time goes on when the last of them is there.
            *others, last = [sealed(snapshot, self._key) for snapshot in self._learn.given] or [b""]
            for snapshot in others:
                out.to_all(topic, wire.Learned(0, (snapshot,)))
            out.to_all(topic, wire.Learned(self.state.until, (last,) if last else ()))
            self._told = self.state.until
        self._learn.saved()


def _row_of(example: Example) -> str:
    return f"{example.model} {example.who} {example.asked_at}"


class Followed(msgspec.Struct, array_like=True):
    """What one partition of detect was told. `due` is when the owner learns next, 0 = not known. What has to wait for
    that stands in `waiting`, and `is_over` says that nothing comes behind it. `now` is how far time has come here.
    """

    due: int = 0
    waiting: list[tuple[str, str, int]] = []
    is_over: bool = False
    now: int = 0


class Following:
    """Keeps up with the owner, for one partition of detect. With `waits`, time does not pass a day without its word."""

    def __init__(self, replica: Replica, plan: Plan, models: Models, *, waits: bool) -> None:
        facts = replica.head.facts
        self._replica = replica
        self._kept = msgspec.msgpack.decode(facts.get(FOLLOWED, b"\x90"), type=Followed)
        self._key = key_of(plan.configuration)
        self._models = models
        self._asked = frozenset(plan.models)
        self._waits = waits and bool(plan.models)
        self._queue: list[Waiting] = [_read(*parts) for parts in self._kept.waiting]
        given = msgspec.msgpack.decode(facts.get(SNAPSHOTS, b"\x90"), type=list[bytes])
        for snapshot in trusted(given, self._key, self._asked):
            models.put(snapshot)

    def reached(self, told: int) -> int:
        """How far time has come here, where all sources have `told` that they are further."""
        return self._kept.now if self._queue else told

    def settle(self, now: int) -> None:
        """Into the commit to come."""
        kept = self._kept
        kept.now = now if self._waits else 0
        kept.waiting = [_written(notice) for notice in self._queue]
        if kept != Followed():
            self._replica.fact(FOLLOWED, msgspec.msgpack.encode(kept))

    def told(self, message: wire.Learned) -> None:
        """The owner's word. What was not signed with our key is not used."""
        for snapshot in trusted(message.snapshots, self._key, self._asked):
            self._models.put(snapshot)
        # By themselves, as they may be large, and the rest of what is kept changes with each batch.
        given = [sealed(snapshot, self._key) for snapshot in self._models.all()]
        self._replica.fact(SNAPSHOTS, msgspec.msgpack.encode(given))
        self._kept.due = max(self._kept.due, message.due)

    def add(self, notices: list[Waiting], *, is_over: bool) -> None:
        """What has come of time, in order. `is_over`: there is no more to come."""
        self._kept.is_over = is_over or (self._kept.is_over and bool(self._queue))
        self._queue += notices

    def next(self, now: int, held: int) -> Waiting | None:
        """The next of them that may be taken after `now`; of a long time as much as may pass. `held` is when the first
        event was that waits for it.
        """
        if not self._queue:
            return None
        notice = self._queue[0]
        if not isinstance(notice, Tick) or not self._waits:
            return self._queue.pop(0)
        self._kept.due = self._kept.due or day_after(min(notice.at, held))
        until = self._kept.due + IN_FORCE_AFTER_MS - 1
        if notice.at <= until:
            return self._queue.pop(0)
        return Tick(until) if until > now else None

    def takes_end(self) -> bool:
        """Has the last of it been taken? True once."""
        is_end, self._kept.is_over = self._kept.is_over and not self._queue, self._kept.is_over and bool(self._queue)
        return is_end


def _written(notice: Waiting) -> tuple[str, str, int]:
    match notice:
        case Tick():
            return "tick", "", notice.at
        case StreamStalled():
            return "stalled", notice.stream, notice.since
        case StreamResumed():
            return "resumed", notice.stream, notice.at


def _read(what: str, stream: str, at: int) -> Waiting:
    if what == "tick":
        return Tick(at)
    return StreamStalled(stream, at) if what == "stalled" else StreamResumed(stream, at)
