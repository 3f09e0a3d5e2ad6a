"""Two questions that Kafka answers and aiokafka does not ask yet: what we may do with a topic, and with a group.

Both are older questions with one more field in them, as Kafka 2.3 introduced it. Asking for a topic's metadata this
way also does not create it, whatever the broker's `auto.create.topics.enable` says.
"""

from __future__ import annotations

from enum import IntEnum

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

METADATA_KEY, METADATA_VERSION = 3, 8
DESCRIBE_GROUPS_KEY, DESCRIBE_GROUPS_VERSION = 15, 3
TEXT = String("utf-8")
UNKNOWN_OPERATIONS = -(1 << 31)


class Operation(IntEnum):
    """What may be allowed, by Kafka's number for it; the name in lower case is what its tools call it."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    DESCRIBE = 8
    DESCRIBE_CONFIGS = 10


def allowed(bits: int) -> frozenset[Operation]:
    """The operations in an answer. Everything where the broker did not say."""
    if bits == UNKNOWN_OPERATIONS:
        return frozenset(Operation)
    return frozenset(operation for operation in Operation if bits & (1 << operation))


class TopicsAnswer(Response):
    API_KEY = METADATA_KEY
    API_VERSION = METADATA_VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", TEXT), ("port", Int32), ("rack", TEXT))),
        ("cluster_id", TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class TopicsQuestion(RequestStruct):
    API_KEY = METADATA_KEY
    API_VERSION = METADATA_VERSION
    RESPONSE_TYPE = TopicsAnswer
    SCHEMA = Schema(
        ("topics", Array(TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class AskTopics(Request[TopicsQuestion]):
    """Partitions, replicas and our rights of these topics."""

    API_KEY = METADATA_KEY

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[TopicsQuestion]) -> TopicsQuestion:
        return request_struct_class(
            topics=self._topics,
            allow_auto_topic_creation=False,
            include_cluster_authorized_operations=False,
            include_topic_authorized_operations=True,
        )


class GroupAnswer(Response):
    API_KEY = DESCRIBE_GROUPS_KEY
    API_VERSION = DESCRIBE_GROUPS_VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", TEXT),
                ("state", TEXT),
                ("protocol_type", TEXT),
                ("protocol", TEXT),
                (
                    "members",
                    Array(
                        ("member_id", TEXT),
                        ("client_id", TEXT),
                        ("client_host", TEXT),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class GroupQuestion(RequestStruct):
    API_KEY = DESCRIBE_GROUPS_KEY
    API_VERSION = DESCRIBE_GROUPS_VERSION
    RESPONSE_TYPE = GroupAnswer
    SCHEMA = Schema(("groups", Array(TEXT)), ("include_authorized_operations", Boolean))


class AskGroup(Request[GroupQuestion]):
    """Members and our rights of one group."""

    API_KEY = DESCRIBE_GROUPS_KEY

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[GroupQuestion]) -> GroupQuestion:
        return request_struct_class(groups=[self._group], include_authorized_operations=True)
