"""All that workers hold about one entity, read from their topics and logs without taking any part in their work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import msgspec

from engine.core.decide import decode_unit
from engine.core.erasure import concerns
from engine.core.examples import Example, who_of
from engine.core.handing import OWNER
from engine.core.kept import Shelf
from engine.core.members import are_drawers_of
from engine.core.state import Layout, Stalls
from engine.core.tails import folded, read_tail
from engine.model import Action, Decision, Receipt
from engine.shells.answers import answers_about
from engine.shells.erasing import is_named, name_of
from engine.shells.exporting import Export, Sent, known, letter_of, memberships, tasks_about
from engine.shells.histories import is_decided_for
from engine.shells.journal import EntityRow, UnitRow
from engine.shells.kafka import wire
from engine.shells.kafka.browse import linked, partitions_of, records_of
from engine.shells.kafka.learning import ANSWERS, BLOCKS
from engine.shells.kafka.learning import OWNER as OWNER_OF_MODELS
from engine.shells.kafka.link import Link
from engine.shells.kafka.log import Commit, PartitionLog
from engine.shells.kafka.replay import NOTED
from engine.shells.kafka.topics import topics_of
from engine.shells.ledger import concerned
from engine.shells.memory import Memory
from engine.shells.wiring import plan_of
from engine.spec.models import MOST_EXAMPLES
from engine.spec.types import Configuration

_ACTION, _DECISION = msgspec.json.Decoder(Action), msgspec.json.Decoder(Decision)
_RECEIPT = msgspec.json.Decoder(Receipt)
# Where the columns of an action stand in the rows that the dispatch stage writes.
STATE, ATTEMPTS, PAYLOAD = 4, 9, -1


async def export(configuration: Configuration, connection: dict[str, Any], text: str) -> Export:
    """Raises OperatorError for a name of no kind, and where Kafka cannot be reached."""
    kind, key = name_of(text, configuration.project)
    async with linked(connection) as link:
        return await _Exporting(link, configuration).run(kind, key)


class _Exporting:
    def __init__(self, link: Link, configuration: Configuration) -> None:
        self._link = link
        self._plan = plan_of(configuration)
        self._topics = topics_of(configuration.project)
        self._partitions = configuration.project.kafka.partitions

    async def run(self, kind: str, key: str) -> Export:
        aliases: dict[str, str] = {}
        async for record in records_of(self._link, self._topics.aliases):
            of, _, alias = (record.key or b"").decode().partition(" ")
            if of == kind:
                aliases[alias] = (record.value or b"").decode()
        key = aliases.get(key) or key
        names = sorted(alias for alias, primary in aliases.items() if primary == key)
        found = Export(entity=f"{kind}:{key}", other_names=names)
        keys = [key, *names]
        await self._remembered(found, kind, keys)
        await self._memberships(found, kind, key)
        await self._written(found, [f"{kind}:{each}" for each in keys])
        await self._sent(found, [f"{kind}:{each}" for each in keys])
        await self._waiting(found, [f"{kind}:{each}" for each in keys])
        await self._answered(found, {who_of(kind, each) for each in keys})
        async for record in records_of(self._link, self._topics.dead_letters):
            letter = None if record.key == NOTED else wire.read_letter(record.value or b"")
            if letter is not None and any(is_named(letter, each) for each in keys):
                found.dead_letters.append(letter_of(letter))
        return found

    async def _remembered(self, found: Export, kind: str, keys: list[str]) -> None:
        for each in keys:
            name = f"{kind}:{each}"
            partition = wire.partition_of(name.encode(), self._partitions)
            copy = _Copy(kind, each)
            async for commit in self._commits(self._topics.log_detect, partition):
                copy.take(commit)
            entity = Memory(copy, self._plan, Stalls(), 0).entities.get(kind, each)
            if entity is not None:
                found.remembered.append(known(entity, self._plan, entity.seen_at))
            if name == found.entity:
                async for commit in self._commits(self._topics.log_decide, partition):
                    copy.take(commit)
                found.unit = Memory(copy, self._plan, Stalls(), 0).units.get(name) if copy.row_of_unit else None

    async def _memberships(self, found: Export, kind: str, key: str) -> None:
        """What groups remember of somebody, whichever partition has them."""
        for partition in range(self._partitions):
            copies: dict[tuple[str, str], _Copy] = {}
            layouts: list[Layout] = []
            async for commit in self._commits(self._topics.log_detect, partition):
                layouts += [msgspec.msgpack.decode(content, type=Layout) for content in commit.layouts]
                for row in commit.entities:
                    if are_drawers_of(row[0], kind):
                        copies.setdefault((row[0], row[1]), _Copy(row[0], row[1])).row = row
                for name in commit.gone:
                    copies.pop(name, None)
            for name, copy in sorted(copies.items()):
                if copy.row is None or key.encode() not in copy.row[4]:
                    continue
                for layout in layouts:
                    copy.add_layout(layout)
                drawer = Memory(copy, self._plan, Stalls(), 0).entities.get(*name)
                found.member_of += [] if drawer is None else memberships(drawer, key, self._plan)

    async def _waiting(self, found: Export, names: list[str]) -> None:
        """The tasks that wait at anybody's desk."""
        desks: dict[str, bytes] = {}
        for partition in range(await partitions_of(self._link, self._topics.log_decide)):
            async for commit in self._commits(self._topics.log_decide, partition):
                desks |= {unit: record for unit, _, record in commit.units if unit.startswith(OWNER)}
                for unit in commit.gone_units:
                    desks.pop(unit, None)
        found.tasks = tasks_about(map(decode_unit, desks.values()), names)

    async def _answered(self, found: Export, who: set[int]) -> None:
        """What the owner of the models has of them."""
        tables: dict[str, dict[str, bytes]] = {ANSWERS: {}, BLOCKS: {}}
        async for commit in self._commits(self._topics.log_decide, OWNER_OF_MODELS):
            for table, name, content in commit.rows:
                if table in tables and content is None:
                    tables[table].pop(name, None)
                elif table in tables and content is not None:
                    tables[table][name] = content
        shelf = Shelf(MOST_EXAMPLES, tables[BLOCKS], self._plan.models)
        waiting = (msgspec.msgpack.decode(row, type=Example) for row in tables[ANSWERS].values())
        found.answers = list(answers_about(self._plan, who, waiting, shelf))

    async def _commits(self, log: str, partition: int) -> AsyncIterator[Commit]:
        until = (await self._link.ends([(log, partition)]))[log, partition]
        async for replayed in PartitionLog(self._link, log, partition, "").replay(0, until, ""):
            yield replayed.commit

    async def _written(self, found: Export, names: list[str]) -> None:
        seen: set[str] = set()
        async for record in records_of(self._link, self._topics.events):
            if (record.key or b"").decode(errors="replace") in names:
                found.events.append(msgspec.Raw(record.value or b""))
        async for record in records_of(self._link, self._topics.candidates):
            signal = wire.read_candidate(record.value or b"").signal if record.key is not None else None
            if signal and f"{signal.id}{signal.state}" not in seen and any(concerns(signal, name) for name in names):
                seen.add(f"{signal.id}{signal.state}")
                found.signals.append(signal)
        async for record in records_of(self._link, self._topics.decisions):
            decision = _DECISION.decode(record.value or b"")
            if decision.id not in seen and any(is_decided_for(decision, name) for name in names):
                seen.add(decision.id)
                found.decisions.append(decision)

    async def _sent(self, found: Export, names: list[str]) -> None:
        """The ledger's rows as the logs of dispatch have them, and the receipts of these actions."""
        rows: dict[str, Sent] = {}
        for partition in range(await partitions_of(self._link, self._topics.log_dispatch)):
            async for commit in self._commits(self._topics.log_dispatch, partition):
                for table, name, content in commit.rows:
                    if table == "actions":
                        rows.pop(name, None)
                        sent = None if content is None else _sent_of(content)
                        if sent is not None and not set(concerned(sent.action)).isdisjoint(names):
                            rows[name] = sent
        found.actions = list(rows.values())
        async for record in records_of(self._link, self._topics.receipts):
            if _RECEIPT.decode(record.value or b"").action_id in rows:
                found.receipts.append(msgspec.Raw(record.value or b""))


