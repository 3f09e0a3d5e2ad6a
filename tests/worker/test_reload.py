"""As it runs in earnest, by the clock on the wall: a changed configuration comes into force, a broken one does not."""

from __future__ import annotations

import json
import signal
import time

import httpx
import pytest

from engine.spec.types import KafkaSpec
from tests.worker.conftest import NewWorld

pytestmark = pytest.mark.slow

PEOPLE = 10


def rows_of_now(count: int, kind: str, **more: object) -> list[bytes]:
    """So many events that happen now, one for each of ten people in turn."""
    now = time.time_ns() // 1_000_000
    events = [{"id": f"{kind}{now + n}", "event": kind, "at": now, "customer": f"c{n % PEOPLE}"} for n in range(count)]
    return [json.dumps({**event, **more}).encode() for event in events]


def test_a_changed_configuration_comes_into_force_and_a_broken_one_does_not(
    kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(kafka, live=True)
    world.create_topics()
    worker = world.healthy_worker("a")
    worker.until_it_says("configuration in force", 40)
    path = world.folder / "config" / "detectors" / "all.yml"
    sound = path.read_text()
    path.write_text(sound.replace("at_least: 3", "at_least: three"))
    worker.process.send_signal(signal.SIGHUP)
    worker.until_it_says("configuration not taken", 20)
    world.until(lambda: metric(worker.port, "config_last_reload_successful") == 0, "the metric stays", 20)
    path.write_text(sound.replace("at_least: 3", "at_least: 1"))
    worker.process.send_signal(signal.SIGHUP)
    worker.until_it_says("configuration in force", 20)
    world.put("usage", rows_of_now(1, "login.failed"))
    world.until(lambda: bool(world.decisions()), "one failed login is enough now, and nothing is decided", 40)
    assert metric(worker.port, "config_last_reload_successful") == 1
    assert worker.stop() == 0, worker.said()


def metric(port: int, name: str) -> float:
    """The value of a metric without labels whose name ends so."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    [line] = [line for line in text.splitlines() if line.split()[0].endswith(name)]
    return float(line.split()[1])
