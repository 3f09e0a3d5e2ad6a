"""What the stages of the worker have in common: what they share, what they write, and how a batch is taken.

A batch goes: step over its records, write what that led to and wait until the broker has it, append the commit record,
then let Faust have the input offset. A crash between any two of these repeats the batch, to the same ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from engine.core.effects import Effects
from engine.core.plan import Plan
from engine.errors import OperatorError
from engine.model import DeadLetter
from engine.shells.kafka import wire
from engine.shells.kafka.link import Link, Pair, Pending, Record, acknowledged
from engine.shells.kafka.topics import Topics
from engine.shells.wiring import load_configuration, plan_of
from engine.spec.types import Configuration

RawRecord: TypeAlias = Record
CONFIGURATION = "configuration"


class Shared(msgspec.Struct, kw_only=True):
    """What the stages of one process share. `plan` is of the configuration that the files on its disk say.

    `event_clock`: time follows the events alone, for history. `travelled`: the plans of other configurations that
    partitions still have in force, by version. `told` gets the effects of each batch once they count, `arrived` the
    time of its latest event.
    """

    link: Link
    topics: Topics
    partitions: int
    state: Path
    config: Path
    plan: Plan
    travelled: dict[str, Plan] = {}
    event_clock: bool = False
    told: Callable[[str, int, Effects], None] = lambda stage, partition, effects: None
    arrived: Callable[[int], None] = lambda at_ms: None
    restoring: Callable[[str, int, int, int], None] = lambda stage, partition, done, of: None


class StagePartition(Protocol):
    """One partition of a stage, owned by this process."""

    async def open(self) -> None:
        """Take it over, and restore what it remembers."""

    async def take(self, records: Sequence[RawRecord]) -> None:
        """Take a batch. When this returns, all of it counts. Raises Fenced, KafkaError, OperatorError."""

    async def close(self, *, is_ours: bool) -> None:
        """Let go of it. `is_ours`: nobody else can have taken it over yet."""


class Out:
    """What a batch writes to other topics, in order for each partition."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._pairs: defaultdict[tuple[str, int], list[Pair]] = defaultdict(list)

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes) -> None:
        self._pairs[topic, partition].append((key, value))

    def keyed(self, topic: str, key: bytes, value: bytes) -> None:
        """To the partition of its key."""
        self._pairs[topic, wire.partition_of(key, self._shared.partitions)].append((key, value))

    def to_all(self, topic: str, message: wire.Message) -> None:
        """To every partition of a topic, behind what it gets otherwise."""
        value = wire.encode(message)
        for partition in range(self._shared.partitions):
            self._pairs[topic, partition].append((None, value))

    def dead_letter(self, letter: DeadLetter) -> None:
        """Dead letters are spread, as nobody needs them in order."""
        partition = letter.position % self._shared.partitions
        self._pairs[self._shared.topics.dead_letters, partition].append((None, wire.encode_letter(letter)))

    async def write(self) -> None:
        """Write all of it and wait until the broker has it. Raises KafkaError."""
        pending: Pending = []
        for (topic, partition), pairs in self._pairs.items():
            pending += await self._shared.link.send(topic, partition, pairs)
        await acknowledged(pending)


class Skipped(OperatorError):
    """Records lie between those that were taken and those that came."""


async def unread(
    shared: Shared, place: tuple[str, int], records: Sequence[RawRecord], position: int
) -> Sequence[RawRecord]:
    """The records of one of our own topics from a position on, as those before it were taken already.

    Raises Skipped if some that the broker still has did not come, KafkaError. Whoever starts anew gets them.
    """
    if not records or records[0].offset == position:
        return records
    if records[0].offset < position:
        return [record for record in records if record.offset >= position]
    if (await shared.link.begins([place]))[place] <= position:
        topic, partition = place
        raise Skipped(f"{topic}/{partition}: offset {records[0].offset} came where {position} was to come")
    return records


# ---- a configuration that travels


def text_of(folder: Path) -> dict[str, str]:
    """The files of a configuration by their path in its folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.yml"))}


def is_configure(record: RawRecord) -> bool:
    return b'"type":"configure"' in (record.value or b"")[:64]


def configuration_in(shared: Shared, configure: wire.Configure) -> Configuration:
    """The configuration that a record carries. Secrets in files are looked for where this process has its own.

    Raises OperatorError if this version of the engine cannot read it.
    """
    folder = shared.state / "configurations" / configure.version
    for name, text in configure.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise OperatorError(f"a configuration holds a file outside its folder: {name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return msgspec.structs.replace(load_configuration(folder), folder=str(shared.config))


def own_configuration(shared: Shared) -> bytes:
    """The configuration on this disk as a record, for a partition that has not been worked on before."""
    return wire.encode(wire.Configure(shared.plan.configuration.version, text_of(shared.config)))


def plan_in(shared: Shared, content: bytes | None) -> Plan:
    """The plan of the configuration that a partition last took, which may not be the one on this disk yet."""
    if content is None:
        return shared.plan
    configure = wire.read_message(content)
    assert isinstance(configure, wire.Configure)
    if configure.version == shared.plan.configuration.version:
        return shared.plan
    plan = shared.travelled.get(configure.version)
    if plan is None:
        plan = shared.travelled[configure.version] = plan_of(configuration_in(shared, configure))
    return plan
