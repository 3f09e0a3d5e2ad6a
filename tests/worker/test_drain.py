"""Asked to stop, a worker lets what it is sending come to its end, and leaves nothing behind of which nobody knows."""

from __future__ import annotations

import time

import pytest

from engine.shells.ledger import State
from engine.spec.types import KafkaSpec
from tests.worker.conftest import NewWorld
from tests.worker.verify import Evidence

pytestmark = pytest.mark.slow

FOR_EVER_S = 1_000_000


@pytest.mark.parametrize("slow_s", [2, FOR_EVER_S], ids=["a slow receiver", "a receiver that never answers"])
def test_a_stop_drains_within_ten_seconds_and_leaves_no_intent(
    slow_s: float, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(kafka, slow_s=slow_s).feed()
    worker = world.worker()
    world.until(lambda: bool(world.desk_lines()), "it sends nothing")
    began = time.monotonic()
    assert worker.stop() == 0, worker.said()
    assert time.monotonic() - began < 10
    ledger = Evidence(world.folder).ledger
    assert ledger
    assert State.INTENT not in {row.state for row in ledger.values()}
