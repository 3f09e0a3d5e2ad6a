"""How to reach Kafka, as its clients want to be told."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

from engine.errors import OperatorError
from engine.shells.secrets import read_secret
from engine.spec.broker import KafkaSpec

SERVERS = "KAFKA_BOOTSTRAP_SERVERS"
PROTOCOLS = {"plaintext": "PLAINTEXT", "tls": "SSL", "sasl_plaintext": "SASL_PLAINTEXT", "sasl_tls": "SASL_SSL"}


def servers(spec: KafkaSpec) -> tuple[str, ...]:
    """The brokers to ask first: those of the environment, if it names any, else those of the project file."""
    named = [server.strip() for server in os.environ.get(SERVERS, "").split(",")]
    return tuple(server for server in named if server) or spec.servers


def connection(spec: KafkaSpec, folder: str) -> dict[str, Any]:
    """What aiokafka's consumer, producer and admin client all take to connect.

    Relative files start at `folder`, the configuration's. Raises OperatorError for a file or a secret that cannot be
    read, or that is not what it should be.
    """
    found: dict[str, Any] = {
        "bootstrap_servers": list(servers(spec)),
        "security_protocol": PROTOCOLS[spec.security],
    }
    if spec.security.endswith("tls"):
        found["ssl_context"] = _tls(spec, Path(folder))
    if spec.security.startswith("sasl"):
        found["sasl_mechanism"] = spec.mechanism.upper()
        found["sasl_plain_username"] = spec.username
        found["sasl_plain_password"] = read_secret(spec.password, folder).reveal()
    return found


def _tls(spec: KafkaSpec, folder: Path) -> ssl.SSLContext:
    """Certificates and the names in them are always checked: there is no switch that turns this off."""
    try:
        context = ssl.create_default_context(cafile=_file(folder, spec.ca_file, "ca_file"))
    except ssl.SSLError as error:
        raise OperatorError(f"kafka.ca_file: {spec.ca_file} holds no certificates in PEM form") from error
    cert = _file(folder, spec.cert_file, "cert_file")
    if cert:
        password = read_secret(spec.key_password, str(folder)).reveal() if spec.key_password else ""
        try:
            # The password is always given: without one, OpenSSL would ask for it at the terminal and wait.
            context.load_cert_chain(cert, _file(folder, spec.key_file, "key_file"), password)
        except ssl.SSLError as error:
            raise OperatorError(
                f"kafka.cert_file: {spec.cert_file} and {spec.key_file} are no certificate and key in PEM form that "
                "belong together, or key_password is not the right one"
            ) from error
    return context


def _file(folder: Path, name: str, key: str) -> str | None:
    """The path of a file that can be read, or None where none is named. Raises OperatorError."""
    if not name:
        return None
    path = folder / name
    try:
        with path.open("rb"):
            return str(path)
    except OSError as error:
        raise OperatorError(f"kafka.{key}: {path} cannot be read: {error.strerror}") from error
