"""The verifier: compares what lies on Kafka after all those deaths with a backtest that was never interrupted.

`python -m tests.worker.verify FOLDER`, where FOLDER is a world's: config, data, `oracle.jsonl` (what `backtest
--decisions` wrote) and `desk.jsonl` (what the receiver wrote). It shares no process and no memory with what it judges.
Prints every promise that was broken, and ends with 1 if there was one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.core.seen import unpack_ids
from engine.core.state import Stored, decode, encode
from engine.model import Action, DeadLetter, Decision, Outcome
from engine.shells.backtest import Backtest, decision_lines
from engine.shells.kafka import wire
from engine.shells.kafka.dispatch import DispatchPartition, Sending
from engine.shells.kafka.link import Link
from engine.shells.kafka.log import PartitionLog
from engine.shells.kafka.replica import Replica
from engine.shells.kafka.settings import connection
from engine.shells.kafka.stage import Shared
from engine.shells.kafka.topics import topics_of
from engine.shells.ledger import Row, State
from engine.shells.wiring import load_configuration, plan_of
from tests.worker.reading import Reading

# `position` is where an event stood, which on a topic is another number than in a file.
REMEMBERED = [name for name in Stored.__struct_fields__ if name != "position"]
SHOWN = 10
SETTLED = {State.DELIVERED, State.UNKNOWN}
# Said by detect, whose place for an event is not the file's; told apart by what the event says instead.
OF_DETECT = {"late", "id_conflict", "poison", "crash_loop"}
# What was fed besides the data, and is to be set aside, by stream and reason.
BESIDES = "besides.json"


class Evidence:
    """All that was left behind, and the oracle worked out anew from config and data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = load_configuration(folder / "config")
        self.plan = plan_of(self.configuration)
        self.project = self.configuration.project
        self.topics = topics_of(self.project)
        self.oracle = Backtest(self.plan, folder / "data")
        self.report = self.oracle.run()
        self.reading = Reading(self.project.kafka.servers, self.project.kafka.group)
        self.desk = [json.loads(line) for line in _lines(folder / "desk.jsonl")]
        self.file = [json.loads(line) for line in _lines(folder / "actions.jsonl")]
        self.memory: dict[tuple[str, str], Stored] = {}
        self.ledger: dict[str, Row] = {}
        with tempfile.TemporaryDirectory() as scratch:
            asyncio.run(self._restore(Path(scratch)))

    async def _restore(self, scratch: Path) -> None:
        """The state that a worker would restore from the logs alone."""
        link = Link(connection(self.project.kafka, str(self.folder)))
        await link.start()
        try:
            for partition in range(self.project.kafka.partitions):
                shared = Shared(
                    link=link,
                    topics=self.topics,
                    partitions=self.project.kafka.partitions,
                    state=scratch,
                    config=scratch,
                    plan=self.plan,
                )
                await self._restore_memory(shared, partition)
                await self._restore_ledger(shared, partition)
        finally:
            await link.stop()

    async def _restore_memory(self, shared: Shared, partition: int) -> None:
        log = PartitionLog(shared.link, self.topics.log_detect, partition, "judge")
        replica = Replica(log, shared.state / "detect" / str(partition))
        async for found in log.replay(0, await _end(shared.link, log), ""):
            replica._keep(found.commit, found.begin)
        for kind in self.plan.kinds:
            for key in replica.entity_keys(kind):
                self.memory[kind, key] = decode(replica.entity(kind, key) or b"")
        replica.store.close()

    async def _restore_ledger(self, shared: Shared, partition: int) -> None:
        sending = Sending(sinks=lambda plan: {}, clock=lambda: 0, report=lambda report, action: None, lease_ms=0)
        stage = DispatchPartition(shared, partition, "judge", sending)
        async for found in stage._log.replay(0, await _end(shared.link, stage._log), ""):
            stage._restore(found.commit)
        self.ledger |= {row.action.id: row for row in stage.ledger._rows("1 ORDER BY seq", ())}
        stage._store.close()


def problems(evidence: Evidence) -> Iterator[str]:
    yield from _decisions(evidence)
    yield from _input(evidence)
    yield from _state(evidence)
    yield from _actions(evidence)


def _decisions(evidence: Evidence) -> Iterator[str]:
    """The first record of an id counts, here as in the backtest."""
    found: dict[str, bytes] = {}
    for record in evidence.reading.records(evidence.topics.decisions):
        value = record.value or b""
        found.setdefault(msgspec.json.decode(value, type=Decision).id, value)
    ours = decision_lines(msgspec.json.decode(value, type=Decision) for value in found.values())
    theirs = _lines_of_bytes(evidence.folder / "oracle.jsonl")
    if not theirs:
        yield "the oracle decided nothing, so nothing is proved"
    if ours != theirs:
        yield f"the decision logs differ: {len(ours)} here, {len(theirs)} in the backtest"
        yield from (f"  only here: {line[:300]!r}" for line in sorted(set(ours) - set(theirs))[:3])
        yield from (f"  only there: {line[:300]!r}" for line in sorted(set(theirs) - set(ours))[:3])


