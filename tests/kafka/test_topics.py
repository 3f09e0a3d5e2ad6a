"""The topics of a project: their names, how long they keep, what would make two of them one, and their page."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import OperatorError
from engine.model import DAY_MS
from engine.shells.kafka.topics import TopicSpec, topics_of
from engine.spec.kafka import TopicsDocument
from engine.spec.types import Bounds, KafkaSpec, ProjectSpec, Retention, StreamSpec


def project(*streams: StreamSpec, **kafka: object) -> ProjectSpec:
    return ProjectSpec(streams=streams, kafka=KafkaSpec(**kafka))  # type: ignore[arg-type]


def by_role(project: ProjectSpec) -> dict[str, TopicSpec]:
    return {spec.role: spec for spec in topics_of(project).all()}


def test_names_begin_with_the_prefix() -> None:
    topics = topics_of(project(StreamSpec(name="usage"), prefix="acme-"))
    assert (topics.events, topics.dead_letters, topics.log_detect) == (
        "acme-events",
        "acme-dead-letters",
        "acme-log.detect",
    )
    assert topics.raw == {"usage": "acme-raw.usage"}


def test_a_name_of_ones_own_is_taken_as_it_is() -> None:
    topics = topics_of(project(StreamSpec(name="usage", topic="clicks"), topics={"events": "acme-events"}))
    assert topics.events == "acme-events"
    assert topics.raw == {"usage": "clicks"}


def test_each_role_of_ours_can_be_named_in_the_project_file() -> None:
    ours = {spec.role for spec in topics_of(ProjectSpec()).all()}
    assert ours == set(TopicsDocument.__struct_fields__)


def test_all_of_ours_have_the_same_number_of_partitions() -> None:
    specs = topics_of(project(StreamSpec(name="usage"), partitions=12)).all()
    assert {spec.partitions for spec in specs} == {12}


def test_logs_keep_for_ever_and_all_else_for_a_time_or_compacted() -> None:
    found = by_role(keeping(keep_events_ms=3 * DAY_MS, keep_decisions_ms=60 * DAY_MS, dead_letters_ms=9 * DAY_MS))
    kept = {role: spec.retention_ms for role, spec in found.items() if spec.cleanup == "delete"}
    assert {role: kept[role] for role in kept if role.startswith("log_")} == dict.fromkeys(
        ("log_detect", "log_decide", "log_dispatch"), -1
    )
    assert {kept[role] for role in ("raw.usage", "events", "candidates")} == {3 * DAY_MS}
    assert {kept[role] for role in ("decisions", "actions", "receipts")} == {60 * DAY_MS}
    assert kept["dead_letters"] == 9 * DAY_MS
    assert {role for role, spec in found.items() if spec.cleanup == "compact"} == {"aliases"}


def keeping(keep_events_ms: int, keep_decisions_ms: int, dead_letters_ms: int) -> ProjectSpec:
    kafka = KafkaSpec(keep_events_ms=keep_events_ms, keep_decisions_ms=keep_decisions_ms)
    retention = Retention(dead_letters_ms=dead_letters_ms)
    return ProjectSpec(streams=(StreamSpec(name="usage"),), kafka=kafka, retention=retention)


def test_what_is_kept_for_a_time_is_gone_from_the_disk_a_day_later() -> None:
    for spec in topics_of(project(StreamSpec(name="usage"))).all():
        assert int(spec.configs["segment.ms"]) <= DAY_MS, spec.name
        if spec.cleanup == "compact":
            assert int(spec.configs["max.compaction.lag.ms"]) == DAY_MS


def test_events_are_stamped_by_the_broker() -> None:
    found = by_role(project(StreamSpec(name="usage")))
    stamped = {role for role, spec in found.items() if spec.configs.get("message.timestamp.type") == "LogAppendTime"}
    assert stamped == {"raw.usage", "events"}


def test_a_topic_takes_what_the_engine_takes() -> None:
    large = ProjectSpec(streams=(StreamSpec(name="usage"),), bounds=Bounds(event_bytes=5_000_000))
    for role in ("raw.usage", "events", "dead_letters"):
        assert int(by_role(large)[role].configs["max.message.bytes"]) >= 5_000_000


@pytest.mark.parametrize(("replication", "synced"), [(1, "1"), (2, "1"), (3, "2")])
def test_a_write_counts_once_enough_brokers_have_it(replication: int, synced: str) -> None:
    found = by_role(project(StreamSpec(name="usage"), replication=replication))
    assert found["log_detect"].configs["min.insync.replicas"] == synced
    assert "min.insync.replicas" not in found["raw.usage"].configs


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (project(StreamSpec(name="my clicks")), r"Choose another in `topic:` of stream 'my clicks'"),
        (project(StreamSpec(name="a"), StreamSpec(name="b", topic="beforehand.raw.a")), r"is both raw\.a and raw\.b"),
        (project(StreamSpec(name="a", topic="beforehand.events")), r"is both raw\.a and events; each needs its own"),
        (project(topics={"events": "beforehand.actions"}), "is both events and actions"),
    ],
)
def test_names_that_cannot_be_are_refused(wrong: ProjectSpec, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        topics_of(wrong)


# ---- the page

PAGE = Path(__file__).parents[2] / "docs" / "topics.md"


def as_row(spec: TopicSpec) -> str:
    name = spec.name.replace("usage", "STREAM")
    kept = "for ever" if spec.retention_ms == -1 else f"{spec.retention_ms // DAY_MS}d"
    cells = (
        f"`{name}`",
        spec.what.replace("usage", "STREAM"),
        spec.key,
        str(spec.partitions),
        spec.cleanup,
        "the last of each key" if spec.cleanup == "compact" else kept,
        spec.writer,
        spec.reader,
    )
    return f"| {' | '.join(cells)} |"


def test_the_page_has_a_row_for_each_topic_with_what_the_engine_says_of_it() -> None:
    rows = [as_row(spec) for spec in topics_of(project(StreamSpec(name="usage"))).all()]
    written = [line for line in PAGE.read_text().splitlines() if line.startswith("| `beforehand.")]
    assert written == rows


@pytest.mark.parametrize("role", ["events", "aliases", "log_detect", "decisions"])
def test_the_page_names_each_setting_with_its_value(role: str) -> None:
    spec = by_role(project(StreamSpec(name="usage")))[role]
    text = PAGE.read_text()
    missing = [f"{key}={value}" for key, value in spec.configs.items() if f"`{key}={value}`" not in text]
    assert not missing
