"""The decide stage: signals in, one decision for each candidate out, and an action where it was chosen.

Signals reach one unit from many partitions of detect. They wait until each of those has told that it is past their
moment, and are then taken in order of time, so that it makes no difference which partition was quicker. Tasks for
owners who have a capacity go round once more: see `assign.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

import msgspec

from engine.core.assign import Assign
from engine.core.decide import Decide
from engine.core.effects import Effects
from engine.core.erasure import masked, names_in, strip_signal
from engine.core.examples import who_of
from engine.core.state import Stalls
from engine.core.teaching import LearnState
from engine.model import Receipt, Signal
from engine.shells.erasing import strip_units
from engine.shells.kafka import wire
from engine.shells.kafka.assign import Assigning
from engine.shells.kafka.learning import Owner
from engine.shells.kafka.remembering import Remembering
from engine.shells.kafka.stage import RawRecord, Shared
from engine.shells.memory import Memory

STAGE = "decide"
FLOW, PENDING = "flow", "pending"


class Flow(msgspec.Struct, array_like=True):
    """How far each source has come in event time, what was last taken from it (offset, number), and the time here.

    `is_over`: recorded input has ended, so that no mark follows by itself.
    """

    reached: dict[str, int] = {}
    taken: dict[str, tuple[int, int]] = {}
    now: int = 0
    is_over: bool = False


class DecidePartition(Remembering):
    """One partition of the decide stage."""

    stage, letter = STAGE, "C"

    def __init__(self, shared: Shared, partition: int, writer: str) -> None:
        super().__init__(shared, partition, writer, shared.topics.candidates, shared.topics.log_decide)
        self._sources = {f"{shared.topics.events}/{number}" for number in range(shared.partitions)}
        self._peers = {f"{shared.topics.candidates}/{number}" for number in range(shared.partitions)}

    def _restore(self) -> None:
        head, configuration = self.replica.head, self._plan.configuration
        self._flow = msgspec.msgpack.decode(head.facts.get(FLOW, b"\x90"), type=Flow)
        self._memory = Memory(self.replica, self._plan, Stalls(), self._flow.now)
        self._decide = Decide(configuration, self._memory.units, self._effects)
        self._decide.passed = self._announced = self._flow.now
        self._has_capacity = bool(configuration.project.policies.capacity)
        assign = Assign(configuration, self._memory.units, self._effects)
        self._assigning = Assigning(self.replica, assign, self._peers, waits_for_all=self._has_capacity)
        self._owner = Owner(self.replica, self._plan, self.partition)
        # Keys sort as the candidates are to be taken.
        self._pending = [(key, wire.read_candidate(row)) for key, row in head.rows.get(PENDING, {}).items()]
        heapify(self._pending)

    @property
    def now(self) -> int:
        """The event time that every partition of detect has reached, in ms."""
        return self._flow.now

    def _settle(self) -> None:
        self.replica.fact(FLOW, msgspec.msgpack.encode(self._flow))
        self._assigning.settle()
        self._owner.settle()
        self._memory.save()

    def _put_out(self, effects: Effects) -> None:
        topics = self._shared.topics
        # What an owner had room for may be for a unit of another partition.
        for decision in effects.decisions:
            self._out.keyed(topics.decisions, decision.unit.encode(), wire.encode(decision))
        for action in effects.actions:
            self._out.keyed(topics.actions, action.unit.encode(), wire.encode(action))
        for recall in effects.recalls:
            self._out.keyed(topics.actions, recall.unit.encode(), wire.encode(recall))
        if self._has_capacity and self._flow.now > self._announced:
            self._out.to_all(topics.candidates, wire.Mark(self._source, self._flow.now))
            self._announced = self._flow.now

        self._owner.put_out(self._out, topics.events)

    @property
    def learned(self) -> LearnState:
        """What models have learned, in the partition that owns them."""
        return self._owner.state

    async def _carry_over(self) -> None:
        await self._owner.prepare()

    # ---- stepping over records

    def _step(self, records: Sequence[RawRecord]) -> None:
        for record in records:
            if record.key is None:
                self._message(wire.read_message(record.value or b""))
            else:
                self._wait(record.value or b"")
            self._pass_on(record.offset)

    def _wait(self, value: bytes) -> None:
        """Put a candidate into its place in time; one that is written a second time is known by where it came from."""
        candidate = wire.read_candidate(value)
        if candidate.receipt is not None:
            self._receipt(candidate.receipt)
            return
        place = (candidate.offset, candidate.number)
        if place <= self._flow.taken.get(candidate.source, (-1, 0)):
            return
        self._flow.taken[candidate.source] = place
        key = f"{candidate.at:015d} {candidate.source} {candidate.offset:015d} {candidate.number:06d}"
        if candidate.handover is None:
            heappush(self._pending, (key, candidate))
            self.replica.row(PENDING, key, value)
        elif not (self._erased and self._is_erased(candidate)):
            self._assigning.wait(key, candidate.handover, value)

    def _pass_on(self, offset: int) -> None:
        """To the owners, what taking the record at this offset has led to."""
        handovers, self._effects.handovers = self._effects.handovers, []
        for number, one in enumerate(handovers):
            task = wire.Candidate(one.owner, one.at, self._source, offset, number, handover=one)
            self._out.keyed(self._shared.topics.candidates, one.owner.encode(), wire.encode(task))

    def _receipt(self, receipt: Receipt) -> None:
        """The next mark decides what follows; where none does, it is decided now."""
        self._decide.on_receipt(receipt, self._flow.now)
        if self._flow.is_over:
            self._decide.on_tick(self._flow.now)

    def _message(self, message: wire.Message) -> None:
        if isinstance(message, wire.Mark) and self._assigning.is_source(message.source):
            self._assigning.reach(message)
        elif isinstance(message, wire.Mark):
            flow = self._flow
            flow.reached[message.source] = max(message.at, flow.reached.get(message.source, 0))
            flow.is_over = message.ended
            if flow.reached.keys() >= self._sources:
                self._pass_time(min(flow.reached.values()), slack=int(message.ended))
        elif isinstance(message, wire.Erase):
            self._erase(message)

    def _pass_time(self, until: int, slack: int) -> None:
        """Take what waits up to that time, in order; `slack` 1 at the end of recorded input, where nothing follows."""
        if until < self._flow.now or (until == self._flow.now and not slack):
            return
        last = due = 0
        while self._pending and self._pending[0][1].at <= until + slack:
            key, candidate = heappop(self._pending)
            self.replica.row(PENDING, key, None)
            # What events raised between two ticks is known together before anything is decided; what timers raised
            # comes one after the other, with what was due before each of them decided first.
            if due and candidate.due != due:
                self._decide.on_tick(min(due, until))
            if candidate.at > last:
                last = candidate.at
                self._decide.on_tick(min(last - 1, until))
            elif candidate.due and candidate.due != due:
                self._decide.on_tick(min(candidate.due - 1, until))
            due = candidate.due
            self._owner.pass_time(min(candidate.at, until))
            self._apply(candidate)
        self._decide.on_tick(until)
        self._owner.pass_time(until)
        self._flow.now = until
        self._assigning.decided(until)
        if self._erased:
            self._forget_erased()

    def _apply(self, candidate: wire.Candidate) -> None:
        signal, profile = candidate.signal, candidate.profile
        if self._erased and self._is_erased(candidate):
            return
        if self._erased and signal is not None:
            signal = _without_erased(signal, self._erased)
        if signal is not None:
            self._decide.on_signal(signal)
        if candidate.example is not None:
            self._owner.take(candidate.example)
        if profile is not None:
            self._decide.on_event(wire.routed_of(profile, candidate.offset))

    def _is_erased(self, candidate: wire.Candidate) -> bool:
        """Is it for or about somebody who was erased?"""
        if _names(candidate).isdisjoint(self._erased):
            return False
        self._effects.counts["erased", _what(candidate)] += 1
        return True

    def _erase(self, erase: wire.Erase) -> None:
        """Forget what a unit remembers, and what others remember of it; what waits about it is not decided."""
        name, answers = f"{erase.entity}:{erase.key}", _answers_of(who_of(erase.entity, erase.key))
        self._remember_erased(name, erase.until)
        self._remember_erased(answers, erase.until)
        self.replica.drop_units([name])
        strip_units(self._memory.units, self.replica.units_naming(erase.key), name)
        self._strip_pending(name, answers)
        self._assigning.forget(name)
        self._owner.forget(erase.entity, erase.key)
        self._forgetting.ask()

    def _strip_pending(self, name: str, answers: str) -> None:
        kept, gone = [], {masked(name), masked(answers)}
        for key, candidate in self._pending:
            signal = candidate.signal
            if not gone.isdisjoint(_names(candidate)):
                self.replica.row(PENDING, key, None)
                continue
            stripped = candidate
            if signal is not None:
                stripped = msgspec.structs.replace(candidate, signal=strip_signal(signal, name))
            if stripped != candidate:
                self.replica.row(PENDING, key, wire.encode(stripped))
            kept.append((key, stripped))
        self._pending = kept
        heapify(self._pending)


def _names(candidate: wire.Candidate) -> set[str]:
    """Whom it is for and about, masked."""
    signal, profile = candidate.signal, candidate.profile
    names = {masked(candidate.unit)} | (names_in(profile.entities) if profile is not None else set())
    if candidate.handover is not None:
        names |= {masked(name) for name in candidate.handover.about}
    if candidate.example is not None:
        names.add(masked(_answers_of(candidate.example.who)))
    return names if signal is None else names | {masked(f"{signal.entity}:{signal.key}")}


def _answers_of(who: int) -> str:
    """The name that the answers of somebody go by, which know them by a number only."""
    return f"answers:{who}"


def _what(candidate: wire.Candidate) -> str:
    """What is counted as erased."""
    if candidate.signal is not None:
        return candidate.signal.detector
    return "task" if candidate.handover else "answer" if candidate.example else "profile"


def _without_erased(signal: Signal, erased: Mapping[str, int]) -> Signal:
    """It may have been raised before its entity forgot somebody whom it was seen with."""
    related = {kind: key for kind, key in signal.related.items() if masked(f"{kind}:{key}") not in erased}
    return msgspec.structs.replace(signal, related=related) if len(related) < len(signal.related) else signal
