"""Somebody is erased while workers run: no log, no compacted topic and no worker's file holds them afterwards."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.spec.types import KafkaSpec
from tests.kill.process import command
from tests.worker.conftest import NewWorld
from tests.worker.world import World

pytestmark = pytest.mark.slow

WHO, CANARY, MAIL = '"c7"', "canary7f3a", "mail7f3a"
ALSO = "{id: customer, also_known_as: [mail]}"


def with_canary(world: World) -> World:
    """One of the customers has an id that can be looked for, and another name."""
    project = world.folder / "config/beforehand.yml"
    project.write_text(project.read_text().replace("{id: customer}", ALSO))
    for path in (world.folder / "data").glob("*.jsonl"):
        path.write_text(path.read_text().replace(WHO, f'"{CANARY}", "mail": "{MAIL}"'))
    return world


def erase(world: World, *options: str) -> subprocess.CompletedProcess[str]:
    return command(world.folder, "erase", f"customer:{CANARY}", "--config", "config", "--kafka", *options)


def holding(world: World, topic: str, *words: str) -> list[int]:
    """Offsets of the records that hold one of the words."""
    records = world.reading.records(topic)
    return [r.offset for r in records if any(word.encode() in (r.key or b"") + (r.value or b"") for word in words)]


def logs(world: World) -> list[str]:
    return [world.topics.log_detect, world.topics.log_decide, world.topics.log_dispatch]


def files_holding(folder: Path, *words: str) -> list[Path]:
    """Without what a file sink was sent, which is not ours to forget."""
    files = [path for path in folder.glob("state-*/**/*") if path.is_file() and path.name != "actions.jsonl"]
    return [path for path in files if any(word.encode() in path.read_bytes() for word in words)]


def test_nothing_is_left_of_somebody_erased(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = with_canary(new_world(kafka)).feed()
    worker = world.worker()
    world.until_done(120, worker)
    assert all(holding(world, log, CANARY) for log in logs(world)), "the canary was known in every stage"
    assert holding(world, world.topics.aliases, MAIL)
    said = erase(world)
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.startswith(f"erased customer:{CANARY}, with its other names customer:mail:{MAIL}\n")
    assert {log: holding(world, log, CANARY, MAIL) for log in logs(world)} == {log: [] for log in logs(world)}
    assert files_holding(world.folder, CANARY, MAIL) == []
    in_a_month = datetime.now(UTC) + timedelta(days=31)
    assert f"{world.topics.actions}" in said.stdout
    assert f"by {in_a_month:%Y-%m-%d}" in said.stdout
    again = erase(world)
    assert again.returncode == 0, again.stdout + again.stderr
    expected = (
        f"customer:{CANARY}: no worker has a record of anybody of that name; what may still come under it is blocked"
    )
    assert again.stdout.startswith(expected)
    others = len(world.decisions())
    world.feed()  # all of it again, as if it were late
    world.until(lambda: not world.lacking(), "the second feed is read")
    assert len(world.decisions()) == others
    assert {log: holding(world, log, CANARY) for log in logs(world)} == {log: [] for log in logs(world)}
    assert worker.stop() == 0, worker.said()
    assert files_holding(world.folder, CANARY) == []


def test_a_worker_that_comes_back_after_an_erasure_does_not_bring_anybody_back(
    kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = with_canary(new_world(kafka)).feed()
    first = world.worker("a")
    world.until_done(120, first)
    assert first.stop() == 0, first.said()
    assert files_holding(world.folder, CANARY)
    late = erase(world, "--wait", "1")
    assert late.returncode == 1
    assert f"not taken yet: {world.topics.events}/0" in late.stdout
    second = world.worker("b")
    world.until(lambda: erase(world, "--wait", "20").returncode == 0, "the second worker takes it")
    assert second.stop() == 0, second.said()
    assert {path.parents[2].name for path in files_holding(world.folder, CANARY)} == {"state-a"}
    again = world.worker("a")
    world.until(lambda: not files_holding(world.folder, CANARY), "the first worker clears its files", 60)
    assert again.stop() == 0, again.said()


def test_compaction_takes_the_other_names_away(new_world: NewWorld, new_broker: object) -> None:
    quickly = "log.cleaner.min.compaction.lag.ms"
    broker = new_broker(settings={quickly: "0", "log.cleaner.min.cleanable.ratio": "0.0001"})  # type: ignore[operator]
    world = with_canary(new_world(KafkaSpec(servers=(broker.servers,)), events=600))
    world.create_topics()
    aliases = world.topics.aliases
    small = "segment.ms=500,max.compaction.lag.ms=500,min.cleanable.dirty.ratio=0.0001,delete.retention.ms=100"
    arguments = ("--alter", "--entity-type", "topics", "--entity-name", aliases, "--add-config", small)
    broker.tool("kafka.admin.ConfigCommand", *arguments)
    world.feed()
    worker = world.worker()
    world.until(lambda: bool(holding(world, aliases, MAIL)), "the other name is learnt")
    world.until(lambda: erase(world, "--wait", "20").returncode == 0, "it is taken")
    # A segment is closed by the record that comes after it, and only closed ones are compacted.
    for _ in range(3):
        time.sleep(1)
        erase(world, "--wait", "0")
    disk = broker.folder / "data"

    def on_disk() -> list[Path]:
        return [path for path in disk.glob(f"{aliases}-*/*.log") if CANARY.encode() in path.read_bytes()]

    world.until(lambda: not on_disk(), "the topic is compacted", 60)
    assert worker.stop() == 0, worker.said()
