"""What Kafka says about topics and groups, for the commands that look after them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, KafkaTimeoutError, for_code
from aiokafka.protocol.api import Request, Response

from engine.errors import OperatorError
from engine.model import SECOND_MS
from engine.shells.kafka.protocol import AskGroup, AskTopics, Operation, allowed
from engine.shells.kafka.reach import why_unreachable
from engine.shells.kafka.topics import TopicSpec

REQUEST_TIMEOUT_MS = 20 * SECOND_MS
CREATED_WITHIN_MS = 15 * SECOND_MS
COORDINATED_WITHIN_MS = 15 * SECOND_MS
NO_SUCH_TOPIC, LEADERLESS, NOT_ALLOWED, EXISTS = 3, 5, 29, 36


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it is. With an `error`, Kafka's number for why nothing more is known.

    `replicas` and `in_sync` are the smallest numbers among its partitions, `leaderless` those nobody answers for.
    """

    error: int = 0
    partitions: int = 0
    replicas: int = 0
    in_sync: int = 0
    leaderless: tuple[int, ...] = ()
    operations: frozenset[Operation] = frozenset()


class Configs(msgspec.Struct, frozen=True, kw_only=True):
    """How a topic is set, in Kafka's words; or with an `error`, why we may not see it."""

    values: Mapping[str, str] = {}
    error: str = ""


class Cluster:
    """An open connection. Every method raises KafkaError where a broker does not answer."""

    def __init__(self, client: AIOKafkaClient, admin: AIOKafkaAdminClient) -> None:
        self._client = client
        self.admin = admin

    async def brokers(self) -> int:
        return len((await self.admin.describe_cluster())["brokers"])

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """How each of these topics is, also of those that do not exist."""
        answer = (await self._ask(AskTopics(list(names)))).to_object()
        return {topic["topic"]: _state(topic) for topic in answer["topics"]}

    async def configs(self, names: Iterable[str]) -> dict[str, Configs]:
        """How each of these topics is set. They have to exist."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        found: dict[str, Configs] = {}
        for answer in await self.admin.describe_configs(asked) if asked else ():
            for error, message, _kind, name, entries in answer.resources:
                reason = f"{for_code(error).message}: {message}" if error else ""
                found[name] = Configs(values={entry[0]: entry[1] or "" for entry in entries}, error=reason)
        return found

    async def broker_setting(self, key: str) -> str:
        """How a broker is set, "" where we may not see it. All brokers of a cluster should be set alike."""
        node = (await self.admin.describe_cluster())["brokers"][0]["node_id"]
        answers = await self.admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(node), {key: ""})])
        _error, _message, _kind, _name, entries = answers[0].resources[0]
        return next((entry[1] or "" for entry in entries if entry[0] == key), "")

    async def create(self, specs: Collection[TopicSpec], replication: int) -> dict[str, str]:
        """Create topics and wait until they can be used. Gives what went wrong, by name; no error, no entry."""
        new = [NewTopic(spec.name, spec.partitions, replication, topic_configs=dict(spec.configs)) for spec in specs]
        answer = await self.admin.create_topics(new)
        errors = {name: _creating(code, message) for name, code, message in answer.topic_errors if code != EXISTS}
        failed = {name: error for name, error in errors.items() if error}
        await self._until_usable([spec.name for spec in specs if spec.name not in failed])
        return failed

    async def group_operations(self, group: str) -> frozenset[Operation]:
        """What we may do with a consumer group, which need not exist yet."""
        for _attempt in range(COORDINATED_WITHIN_MS // 100):
            try:
                coordinator = await self.admin.find_coordinator(group)
                found = (await self._ask(AskGroup(group), coordinator)).to_object()["groups"][0]
                if not found["error_code"]:
                    return allowed(found["authorized_operations"])
                raise for_code(found["error_code"])
            except GroupAuthorizationFailedError:
                return frozenset()
            except KafkaError as error:
                # With its first group, a cluster makes a topic for all of them, which takes a moment.
                if not error.retriable:
                    raise
            await asyncio.sleep(0.1)
        raise KafkaTimeoutError(f"no broker looks after the group {group}")

    async def _until_usable(self, names: list[str]) -> None:
        for _attempt in range(CREATED_WITHIN_MS // 100):
            found = await self.topics(names)
            if all(not state.error and not state.leaderless for state in found.values()):
                return
            await asyncio.sleep(0.1)

    async def _ask(self, request: Request[Any], node: int | None = None) -> Response:
        asked = self._client.get_random_node() if node is None else node
        assert asked is not None, "there is at least the broker that we are connected to"
        return await self._client.send(asked, request)


@asynccontextmanager
async def reached(connection: dict[str, Any]) -> AsyncIterator[Cluster]:
    """A connection for the time of the block. Raises OperatorError with the reason where no broker can be reached."""
    options = {**connection, "request_timeout_ms": REQUEST_TIMEOUT_MS}
    with _quiet():
        client, admin = AIOKafkaClient(**options), AIOKafkaAdminClient(**options)
        try:
            try:
                await client.bootstrap()
                await admin.start()
            except KafkaError as error:
                reason = await why_unreachable(connection) or str(error)
                raise OperatorError(f"Kafka cannot be reached: {reason}") from error
            yield Cluster(client, admin)
        finally:
            await admin.close()
            await client.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """aiokafka logs each failed attempt as an error. Whoever uses this says the same once, in words."""
    log = logging.getLogger("aiokafka")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _state(topic: dict[str, Any]) -> TopicState:
    partitions = topic["partitions"]
    if topic["error_code"] not in (0, LEADERLESS) or not partitions:
        return TopicState(error=topic["error_code"] or NO_SUCH_TOPIC)
    return TopicState(
        partitions=len(partitions),
        replicas=min(len(partition["replicas"]) for partition in partitions),
        in_sync=min(len(partition["isr"]) for partition in partitions),
        leaderless=tuple(sorted(each["partition"] for each in partitions if each["leader"] < 0)),
        operations=allowed(topic["authorized_operations"]),
    )


def _creating(code: int, message: str | None) -> str:
    return f"{for_code(code).message}{f': {message}' if message else ''}" if code else ""
