"""The network between workers and broker stalls, or breaks off after the broker has taken what was sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.spec.types import KafkaSpec
from tests.kafka.broker import free_ports
from tests.kafka.conftest import NewBroker
from tests.kill.process import ROOT
from tests.worker.conftest import NewWorld
from tests.worker.world import World

STALL_S = float(os.environ.get("STALL_S", "15"))
RESETS = 5

pytestmark = pytest.mark.slow

IS_LONG = int(os.environ.get("WORKER_KILLS", "30")) > 30


@contextmanager
def proxied(new_broker: NewBroker) -> Iterator[tuple[KafkaSpec, KafkaSpec, subprocess.Popen[str]]]:
    """A broker as it is reached through a proxy, directly, and the proxy."""
    [listen] = free_ports(1)
    ports = free_ports(3)
    outside = f"CLIENTS://127.0.0.1:{listen},INSIDE://127.0.0.1:{ports[1]}"
    broker = new_broker(ports=ports, settings={"advertised.listeners": outside})
    command = [sys.executable, "-m", "tests.worker.proxy", str(listen), str(ports[0])]
    proxy = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert proxy.stdout is not None
    assert proxy.stdout.readline() == "ready\n"
    try:
        yield KafkaSpec(servers=(f"127.0.0.1:{listen}",)), KafkaSpec(servers=(broker.inside,)), proxy
    finally:
        proxy.kill()
        proxy.wait()


@pytest.mark.parametrize("topic", ["events", "candidates", "receipts"] if IS_LONG else ["candidates", "receipts"])
def test_a_stalled_network_loses_and_repeats_nothing(topic: str, new_broker: NewBroker, new_world: NewWorld) -> None:
    """The stall begins once something has come as far as `topic`, so in another phase of the work each time."""
    with proxied(new_broker) as (through, inside, proxy):
        world = new_world(through, direct=inside, events=6_000, slow_s=0.1).feed()
        worker = world.worker()
        world.until(lambda: bool(world.reading.records(getattr(world.topics, topic))), f"nothing comes to {topic}", 40)
        proxy.send_signal(signal.SIGUSR1)
        time.sleep(STALL_S)
        ahead_of_nothing(world)
        proxy.send_signal(signal.SIGUSR2)
        again = world.worker("again")
        world.until_done(120, again)
        assert worker.process.poll() in {None, 70}, worker.said()
        world.verify()


def ahead_of_nothing(world: World) -> None:
    """Whatever was let go of has its commit in the log: a new reader of the logs would know as much."""
    committed = {(place.topic, place.partition): at for place, at in world.reading.committed().items()}
    for topic, stage in ((world.topics.events, "detect"), (world.topics.candidates, "decide")):
        for partition in range(world.kafka.partitions):
            kept = world.position(stage, topic, partition)
            assert committed.get((topic, partition), 0) <= kept, f"{topic}/{partition}: {committed} and {kept}"


def test_an_answer_that_is_lost_on_its_way_back_leaves_one_copy(new_broker: NewBroker, new_world: NewWorld) -> None:
    with proxied(new_broker) as (through, inside, proxy):
        world = new_world(through, direct=inside, events=6_000, slow_s=0.1).feed()
        worker = world.worker()
        worker.until_it_says("partitions", 40)
        assert proxy.stdout is not None
        for _ in range(RESETS):
            proxy.send_signal(signal.SIGHUP)
            assert proxy.stdout.readline() == "reset\n"
        world.until_done(120, worker)
        assert worker.stop() == 0, worker.said()
        written = Counter(record.value for record in world.reading.records(world.topics.decisions))
        assert set(written.values()) == {1}
        world.verify()
