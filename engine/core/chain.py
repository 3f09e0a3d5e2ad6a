"""Detect and decide joined for one partition. Every shell, backtest and test drives this, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from engine.core.assign import Assign
from engine.core.decide import Decide, Units
from engine.core.detect import Detect
from engine.core.effects import Effects
from engine.core.entities import Entities
from engine.core.learning import Learn
from engine.core.plan import Plan
from engine.core.state import Stalls
from engine.model import Receipt, Record, Routed, StreamResumed, StreamStalled, Tick

UNIT = "unit"


class Chain:
    """Feed it records in order; what they led to stands in `effects` until the shell takes it."""

    def __init__(
        self,
        plan: Plan,
        entities: Entities | None = None,
        units: Units | None = None,
        stalls: Stalls | None = None,
        learn: Learn | None = None,
        *,
        is_trial: bool = False,
    ) -> None:
        """`is_trial` as in Decide."""
        self.plan = plan
        self.effects = Effects()
        self.entities = entities or Entities()
        self.units = units or Units()
        self.stalls = stalls or Stalls()
        self.detect = Detect(plan, self.entities, self.stalls, self.effects)
        self.decide = Decide(plan.configuration, self.units, self.effects, is_trial=is_trial)
        self.assign = Assign(plan.configuration, self.units, self.effects)
        self.learn = learn or Learn(plan.models, self.stalls.models)
        self.resume(0)
        self._handed_over = 0

    def resume(self, now: int) -> None:
        """Go on from a moment that was reached before."""
        self.now = self.decide.passed = now
        self.detect.judging.resume(now)

    def take_all(self, records: Iterable[Record]) -> None:
        on_event, take = self.detect.on_event, self.take
        for record in records:
            # Most records are events of entities, so they are spared a call.
            if type(record) is Routed and record.entity != UNIT:
                on_event(record)
            else:
                take(record)

    def take(self, record: Record) -> None:
        if isinstance(record, Routed):
            if record.entity == UNIT:
                self.decide.on_event(record)
            else:
                self.detect.on_event(record)
        elif isinstance(record, Tick):
            self._pass_time(record.at)
        elif isinstance(record, StreamStalled | StreamResumed):
            self.detect.on_stall(record)
        else:
            assert_never(record)

    def _pass_time(self, until: int) -> None:
        """On to `until`, stopping wherever something is due, so that ticks far apart come to the same as close ones."""
        self._hand_over()
        while (wake := min(self.detect.next_wake(), self.learn.due)) < until:
            self._decide(wake - 1)
            self._look(wake)
        self._decide(until - 1)
        self._look(until)
        self.now = until

    def _look(self, at: int) -> None:
        """What was answered before is learned first, so that all that comes after is told from it."""
        self._pass_answers()
        self.learn.on_tick(at)
        self.detect.on_tick(at)
        self._hand_over()
        self._decide(at)

    def _decide(self, at: int) -> None:
        """What this brings to owners is assigned at the same tick: there is one partition, so nothing more can come."""
        self.decide.on_tick(at)
        self._pass_on()
        self.assign.on_tick(at)

    def _hand_over(self) -> None:
        """Signals reach deciding in the order they were raised, at the tick that closes their moment."""
        signals = self.effects.signals
        for signal in signals[self._handed_over :]:
            self.decide.on_signal(signal)
        self._handed_over = len(signals)

    def _pass_on(self) -> None:
        if self.effects.handovers:
            self.assign.take(self.effects.handovers)
            self.effects.handovers = []

    def _pass_answers(self) -> None:
        if self.stalls.models.examples:
            self.learn.take(self.stalls.models.take())

    def take_receipts(self, receipts: Iterable[Receipt]) -> None:
        """What became of actions; the next tick decides what follows."""
        self._hand_over()
        for receipt in receipts:
            self.decide.on_receipt(receipt, self.now)

    def drain(self) -> Effects:
        """Everything since the last drain; signals not yet handed over are handed over first."""
        self._hand_over()
        self._pass_on()
        self._pass_answers()
        self._handed_over = 0
        return self.effects.take()
