"""The next Kafka: the same decisions, with two workers, and with a kill and a stop in order, on 4.1.1."""

from __future__ import annotations

import time

import pytest

from engine.spec.types import KafkaSpec
from tests.kafka.conftest import NewBroker
from tests.worker.conftest import NewWorld
from tests.worker.world import working

VERSION = "4.1.1"

pytestmark = pytest.mark.slow


def test_on_the_next_kafka_a_kill_and_a_stop_cost_nothing(new_broker: NewBroker, new_world: NewWorld) -> None:
    broker = new_broker(VERSION)
    world = new_world(KafkaSpec(servers=(broker.servers,)), events=3_000, slow_s=0.05).feed()
    killed = world.worker("killed")
    world.until(lambda: bool(world.desk_lines()), "it sends nothing", 40)
    assert killed.kill()
    world.bury(set())
    stopped = world.worker("stopped")
    stopped.until_it_says("partitions", 40)
    time.sleep(1)
    began = time.monotonic()
    assert stopped.stop() == 0, stopped.said()
    assert time.monotonic() - began < 10
    last = world.worker("last")
    world.until_done(60, last)
    assert last.stop() == 0, last.said()
    world.verify()


def test_on_the_next_kafka_workers_decide_what_a_backtest_decides(new_broker: NewBroker, new_world: NewWorld) -> None:
    broker = new_broker(VERSION)
    world = new_world(KafkaSpec(servers=(broker.servers,)), partitions=4, events=3_000).feed()
    with working(world, 2) as running:
        world.until_done(60, *running)
    world.verify()
