"""Live, with four streams of different rates: where one stops for everybody, its silence is held against nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

import pytest
from aiokafka import AIOKafkaProducer

from engine.spec.types import KafkaSpec
from tests.kill.project import MINUTE_MS, event
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


def test_what_stood_still_while_no_worker_ran_is_known_for_it_afterwards(kafka: KafkaSpec, new_world: NewWorld) -> None:
    """A backlog of hours, in which nobody logged in for three of them, and one person had stopped before that.

    The other streams are about other people, as an event of one's own lets one's time go on, whatever comes later.
    """
    streams = STREAMS.replace("stalled_after: 4s", "stalled_after: 30m")
    world = new_world(kafka, streams=streams, detectors=SILENT.replace("within: 8s", "within: 2h"), live=True, events=0)
    world.create_topics()
    for stream in KINDS:
        world.put(stream, backlog(stream))
    worker = world.worker()
    world.until(lambda: GONE in found_silent(world), "who is silent is not found", 40)
    world.until(lambda: not world.reading.behind([world.topics.events, world.topics.candidates]), "it is not done", 20)
    assert found_silent(world) & set(CUSTOMERS) == {GONE}
    assert worker.stop() == 0, worker.said()


def backlog(stream: str) -> list[bytes]:
    """Of everybody every five minutes from six hours ago until now."""
    now, rows = time.time_ns() // 1_000_000, list[str]()
    people = CUSTOMERS if stream == "usage" else [f"other-{who}" for who in CUSTOMERS]
    for ago_min in range(360, 0, -5):
        if stream == "usage" and 60 < ago_min < 240:
            continue
        at = now - ago_min * MINUTE_MS
        rows += [event(f"{who}-{at}", KINDS[stream], at, who) for who in people if who != GONE or ago_min > 350]
    return [row.strip().encode() for row in rows]


def found_silent(world: World) -> set[str]:
    return {str(decision["key"]) for decision in world.decisions().values() if decision["detector"] == "silent"}


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
