"""What one stage partition remembers: its log is the truth, and a file spares reading the log from its beginning.

Changes go into the commit record of their batch and, once that is on the broker, into memory; the oldest of them reach
the file a slice at a time. The file knows from which offset of the log on it may be incomplete. As commits hold
absolute values, and tails that know what they follow, reading on from there comes to the present, whatever the file has
of it already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import msgspec

from engine.core.state import Layout
from engine.errors import OperatorError
from engine.ports import NEVER
from engine.shells.journal import EntityRow, UnitRow
from engine.shells.kafka.late import Late
from engine.shells.kafka.log import Commit, PartitionLog, TailRow
from engine.shells.kafka.renewal import Renewal
from engine.shells.store import FILE, Store

# So much may wait in memory before the file gets some of it, so many rows at a time.
WAITING_BYTES = 64 * 1024 * 1024
SLICE = 2_000
# The log is written anew when it has grown by so much, and to so many times what is live.
RENEW_BYTES = 64 * 1024 * 1024
RENEW_TIMES = 4
HEAD = "kafka"

Name: TypeAlias = tuple[str, str]
# Told how many offsets have been read, and how many there are to read.
Progress: TypeAlias = Callable[[int, int], None]


def _untold(done: int, of: int) -> None:
    return


class Head(msgspec.Struct, array_like=True):
    """The small part of what is remembered, kept whole, and `since`: the offset to read the log from.

    `owner` is the writer whose marker is the latest before that.
    """

    since: int = 0
    owner: str = ""
    positions: dict[str, int] = {}
    facts: dict[str, bytes] = {}
    rows: dict[str, dict[str, bytes]] = {}


async def refuse_cut(store: Store, log: PartitionLog) -> None:
    """The file beside a log never goes further than the log. Where it does, the log is not what it was.

    Looked at before the partition is taken over, as each taking over makes the log longer. Raises OperatorError.
    """
    kept, end = store.fact(HEAD), await log.end_now()
    known = msgspec.msgpack.decode(kept, type=Head).since if kept else 0
    if known > end:
        raise OperatorError(
            f"{log.topic}/{log.partition} ends at offset {end}, and its copy in {store.folder} goes up to {known}: "
            "it was deleted or cut. Restore it, or begin anew with another `prefix`"
        )


async def head_of(store: Store, log: PartitionLog) -> Head:
    """How far a file goes. One that ends where the log has been cut is emptied."""
    kept = store.fact(HEAD)
    head = msgspec.msgpack.decode(kept, type=Head) if kept else Head()
    if head.since >= await log.begin():
        return head
    # Another owner has forgotten things meanwhile, of which a log that was written anew says nothing.
    store.clear()
    return Head()


class Replica:
    """One partition's memory, in the shape that `Memory` reads and writes it."""

    def __init__(self, log: PartitionLog, folder: Path) -> None:
        self.log = log
        self.folder = folder
        self.head = Head()
        self.restored = 0
        self.store = Store(folder, durable=False)
        self._next = Commit()
        # What the file does not have yet, the oldest change first, each with the offset of its commit.
        self._entities: dict[Name, Late] = {}
        self._units: dict[str, tuple[int, UnitRow | None]] = {}
        self._waiting_bytes = 0
        self._layouts: dict[str, Layout] = {}
        self._owners: list[tuple[int, str]] = []
        self._renewal: Renewal | None = None
        self._log_bytes = 0
        self._live_bytes = 0

    # ---- taking over

    async def restore(self, progress: Progress = _untold) -> None:
        """Take the partition over and read what is remembered. Raises OperatorError, KafkaError."""
        until = await self.log.take_over()
        self.head = await head_of(self.store, self.log)
        self._layouts = self.store.layouts()
        since = self.head.since
        async for found in self.log.replay(since, until, self.head.owner):
            self._owned_by(found.begin, found.owner)
            self._keep(found.commit, found.begin)
            self.restored += 1
            progress(found.begin - since, until - since)
        self._owned_by(until, self.log.writer)

    def _owned_by(self, offset: int, owner: str) -> None:
        if not self._owners or self._owners[-1][1] != owner:
            self._owners.append((offset, owner))

    def _keep(self, commit: Commit, offset: int) -> None:
        head = self.head
        head.positions.update(commit.positions)
        head.facts.update(commit.facts)
        for table, key, content in commit.rows:
            kept = head.rows.setdefault(table, {})
            if content is None:
                kept.pop(key, None)
            else:
                kept[key] = content
        for layout in commit.layouts:
            found = msgspec.msgpack.decode(layout, type=Layout)
            self._layouts[found.name] = found
        self._keep_entities(commit.entities, offset)
        for tail in commit.tails:
            self._keep_tail(tail, offset)
        for name in commit.gone:
            self._drop(name, offset)
        for unit in commit.units:
            self._wait_unit(unit[0], offset, unit)
        for gone in commit.gone_units:
            self._wait_unit(gone, offset, None)

    def _keep_entities(self, rows: Iterable[EntityRow], offset: int) -> None:
        entities, waiting = self._entities, self._waiting_bytes
        for row in rows:
            name = row[0], row[1]
            old = entities.pop(name, None)
            if old is not None:
                waiting -= old.size()
            waiting += len(row[4])
            entities[name] = Late(offset, row)
        self._waiting_bytes = waiting

    def _keep_tail(self, tail: TailRow, offset: int) -> None:
        name = tail[0], tail[1]
        late = self._entities.get(name)
        if late is None:
            row = self.store.entity_row(*name)
            if row is None:
                return  # it is gone with a later commit, which the file knows of already
            late = self._entities[name] = Late(offset, row, is_logged=False)
            self._waiting_bytes += late.size()
        if late.tails is None:
            late.tails = []
        late.tails.append(tail)
        self._waiting_bytes += len(tail[3])

    def _drop(self, name: Name, offset: int) -> None:
        old = self._entities.pop(name, None)
        if old is not None:
            self._waiting_bytes -= old.size()
        self._entities[name] = Late(offset, None)

    def _wait_unit(self, unit: str, offset: int, row: UnitRow | None) -> None:
        old = self._units.pop(unit, None)
        if old is not None and old[1] is not None:
            self._waiting_bytes -= len(old[1][2])
        if row is not None:
            self._waiting_bytes += len(row[2])
        self._units[unit] = (offset, row)

    # ---- a batch

    def row(self, table: str, key: str, content: bytes | None) -> None:
        """Put a row of a small table into the next commit, None = gone."""
        self._next.rows.append((table, key, content))

    def fact(self, name: str, value: bytes) -> None:
        """Put a fact into the next commit, if it has changed."""
        if self.head.facts.get(name) != value:
            self._next.facts[name] = value
        else:
            self._next.facts.pop(name, None)  # it has changed and changed back since the last commit

    async def commit(self, positions: dict[str, int]) -> None:
        """Write what was put since the last commit, with the positions it stands for. Raises Fenced, KafkaError."""
        commit, self._next = self._next, Commit()
        commit.positions = positions
        changed = len(commit.entities) + len(commit.tails) + len(commit.units)
        self._renew(commit)
        begin = self.log.end
        self._log_bytes += await self.log.append(commit)
        self._keep(commit, begin)
        if changed and self._waiting_bytes > WAITING_BYTES:
            self._write_slice(SLICE)
        await self._renewed()

    def discard(self) -> None:
        """Forget what was put since the last commit."""
        self._next = Commit()

    # ---- as Memory wants it

    def layouts(self) -> dict[str, Layout]:
        return dict(self._layouts)

    def add_layout(self, layout: Layout) -> None:
        self._next.layouts.append(msgspec.msgpack.encode(layout))

    def entity(self, kind: str, key: str) -> bytes | None:
        late = self._entities.get((kind, key))
        if late is not None:
            row = late.whole()
            return row[4] if row else None
        return self.store.entity(kind, key)

    def put_entities(self, rows: Iterable[EntityRow]) -> None:
        self._next.entities.extend(rows)

    def put_tails(self, tails: Iterable[TailRow]) -> None:
        self._next.tails.extend(tails)

    def drop_entities(self, names: Iterable[Name]) -> None:
        self._next.gone.extend(names)

    def drop_entities_unseen_since(self, before: int) -> list[Name]:
        """Those whose time-to-live has passed; gone with the next commit."""
        gone = [name for name, late in self._entities.items() if late.row and late.seen_at() < before]
        stale = self.store.entities_unseen_since(before)
        gone += [name for name in stale if name not in self._entities]
        self.drop_entities(gone)
        return gone

    def entity_keys(self, kind: str) -> list[str]:
        waiting = {key: late.row for (of, key), late in self._entities.items() if of == kind}
        stored = [key for key in self.store.entity_keys(kind) if key not in waiting]
        return stored + [key for key, row in waiting.items() if row]

    def entity_counts(self) -> dict[str, int]:
        counts = Counter(self.store.entity_counts())
        has_some = bool(counts)
        for (kind, key), late in self._entities.items():
            was_stored = has_some and self.store.entity(kind, key) is not None
            counts[kind] += (late.row is not None) - was_stored
        return {kind: count for kind, count in counts.items() if count}

    def entities_naming(self, text: str) -> list[Name]:
        """Those whose record holds a text, as a part of another one perhaps."""
        found = [name for name in self.store.entities_naming(text) if name not in self._entities]
        part = text.encode()
        return found + [name for name, late in self._entities.items() if (row := late.whole()) and part in row[4]]

    def alarms(self) -> list[tuple[int, str, str]]:
        stored = [alarm for alarm in self.store.alarms() if (alarm[1], alarm[2]) not in self._entities]
        rows = [late.row for late in self._entities.values()]
        return stored + [(row[2], row[0], row[1]) for row in rows if row and row[2] < NEVER]

    def unit(self, unit: str) -> bytes | None:
        waiting = self._units.get(unit)
        if waiting is not None:
            return waiting[1][2] if waiting[1] else None
        return self.store.unit(unit)

    def put_units(self, rows: Iterable[UnitRow]) -> None:
        self._next.units.extend(rows)

    def drop_units(self, units: Iterable[str]) -> None:
        self._next.gone_units.extend(units)

    def units_naming(self, text: str) -> list[str]:
        """Those whose record holds a text, as a part of another one perhaps."""
        found = [unit for unit in self.store.units_naming(text) if unit not in self._units]
        part = text.encode()
        return found + [unit for unit, (_, row) in self._units.items() if row and part in row[2]]

    def waiting_units(self) -> set[str]:
        stored = {unit for unit in self.store.waiting_units() if unit not in self._units}
        return stored | {unit for unit, (_, row) in self._units.items() if row and row[1]}

    def size(self) -> int:
        """Bytes of what is remembered, roughly: what is in the file, and what waits for it."""
        return (self.folder / FILE).stat().st_size + self._waiting_bytes

    # ---- the file

    def _write_slice(self, most: int) -> None:
        """The oldest changes go into the file, and it is then known from which offset on it may be incomplete."""
        entities = list(islice(self._entities.items(), most))
        units = list(islice(self._units.items(), most))
        for name, late in entities:
            del self._entities[name]
            self._waiting_bytes -= late.size()
        for unit, _ in units:
            del self._units[unit]
        kept = [row for _, late in entities if (row := late.whole())]
        written = [row for _, (_, row) in units if row]
        self._waiting_bytes -= sum(len(row[2]) for row in written)
        with self.store.transaction():
            for layout in self._layouts.values():
                self.store.add_layout(layout)
            self.store.put_entities(kept)
            self.store.drop_entities([name for name, late in entities if not late.row])
            self.store.put_units(written)
            self.store.drop_units([unit for unit, (_, row) in units if not row])
            self._write_head()

    def _write_head(self) -> None:
        head = self.head
        first = [late.offset for late in islice(self._entities.values(), 1)]
        first += [offset for offset, _ in islice(self._units.values(), 1)]
        head.since = min([self.log.end, *first])
        head.owner = next((owner for at, owner in reversed(self._owners) if at <= head.since), self.log.writer)
        self.store.set_fact(HEAD, msgspec.msgpack.encode(head))

    def close(self, *, is_ours: bool = True) -> None:
        """Let go of the file; while the partition is ours, with all there is, so that the next start is quick."""
        if is_ours:
            while self._entities or self._units:
                self._write_slice(SLICE * 10)
            with self.store.transaction():
                self._write_head()
        self.store.close()

    # ---- keeping the log short

    def _renew(self, commit: Commit) -> None:
        """While the log is written anew, some of what is live goes along with each commit."""
        if self._renewal is not None:
            self._renewal.add_to(commit)

    async def _renewed(self) -> None:
        """Begin to write the log anew when it has grown too long, and cut it when that is done."""
        renewal = self._renewal
        if renewal is not None and renewal.is_done:
            await self.log.truncate(renewal.begin)
            self._renewal, self._log_bytes, self._live_bytes = None, 0, renewal.bytes
        elif renewal is None and self._log_bytes > max(RENEW_BYTES, RENEW_TIMES * self._live_bytes):
            await self.renew()

    async def renew(self) -> None:
        """Write all that is live anew with the coming commits, and drop what is before them. Raises Fenced."""
        begin = await self.log.begin_anew()
        while self._entities or self._units:
            self._write_slice(SLICE * 10)
        with self.store.transaction():
            self._write_head()
        self._renewal = Renewal(self, begin)

    @property
    def is_renewing(self) -> bool:
        return self._renewal is not None

    def late_row(self, name: Name) -> EntityRow | None:
        """An entity of which the log has only tails since it is written anew, and the file an older row."""
        late = self._entities.get(name)
        return None if late is None or late.is_logged else late.whole()

    def is_waiting(self, name: Name) -> bool:
        """Has the file an older value of this entity, or none?"""
        return name in self._entities

    def is_waiting_unit(self, unit: str) -> bool:
        return unit in self._units
