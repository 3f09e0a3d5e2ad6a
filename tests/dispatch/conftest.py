"""A ledger on a real file, a clock that tests turn, and receivers that remember what they got."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.model import Action, Recall, Severity
from engine.ports import Delivered, Sink, Verdict
from engine.shells.dispatch import Dispatcher, Report
from engine.shells.ledger import Ledger, Row, State
from engine.shells.mark import Mark
from engine.spec.policies import QuietHours
from engine.spec.types import Bounds

START = 1_767_571_200_000  # Monday 2026-01-05 00:00 UTC


class Crash(BaseException):
    """The process ends here."""


class Receiver:
    """A channel in a test: answers by a script, then `Delivered`, and keeps what arrived."""

    def __init__(self, *script: Verdict | Callable[[], Verdict], idempotent_for_ms: int = 0) -> None:
        self.idempotent = idempotent_for_ms > 0
        self.idempotent_for_ms = idempotent_for_ms
        self.script = list(script)
        self.got: list[str] = []
        self.hangs = False
        self.is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def send(self, action: Action) -> Verdict:
        self.got.append(action.id)
        if self.hangs:
            await asyncio.Event().wait()
        answer = self.script.pop(0) if self.script else Delivered(f"ref-{action.id}")
        return answer() if callable(answer) else answer

    async def close(self) -> None:
        self.is_open = False


class Bench:
    """One data folder. `start()` is a start of the process; several starts share what is on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = START
        self.reports: list[Report] = []
        self.bounds = Bounds(send_timeout_ms=200)
        self.crash_at = ""
        self.at_point: dict[str, Callable[[], object]] = {}
        self.quiet: QuietHours | None = None
        self.settled: list[tuple[str, str]] = []
        self.points: list[str] = []
        self.connections: list[sqlite3.Connection] = []
        self.ledger = self.opened()

    def opened(self) -> Ledger:
        connection = sqlite3.connect(self.folder / "state.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        self.connections.append(connection)
        self.ledger = Ledger(connection, mark=Mark(self.folder))
        return self.ledger

    def add(self, *actions: Action, channels: Mapping[str, str] | None = None) -> int:
        with self.ledger.transaction():
            return self.ledger.add(actions, channels or {"desk": "desk", "sms": "sms"})

    async def start(self, epoch_ms: int | None = None, **sinks: Sink) -> Dispatcher:
        self.opened().open_guard(epoch_ms)
        clock, report = (lambda: self.now), self.reports.append
        dispatcher = Dispatcher(
            self.ledger,
            sinks,
            clock,
            self.bounds,
            report,
            passed=self.passed,
            quiet=self.quiet,
            settling=lambda row, change, now: self.settled.append((row.action.id, str(change.state))),
        )
        await dispatcher.open()
        return dispatcher

    def recall(self, *ids: str) -> None:
        """What decide writes when somebody says no."""
        with self.ledger.transaction():
            self.ledger.returns.recall([Recall("acme", ids, "they do not want anything by desk any more", self.now)])

    async def until_settled(self, dispatcher: Dispatcher, hours: int = 30) -> None:
        """Turn the clock from one due time to the next until nothing waits."""
        end = self.now + hours * 3_600_000
        while self.now < end and self.waiting():
            if not await dispatcher.round():
                self.now += 5_000

    def waiting(self) -> bool:
        return any(state in (State.PENDING, State.RETRY) for _, state in self.ledger.counts())

    def passed(self, point: str) -> None:
        self.points.append(point)
        self.at_point.pop(point, bool)()
        if point == self.crash_at:
            self.crash_at = ""
            raise Crash(point)

    def row(self, action_id: str) -> Row:
        row = self.ledger.get(action_id)
        assert row is not None
        return row

    def said(self) -> list[tuple[str, str]]:
        return [(report.what, report.action_id) for report in self.reports]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for connection in bench.connections:
        connection.close()


@pytest.fixture
def receiver() -> type[Receiver]:
    return Receiver


@pytest.fixture
def crash() -> type[Crash]:
    return Crash


@pytest.fixture
def action() -> Callable[..., Action]:
    def made(action_id: str = "a1", **fields: Any) -> Action:
        return Action(**{**_FIELDS, "id": action_id, **fields})

    return made


_FIELDS: dict[str, Any] = {
    "signal_id": "s1",
    "decision_id": "d1",
    "play": "call-the-champion",
    "detector": "usage-drop",
    "channel": "desk",
    "unit": "acme",
    "recipient": "ada",
    "step": "first",
    "at": START,
    "expires_at": 0,
    "tier": 3,
    "purpose": "service",
    "owner": "support",
    "title": "Acme went quiet",
    "text": "Call Ada",
    "why": "No login for 14 days",
    "severity": Severity.URGENT,
}
