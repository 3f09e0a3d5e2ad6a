"""Thousands of members of one incident on Kafka, with a worker killed in the middle: each is told once per state.

`MEMBERS` says how many.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from engine.shells.wiring import load_configuration
from engine.spec.types import KafkaSpec
from tests.core import regions
from tests.kill.process import command
from tests.worker.conftest import NewWorld
from tests.worker.world import World, working

pytestmark = pytest.mark.slow

MEMBERS = int(os.environ.get("MEMBERS", "4000"))
SIZES = (MEMBERS, MEMBERS // 20, MEMBERS // 10)


def in_trouble(world: World, scans: Sequence[bytes], rules: str = "") -> World:
    """The world with the region's project and its scans, on the world's own topics."""
    project = world.folder / "config" / "beforehand.yml"
    own = next(line for line in project.read_text().splitlines() if line.startswith("kafka:"))
    for path in world.folder.glob("config/*/all.yml"):
        path.unlink()
    for path in world.folder.glob("data/*.jsonl"):
        path.unlink()
    regions.write(world.folder, regions.PROJECT + rules + own + "\n")
    world.configuration = load_configuration(project.parent)
    (world.folder / "data" / "scans.jsonl").write_bytes(b"".join(row + b"\n" for row in scans))
    (world.folder / "data" / "approvals.jsonl").write_bytes(b"")
    return world


def test_each_of_thousands_of_members_is_told_once_per_state(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = in_trouble(new_world(kafka, partitions=4, events=10), regions.scans(*SIZES)).feed()
    first = world.worker("first")
    world.until(lambda: len(world.decisions()) > MEMBERS // 3, "the fan-out has begun")
    first.process.kill()
    with working(world, 1) as running:
        world.bury(set())
        world.until_done(240, *running)
    told = [
        (str(one["play"]), str(one.get("step") or "first"), str(one["recipient"]))
        for one in world.decisions().values()
        if one["outcome"] == "chosen"
    ]
    assert regions.faults(*SIZES, told) == []
    world.verify()


def test_an_approval_by_command_reaches_the_workers(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = in_trouble(new_world(kafka, events=10), regions.scans(60, 5, 0)[:-1], regions.GUARD).feed()
    with working(world, 1):
        world.until(lambda: held(world) == 65, "all are held")
        [waiting] = command(world.folder, "approve", "--kafka").stdout.splitlines()
        assert "apologise-for-delay for 64 members of region north" in waiting
        said = ("--because", "the depot is flooded", "--by", "lena", "--at", "2026-01-05T01:30:00Z")
        done = command(world.folder, "approve", waiting.split()[0], "--kafka", *said)
        assert done.returncode == 0, done.stderr
        world.until(lambda: apologies(world) == 65, "all are told")
        assert command(world.folder, "approve", "--kafka").stdout == "nothing waits for an approval\n"


def held(world: World) -> int:
    return sum(one["gate"] == "approval" for one in world.decisions().values())


def apologies(world: World) -> int:
    chosen = [one for one in world.decisions().values() if one["outcome"] == "chosen"]
    return sum(one["play"] == "apologise-for-delay" for one in chosen)
