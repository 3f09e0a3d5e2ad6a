"""Approvals on Kafka: what detect has asked about, and the event written to the topic of its stream."""

from __future__ import annotations

from typing import Any

from engine.model import Signal
from engine.shells.approving import Pending, pending_of, stream_of
from engine.shells.kafka import generate, wire
from engine.shells.kafka.browse import linked, records_of
from engine.shells.kafka.topics import topics_of
from engine.spec.types import Configuration


async def pending(configuration: Configuration, connection: dict[str, Any]) -> list[Pending]:
    """Raises OperatorError where Kafka cannot be reached."""
    signals: list[Signal] = []
    async with linked(connection) as link:
        async for record in records_of(link, topics_of(configuration.project).candidates):
            signal = wire.read_candidate(record.value or b"").signal if record.key is not None else None
            if signal is not None and signal.member is not None:
                signals.append(signal)
    return pending_of(signals)


async def send(configuration: Configuration, about: Pending, event: bytes) -> str:
    """Write the event to its stream's topic, whose name is returned. Raises OperatorError."""
    stream = stream_of(configuration.project)
    line = generate.Line(stream=stream.name, raw=event, key=about.key.encode(), due_ms=0)
    await generate.feed(configuration, [line])
    return topics_of(configuration.project).raw[stream.name]
