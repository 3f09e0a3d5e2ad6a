"""A process of its own that sends eighty actions to a file; test_recovery kills it at its fault points."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from pathlib import Path

from engine.model import Action, Severity
from engine.ports import SinkContext
from engine.shells.dispatch import Dispatcher
from engine.shells.ledger import Ledger, State
from engine.shells.mark import Mark
from engine.spec.types import Bounds
from sinks.file import Options, Sink

RETRY_LATER_MS = 3_600_000


def action(number: int) -> Action:
    return Action(
        id=f"a{number}", signal_id="s", decision_id="d", play="p", detector="x", channel="log", unit="u", recipient="r",
        step="first", at=number, expires_at=0, tier=2, purpose="service", owner="o", title="t", text="t", why="w",
        severity=Severity.INFO,
    )  # fmt: skip


async def main(folder: Path) -> None:
    ledger = Ledger(sqlite3.connect(folder / "state.db", isolation_level=None), mark=Mark(folder))
    ledger.open_guard()
    with ledger.transaction():
        ledger.add([action(number) for number in range(80)], {"log": "log"})
    sink = Sink(Options(path="out.jsonl"), SinkContext(name="log", folder=str(folder), project="p"))
    now = int(time.time() * 1000)
    dispatcher = Dispatcher(ledger, {"log": sink}, lambda: now, Bounds())
    await dispatcher.open()
    while set(ledger.counts()) != {("log", State.DELIVERED)}:
        if not await dispatcher.round():
            now += RETRY_LATER_MS
    await dispatcher.close()


asyncio.run(main(Path(sys.argv[1])))
