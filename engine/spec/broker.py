"""The typed form of `kafka:`. Built only by the parser, as everything in `types`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from engine.model import DAY_MS, MINUTE_MS, SECOND_MS


class KafkaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker reaches Kafka and shares it with others. Only `beforehand worker` and its helpers read this.

    `topics` are other names for topics of ours, by role (`events`, `log_detect`, ...). `password` and `key_password`
    are references, never the secret. Files are as written: absolute, or from the configuration's folder.
    """

    servers: tuple[str, ...] = ("127.0.0.1:9092",)
    group: str = "beforehand"
    prefix: str = "beforehand."
    partitions: int = 4
    replication: int = 1
    topics: Mapping[str, str] = {}
    create_topics: bool = True
    keep_events_ms: int = 7 * DAY_MS
    keep_decisions_ms: int = 30 * DAY_MS
    security: Literal["plaintext", "tls", "sasl_plaintext", "sasl_tls"] = "plaintext"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    key_password: str = ""
    mechanism: Literal["plain", "scram-sha-256", "scram-sha-512"] = "scram-sha-512"
    username: str = ""
    password: str = ""
    session_timeout_ms: int = 10 * SECOND_MS
    stuck_after_ms: int = MINUTE_MS
    drain_within_ms: int = 10 * SECOND_MS
