"""The broker is killed and restarted under the workers. `BOUNCES` says how often in all."""

from __future__ import annotations

import os

import pytest

from engine.shells.kafka.worker import GAVE_UP
from engine.spec.types import KafkaSpec
from tests.kafka.conftest import NewBroker
from tests.worker.conftest import NewWorld
from tests.worker.world import Worker, World

BOUNCES = int(os.environ.get("BOUNCES", "5"))
RESUMED_WITHIN_S = 60
NO_BROKER = 1

pytestmark = pytest.mark.slow


def test_a_broker_that_dies_and_comes_back_costs_nothing(new_broker: NewBroker, new_world: NewWorld) -> None:
    """Three deaths to two restarts in order, while there is work; a worker that gives up is started again."""
    broker = new_broker()
    world = new_world(KafkaSpec(servers=(broker.servers,)), events=4_000, slow_s=0.1).feed()
    workers = [world.worker("a"), world.worker("b")]
    for bounce in range(BOUNCES):
        broker.restart(kill=bounce % 5 in {0, 2, 4})
        until_it_goes_on(world, workers, progress(world))
    world.until_done(120)
    world.verify()


def supervised(world: World, workers: list[Worker]) -> list[Worker]:
    """A worker that gave up, or found no broker at its start, is started again, as a supervisor would."""
    ended = [worker for worker in workers if worker.process.poll() is not None]
    assert all(worker.process.returncode in {GAVE_UP, NO_BROKER} for worker in ended), [w.said() for w in ended]
    return [worker if worker not in ended else world.worker(worker.name) for worker in workers]


def progress(world: World) -> int:
    return len(world.decisions()) + len(world.desk_lines())


def until_it_goes_on(world: World, workers: list[Worker], before: int) -> None:
    def goes_on() -> bool:
        workers[:] = supervised(world, workers)
        return progress(world) > before or not world.lacking()

    world.until(goes_on, "it does not go on", RESUMED_WITHIN_S)
