"""The real worker, killed again and again, and judged by another process. `WORKER_KILLS` says how often in all."""

from __future__ import annotations

import os
import time
from random import Random

import pytest

from engine.shells.faults import WORKER_POINTS
from engine.shells.wiring import load_configuration
from engine.spec.types import KafkaSpec
from tests.kill.project import add_tasks, put_in_order
from tests.worker.conftest import NewWorld
from tests.worker.world import Worker, World

KILLS = int(os.environ.get("WORKER_KILLS", "30"))
# With more kills than usual, the named points are also died at when they are passed later.
IS_LONG = KILLS > 30
PARTS = 2

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_moment_it_loses_nothing_and_repeats_nothing(
    part: int, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    """Alone in one half of the kills, and in the other with a second worker that goes on."""
    random, world = Random(part), new_world(kafka, events=4_000, seed=0, slow_s=0.02).feed()
    other = world.worker("other") if part else None
    if other:
        other.until_it_says("partitions", 40)
    living = world.members()
    for number in range(KILLS // PARTS):
        worker = world.worker("killed")
        until_it_works(worker, number, random)
        assert worker.kill(), worker.said()
        world.bury(living)
    rest = [world.worker("killed"), *([other] if other else [])]
    rest[0].until_it_says("partitions", 40)
    world.until_done(180, *rest)
    for worker in rest:
        assert worker.stop() == 0, worker.said()
    world.verify()


def until_it_works(worker: Worker, number: int, random: Random) -> None:
    """Let it live for a while: now and then not even until it has partitions, else into its work."""
    if number % 5 == 4:
        time.sleep(random.uniform(0, 1.5))
        return
    worker.until_it_says("partitions", 40)
    time.sleep(random.uniform(0, 1) if number % 2 else random.uniform(0, 0.3))


@pytest.mark.parametrize("count", [1, 2] if IS_LONG else [1])
@pytest.mark.parametrize("stages", ["RK", "C", "SD"], ids=["route and detect", "decide", "dispatch"])
def test_killed_at_each_named_point_it_loses_nothing_and_repeats_nothing(
    stages: str, count: int, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    """`count` 1 is the first time after each start, 2 the one that follows it. Each has work of its own to die in."""
    world = new_world(kafka).feed()
    for point in [point for point in WORKER_POINTS if point[0] in stages]:
        killed_at(world, f"{point}:{count}")
    worker = world.worker()
    world.until_done(150, worker)
    assert worker.stop() == 0, worker.said()
    world.verify()


@pytest.mark.parametrize("count", [1, 3] if IS_LONG else [1])
def test_killed_while_tasks_go_round_it_loses_nothing_and_repeats_nothing(
    count: int, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    """What decide hands to owners comes back to it; each count dies in another batch of the way."""
    world = new_world(kafka)
    add_tasks(world.folder / "config")
    put_in_order(world.folder / "data")
    world.configuration = load_configuration(world.folder / "config")
    world.feed()
    for point in [point for point in WORKER_POINTS if point[0] == "C"]:
        killed_at(world, f"{point}:{count}")
    worker = world.worker()
    world.until_done(150, worker)
    assert worker.stop() == 0, worker.said()
    world.verify()


def killed_at(world: World, point: str) -> None:
    worker = world.worker(env={"FAULT_AT": point})
    assert worker.end(40) == -9, f"{point} was not reached: {worker.said()}"
    world.bury(set())
