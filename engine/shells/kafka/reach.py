"""Why no broker can be reached, in words: one line for each, as each may have a reason of its own."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from engine.model import SECOND_MS

WITHIN_MS = 5 * SECOND_MS
_ENCRYPTED = ("SSL", "SASL_SSL")
_LOGIN = ("SASL_PLAINTEXT", "SASL_SSL")


async def why_unreachable(connection: dict[str, Any]) -> str:
    """What keeps us from each of the brokers; "" if one of them can be reached."""
    said: list[str] = []
    for server in connection["bootstrap_servers"]:
        reason = await _try(server, connection)
        if not reason:
            return ""
        said.append(f"{server}: {reason}")
    return "; ".join(said)


async def _try(server: str, connection: dict[str, Any]) -> str:
    host, _, port = server.rpartition(":")
    options = {key: value for key, value in connection.items() if key != "bootstrap_servers"}
    try:
        conn = await create_conn(host.strip("[]"), int(port), request_timeout_ms=WITHIN_MS, **options)
    except (OSError, KafkaError, TimeoutError, ValueError) as error:
        return in_words(error, connection)
    conn.close()
    return ""


def in_words(error: BaseException, connection: dict[str, Any]) -> str:
    """What an error on the way to a broker means, and where to look."""
    if isinstance(error, KafkaError):
        return _refused(error, connection)
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate cannot be trusted ({error.verify_message}) - is ca_file the right one?"
        case ssl.SSLError():
            return "it does not speak TLS on this port, or asks for a certificate - see security and cert_file"
        case socket.gaierror():
            return "there is no host of that name"
        case ConnectionRefusedError():
            return "nothing listens there"
        case ConnectionResetError() | BrokenPipeError():
            return _hung_up(connection)
        case TimeoutError():
            return f"no answer within {WITHIN_MS // SECOND_MS} seconds - a firewall, or {_hung_up(connection)}"
    return str(error) or type(error).__name__


def _refused(error: KafkaError, connection: dict[str, Any]) -> str:
    cause = error.__cause__
    if isinstance(error, SaslAuthenticationFailed | AuthenticationFailedError):
        return f"it does not take this login - are username, password and mechanism right? It said: {error}"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"it does not know the mechanism {connection['sasl_mechanism']} - {error}"
    if isinstance(cause, OSError) and not isinstance(cause, ConnectionResetError):
        return in_words(cause, connection)
    return _hung_up(connection)


def _hung_up(connection: dict[str, Any]) -> str:
    protocol = connection["security_protocol"]
    line = "TLS" if protocol in _ENCRYPTED else "no TLS"
    login = "a login" if protocol in _LOGIN else "no login"
    return f"it hung up; it may expect something else than {line} and {login} on this port - see security"
