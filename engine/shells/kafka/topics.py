"""Every topic that a worker reads or writes: its name, what it is keyed by, how long it keeps, and for whom.

docs/topics.md is the same as a page, and a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from engine.errors import OperatorError
from engine.model import DAY_MS, HOUR_MS
from engine.spec.broker import KafkaSpec
from engine.spec.types import ProjectSpec

Cleanup = Literal["delete", "compact"]
FOREVER = -1
RAW = "raw."
LONGEST_NAME = 249

# Kafka takes records away by whole segments, never the one it is writing to. A segment of ours is closed after a day
# at most, so that what was to go is gone from the disk a day later.
SEGMENT_MS = DAY_MS
LOG_SEGMENT_BYTES = 64 << 20
COMPACT_SEGMENT_BYTES = 16 << 20
MESSAGE_BYTES = 1_048_588  # Kafka's own default

_LEGAL = re.compile(rf"[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}")
_NAMES = {
    "events": "events",
    "candidates": "candidates",
    "decisions": "decisions",
    "actions": "actions",
    "receipts": "receipts",
    "dead_letters": "dead-letters",
    "aliases": "aliases",
    "log_detect": "log.detect",
    "log_decide": "log.decide",
    "log_dispatch": "log.dispatch",
}


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One topic as it should be. `retention_ms` -1 = for ever. `configs` are Kafka's own words, for its creation."""

    role: str
    name: str
    partitions: int
    cleanup: Cleanup
    retention_ms: int
    key: str
    writer: str
    reader: str
    what: str
    configs: Mapping[str, str]

    @property
    def is_raw(self) -> bool:
        """It belongs to whoever writes it: we read it, with as many partitions as it has."""
        return self.role.startswith(RAW)


class Topics:
    """The topics of one project by role, as names; `all()` has everything about them."""

    def __init__(self, specs: tuple[TopicSpec, ...]) -> None:
        self._specs = specs
        names = {spec.role: spec.name for spec in specs}
        self.events = names["events"]
        self.candidates = names["candidates"]
        self.decisions = names["decisions"]
        self.actions = names["actions"]
        self.receipts = names["receipts"]
        self.dead_letters = names["dead_letters"]
        self.aliases = names["aliases"]
        self.log_detect = names["log_detect"]
        self.log_decide = names["log_decide"]
        self.log_dispatch = names["log_dispatch"]
        self.raw: Mapping[str, str] = {
            role.removeprefix(RAW): name for role, name in names.items() if role.startswith(RAW)
        }

    def all(self) -> tuple[TopicSpec, ...]:
        """Every topic, those of the streams first."""
        return self._specs


def topics_of(project: ProjectSpec) -> Topics:
    """The topics of a project. Raises OperatorError where two would have one name, or a name is none for Kafka."""
    specs = (*_raw(project), *_ours(project))
    seen: dict[str, str] = {}
    for spec in specs:
        if not _LEGAL.fullmatch(spec.name):
            where = f"`topic:` of stream '{spec.role.removeprefix(RAW)}'" if spec.is_raw else "kafka.topics"
            raise OperatorError(
                f"'{spec.name}' is no name for a topic: letters, digits and . _ - are. Choose another in {where}"
            )
        if spec.name in seen:
            raise OperatorError(f"Topic '{spec.name}' is both {seen[spec.name]} and {spec.role}; each needs its own")
        seen[spec.name] = spec.role
    return Topics(specs)


def _raw(project: ProjectSpec) -> Iterator[TopicSpec]:
    kafka = project.kafka
    for stream in project.streams:
        yield TopicSpec(
            role=f"{RAW}{stream.name}",
            name=stream.topic or f"{kafka.prefix}{RAW}{stream.name}",
            partitions=kafka.partitions,
            cleanup="delete",
            retention_ms=kafka.keep_events_ms,
            key="any; events of one entity under one key stay in order",
            writer="your systems",
            reader="route",
            what=f"rows of the stream `{stream.name}` as they come",
            configs=_stamped(_kept(project, kafka.keep_events_ms)),
        )


