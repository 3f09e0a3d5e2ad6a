"""The `kafka:` block of the project file: where a worker finds Kafka, its topics, and how it proves who it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from engine.model import DAY_MS, MINUTE_MS, SECOND_MS
from engine.ports import As
from engine.spec.broker import KafkaSpec
from engine.spec.nodes import Node
from engine.spec.reading import Written, read
from engine.spec.types import StreamSpec
from engine.spec.values import Scope, Span

SESSION_LEAST_MS = 6 * SECOND_MS  # what a broker accepts unless told otherwise
LONG = Span(1, 36_500 * DAY_MS)
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]/]+):([0-9]{1,5})")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,100}")


class TopicsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Other names for the worker's topics."""

    events: Annotated[str, As.TEXT, "events as one entity sees them"] = ""
    candidates: Annotated[str, As.TEXT, "signals that may lead to something"] = ""
    decisions: Annotated[str, As.TEXT, "what was decided, and why"] = ""
    actions: Annotated[str, As.TEXT, "what is to be done"] = ""
    receipts: Annotated[str, As.TEXT, "what became of it"] = ""
    dead_letters: Annotated[str, As.TEXT, "input that could not be taken"] = ""
    aliases: Annotated[str, As.TEXT, "other names of entities"] = ""
    log_detect: Annotated[str, As.TEXT, "what the detect stage remembers"] = ""
    log_decide: Annotated[str, As.TEXT, "what the decide stage remembers"] = ""
    log_dispatch: Annotated[str, As.TEXT, "what the dispatch stage remembers"] = ""


class KafkaDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The block as it is written."""

    servers: Annotated[tuple[str, ...], As.TEXTS, "brokers to ask first, as host:port"] = ("127.0.0.1:9092",)
    group: Annotated[str, As.TEXT, "the consumer group that all workers of this project share"] = "beforehand"
    prefix: Annotated[str, As.TEXT, "what the names of all its topics begin with"] = "beforehand."
    partitions: Annotated[int, As.COUNT, "partitions of each topic of ours: the most workers that share the load"] = 4
    replication: Annotated[int, As.COUNT, "brokers that hold a copy of each topic of ours"] = 1
    topics: Annotated[TopicsDocument, "other names for topics of ours"] = TopicsDocument()
    create_topics: Annotated[bool, As.FLAG, "a worker creates missing topics at its start"] = True
    keep_events: Annotated[int, As.DURATION, LONG, "how long events and candidates stay on their topics"] = 7 * DAY_MS
    keep_decisions: Annotated[int, As.DURATION, LONG, "the same for decisions, actions and receipts"] = 30 * DAY_MS
    security: Annotated[
        Literal["plaintext", "tls", "sasl_plaintext", "sasl_tls"], "whether the line is encrypted, and who logs in"
    ] = "plaintext"
    ca_file: Annotated[str, As.TEXT, "certificates to trust; left out, those of the operating system"] = ""
    cert_file: Annotated[str, As.TEXT, "the worker's own certificate, where brokers ask for one"] = ""
    key_file: Annotated[str, As.TEXT, "the private key of that certificate"] = ""
    key_password: Annotated[str, As.SECRET, "what the private key is encrypted with"] = ""
    mechanism: Annotated[
        Literal["plain", "scram-sha-256", "scram-sha-512"], "how the password is shown to the broker"
    ] = "scram-sha-512"
    username: Annotated[str, As.TEXT, "who logs in"] = ""
    password: Annotated[str, As.SECRET, "with which password"] = ""
    session_timeout: Annotated[
        int, As.DURATION, Span(1, 30 * MINUTE_MS), "a worker unheard of for so long loses its partitions"
    ] = 10 * SECOND_MS
    stuck_after: Annotated[
        int, As.DURATION, "a worker that makes no progress for so long, with input waiting, gives up and exits"
    ] = MINUTE_MS
    drain_within: Annotated[int, As.DURATION, "how long a worker may take to stop"] = 10 * SECOND_MS


def read_kafka(node: Node | None, streams: tuple[StreamSpec, ...], scope: Scope) -> KafkaSpec:
    """Read the block; its problems go to the report."""
    written = read(node, KafkaDocument, scope) if node else None
    if written is None:
        return KafkaSpec()
    document = written.value
    _judge(written, scope)
    _judge_names(written, streams, scope)
    return KafkaSpec(
        servers=document.servers,
        group=document.group,
        prefix=document.prefix,
        partitions=document.partitions,
        replication=document.replication,
        topics=_names(document.topics),
        create_topics=document.create_topics,
        keep_events_ms=document.keep_events,
        keep_decisions_ms=document.keep_decisions,
        security=document.security,
        ca_file=document.ca_file,
        cert_file=document.cert_file,
        key_file=document.key_file,
        key_password=document.key_password,
        mechanism=document.mechanism,
        username=document.username,
        password=document.password,
        session_timeout_ms=document.session_timeout,
        stuck_after_ms=document.stuck_after,
        drain_within_ms=document.drain_within,
    )


def judge_topic(node: Node | None, name: str, scope: Scope) -> None:
    """Report what Kafka would not take as a topic's name."""
    if node is not None and name and (not _TOPIC.fullmatch(name) or name in (".", "..")):
        scope.report.error(node, "bad-topic", f"'{name}' is no name for a topic - use letters, digits and . _ -")


