"""What an uninterrupted run comes to: the same rows through the same steps, with no store, no batch and no end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from engine.core.chain import Chain
from engine.core.decide import encode_unit
from engine.core.plan import Plan
from engine.core.route import Router, Row
from engine.core.state import encode
from engine.model import Action, DeadLetter, Receipt, Record, Tick
from tests.simulation.story import Story

# What tells dead letters apart: why, where from, and what it was.
Letter: TypeAlias = tuple[str, str, str, int, bytes]


def letter(dead: DeadLetter) -> Letter:
    return dead.reason, dead.stream, dead.source, dead.position, dead.raw


def set_aside(row: Row, reason: str) -> Letter:
    return reason, row.stream, row.source, row.position, row.raw


class Oracle:
    """`state` is every record as bytes; `decisions` are bytes in order of (at, id)."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._router = Router(plan.configuration.project, plan.watched)
        self._chain = Chain(plan)
        self.letters: Counter[Letter] = Counter()

    def read(self, story: Story) -> None:
        """All rows of a story, and their end."""
        for row in story.rows:
            reason = story.breaking.get((row.source, row.position))
            if reason:
                self.letters[set_aside(row, reason)] += 1
            else:
                self.take(row)
        self._chain.take_all(self._router.end() or [Tick(self._chain.now)])
        self.collect()

    def take_records(self, records: Iterable[Record]) -> None:
        """What no row brought."""
        self._chain.take_all(records)

    def take_receipts(self, receipts: Iterable[Receipt]) -> None:
        """What became of actions."""
        self._chain.take_receipts(receipts)

    def take(self, row: Row) -> None:
        for outcome in self._router.route(row):
            if isinstance(outcome, DeadLetter):
                self.letters[letter(outcome)] += 1
            else:
                self._chain.take(outcome)
        for tick in self._router.ticks():
            self._chain.take(tick)

    def collect(self) -> None:
        """What it has come to."""
        chain, effects, plan = self._chain, self._chain.drain(), self._plan
        self.letters.update(letter(dead) for dead in effects.dead_letters)
        self.entities = {
            (kind, key): encode(entity, plan.kinds[kind].wanted.layout, plan.detectors)
            for kind, known in chain.entities.by_kind.items()
            for key, entity in known.items()
        }
        self.units = {name: encode_unit(unit) for name, unit in chain.units.known.items()}
        first = {decision.id: decision for decision in reversed(effects.decisions)}
        ordered = sorted(first.values(), key=lambda decision: (decision.at, decision.id))
        self.decided = ordered
        self.decisions = [msgspec.msgpack.encode(decision) for decision in ordered]
        self.actions: dict[str, Action] = {action.id: action for action in effects.actions}
        self.tick = chain.now
