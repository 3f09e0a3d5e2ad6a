"""Liveness means progress: a worker that has come to a stop says so and ends, for its supervisor to start another."""

from __future__ import annotations

import httpx
import pytest

from engine.spec.types import KafkaSpec
from tests.worker.conftest import NewWorld

pytestmark = pytest.mark.slow


def test_a_worker_whose_loop_is_blocked_is_ended_and_its_successor_goes_on(
    kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(kafka, events=600, stuck_after_s=12).feed()
    blocked = world.worker("blocked", env={"FAULT_AT": "K3:1:hang"})
    assert blocked.end(60) == 70, blocked.said()
    assert "the worker has come to a stop" in blocked.said()
    worker = world.worker("next")
    world.until_done(60, worker)
    assert worker.stop() == 0, worker.said()
    world.verify()


def test_a_worker_that_cannot_write_says_that_it_is_stuck_and_gives_up(kafka: KafkaSpec, new_world: NewWorld) -> None:
    """The broker takes nothing onto `candidates` any more. What led to it is not let go of: the next one decides it."""
    world = new_world(kafka, events=600, stuck_after_s=12)
    world.create_topics()
    worker = world.healthy_worker("stuck")
    worker.until_it_says("partitions", 40)
    world.delete_topic(world.topics.candidates)
    for stream in world.topics.raw:
        world.put(stream, world.rows(stream))
    seen: list[str] = []

    def says_so() -> bool:
        try:
            answer = httpx.get(f"http://127.0.0.1:{worker.port}/livez", trust_env=False)
        except httpx.HTTPError:
            return worker.process.poll() is not None
        if answer.status_code == 503:
            seen.append(answer.text)
        return worker.process.poll() is not None

    world.until(says_so, "it does not give up", 60)
    assert worker.end() == 70, worker.said()
    # It says so where it is asked, or at its end. Who sees it first is chance: the one who looks at the lag, or, where
    # asking after a topic that is gone holds up everything on a busy machine, the watchdog.
    told = "".join([worker.said(), *seen])
    assert any(words in told for words in ("has not moved", "has come to a stop")), told
    following = world.worker("next")
    world.until_done(60, following)
    assert following.stop() == 0, following.said()
    world.verify()