def _ours(project: ProjectSpec) -> Iterator[TopicSpec]:
    kafka, retention = project.kafka, project.retention
    events, decisions = _kept(project, kafka.keep_events_ms), _kept(project, kafka.keep_decisions_ms)
    entity, unit = "the entity, as `kind:key`", "the unit, as `kind:key`"
    yield _topic(
        kafka,
        "events",
        entity,
        "route",
        "detect",
        "events, each once for every entity that is watched, and how far time has come",
        _stamped(events),
    )
    yield _topic(
        kafka,
        "candidates",
        f"{unit}; of a task its owner",
        "detect, decide and dispatch",
        "decide",
        "signals that opened or closed, profiles, what else a unit hears, tasks on their way to owners, and what comes "
        "back of actions",
        events,
    )
    yield _topic(kafka, "decisions", unit, "decide", "yours, if you like", "each decision with its why", decisions)
    yield _topic(
        kafka, "actions", unit, "decide", "dispatch", "what is to be sent, and what is not any more", decisions
    )
    yield _topic(kafka, "receipts", unit, "dispatch", "yours, if you like", "what became of each action", decisions)
    yield _topic(
        kafka,
        "dead_letters",
        "none",
        "every stage",
        "`beforehand replay`",
        "input that could not be taken, with the reason",
        _kept(project, retention.dead_letters_ms),
    )
    yield _topic(
        kafka, "aliases", "the other name, as `kind alias`", "route", "route", "other names of entities", _COMPACT
    )
    for stage in ("detect", "decide", "dispatch"):
        yield _topic(
            kafka,
            f"log_{stage}",
            "none; the partition is the key",
            stage,
            f"{stage}, at its start",
            f"what the {stage} stage remembers: one record for each batch",
            _LOG,
        )


def _topic(
    kafka: KafkaSpec, role: str, key: str, writer: str, reader: str, what: str, configs: Mapping[str, str]
) -> TopicSpec:
    cleanup: Cleanup = "compact" if configs["cleanup.policy"] == "compact" else "delete"
    return TopicSpec(
        role=role,
        name=kafka.topics.get(role) or f"{kafka.prefix}{_NAMES[role]}",
        partitions=kafka.partitions,
        cleanup=cleanup,
        retention_ms=FOREVER if cleanup == "compact" else int(configs["retention.ms"]),
        key=key,
        writer=writer,
        reader=reader,
        what=what,
        configs={**configs, "min.insync.replicas": str(2 if kafka.replication > 2 else 1)},
    )


# ---- Kafka's own words


_LOG = {
    "cleanup.policy": "delete",
    "retention.ms": str(FOREVER),
    "retention.bytes": "-1",
    "segment.ms": str(SEGMENT_MS),
    "segment.bytes": str(LOG_SEGMENT_BYTES),
    "max.message.bytes": str(MESSAGE_BYTES),
}
# Small segments and a latest date, so that what was erased is gone from the disk a day later however quiet it is.
_COMPACT = {
    "cleanup.policy": "compact",
    "max.compaction.lag.ms": str(DAY_MS),
    "delete.retention.ms": str(DAY_MS),
    "segment.ms": str(HOUR_MS),
    "segment.bytes": str(COMPACT_SEGMENT_BYTES),
    "max.message.bytes": str(MESSAGE_BYTES),
}


def _kept(project: ProjectSpec, retention_ms: int) -> dict[str, str]:
    """For a time. A record may hold a whole event as it came, written as text, and more."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        "retention.bytes": "-1",
        "segment.ms": str(min(SEGMENT_MS, retention_ms)),
        "max.message.bytes": str(max(MESSAGE_BYTES, 2 * project.bounds.event_bytes)),
    }


def _stamped(configs: dict[str, str]) -> dict[str, str]:
    """When an event arrived is what the broker says, not its producer."""
    return {**configs, "message.timestamp.type": "LogAppendTime"}