def _sent_of(content: bytes) -> Sent:
    row = msgspec.msgpack.decode(content)
    action = msgspec.msgpack.decode(row[PAYLOAD], type=Action)
    return Sent(action=action, state=row[STATE], attempts=row[ATTEMPTS])


class _Copy:
    """One entity and its unit as a log has them, in the shape that `Memory` reads."""

    def __init__(self, kind: str, key: str) -> None:
        self.folder = Path()
        self._name, self._unit = (kind, key), f"{kind}:{key}"
        self._layouts: dict[str, Layout] = {}
        self.row: EntityRow | None = None
        self.row_of_unit: UnitRow | None = None

    def take(self, commit: Commit) -> None:
        for content in commit.layouts:
            self.add_layout(msgspec.msgpack.decode(content, type=Layout))
        self.put_entities(commit.entities)
        tails = [read_tail(tail[3]) for tail in commit.tails if (tail[0], tail[1]) == self._name]
        if self.row and tails:
            kind, key, wake, _, record = self.row
            self.row = kind, key, wake, tails[-1].seen_at, folded(record, tails)
        self.put_units(commit.units)
        if self._name in commit.gone:
            self.row = None
        if self._unit in commit.gone_units:
            self.row_of_unit = None

    def layouts(self) -> dict[str, Layout]:
        return dict(self._layouts)

    def add_layout(self, layout: Layout) -> None:
        self._layouts[layout.name] = layout

    def entity(self, kind: str, key: str) -> bytes | None:
        return self.row[4] if self.row and (kind, key) == self._name else None

    def put_entities(self, rows: Iterable[EntityRow]) -> None:
        self.row = next((row for row in rows if (row[0], row[1]) == self._name), self.row)

    def alarms(self) -> list[tuple[int, str, str]]:
        return []

    def entity_counts(self) -> dict[str, int]:
        return {self._name[0]: 1} if self.row else {}

    def entity_keys(self, kind: str) -> list[str]:
        return [self._name[1]] if self.row and kind == self._name[0] else []

    def drop_entities_unseen_since(self, before: int) -> list[tuple[str, str]]:
        return []

    def unit(self, unit: str) -> bytes | None:
        return self.row_of_unit[2] if self.row_of_unit and unit == self._unit else None

    def put_units(self, rows: Iterable[UnitRow]) -> None:
        self.row_of_unit = next((row for row in rows if row[0] == self._unit), self.row_of_unit)

    def waiting_units(self) -> set[str]:
        return set()
