"""Dead letters put back after a fix: which of them are wanted, which can be taken again, and the local shell's own.

A letter that was put back is gone from the letters; if it still cannot be taken, it comes back as a new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.core.effects import Effects
from engine.core.route import Row
from engine.model import DeadLetter, Tick
from engine.shells.partition import Partition
from engine.shells.store import Store, read_only
from engine.shells.wiring import plan_of
from engine.spec.types import Configuration, ProjectSpec

# What a replay counts its progress under, so that old events do not hold time back.
CLOCK = "replay"
# Where detect says that it set an event aside: its place in the file is not known any more.
ROUTED = "routed"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters: of a reason, of a stream, set aside since then (ms), so many at most. Empty or 0 = any."""

    reason: str = ""
    stream: str = ""
    since: int = 0
    limit: int = 0

    def has(self, letter: DeadLetter, at: int) -> bool:
        """`at` is when it was set aside."""
        return self.reason in ("", letter.reason) and self.stream in ("", letter.stream) and at >= self.since


class Replay(msgspec.Struct):
    """What came of it: how many went where, how many did not and why, how many had been put back before."""

    put: Counter[str] = msgspec.field(default_factory=Counter)
    left: Counter[str] = msgspec.field(default_factory=Counter)
    before: int = 0


def why_not(letter: DeadLetter, project: ProjectSpec) -> str:
    """Why a letter cannot be taken again, "" if it can."""
    if letter.raw_size > len(letter.raw):
        return "only its beginning was kept; send it again from its origin"
    if not letter.stream:
        return ""
    spec = next((stream for stream in project.streams if stream.name == letter.stream), None)
    if spec is None:
        return f"the project has no stream '{letter.stream}'"
    if letter.source == ROUTED and spec.maps:
        return "it was kept as the map had made it; send it again from its origin"
    return ""


def as_text(replay: Replay, *, dry_run: bool) -> str:
    """What a person is told."""
    verb = "would go back" if dry_run else "put back"
    lines = [f"{count:,} {verb} into {where}" for where, count in sorted(replay.put.items())]
    lines += [f"{count:,} left: {why}" for why, count in sorted(replay.left.items())]
    if replay.before:
        lines.append(f"{replay.before:,} had been put back before")
    return "\n".join(lines) or "no dead letters of that kind"


# ---- the local shell's


def replay(configuration: Configuration, state: Path, wanted: Wanted, now: int, *, dry_run: bool) -> Replay:
    """Take the letters of a state folder again, as if their rows came now. Raises OperatorError while a run uses it.

    What that leads to is sent by the next run.
    """
    read_only(state).db.close()
    store = Store(state)
    try:
        found, chosen = Replay(), list[tuple[int, Row]]()
        for seq, row in _rows(store, configuration.project, wanted, found):
            if wanted.limit and len(chosen) == wanted.limit:
                break
            chosen.append((seq, row))
        found.put.update(f"stream {row.stream}" for _, row in chosen)
        if chosen and not dry_run:
            _take(Partition(store, plan_of(configuration)), chosen, now)
    finally:
        store.close()
    return found


def _rows(store: Store, project: ProjectSpec, wanted: Wanted, found: Replay) -> Sequence[tuple[int, Row]]:
    rows = []
    csv = {stream.name for stream in project.streams if stream.format == "csv"}
    for seq, stored_at, letter in store.dead_letters_with_times():
        if not wanted.has(letter, stored_at):
            continue
        why = why_not(letter, project) or ("a line of CSV means nothing without its header" * (letter.stream in csv))
        if why:
            found.left[why] += 1
        else:
            rows.append((seq, Row(letter.stream, letter.source, letter.position, letter.raw, clock=CLOCK)))
    return rows


def _take(partition: Partition, chosen: Sequence[tuple[int, Row]], now: int) -> None:
    """In batches. A letter is deleted once its row counts: between the two a crash means that it is taken twice,
    which its id tells."""
    store, most = partition.store, partition.plan.configuration.project.bounds.events_per_batch
    for at in range(0, len(chosen), most):
        some = chosen[at : at + most]
        partition.take([msgspec.structs.replace(row, arrived_at=now) for _, row in some], partition.places, now)
        with store.transaction():
            store.drop_dead_letters(seq for seq, _ in some)
    partition.router.idle(CLOCK)
    due = partition.router.ticks() or [Tick(partition.now)]
    effects: Effects = partition.take_records(due, now)
    assert not effects.dead_letters
    partition.close()