def _names(document: TopicsDocument) -> dict[str, str]:
    return {role: name for role, name in msgspec.structs.asdict(document).items() if name}


def _judge(written: Written[KafkaDocument], scope: Scope) -> None:
    document, nodes, report = written.value, written.nodes, scope.report
    for server in document.servers:
        found = _ADDRESS.fullmatch(server)
        if not found or int(found[2]) > 65_535:
            report.error(
                nodes["servers"], "bad-server", f"'{server}' is no address - write host:port, as in kafka-1:9092"
            )
    if not _PREFIX.fullmatch(document.prefix):
        message = f"'{document.prefix}' cannot begin a topic's name - use letters, digits and . _ -"
        report.error(nodes["prefix"], "bad-topic", message)
    if document.session_timeout < SESSION_LEAST_MS and "session_timeout" in nodes:
        report.error(nodes["session_timeout"], "bad-duration", "brokers accept no session under 6s - write 6s or more")
    for key, code, message in _security(document, nodes):
        report.error(nodes[key], code, message)


def _security(document: KafkaDocument, nodes: Mapping[str, Node]) -> Iterator[tuple[str, str, str]]:
    """(the key it is about, code, message): options that another one needs, or makes useless."""
    has_tls, has_login = document.security.endswith("tls"), document.security.startswith("sasl")
    for key in ("ca_file", "cert_file", "key_file", "key_password"):
        if key in nodes and not has_tls:
            yield key, "unused-option", f"'{key}' goes with 'security: tls' or 'sasl_tls'"
    for key in ("mechanism", "username", "password"):
        if key in nodes and not has_login:
            yield key, "unused-option", f"'{key}' goes with 'security: sasl_tls' or 'sasl_plaintext'"
        if key not in nodes and has_login and key != "mechanism":
            yield "security", "missing-key", f"missing key '{key}': 'security: {document.security}' logs in with it"
    for key, other in (("cert_file", "key_file"), ("key_file", "cert_file"), ("key_password", "key_file")):
        if key in nodes and other not in nodes:
            yield key, "missing-key", f"missing key '{other}': '{key}' is of no use without it"


def _judge_names(written: Written[KafkaDocument], streams: tuple[StreamSpec, ...], scope: Scope) -> None:
    node, document = written.nodes.get("topics"), written.value
    streams_by_topic = {stream.topic: stream.name for stream in streams if stream.topic}
    seen: dict[str, str] = {}
    for role, name in _names(document.topics).items():
        judge_topic(node, name, scope)
        assert node is not None, role
        if name in streams_by_topic:
            message = f"'{name}' is the topic of stream '{streams_by_topic[name]}' already - {role} needs its own"
            scope.report.error(node, "two-readers", message)
        if name in seen:
            message = f"'{name}' is the name for {seen[name]} already - {role} needs its own"
            scope.report.error(node, "two-readers", message)
        seen[name] = role
