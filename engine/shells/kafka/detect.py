"""The detect stage: keyed events in, signals out to whoever decides for the unit they concern.

One partition has the entities whose keys fall to it. Time comes in marks, which route writes into every partition.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from heapq import heapify, heappop, heappush

import msgspec

from engine.core.chain import UNIT
from engine.core.detect import Detect
from engine.core.effects import Effects
from engine.core.erasure import masked, names_in
from engine.core.members import drawers_in
from engine.core.progress import Notice, Progress, ProgressState
from engine.model import SECOND_MS, Signal, Tick
from engine.ports import NEVER
from engine.shells.erasing import strip_others
from engine.shells.kafka import wire
from engine.shells.kafka.keyed import taking_keyed
from engine.shells.kafka.learning import OWNER, Following
from engine.shells.kafka.poison import Held
from engine.shells.kafka.remembering import Remembering
from engine.shells.kafka.stage import RawRecord, Shared
from engine.shells.memory import Memory, stalls_from_bytes, stalls_to_bytes
from engine.shells.partition import fingerprint
from engine.spec.judged import MODEL

STAGE = "detect"
# Time is announced in steps of this much, which is the most that it adds to the way from an event to its decision.
STEP_MS = 10
PROGRESS, STALLS, FINGERPRINT, SOURCES = "progress", "stalls", "plan", "sources"
HELD, OPEN = "held", "open"
CARRIED_AT_ONCE = 2_000


class Sources(msgspec.Struct, array_like=True):
    """What else is known of the sources of events: all there are, those whose recorded input has ended, and those that
    are quiet just now; and the place in order of the last event that was held back for them.
    """

    known: set[str] = set()
    ended: set[str] = set()
    quiet: set[str] = set()
    released: int = 0


class DetectPartition(Remembering):
    """One partition of the detect stage."""

    stage, letter = STAGE, "K"

    def __init__(self, shared: Shared, partition: int, writer: str) -> None:
        super().__init__(shared, partition, writer, shared.topics.events, shared.topics.log_detect)

    def _restore(self) -> None:
        facts, plan = self.replica.head.facts, self._plan
        self._raised: list[Signal] = []
        self._numbered = (-1, 0)
        self._lateness = {j.spec.name: j.lateness_ms for kind in plan.kinds.values() for j in kind.judges.values()}
        self._stalls = stalls_from_bytes(facts.get(STALLS))
        kept = facts.get(PROGRESS)
        state = msgspec.msgpack.decode(kept, type=ProgressState) if kept else ProgressState()
        self._progress = Progress(plan.configuration.project.streams, STEP_MS)
        self._progress.restore(state)
        models, waits = self._stalls.models, self._shared.event_clock
        self._following = Following(self.replica, plan, models, waits=waits)
        self._tick = self._announced = self._following.reached(state.tick)
        self._is_over = False
        self._sources = msgspec.msgpack.decode(facts.get(SOURCES, b"\x90"), type=Sources)
        self._memory = Memory(self.replica, plan, self._stalls, self._tick)
        self._detect = Detect(plan, self._memory.entities, self._stalls, self._effects)
        self._detect.judging.is_ours = self._has_model
        self._detect.judging.resume(self._tick)
        self._take_keyed = taking_keyed(self._detect)
        self.open_signals = Counter(msgspec.msgpack.decode(facts.get(OPEN, b"\x80"), type=dict[str, int]))
        # Keys sort as the events are to be taken.
        self._held = list(self.replica.head.rows.get(HELD, {}).items())
        heapify(self._held)
        self._sources.released = max(self._sources.released, self.position)

    @property
    def now(self) -> int:
        """The event time that all sources have reached, in ms."""
        return self._tick

    def entity_counts(self) -> dict[str, int]:
        return dict(self._memory.entities.stored)

    def _settle(self) -> None:
        replica = self.replica
        replica.fact(PROGRESS, msgspec.msgpack.encode(self._progress.state()))
        replica.fact(STALLS, stalls_to_bytes(self._stalls))
        replica.fact(SOURCES, msgspec.msgpack.encode(self._sources, order="sorted"))
        replica.fact(OPEN, msgspec.msgpack.encode(self.open_signals, order="sorted"))
        self._following.settle(self._tick)
        self._memory.save()

    def _put_out(self, effects: Effects) -> None:
        """Candidates are there already; behind them, every partition of decide is told how far time has come here."""
        effects.signals, self._raised = self._raised, []
        if self._tick > self._announced or self._is_over:
            mark = wire.Mark(self._source, self._tick, ended=self._is_over)
            self._out.to_all(self._shared.topics.candidates, mark)
            self._announced, self._is_over = self._tick, False

    # ---- stepping over records

    def _step(self, records: Sequence[RawRecord]) -> None:
        number, is_held = 0, self._shared.event_clock
        while number < len(records):
            if not (self._erased or is_held):
                number, raised_at = self._take_keyed(records, number)
                if raised_at:
                    self._hand_over(raised_at, records[number - 1].offset)
                    continue
                if number == len(records):
                    return
            self._step_over(records[number])
            number += 1

    def _step_over(self, record: RawRecord) -> None:
        if record.key is None:
            self._message(wire.read_message(record.value or b""), record.offset)
            return
        event = wire.read_event(record.value or b"")
        if self._erased and self._is_erased(event):
            return
        if self._shared.event_clock:
            self._hold(event, record)
            return
        self._take_event(event, record.offset, record.offset)

    def _take_event(self, event: wire.Addressed, position: int, offset: int) -> None:
        """`position` is its place in order, `offset` that of the record that led to its being taken now."""
        routed = wire.routed_of(event, position)
        if routed.entity == UNIT:
            self._profile(routed.key, event, offset)
            return
        self._detect.on_event(routed)
        if self._effects.signals or self._stalls.models.examples:
            self._hand_over(event.at, offset)

    def _is_erased(self, event: wire.Addressed) -> bool:
        """Does it name somebody who was erased? Then it is none of ours for the others either."""
        names = {**event.entities, event.entity: event.key} if event.key else event.entities
        if names_in(names).isdisjoint(self._erased):
            return False
        self._effects.counts["erased", event.stream] += 1
        return True

    def _hold(self, event: wire.Addressed, record: RawRecord) -> None:
        """Recorded events wait until every source has come to their time, to be taken in order whoever was quicker."""
        key = f"{max(event.at, event.behind):015d} {event.stream} {record.offset:015d}"
        heappush(self._held, (key, record.value or b""))
        self.replica.row(HELD, key, record.value)

    def _held_since(self) -> int:
        """When the first event was that is held back."""
        return int(self._held[0][0][:15]) if self._held else NEVER

    def _has_model(self, name: str) -> bool:
        """Is it here that a model is an entity?"""
        return wire.partition_of(f"{MODEL}:{name}".encode(), self._shared.partitions) == self.partition

    def _release(self, until: int, offset: int) -> None:
        """Take the events up to a time, as they would have come live: with time on its way in between."""
        while self._held and (at := int(self._held[0][0][:15])) <= until:
            key, value = heappop(self._held)
            self.replica.row(HELD, key, None)
            event = wire.read_event(value)
            self._pass_time(at - 1, offset)
            if self._poisoned.is_careful:
                held = Held(int(key[-15:]), wire.key_of(wire.routed_of(event, 0)), value, event.arrived_at)
                self._poisoned.take_held(held, partial(self._take_released, event, offset))
            else:
                self._take_released(event, offset)
            if at // SECOND_MS > self._tick // SECOND_MS:
                self._pass_time(at, offset)

    def _take_released(self, event: wire.Addressed, offset: int) -> None:
        self._sources.released += 1
        self._take_event(event, self._sources.released, offset)

    def _same(self, record: RawRecord | Held) -> str:
        """Route writes an event again when it reads its row again."""
        if record.key is None:
            return ""
        try:
            event = wire.read_event(record.value or b"")
        except msgspec.DecodeError:
            return ""
        return f"{event.entity}:{event.key} {event.stream} {event.id}"

    def _profile(self, unit: str, event: wire.Addressed, offset: int) -> None:
        at = max(event.at, self._tick + 1)
        self._candidate(wire.Candidate(unit, at, self._source, offset, self._number(offset), profile=event))

    def _number(self, offset: int) -> int:
        """The next number for what one record led to."""
        self._numbered = (offset, self._numbered[1] + 1 if self._numbered[0] == offset else 0)
        return self._numbered[1]

    def _hand_over(self, now: int, offset: int, due: int = 0) -> None:
        """What was raised goes to whoever decides for its unit, each with the moment at which it would have been live.

        What a timer raised before the event of `now` was raised when that timer was due, lateness included.
        """
        signals, self._effects.signals = self._effects.signals, []
        for signal in signals:
            at = now if signal.at >= now else min(now, signal.at + self._lateness[signal.detector])
            at = max(at, self._tick + 1)
            if signal.member is None:
                self.open_signals[signal.detector] += 1 if signal.state == "firing" else -1
            number = self._number(offset)
            self._candidate(wire.Candidate(signal.unit, at, self._source, offset, number, signal=signal, due=due))
        self._raised += signals
        for example in self._stalls.models.take():
            at = max(now, self._tick + 1)
            candidate = wire.Candidate("", at, self._source, offset, self._number(offset), example=example)
            self._out.put(self._shared.topics.candidates, OWNER, example.model.encode(), wire.encode(candidate))

    def _candidate(self, candidate: wire.Candidate) -> None:
        self._out.keyed(self._shared.topics.candidates, candidate.unit.encode(), wire.encode(candidate))

    # ---- time and other messages

    def _message(self, message: wire.Message, offset: int) -> None:
        if isinstance(message, wire.Mark):
            self._mark(message, offset)
        elif isinstance(message, wire.Erase):
            self._erase(message)
        elif isinstance(message, wire.Learned):
            self._following.told(message)
            if self._detect.judging.due <= self._tick:
                # Where events come faster than models learn, what became of a day may be told late.
                self._detect.on_tick(self._tick)
                self._hand_over(self._tick, offset)
            self._go_on(offset)

    def _mark(self, mark: wire.Mark, offset: int) -> None:
        """A source tells how far it has come."""
        progress, sources = self._progress, self._sources
        for source in mark.expects:
            if source not in sources.known:
                sources.known.add(source)
                progress.expect(source)
        sources.known.add(mark.source)
        # What has flowed comes first, or a batch that covers a long time would look like a silence.
        due = self._note_flow(mark)
        if progress.reach(mark.source, mark.at):
            due += [*progress.silences(), *progress.before(mark.source, mark.at)]
        _set(sources.quiet, mark.source, there=mark.quiet)
        _set(sources.ended, mark.source, there=mark.ended)
        if mark.idle:
            progress.idle(mark.source)
        if mark.wall and sources.quiet >= sources.known:
            progress.quiet(mark.wall)
        due += progress.ticks()
        is_over = mark.ended and sources.ended >= sources.known
        if is_over:
            due += [*progress.silences(is_over=True), *progress.end()]
        self._following.add(due, is_over=is_over)
        self._is_over = False
        self._go_on(offset)

    def _go_on(self, offset: int) -> None:
        """Let time pass, as far as it may."""
        while (notice := self._following.next(self._tick, self._held_since())) is not None:
            if isinstance(notice, Tick):
                self._release(notice.at, offset)
                self._pass_time(notice.at, offset)
            else:
                self._detect.on_stall(notice)
        # The end of the input stays the end, though the owner of models has a word for this batch behind it.
        self._is_over = self._following.takes_end() or self._is_over

    def _note_flow(self, mark: wire.Mark) -> list[Tick | Notice]:
        """Recorded events wait for every source, and so do silences: of several sources, one may be read first."""
        if mark.flowed and self._shared.event_clock:
            self._progress.tell(mark.stream, mark.flowed)
        elif mark.flowed:
            return [*self._progress.heard(mark.stream, mark.flowed)]
        return []

    def _pass_time(self, until: int, offset: int) -> None:
        """On to `until`, stopping wherever something is due, so that marks far apart come to the same as close ones."""
        next_wake, on_tick = self._detect.next_wake, self._detect.on_tick
        if until <= self._tick:
            return
        while (wake := next_wake()) < until:
            on_tick(wake)
            self._hand_over(wake, offset, due=wake)
        on_tick(until)
        self._hand_over(until, offset, due=until)
        self._tick = until
        if self._erased:
            self._forget_erased()

    def _erase(self, erase: wire.Erase) -> None:
        """Forget an entity, here and in the commit to come, and whatever the records of others say of it."""
        name, entities = f"{erase.entity}:{erase.key}", self._memory.entities
        self._remember_erased(name, erase.until)
        gone = [(erase.entity, erase.key), *drawers_in(self._plan.kinds, erase.entity, erase.key)]
        for place in gone:
            if entities.get(*place) is not None:
                entities.drop(*place)
        self.replica.drop_entities(gone)
        strip_others(entities, self.replica.entities_naming(erase.key), name)
        self._drop_held(name)
        self._forgetting.ask()

    def _drop_held(self, name: str) -> None:
        for row in [row for row in self._held if masked(name) in names_in(wire.read_event(row[1]).entities)]:
            self._held.remove(row)
            self.replica.row(HELD, row[0], None)
        heapify(self._held)

    # ---- a changed configuration

    async def _carry_over(self) -> None:
        """Every entity meets a changed plan once, so that new detectors with timers start for all of them now."""
        seen = fingerprint(self._plan)
        if self.replica.head.facts.get(FINGERPRINT) == seen:
            return
        entities = self._memory.entities
        for kind in self._plan.kinds:
            keys = self.replica.entity_keys(kind)
            for at in range(0, len(keys), CARRIED_AT_ONCE):
                for key in keys[at : at + CARRIED_AT_ONCE]:
                    entity = entities.get(kind, key)
                    if entity is not None:
                        self._detect.adopt(entity, self._tick)
                self._memory.save()
                await self.replica.commit({})
                self._memory.saved()
                await asyncio.sleep(0)
        self.replica.fact(FINGERPRINT, seen)
        await self.replica.commit({})

    # ---- keeping house

    async def keep_house(self) -> int:
        """Forget the entities whose time-to-live has passed. Returns how many."""
        gone = self._memory.drop_unseen_since(self._tick - self._plan.configuration.project.retention.entities_ms)
        if gone:
            await self.replica.commit({})
        return gone


def _set(names: set[str], name: str, *, there: bool) -> None:
    if there:
        names.add(name)
    else:
        names.discard(name)
