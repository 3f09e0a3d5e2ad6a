"""Live, with four streams of different rates: where one stops for everybody, its silence is held against nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

import pytest
from aiokafka import AIOKafkaProducer

from engine.spec.types import KafkaSpec
from tests.kill.project import event
from tests.worker.conftest import NewWorld
from tests.worker.world import World

pytestmark = pytest.mark.slow

STREAMS = """
  usage: {family: usage, events: [login, login.failed], lateness: 1s, idle_after: 2s, stalled_after: 4s}
  tickets: {family: ticket, events: [ticket.opened], lateness: 1s, idle_after: 2s}
  moods: {family: sentiment, events: [mood], lateness: 1s, idle_after: 2s}
  parcels: {family: logistics, events: [scan], lateness: 1s, idle_after: 2s}
"""
SILENT = """
---
detector: silent
owner: success
reason: silence
per: customer
when: {absent: {event: login, within: 8s}}
then: [{play: call}]
why: "No login for eight seconds."
"""
KINDS = {"usage": "login", "tickets": "ticket.opened", "moods": "mood", "parcels": "scan"}
EVERY_S = {"usage": 0.1, "tickets": 0.17, "moods": 0.3, "parcels": 0.5}
CUSTOMERS = [f"c{number}" for number in range(20)]
GONE = "c7"


def test_a_stream_that_stops_for_everybody_counts_as_nobodys_silence(kafka: KafkaSpec, new_world: NewWorld) -> None:
    """While all streams flow, whoever stays away alone is found silent."""
    world = new_world(kafka, streams=STREAMS, detectors=SILENT, live=True, events=0)
    world.create_topics()
    worker = world.worker()
    worker.until_it_says("partitions", 40)
    flow(world, 2)
    flow(world, 11, gone={GONE})
    world.until(lambda: bool(found_silent(world)), "nobody is found silent", 10)
    assert found_silent(world) == {GONE}
    flow(world, 14, stalled={"usage"})
    flow(world, 4)
    assert found_silent(world) == {GONE}
    assert worker.stop() == 0, worker.said()


def found_silent(world: World) -> set[object]:
    return {decision["key"] for decision in world.decisions().values() if decision["detector"] == "silent"}


def flow(world: World, for_s: float, *, stalled: Collection[str] = (), gone: Collection[str] = ()) -> None:
    """Events of now on all streams that are not stalled, of each customer in turn; those gone do not log in."""

    async def run() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=list(world.kafka.servers))
        await producer.start()
        try:
            await asyncio.gather(*(_flow(producer, stream) for stream in EVERY_S if stream not in stalled))
        finally:
            await producer.stop()

    async def _flow(producer: AIOKafkaProducer, stream: str) -> None:
        end, number = time.monotonic() + for_s, 0
        while time.monotonic() < end:
            customer, now = CUSTOMERS[number % len(CUSTOMERS)], time.time_ns() // 1_000_000
            number += 1
            if stream != "usage" or customer not in gone:
                row = event(f"{stream}-{time.time_ns()}", KINDS[stream], now, customer)
                await producer.send(world.topics.raw[stream], row.strip().encode(), key=customer.encode())
            await asyncio.sleep(EVERY_S[stream])

    asyncio.run(run())
