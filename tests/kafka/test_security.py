"""TLS and logging in, on a real broker that asks for both; each thing that can be wrong is told in words of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cryptography.hazmat.primitives import serialization
from msgspec.structs import replace

from engine.shells.kafka.doctor import Finding, examine
from engine.shells.kafka.settings import connection
from engine.shells.kafka.topics import topics_of
from engine.spec.types import KafkaSpec, ProjectSpec, StreamSpec
from tests.kafka.broker import ADMIN, PASSWORD, Broker, Certificates
from tests.kill.process import BEFOREHAND, Process
from tests.kill.project import START, event, make

pytestmark = pytest.mark.kafka
USER, USER_PASSWORD = "worker", "worker-secret"


@dataclass
class Secured:
    broker: Broker
    folder: Path
    spec: KafkaSpec


def certificates(folder: Path, authority: trustme.CA, host: str = "127.0.0.1") -> Certificates:
    """A broker's certificate for `host`, beside the authority that clients trust in `ca.pem`."""
    folder.mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    leaf = authority.issue_cert(host)
    chain = b"".join(each.bytes() for each in leaf.cert_chain_pems)
    (folder / "broker.pem").write_bytes(pkcs8(leaf.private_key_pem.bytes()) + chain)
    return Certificates(folder / "broker.pem", folder / "ca.pem")


