"""What the project file says about Kafka, as the clients take it; mistakes are told in words."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from engine.errors import OperatorError
from engine.shells.kafka.settings import connection, servers
from engine.spec.types import KafkaSpec


@pytest.fixture(autouse=True)
def _no_servers_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)


def test_without_a_word_it_is_the_broker_on_this_machine() -> None:
    assert connection(KafkaSpec(), ".") == {"bootstrap_servers": ["127.0.0.1:9092"], "security_protocol": "PLAINTEXT"}


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = KafkaSpec(servers=("kafka-1:9092",))
    assert servers(spec) == ("kafka-1:9092",)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", " a:1, b:2 ,")
    assert servers(spec) == ("a:1", "b:2")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "")
    assert servers(spec) == ("kafka-1:9092",)


def test_a_login_takes_its_password_from_where_it_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = KafkaSpec(security="sasl_plaintext", mechanism="scram-sha-256", username="me", password="env:KAFKA_TEST")
    monkeypatch.setenv("KAFKA_TEST", "hunter2")
    found = connection(spec, ".")
    assert found["security_protocol"] == "SASL_PLAINTEXT"
    assert found["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("me", "hunter2")
    assert "ssl_context" not in found


def test_tls_checks_certificates_and_names() -> None:
    context = connection(KafkaSpec(security="tls"), ".")["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (KafkaSpec(security="tls", ca_file="ca.pem"), r"kafka\.ca_file: .*ca\.pem cannot be read: No such file"),
        (KafkaSpec(security="tls", ca_file="no.pem"), r"kafka\.ca_file: no\.pem holds no certificates in PEM form"),
        (KafkaSpec(security="tls", cert_file="no.pem", key_file="no.pem"), "no certificate and key in PEM form"),
        (KafkaSpec(security="tls", cert_file="no.pem", key_file="my.key"), r"kafka\.key_file: .*my\.key cannot be"),
        (KafkaSpec(security="sasl_tls", password="env:NOT_SET_AT_ALL"), "env:NOT_SET_AT_ALL is empty or not set"),
        (KafkaSpec(security="sasl_tls", password="file:pw"), "The secret file:pw cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(spec: KafkaSpec, said: str, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("not a certificate\n")
    with pytest.raises(OperatorError, match=said):
        connection(spec, str(tmp_path))


@pytest.fixture
def encrypted(tmp_path: Path) -> KafkaSpec:
    """A certificate whose key is encrypted, and three files with something like its password."""
    leaf = trustme.CA().issue_cert("worker.example.com")
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked = key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"open sesame"))
    (tmp_path / "my.key").write_bytes(locked)
    leaf.cert_chain_pems[0].write_to_path(str(tmp_path / "my.pem"))
    (tmp_path / "right").write_text("open sesame\n")
    (tmp_path / "wrong").write_text("open rye")
    return KafkaSpec(security="tls", cert_file="my.pem", key_file="my.key", key_password="file:right")


def test_an_encrypted_key_is_opened_with_its_password(encrypted: KafkaSpec, tmp_path: Path) -> None:
    assert connection(encrypted, str(tmp_path))["ssl_context"].verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("password", ["file:wrong", ""])
def test_a_key_that_stays_closed_is_told_and_nobody_is_asked(
    encrypted: KafkaSpec, tmp_path: Path, password: str
) -> None:
    with pytest.raises(OperatorError, match="or key_password is not the right one"):
        connection(msgspec.structs.replace(encrypted, key_password=password), str(tmp_path))
