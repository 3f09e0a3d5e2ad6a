"""A worker that is stopped for long and wakes up finds that others have taken over, changes nothing, and ends."""

from __future__ import annotations

import os
import signal
import time

import pytest

from engine.spec.types import KafkaSpec
from tests.worker.conftest import NewWorld
from tests.worker.world import SESSION_S, Worker

pytestmark = pytest.mark.slow

# In the middle of a batch before each write and behind a send; in the soak also behind a write, and between an intent
# and its send.
IS_LONG = int(os.environ.get("WORKER_KILLS", "30")) > 30
POINTS = ("K2:1", "C2:1", "S3:1", "D3:1", *(("K3:1", "D2b:1") if IS_LONG else ()))


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_was_paused_changes_nothing_when_it_wakes_up(
    point: str, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(kafka, partitions=1, events=1_000).feed()
    paused = world.worker("paused", env={"FAULT_AT": f"{point}:stop"})
    world.until(lambda: is_stopped(paused), f"{point} was not reached", 40)
    stopped_at = time.monotonic()
    other = world.worker("other")
    # Most often all is done by then; but it may have been stopped with the lock of the file sink in its hands.
    while world.lacking() and time.monotonic() < stopped_at + 6 * SESSION_S:
        assert other.process.poll() is None, other.said()
        time.sleep(0.3)
    time.sleep(max(0, stopped_at + 2 * SESSION_S - time.monotonic()))
    paused.process.send_signal(signal.SIGCONT)
    assert paused.end(60) == 70, paused.said()
    world.until_done(150, other)
    assert other.stop() == 0, other.said()
    world.verify()


def is_stopped(worker: Worker) -> bool:
    """Does the operating system say that it is stopped?"""
    assert worker.process.poll() is None, worker.said()
    with open(f"/proc/{worker.process.pid}/stat") as stat:  # noqa: PTH123
        return stat.read().rpartition(")")[2].split()[0] == "T"