def pkcs8(key: bytes) -> bytes:
    """The form of a private key that Java reads."""
    loaded = serialization.load_pem_private_key(key, None)
    pem, form, bare = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return loaded.private_bytes(pem, form, bare)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker that speaks TLS and wants a login. `new_broker` would start one for each test."""
    folder = tmp_path_factory.mktemp("secured")
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "worker-password").write_text(USER_PASSWORD)
    shown = certificates(folder, trustme.CA())
    broker = Broker(folder / "broker", certificates=shown, users={USER: USER_PASSWORD}).start()
    yield Secured(
        broker,
        folder,
        KafkaSpec(
            servers=(broker.servers,), security="sasl_tls", ca_file="ca.pem", username=ADMIN, password="file:password"
        ),
    )
    broker.kill()


async def told(spec: KafkaSpec, folder: Path, **streams: Any) -> list[Finding]:
    project = ProjectSpec(kafka=spec, streams=(StreamSpec(name="usage"),))
    return await examine(project, connection(spec, str(folder)), **{"create": False, **streams})


@pytest.mark.parametrize("mechanism", ["scram-sha-512", "plain"])
async def test_who_logs_in_over_tls_may_write_and_read(secured: Secured, mechanism: Any) -> None:
    spec = replace(secured.spec, mechanism=mechanism, prefix=f"{mechanism}.", group=mechanism)
    made = await told(spec, secured.folder, create=True)
    assert {finding.severity for finding in made} == {"ok"}, made
    options = connection(spec, str(secured.folder))
    topic = topics_of(ProjectSpec(kafka=spec)).events
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait(topic, b"hello", partition=0)
    async with AIOKafkaConsumer(**options, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        assert (await consumer.getone()).value == b"hello"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "file:worker-password"}, "it does not take this login - are username, password and mechanism"),
        ({"username": "nobody"}, "it does not take this login"),
        ({"mechanism": "scram-sha-256"}, "it does not know the mechanism SCRAM-SHA-256"),
        ({"ca_file": "other/ca.pem"}, "its certificate cannot be trusted"),
        ({"ca_file": ""}, "its certificate cannot be trusted"),
        ({"security": "plaintext"}, "it may expect something else than no TLS and no login on this port"),
        ({"security": "sasl_plaintext"}, "it may expect something else than no TLS and a login on this port"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
async def test_what_is_wrong_with_a_connection_is_told(secured: Secured, change: dict[str, Any], said: str) -> None:
    certificates(secured.folder / "other", trustme.CA())
    found = await told(replace(secured.spec, **change), secured.folder)
    assert [finding.severity for finding in found] == ["error"]
    assert said in found[0].what
    assert PASSWORD not in found[0].what


async def test_rights_that_are_missing_are_told_one_by_one(secured: Secured) -> None:
    prefix, group = "rights.", "rights-group"
    admin = replace(secured.spec, prefix=prefix, group=group)
    assert {finding.severity for finding in await told(admin, secured.folder, create=True)} == {"ok"}
    user = replace(admin, username=USER, password="file:worker-password")
    names = {spec.name for spec in topics_of(ProjectSpec(kafka=user, streams=(StreamSpec(name="usage"),))).all()}

    nothing = await told_of(user, secured.folder, unlike={})
    assert nothing.keys() == names | {""}
    assert "may not even see whether it is there - allow Describe, Read and Write" in nothing[f"{prefix}events"]
    assert f"we may not join the group {group} - allow Describe and Read on the group {group}" in nothing[""]

    secured.broker.allow(USER, ["Read"], "topic", prefix)
    reading = await told_of(user, secured.folder, unlike=nothing)
    assert "we may not write there - allow Read and Write on it" in reading[f"{prefix}events"]
    assert "we may not write and delete there - allow Read, Write and Delete" in reading[f"{prefix}log.detect"]
    assert reading[f"{prefix}raw.usage"].startswith("we may not see how it is set - allow DescribeConfigs")

    secured.broker.allow(USER, ["Write", "Delete", "DescribeConfigs"], "topic", prefix)
    writing = await told_of(user, secured.folder, unlike=reading)
    assert writing == {"": nothing[""]}
    secured.broker.allow(USER, ["Read"], "group", group)
    assert await told_of(user, secured.folder, unlike=writing) == {}


async def told_of(spec: KafkaSpec, folder: Path, unlike: dict[str, str]) -> dict[str, str]:
    """All that is wrong, in one text for each topic, once it is not as before: rights take a moment to spread."""
    for _attempt in range(50):
        found: dict[str, str] = {}
        for finding in await told(spec, folder):
            if finding.severity != "ok":
                found[finding.topic] = found.get(finding.topic, "") + f"{finding.what} - {finding.fix}\n"
        if found != unlike:
            return found
        await asyncio.sleep(0.1)
    return unlike


async def test_topics_that_may_not_be_created_are_told(secured: Secured) -> None:
    user = replace(secured.spec, prefix="forbidden.", username=USER, password="file:worker-password")
    found = await told(user, secured.folder, create=True)
    about = [finding for finding in found if finding.topic == "forbidden.events"]
    assert [finding.severity for finding in about] == ["error"]
    assert "Create" in about[0].fix


async def test_a_certificate_of_ones_own_opens_a_broker_that_asks_for_one(tmp_path: Path) -> None:
    authority = trustme.CA()
    broker = Broker(tmp_path / "broker", certificates=certificates(tmp_path, authority)).start()
    mine = authority.issue_cert("worker.example.com")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "mine.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "mine.key"))
    without = KafkaSpec(servers=(broker.servers,), security="tls", ca_file="ca.pem")
    try:
        refused = await told(without, tmp_path)
        shown = await told(replace(without, cert_file="mine.pem", key_file="mine.key"), tmp_path, create=True)
    finally:
        broker.kill()
    assert [finding.severity for finding in refused] == ["error"]
    assert "cert_file" in refused[0].what
    assert {finding.severity for finding in shown} == {"ok"}, shown


async def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    shown = certificates(tmp_path, trustme.CA(), host="elsewhere.example.com")
    broker = Broker(tmp_path / "broker", certificates=shown, users={USER: USER_PASSWORD}).start()
    spec = KafkaSpec(servers=(broker.servers,), security="sasl_tls", ca_file="ca.pem", username=USER, password="file:p")
    (tmp_path / "p").write_text(USER_PASSWORD)
    try:
        found = await told(spec, tmp_path)
    finally:
        broker.kill()
    assert "its certificate cannot be trusted (IP address mismatch" in found[0].what


async def test_a_worker_logs_in_over_tls_and_decides(secured: Secured, tmp_path: Path) -> None:
    """With every client it has: Faust's consumer, the producer, the one that restores, and the doctor."""
    config = make(tmp_path).joinpath("config", "beforehand.yml")
    config.write_text(
        config.read_text()
        + f"kafka: {{servers: ['{secured.broker.servers}'], security: sasl_tls, ca_file: {secured.folder / 'ca.pem'}, "
        f"username: {ADMIN}, password: 'file:{secured.folder / 'password'}', prefix: secure., group: secure, "
        "partitions: 1}\n"
    )
    spec = replace(secured.spec, prefix="secure.", group="secure")
    worker = Process(tmp_path, str(BEFOREHAND), "worker", "--config", "config", "--dry-run", "--event-clock")
    try:
        options = connection(spec, str(secured.folder))
        decided = TopicPartition("secure.decisions", 0)
        async with AIOKafkaConsumer(**options, auto_offset_reset="earliest") as consumer:
            async with asyncio.timeout(60), AIOKafkaProducer(**options) as producer:
                while "secure.raw.usage" not in await consumer.topics():
                    await asyncio.sleep(0.2)
                for number in range(4):  # the last one takes time past the project's `wait`
                    row = event(number, "login.failed", START + number * 60_000, "c1").encode()
                    await producer.send_and_wait("secure.raw.usage", row)
            consumer.assign([decided])
            async with asyncio.timeout(60):
                found = await consumer.getone()
        assert b'"break-in"' in (found.value or b"")
    finally:
        code = worker.stop()
    assert code == 0, worker.said()
