"""What `explain` reads of the past: from a state folder, or gathered from the topics of workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from engine.core.chain import Chain
from engine.core.plan import Plan
from engine.model import Decision, Signal
from engine.shells.partition import open_chain
from engine.shells.store import Store


class History(Protocol):
    """Signals in order of (at, state) and decisions in order of (at, id), each once.

    `chain` is what is remembered now, None where that cannot be told; `untold` says in sentences what this history
    does not hold.
    """

    @property
    def chain(self) -> Chain | None: ...
    @property
    def untold(self) -> Sequence[str]: ...
    def signals(self, detector: str, key: str) -> Sequence[Signal]: ...
    def decisions(self, detector: str, key: str) -> Iterable[Decision]: ...
    def decided_at(self, unit: str, at: int) -> Iterable[Decision]: ...
    def decided_about(self, name: str, since: int, until: int) -> Iterable[Decision]: ...


def is_decided_for(decision: Decision, name: str) -> bool:
    """Is it for, about or to be said to this entity (`customer:c7`)?"""
    return name in (decision.unit, decision.recipient, f"{decision.entity}:{decision.key}")


class StoreHistory:
    """Of a state folder, whose store stays the caller's."""

    untold: Sequence[str] = ()

    def __init__(self, store: Store, plan: Plan) -> None:
        self.chain: Chain | None = open_chain(store, plan)
        self._store = store

    def signals(self, detector: str, key: str) -> Sequence[Signal]:
        return self._store.signals(detector, key)

    def decisions(self, detector: str, key: str) -> Iterable[Decision]:
        return self._store.decisions(detector, key)

    def decided_at(self, unit: str, at: int) -> Iterable[Decision]:
        return self._store.decided_at(unit, at)

    def decided_about(self, name: str, since: int, until: int) -> Iterator[Decision]:
        key = name.partition(":")[2]
        query = """SELECT record FROM decisions WHERE at >= ? AND at <= ? AND (unit = ? OR instr(record, ?))
                   ORDER BY at, id"""
        for (record,) in self._store.db.execute(query, (since, until, name, key.encode())):
            decision = msgspec.msgpack.decode(record, type=Decision)
            if is_decided_for(decision, name):
                yield decision


class TopicHistory:
    """Of what was found on topics, in any order and perhaps more than once: the same id stands for the same."""

    chain: Chain | None = None

    def __init__(self, signals: Iterable[Signal], decisions: Iterable[Decision], untold: Sequence[str]) -> None:
        opened = {(signal.id, signal.state): signal for signal in signals}
        made = {decision.id: decision for decision in decisions}
        self._signals = sorted(opened.values(), key=lambda one: (one.at, one.state, one.id))
        self._decisions = sorted(made.values(), key=lambda one: (one.at, one.id))
        self.untold = untold

    def signals(self, detector: str, key: str) -> Sequence[Signal]:
        return [one for one in self._signals if (one.detector, one.key) == (detector, key)]

    def decisions(self, detector: str, key: str) -> Iterator[Decision]:
        return (one for one in self._decisions if (one.detector, one.key) == (detector, key))

    def decided_at(self, unit: str, at: int) -> Iterator[Decision]:
        return (one for one in self._decisions if (one.unit, one.at) == (unit, at))

    def decided_about(self, name: str, since: int, until: int) -> Iterator[Decision]:
        return (one for one in self._decisions if since <= one.at <= until and is_decided_for(one, name))
