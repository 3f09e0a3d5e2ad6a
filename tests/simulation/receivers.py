"""Channels outside of the engine, each with its own bad days. What they accepted is the truth about what was done."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

from engine.model import HOUR_MS, SECOND_MS, Action
from engine.ports import Delivered, Rejected, Retry, Unknown, Verdict
from tests.simulation.fate import Fate
from tests.simulation.virtual import Time

IDEMPOTENT_FOR_MS = HOUR_MS
# A receiver remembers for at least as long as it says; a process may be held up for a while before it sends.
SLACK_MS = HOUR_MS // 4

# Answers that leave the action undone, done, or nobody knows.
FAULTS = ("answer lost", "request lost", "429", "5xx", "4xx", "key expired", "slow", "hangs", "raises", "twice")


class Receiver:
    """`accepted` counts by decision how often it was taken, repeats of an id left out where it recognises them."""

    idempotent = False
    idempotent_for_ms = 0

    def __init__(self, fate: Fate, time: Time, random: Random, fault_rate: float) -> None:
        self.accepted: Counter[str] = Counter()
        self.fault_rate = fault_rate
        self._fate = fate
        self._time = time
        self._random = random
        self._under_way: list[tuple[int, Action]] = []

    async def open(self) -> None:
        self._arrive()

    async def close(self) -> None:
        pass

    async def send(self, action: Action) -> Verdict:
        self._fate.step("before a request")
        self._arrive()
        fault = self._fault()
        if fault:
            self._fate.seen[fault] += 1
        verdict = await self._answer(action, fault)
        self._fate.step("after a request")
        return verdict

    def settle(self) -> None:
        """Everything that is still on its way arrives."""
        self._time.jump(HOUR_MS)
        self._arrive()

    def _faults(self) -> tuple[str, ...]:
        return tuple(fault for fault in FAULTS if fault != "twice")

    def _fault(self) -> str:
        return self._random.choice(self._faults()) if self._random.random() < self.fault_rate else ""

    async def _answer(self, action: Action, fault: str) -> Verdict:
        if fault == "slow":
            await asyncio.sleep(self._random.randint(1, 12))  # beyond 8 s nobody listens, and nothing was done
        if fault in ("", "slow", "answer lost", "twice"):
            self._accept(action, self._time.ms)
        if fault == "twice":
            self._accept(action, self._time.ms)
        if fault == "hangs":
            await self._hang(action)
        if fault == "raises":
            raise ValueError("a fault in a sink")
        return self._verdict(fault)

    async def _hang(self, action: Action) -> None:
        """No answer, ever; the request itself arrives some time later, whether the sender still lives or not."""
        self._under_way.append((self._time.ms + self._random.randint(0, 60) * SECOND_MS, action))
        await asyncio.Event().wait()

    def _verdict(self, fault: str) -> Verdict:
        after_ms = self._random.choice((0, 0, 30 * SECOND_MS, 2 * HOUR_MS)) if fault == "429" else 0
        verdicts: dict[str, Verdict] = {
            "answer lost": Unknown("the connection broke"),
            "request lost": Unknown("the connection broke"),
            "429": Retry("answered 429", after_ms),
            "5xx": Unknown("answered 502"),
            "4xx": Rejected("answered 422"),
            "key expired": Rejected("answered 401", pause=True),
        }
        return verdicts.get(fault, Delivered())

    def _arrive(self) -> None:
        arrived = [(at, action) for at, action in self._under_way if at <= self._time.ms]
        self._under_way = [(at, action) for at, action in self._under_way if at > self._time.ms]
        for at, action in arrived:
            self._accept(action, at)

    def _accept(self, action: Action, at: int) -> None:
        # By decision, not by id: an engine that changes ids must not get away with it.
        self.accepted[action.decision_id] += 1


class Recognising(Receiver):
    """Drops an id that it has seen within the hour, and a network before it that sometimes repeats requests."""

    idempotent = True
    idempotent_for_ms = IDEMPOTENT_FOR_MS

    def __init__(self, fate: Fate, time: Time, random: Random, fault_rate: float) -> None:
        super().__init__(fate, time, random, fault_rate)
        self._known: dict[str, int] = {}

    def _faults(self) -> tuple[str, ...]:
        return FAULTS

    def _accept(self, action: Action, at: int) -> None:
        known_at = self._known.get(action.id)
        if known_at is None or at > known_at + IDEMPOTENT_FOR_MS + SLACK_MS:
            self._known[action.id] = at
            super()._accept(action, at)


class Asked(Receiver):
    """Recognises nothing, but can be asked what became of an action."""

    def __init__(self, fate: Fate, time: Time, random: Random, fault_rate: float) -> None:
        super().__init__(fate, time, random, fault_rate)
        self._ids: set[str] = set()

    async def confirm(self, action_id: str) -> Verdict | None:
        self._fate.step("before a question")
        if self._random.random() < self.fault_rate / 2:
            self._fate.seen["cannot say"] += 1
            return None
        return Delivered() if action_id in self._ids else Retry("it never arrived")

    def _faults(self) -> tuple[str, ...]:
        """What arrives later could not be known when asked, so nothing arrives later."""
        return tuple(fault for fault in super()._faults() if fault != "hangs")

    def _accept(self, action: Action, at: int) -> None:
        self._ids.add(action.id)
        super()._accept(action, at)
