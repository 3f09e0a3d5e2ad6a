from typing import NamedTuple

from aiokafka import TopicPartition

class RecordMetadata(NamedTuple):
    topic: str
    partition: int
    topic_partition: TopicPartition
    offset: int
    timestamp: int | None
    timestamp_type: int
    log_start_offset: int | None

class OffsetAndTimestamp(NamedTuple):
    offset: int
    timestamp: int
