"""On Kafka as on one machine: the same input leads to the same decisions, byte for byte, and to the same memory."""

from __future__ import annotations

import pytest

from engine.spec.types import KafkaSpec
from tests.worker.conftest import NewWorld
from tests.worker.world import working

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("partitions", "workers"), [(1, 1), (4, 1), (4, 2)])
def test_a_worker_decides_what_a_backtest_decides(
    partitions: int, workers: int, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(kafka, partitions=partitions, events=3_000).feed()
    with working(world, workers) as running:
        world.until_done(120, *running)
    world.verify()