def _input(evidence: Evidence) -> Iterator[str]:
    """Every row is accepted or a dead letter, and none is either twice."""
    letters = {_what(letter): letter for letter in _letters(evidence)}
    counts = Counter(f"{letter.stream} {letter.reason}" for letter in letters.values())
    besides = evidence.folder / BESIDES
    wanted = Counter(evidence.report.dead_letters) + Counter(
        json.loads(besides.read_text()) if besides.exists() else {}
    )
    if counts != wanted:
        yield f"dead letters differ: {dict(counts)} here, {dict(wanted)} in the backtest and besides"
    rows = sum(len(_lines(path)) for path in (evidence.folder / "data").glob("*.jsonl"))
    refused = sum(count for name, count in counts.items() if name.split()[-1] not in OF_DETECT)
    accepted = sum(evidence.report.events.values())
    if rows != accepted + refused:
        yield f"{rows} rows, but {accepted} accepted and {refused} refused"


def _what(letter: DeadLetter) -> tuple[object, ...]:
    """A letter that is written again when a batch is taken again is the same letter."""
    if letter.reason in OF_DETECT:
        return letter.stream, letter.reason, letter.detail, letter.raw_digest
    return letter.source, letter.position, letter.reason


def _letters(evidence: Evidence) -> Iterator[DeadLetter]:
    for record in evidence.reading.records(evidence.topics.dead_letters):
        yield wire.read_letter(record.value or b"")


def _state(evidence: Evidence) -> Iterator[str]:
    ours, theirs = evidence.memory, dict(_theirs(evidence))
    if ours.keys() != theirs.keys():
        yield f"other entities are known: {sorted(ours.keys() ^ theirs.keys())[:5]}"
    for name in sorted(ours.keys() & theirs.keys()):
        for field in REMEMBERED:
            here, there = _remembered(ours[name], field), _remembered(theirs[name], field)
            if here != there:
                yield f"what is remembered of {name} differs in {field}:\n  {here}\n  {there}"


def _remembered(record: Stored, field: str) -> object:
    """Seen ids are a set: which of two streams was quicker decides their order, and nothing depends on it."""
    found: Any = getattr(record, field)
    return unpack_ids(found) if field in {"ids", "ids_before"} else found


def _theirs(evidence: Evidence) -> Iterator[tuple[tuple[str, str], Stored]]:
    for kind, known in evidence.oracle._chain.entities.by_kind.items():
        for key, entity in known.items():
            yield (kind, key), decode(encode(entity, evidence.plan.kinds[kind].wanted.layout, evidence.plan.detectors))


def _actions(evidence: Evidence) -> Iterator[str]:
    wanted = {d.action_id: d for d in evidence.oracle.decisions if d.outcome is Outcome.CHOSEN}
    if evidence.ledger.keys() != wanted.keys():
        yield f"the ledger holds {len(evidence.ledger)} actions, the backtest decided on {len(wanted)}"
    effects = _effects(evidence)
    for action_id, row in evidence.ledger.items():
        yield from _action(row.action, row.state, effects[row.action.decision_id])
        if row.state not in SETTLED:
            yield f"action {action_id} is {row.state}"


def _action(action: Action, state: State, effects: int) -> Iterator[str]:
    if effects > 1:
        yield f"action {action.id} took effect {effects} times on {action.channel}"
    if state is State.DELIVERED and not effects:
        yield f"action {action.id} counts as delivered on {action.channel}, and nobody has it"
    if action.channel == "desk" and state is State.UNKNOWN:
        yield f"action {action.id} is unknown on {action.channel}, which could have cleared that up"


def _effects(evidence: Evidence) -> Counter[str]:
    """By decision, not by id: a changed id must not look like another action."""
    return Counter(
        [line["decision"] for line in evidence.desk if line["effect"]]
        + [line["data"]["decision_id"] for line in evidence.file]
    )


async def _end(link: Link, log: PartitionLog) -> int:
    async with link.reader(log.topic, log.partition) as reader:
        return await reader.end()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _lines_of_bytes(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


if __name__ == "__main__":
    broken = list(problems(Evidence(Path(sys.argv[1]))))
    print("\n".join(broken[:SHOWN]) or "every promise holds")
    sys.exit(bool(broken))
