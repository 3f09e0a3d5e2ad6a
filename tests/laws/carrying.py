"""Carries the records of a small world through, in any way, and says what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from engine.core.route import Row
from engine.shells.backtest import Backtest, decision_lines
from engine.shells.model_state import kept_models
from engine.shells.partition import Partition


class SmallWorld(Protocol):
    """What `tests.core.leavers` and `tests.core.schools` are."""

    def rows(self) -> list[Row]: ...
    def partition(self, folder: Path) -> Partition: ...
    def take(self, part: Partition, some: list[Row]) -> None: ...
    def finish(self, part: Partition) -> None: ...


def outcome(part: Partition) -> tuple[list[bytes], bytes]:
    """Every decision, and all that was learned."""
    state, waiting = kept_models(part.store)
    known = msgspec.msgpack.encode((state, sorted(waiting, key=lambda each: each.order)))
    return decision_lines(part.store.decisions()), known


def carried(world: SmallWorld, folder: Path, size: int, restart_every: int = 0) -> tuple[list[bytes], bytes]:
    """In batches of that size, with a restart before each so many of them (0 = none)."""
    part, all_ = world.partition(folder), world.rows()
    for number, at in enumerate(range(0, len(all_), size)):
        if restart_every and number % restart_every == restart_every - 1:
            part.store.close()
            part = world.partition(folder)
        world.take(part, all_[at : at + size])
    world.finish(part)
    found = outcome(part)
    part.store.close()
    return found


def backtested(world: SmallWorld, folder: Path) -> list[bytes]:
    """Every decision of a backtest over the same records, out of a file for each stream."""
    plan = world.partition(folder).plan
    for stream in {row.stream for row in world.rows()}:
        lines = [row.raw + b"\n" for row in world.rows() if row.stream == stream]
        (folder / f"{stream}.jsonl").write_bytes(b"".join(lines))
    run = Backtest(plan, folder)
    run.run()
    return decision_lines(run.decisions)
