"""The doctor on a real broker: it creates what is missing, and says in words what is wrong and what helps."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from msgspec.structs import replace

from engine.model import DAY_MS
from engine.shells.kafka.doctor import Finding, examine
from engine.shells.kafka.settings import connection
from engine.shells.kafka.topics import Topics, topics_of
from engine.spec.types import KafkaSpec, ProjectSpec, StreamSpec
from tests.kafka.conftest import NewBroker


@pytest.fixture
def project(kafka: KafkaSpec) -> ProjectSpec:
    return ProjectSpec(streams=(StreamSpec(name="usage"), StreamSpec(name="mood")), kafka=kafka)


async def findings(project: ProjectSpec, *, create: bool = False) -> list[Finding]:
    return await examine(project, connection(project.kafka, "."), create=create)


async def troubles(project: ProjectSpec) -> dict[str, tuple[str, str]]:
    """What is wrong, by topic: severity, and the sentence with its way out."""
    found = [finding for finding in await findings(project) if finding.severity != "ok"]
    assert len({finding.topic for finding in found}) == len(found), found
    return {finding.topic: (finding.severity, f"{finding.what} - {finding.fix}") for finding in found}


async def created(project: ProjectSpec) -> Topics:
    """All topics of the project, as the doctor makes them."""
    assert not [finding for finding in await findings(project, create=True) if finding.severity != "ok"]
    return topics_of(project)


async def admin_of(project: ProjectSpec) -> AIOKafkaAdminClient:
    admin = AIOKafkaAdminClient(**connection(project.kafka, "."))
    await admin.start()
    return admin


async def alter(project: ProjectSpec, topic: str, configs: Mapping[str, str]) -> None:
    """Set a topic otherwise, and wait until the broker shows it."""
    admin = await admin_of(project)
    answers = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(configs))])
    assert not answers[0].resources[0][0], answers
    while not configs.items() <= (await configs_of(admin, topic)).items():
        await asyncio.sleep(0.05)
    await admin.close()


async def configs_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in answers[0].resources[0][4]}


async def test_what_is_missing_is_told_and_created_on_request(project: ProjectSpec) -> None:
    names = {spec.name for spec in topics_of(project).all()}
    missing = await findings(project)
    assert {finding.topic for finding in missing if finding.severity == "error"} == names
    assert all("doctor --create" in finding.fix for finding in missing if finding.severity == "error")
    made = await findings(project, create=True)
    assert {finding.topic for finding in made if "created, with 4 partitions" in finding.what} == names
    again = await findings(project, create=True)
    assert {finding.what for finding in again if finding.topic} == {"4 partitions"}
    assert {finding.severity for finding in (*made, *again)} == {"ok"}


async def test_looking_alone_creates_nothing(new_broker: NewBroker) -> None:
    """Also where the broker makes any topic that it is asked about."""
    broker = new_broker(settings={"auto.create.topics.enable": "true"})
    project = ProjectSpec(streams=(StreamSpec(name="usage"),), kafka=KafkaSpec(servers=(broker.servers,)))
    await findings(project)
    admin = await admin_of(project)
    assert {name for name in await admin.list_topics() if name.startswith("beforehand")} == set()
    await admin.close()


async def test_topics_are_made_as_they_are_described(project: ProjectSpec) -> None:
    topics = await created(project)
    admin = await admin_of(project)
    for spec in topics.all():
        assert spec.configs.items() <= (await configs_of(admin, spec.name)).items(), spec.role
    await admin.close()


async def test_topics_of_others_do_not_matter(project: ProjectSpec) -> None:
    await created(project)
    admin = await admin_of(project)
    await admin.create_topics([NewTopic(f"{project.kafka.prefix}something-else", 1, 1)])
    await admin.close()
    assert await troubles(project) == {}


async def test_another_number_of_partitions_is_an_error_for_ours_and_fine_for_a_stream(project: ProjectSpec) -> None:
    topics = await created(project)
    admin = await admin_of(project)
    await admin.create_partitions({topics.log_detect: NewPartitions(6), topics.raw["usage"]: NewPartitions(6)})
    both = [topics.log_detect, topics.raw["usage"]]
    while {len(topic["partitions"]) for topic in await admin.describe_topics(both)} != {6}:
        await asyncio.sleep(0.05)
    await admin.close()
    severity, said = (await troubles(project))[topics.log_detect]
    assert severity == "error"
    assert "has 6 partitions, and kafka.partitions says 4" in said
    assert "set kafka.partitions to 6; docs/kafka.md says how to move" in said
    assert (await troubles(project)).keys() == {topics.log_detect}


async def test_a_changed_number_in_the_project_file_is_told_for_every_topic_of_ours(project: ProjectSpec) -> None:
    topics = await created(project)
    wider = replace(project, kafka=replace(project.kafka, partitions=8))
    ours = {spec.name for spec in topics.all() if not spec.is_raw}
    assert {topic for topic, (severity, _said) in (await troubles(wider)).items() if severity == "error"} == ours


@pytest.mark.parametrize(
    ("role", "configs", "severity", "said"),
    [
        (
            "log_detect",
            {"cleanup.policy": "compact"},
            "error",
            "cleanup.policy is compact: of records with one key",
        ),
        ("aliases", {"cleanup.policy": "delete"}, "error", "cleanup.policy is delete: old records are dropped that"),
        ("log_decide", {"retention.ms": str(DAY_MS)}, "error", "dropped after 1d, with what the engine remembers"),
        ("log_dispatch", {"retention.bytes": "1000"}, "error", "records are dropped beyond 1000 bytes a partition"),
        ("events", {"retention.ms": str(DAY_MS)}, "warning", "dropped after 1d, with what nobody has read by then"),
        ("raw.usage", {"retention.ms": str(DAY_MS)}, "warning", "dropped after 1d, with what nobody has read by then"),
        (
            "decisions",
            {"retention.ms": "-1"},
            "warning",
            "records are kept for ever, not 30d; those of an erased",
        ),
        ("actions", {"segment.ms": str(9 * DAY_MS)}, "warning", "segment.ms is 777600000: what expired or was erased"),
        ("aliases", {"max.compaction.lag.ms": str(9 * DAY_MS)}, "warning", "max.compaction.lag.ms is 777600000"),
        (
            "candidates",
            {"max.message.bytes": "1000"},
            "error",
            "takes records of 1000 bytes at most; one of ours",
        ),
        ("raw.mood", {"message.timestamp.type": "CreateTime"}, "warning", "records are not stamped as they arrive"),
        (
            "receipts",
            {"min.insync.replicas": "2"},
            "warning",
            "min.insync.replicas is 2, but there is 1 copy: it asks",
        ),
    ],
)
async def test_a_setting_that_does_harm_is_told_with_the_command_that_helps(
    project: ProjectSpec, role: str, configs: dict[str, str], severity: str, said: str
) -> None:
    await created(project)
    spec = next(spec for spec in topics_of(project).all() if spec.role == role)
    await alter(project, spec.name, {**spec.configs, **configs})
    found = await troubles(project)
    assert found.keys() == {spec.name}
    assert found[spec.name][0] == severity
    assert said in found[spec.name][1]
    key = next(iter(configs))
    assert (
        f"kafka-configs.sh --alter --entity-type topics --entity-name {spec.name} --add-config {key}="
        in (found[spec.name][1])
    )


async def test_a_stream_that_outlives_the_memory_of_how_far_it_was_read_is_told(project: ProjectSpec) -> None:
    topics = await created(project)
    stamped = {"message.timestamp.type": "LogAppendTime"}
    await alter(project, topics.raw["usage"], {**stamped, "retention.ms": "-1"})
    await alter(project, topics.raw["mood"], {**stamped, "retention.ms": str(7 * DAY_MS)})
    found = await troubles(project)
    assert found.keys() == {topics.raw["usage"]}
    severity, said = found[topics.raw["usage"]]
    assert severity == "warning"
    assert "forgotten when no worker has run for 7d: then all of them count again" in said


async def test_rows_of_csv_are_for_files(project: ProjectSpec) -> None:
    await created(project)
    usage, mood = project.streams
    found = await troubles(replace(project, streams=(usage, replace(mood, format="csv"))))
    assert found.keys() == {f"{project.kafka.prefix}raw.mood"}
    assert "stream 'mood' has format: csv, which is for files" in found[f"{project.kafka.prefix}raw.mood"][1]


async def test_too_few_brokers_for_the_copies_is_told(project: ProjectSpec) -> None:
    found = await findings(replace(project, kafka=replace(project.kafka, replication=3)))
    assert found[0].severity == "error"
    assert found[0].what == "there is 1 broker, too few to keep 3 copies of a topic"


async def test_brokers_that_are_down_are_no_error_where_all_topics_are_there(project: ProjectSpec) -> None:
    await created(project)
    found = await findings(replace(project, kafka=replace(project.kafka, replication=3)))
    assert found[0].severity == "warning"


async def test_names_that_cannot_be_are_told_before_any_broker_is_asked() -> None:
    project = ProjectSpec(streams=(StreamSpec(name="my clicks"),), kafka=KafkaSpec(servers=("127.0.0.1:1",)))
    found = await findings(project)
    assert [finding.severity for finding in found] == ["error"]
    assert "no name for a topic" in found[0].what


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("127.0.0.1:1", "127.0.0.1:1: nothing listens there"),
        ("kafka.invalid:9092", "kafka.invalid:9092: there is no host of that name"),
    ],
)
async def test_a_broker_that_is_not_there_is_told(server: str, said: str) -> None:
    found = await findings(ProjectSpec(kafka=KafkaSpec(servers=(server,))))
    assert [(finding.severity, finding.what) for finding in found] == [("error", f"Kafka cannot be reached: {said}")]


async def test_an_address_that_leads_nowhere_is_told(new_broker: NewBroker) -> None:
    broker = new_broker(settings={"advertised.listeners": "CLIENTS://127.0.0.1:1,INSIDE://127.0.0.1:2"})
    found = await findings(ProjectSpec(kafka=KafkaSpec(servers=(broker.servers,))))
    assert "not at the address that it names for itself" in found[0].what
    assert "advertised.listeners" in found[0].fix
