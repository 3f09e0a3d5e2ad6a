"""Workers that come and go. `ROUNDS` says how often."""

from __future__ import annotations

import os
import signal
import time

import pytest

from engine.spec.types import KafkaSpec
from tests.worker.conftest import NewWorld

ROUNDS = int(os.environ.get("ROUNDS", "10"))
EVERY_S = 3

pytestmark = pytest.mark.slow


def test_a_storm_of_joining_and_leaving_repeats_nothing_and_does_not_stop_the_work(
    kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(kafka, partitions=4, events=4_000, slow_s=0.2).feed()
    steady, guest = world.worker("steady"), None
    for number in range(ROUNDS):
        if guest is None:
            guest = world.worker("guest")
            time.sleep(EVERY_S)
            continue
        if number % 4 == 1:
            guest.kill()
        else:
            # On a busy machine it may not even have begun to listen.
            assert guest.stop() in {0, -signal.SIGTERM}, guest.said()
        guest = None
        time.sleep(EVERY_S)
    assert world.decisions()
    assert steady.process.poll() is None, steady.said()
    world.until_done(120, steady)
    world.verify()


def test_more_workers_than_partitions_are_no_harm(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = new_world(kafka, partitions=1, events=500).feed()
    workers = [world.worker(f"w{number}") for number in range(4)]
    world.until_done(120, *workers)
    for worker in workers:
        assert worker.stop() == 0, worker.said()
    world.verify()
