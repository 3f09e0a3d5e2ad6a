"""What the Quix Streams peers share: an application with RocksDB and changelog topics, run to its last record."""

from __future__ import annotations

from tempfile import mkdtemp
from typing import Any

from meter import Given
from quixstreams import Application
from quixstreams.dataframe import StreamingDataFrame
from quixstreams.models import Topic


class App:
    """Measures from the first event that comes in to the result of the last one, and then stops the application."""

    def __init__(self) -> None:
        self.given = Given()
        self.actions = 0
        self._application = Application(
            broker_address=self.given.servers,
            consumer_group=self.given.group,
            auto_offset_reset="earliest",
            state_dir=mkdtemp(),
            loglevel="ERROR",
        )
        self._topic: Topic = self._application.topic(
            self.given.topic, value_deserializer="json", key_deserializer="str", timestamp_extractor=event_time
        )
        self._out: Topic = self._application.topic(self.given.out, value_serializer="bytes", key_serializer="str")
        self.last = False

    def events(self) -> StreamingDataFrame:
        return self._application.dataframe(self._topic).apply(self._counted)

    def _counted(self, event: dict[str, Any]) -> dict[str, Any]:
        self.last = self.given.meter.saw()
        return event

    def tell(self, action: bytes | None) -> bytes | None:
        """Count the action, and stop behind the last record. Every event has to come by here."""
        self.actions += action is not None
        if self.last:
            self.last = False
            self.given.meter.done(self.actions)
            self._application.stop()
        return action

    def run(self, found: StreamingDataFrame) -> None:
        found.apply(self.tell).filter(is_due).to_topic(self._out)
        self._application.run()


def event_time(value: dict[str, Any], _headers: Any, _timestamp: float, _kind: Any) -> int:
    at: int = value["at"]
    return at


def is_due(action: bytes | None) -> bool:
    return action is not None
