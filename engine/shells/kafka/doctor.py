"""Says what is wrong with a worker's topics, what that would lead to, and how to set it right.

A worker asks the same at its start, and refuses to run where something would cost data or decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from aiokafka.errors import KafkaError, NodeNotReadyError

from engine.errors import OperatorError
from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from engine.shells.kafka import cluster
from engine.shells.kafka.cluster import Cluster, Configs, TopicState, reached
from engine.shells.kafka.protocol import Operation
from engine.shells.kafka.topics import FOREVER, TopicSpec, topics_of
from engine.spec.broker import KafkaSpec
from engine.spec.types import ProjectSpec

MOVING = "docs/kafka.md says how to move to another number"


class Finding(msgspec.Struct, frozen=True):
    """One line of the report. `topic` is "" where it is about Kafka as a whole, `fix` where there is nothing to do."""

    severity: Literal["ok", "warning", "error"]
    topic: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        subject = f"{self.topic}: " if self.topic else ""
        return f"{self.severity:<8}{subject}{self.what}{f' - {self.fix}' if self.fix else ''}"


async def examine(project: ProjectSpec, connection: dict[str, Any], *, create: bool) -> list[Finding]:
    """Look at all topics of a project, and at what we may do. With `create`, missing topics are created first.

    It changes nothing that is there. Whatever it meets becomes a finding, also that no broker can be reached.
    """
    try:
        specs = topics_of(project).all()
        async with reached(connection) as kafka:
            return [
                *await _brokers(kafka, specs, project.kafka),
                *_formats(project),
                *await _topics(kafka, specs, project.kafka, create=create),
                *await _group(kafka, project.kafka.group),
            ]
    except OperatorError as wrong:
        return [Finding("error", "", str(wrong))]
    except NodeNotReadyError:
        what = "a broker answered, but not at the address that it names for itself"
        fix = "set its advertised.listeners to an address that can be reached from here"
        return [Finding("error", "", what, fix)]
    except (KafkaError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        return [Finding("error", "", f"Kafka stopped answering: {reason}", "look at the brokers, then try again")]


async def _brokers(kafka: Cluster, specs: tuple[TopicSpec, ...], spec: KafkaSpec) -> list[Finding]:
    count = await kafka.brokers()
    if count < spec.replication:
        what = f"there {_are(count, 'broker')}, too few to keep {spec.replication} copies of a topic"
        # One of them may just be down, which must not keep workers from starting.
        states = await kafka.topics(each.name for each in specs)
        is_lacking = any(states[each.name].error == cluster.NO_SUCH_TOPIC for each in specs)
        return [
            Finding(
                "error" if is_lacking else "warning",
                "",
                what,
                f"start more brokers, or set kafka.replication to {count} at most",
            )
        ]
    if count > 1 and spec.replication == 1:
        what = f"there are {count} brokers, but new topics are kept on one only: what it holds is lost with it"
        return [Finding("warning", "", what, f"set kafka.replication to {min(count, 3)}")]
    return [Finding("ok", "", f"Kafka answers; there {_are(count, 'broker')}")]


def _formats(project: ProjectSpec) -> Iterator[Finding]:
    names = topics_of(project).raw
    for stream in project.streams:
        if stream.format == "csv":
            what = f"stream '{stream.name}' has format: csv, which is for files; what comes here is read as JSON"
            yield Finding("warning", names[stream.name], what, "write each row as one JSON object")


async def _topics(kafka: Cluster, specs: tuple[TopicSpec, ...], spec: KafkaSpec, *, create: bool) -> list[Finding]:
    states = await kafka.topics(each.name for each in specs)
    missing = [each for each in specs if states[each.name].error == cluster.NO_SUCH_TOPIC]
    failed: dict[str, str] = {}
    created: set[str] = set()
    if create and missing:
        failed = await kafka.create(missing, spec.replication)
        created = {each.name for each in missing} - failed.keys()
        states = await kafka.topics(each.name for each in specs)
    configs = await kafka.configs(name for name, state in states.items() if not state.error)
    forgotten_after = await kafka.broker_setting("offsets.retention.minutes")
    found: list[Finding] = []
    for each in specs:
        state = states[each.name]
        if each.name in failed:
            found.append(_not_created(each, failed[each.name]))
        elif state.error:
            found.append(_unusable(each, state.error))
        else:
            settings = configs[each.name]
            wrong = [*_judged(each, state, settings, spec), *_read_again(each, settings.values, forgotten_after)]
            found.extend(wrong or [_fine(each, state, was_created=each.name in created)])
    return found


def _not_created(spec: TopicSpec, why: str) -> Finding:
    fix = "create it by hand as docs/topics.md says"
    if "AUTHORIZATION" in why:
        fix = f"allow Create on the cluster or on topics named {spec.name}, or {fix}"
    return Finding("error", spec.name, f"cannot be created: {why}", fix)


def _unusable(spec: TopicSpec, error: int) -> Finding:
    if error == cluster.NO_SUCH_TOPIC:
        return Finding("error", spec.name, "is missing", "`beforehand doctor --create` creates it")
    if error == cluster.NOT_ALLOWED:
        fix = f"allow {_needed(spec, 'Describe')} on it, and Create where it has to be created"
        return Finding("error", spec.name, "we may not even see whether it is there", fix)
    return Finding("error", spec.name, f"cannot be used now: Kafka's error {error}", "look at the brokers' own logs")


# ---- one topic


def _judged(spec: TopicSpec, state: TopicState, configs: Configs, kafka: KafkaSpec) -> Iterator[Finding]:
    """What is wrong with a topic that exists."""
    yield from _partitions(spec, state)
    yield from _copies(spec, state, configs.values, kafka)
    yield from _rights(spec, state)
    if configs.error:
        yield Finding("warning", spec.name, "we may not see how it is set", "allow DescribeConfigs on it to check that")
    else:
        yield from _settings(spec, configs.values)


def _fine(spec: TopicSpec, state: TopicState, *, was_created: bool) -> Finding:
    parts = f"{state.partitions} partition{'s' if state.partitions > 1 else ''}"
    return Finding("ok", spec.name, f"{'created, with ' if was_created else ''}{parts}")


def _partitions(spec: TopicSpec, state: TopicState) -> Iterator[Finding]:
    if state.leaderless:
        listed = ", ".join(str(partition) for partition in state.leaderless)
        what = f"no broker answers for partition {listed}: nothing can be read or written there"
        yield Finding("error", spec.name, what, "start the brokers that hold it")
    if state.partitions != spec.partitions and not spec.is_raw:
        what = (
            f"has {state.partitions} partitions, and kafka.partitions says {spec.partitions}; what is remembered is "
            "kept by partition, so with another number it would not be found again"
        )
        yield Finding("error", spec.name, what, f"set kafka.partitions to {state.partitions}; {MOVING}")


def _copies(spec: TopicSpec, state: TopicState, configs: Mapping[str, str], kafka: KafkaSpec) -> Iterator[Finding]:
    needed = int(configs.get("min.insync.replicas") or 1)
    wanted = int(spec.configs.get("min.insync.replicas", needed))
    if needed > state.replicas:
        # Kafka then asks for as many as there are.
        what = f"min.insync.replicas is {needed}, but there {_are(state.replicas, 'copy', 'copies')}: it asks in vain"
        yield Finding("warning", spec.name, what, _alter(spec, "min.insync.replicas", str(min(wanted, state.replicas))))
    elif state.in_sync < needed:
        what = f"{state.in_sync} of {state.replicas} copies are up to date and {needed} must be: writes fail"
        yield Finding("error", spec.name, what, "start the brokers that are down")
    elif needed < wanted and state.replicas >= wanted:
        what = f"a write counts once {needed} broker has it: it is lost if that one is"
        yield Finding("warning", spec.name, what, _alter(spec, "min.insync.replicas", str(wanted)))
    if state.replicas < kafka.replication and not spec.is_raw:
        what = f"there {_are(state.replicas, 'copy', 'copies')} of it, and kafka.replication says {kafka.replication}"
        yield Finding("warning", spec.name, what, "add copies with kafka-reassign-partitions.sh")


def _rights(spec: TopicSpec, state: TopicState) -> Iterator[Finding]:
    lacking = [operation for operation in _operations(spec) if operation not in state.operations]
    if lacking:
        what = f"we may not {_listed([operation.name.lower() for operation in lacking])} there"
        yield Finding("error", spec.name, what, f"allow {_needed(spec)} on it")


def _operations(spec: TopicSpec) -> tuple[Operation, ...]:
    """What a worker does there. Logs are truncated behind snapshots, which Kafka counts as deleting."""
    if spec.is_raw:
        return (Operation.READ,)
    both = (Operation.READ, Operation.WRITE)
    return (*both, Operation.DELETE) if spec.retention_ms == FOREVER and spec.cleanup == "delete" else both


def _needed(spec: TopicSpec, *more: str) -> str:
    return _listed([*more, *(operation.name.capitalize() for operation in _operations(spec))])


# ---- how it is set


def _settings(spec: TopicSpec, configs: Mapping[str, str]) -> Iterator[Finding]:
    yield from _cleanup(spec, configs)
    if spec.cleanup == "delete":
        yield from _retention(spec, configs)
    if not spec.is_raw:
        yield from _leaves_in_time(spec, configs)
        yield from _size(spec, configs)
    if spec.configs.get("message.timestamp.type", "") not in ("", configs.get("message.timestamp.type")):
        what = "records are not stamped as they arrive, so when one came is what its writer or reader says"
        yield Finding("warning", spec.name, what, _as_specified(spec, "message.timestamp.type"))


def _cleanup(spec: TopicSpec, configs: Mapping[str, str]) -> Iterator[Finding]:
    policy = configs.get("cleanup.policy", "")
    if policy == spec.cleanup:
        return
    loses = "compact" in policy and spec.cleanup == "delete"
    what = "of records with one key only the last is kept" if loses else "old records are dropped that are still needed"
    yield Finding("error", spec.name, f"cleanup.policy is {policy}: {what}", _as_specified(spec, "cleanup.policy"))


def _retention(spec: TopicSpec, configs: Mapping[str, str]) -> Iterator[Finding]:
    severity: Literal["warning", "error"] = "error" if spec.retention_ms == FOREVER else "warning"
    kept, size = int(configs.get("retention.ms") or FOREVER), configs.get("retention.bytes", "-1")
    fix = _as_specified(spec, "retention.ms")
    if kept != FOREVER and (spec.retention_ms == FOREVER or kept < spec.retention_ms):
        lost = "what the engine remembers" if severity == "error" else "what nobody has read by then"
        yield Finding(severity, spec.name, f"records are dropped after {_duration(kept)}, with {lost}", fix)
    elif kept != spec.retention_ms and not spec.is_raw:
        how_long = "for ever" if kept == FOREVER else _duration(kept)
        what = f"records are kept {how_long}, not {_duration(spec.retention_ms)}; those of an erased entity, too"
        yield Finding("warning", spec.name, what, fix)
    if size != "-1":
        what = f"records are dropped beyond {size} bytes a partition, however new they are"
        yield Finding(severity, spec.name, what, _alter(spec, "retention.bytes", "-1"))


def _read_again(spec: TopicSpec, configs: Mapping[str, str], forgotten_after: str) -> Iterator[Finding]:
    """How far a stream was read is known to Kafka alone; it forgets that when no worker has run for so long."""
    if not spec.is_raw or not forgotten_after or not configs:
        return
    kept, known = int(configs.get("retention.ms") or FOREVER), int(forgotten_after) * MINUTE_MS
    if kept == FOREVER or kept > known:
        how_long = "for ever" if kept == FOREVER else _duration(kept)
        what = (
            f"records are kept {how_long}, but how far they were read is forgotten when no worker has run for "
            f"{_duration(known)}: then all of them count again"
        )
        fix = "set offsets.retention.minutes of the brokers higher, or keep records no longer than that"
        yield Finding("warning", spec.name, what, fix)


def _leaves_in_time(spec: TopicSpec, configs: Mapping[str, str]) -> Iterator[Finding]:
    """Kafka drops closed segments only, so one that stays open for long keeps what was to go."""
    for key in ("segment.ms", "max.compaction.lag.ms"):
        most = spec.configs.get(key)
        if most is not None and int(configs.get(key) or most) > int(most):
            what = f"{key} is {configs[key]}: what expired or was erased may stay on the disk for longer than a day"
            yield Finding("warning", spec.name, what, _as_specified(spec, key))


def _size(spec: TopicSpec, configs: Mapping[str, str]) -> Iterator[Finding]:
    key = "max.message.bytes"
    takes, needed = int(configs.get(key) or spec.configs[key]), int(spec.configs[key])
    if takes < needed:
        what = f"takes records of {takes} bytes at most; one of ours may have {needed}"
        yield Finding("error", spec.name, what, _as_specified(spec, key))


# ---- the group


async def _group(kafka: Cluster, group: str) -> list[Finding]:
    if Operation.READ in await kafka.group_operations(group):
        return [Finding("ok", "", f"we may join the group {group}")]
    return [Finding("error", "", f"we may not join the group {group}", f"allow Describe and Read on the group {group}")]


# ---- words


def _as_specified(spec: TopicSpec, key: str) -> str:
    return _alter(spec, key, spec.configs[key])


def _alter(spec: TopicSpec, key: str, value: str) -> str:
    return f"kafka-configs.sh --alter --entity-type topics --entity-name {spec.name} --add-config {key}={value}"


def _are(count: int, one: str, several: str = "") -> str:
    return f"is 1 {one}" if count == 1 else f"are {count} {several or one + 's'}"


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _duration(ms: int) -> str:
    """As it would be written in the project file."""
    for unit, name in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s")):
        if ms % unit == 0:
            return f"{ms // unit}{name}"
    return f"{ms}ms"
