"""Events on which the engine itself fails: they are set aside, and the others lead to what they would have led to.

The fault is in a plugin, as in tests/faults. It is there for the worker and for the backtest that is compared with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from engine.shells.attempts import DEATHS_MOST
from engine.spec.types import KafkaSpec
from tests.faults.test_breaking_rows import BROKEN, KILLED_ITSELF, installed
from tests.kill.project import event
from tests.worker.conftest import NewWorld
from tests.worker.verify import BESIDES
from tests.worker.world import Worker, World

pytestmark = pytest.mark.slow


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", installed(tmp_path)["PYTHONPATH"])


def broken(world: World) -> World:
    """Have the detector in its configuration. This process does not know the plugin, so it is not to read that."""
    path = world.folder / "config" / "detectors" / "broken.yml"
    path.write_text(BROKEN.strip().removeprefix("---\n"))
    return world


def among(world: World, **breaks: str) -> list[bytes]:
    """Events in the middle of those in the data, by the same people, that break what takes them."""
    rows = world.rows("usage")
    middle = json.loads(rows[len(rows) // 2])["at"]
    return [event(name, "login", middle, f"c{n}", breaks=how).encode() for n, (name, how) in enumerate(breaks.items())]


def set_aside(world: World) -> set[tuple[str, str]]:
    """Reason and event id of what detect has set aside."""
    letters = [json.loads(record.value or b"") for record in world.reading.records(world.topics.dead_letters)]
    ours = [one for one in letters if one["reason"] in {"poison", "crash_loop"}]
    return {(one["reason"], json.loads(one["raw"])["id"]) for one in ours}


@pytest.mark.usefixtures("plugin")
def test_events_that_break_the_engine_are_set_aside_and_nothing_else_is_lost(
    kafka: KafkaSpec, new_world: NewWorld
) -> None:
    """In recorded history, where an event is held back until time has come to it: the blame is its own all the same."""
    world = broken(new_world(kafka, partitions=1, events=1_000)).feed()
    world.put("usage", among(world, raising="raises", killing="kills"))
    (world.folder / BESIDES).write_text(json.dumps({" poison": 1, " crash_loop": 1}))
    worker, deaths = until_it_lives(world, lambda: not world.lacking())
    assert deaths in {DEATHS_MOST, 1 + DEATHS_MOST}
    assert set_aside(world) == {("poison", "eraising"), ("crash_loop", "ekilling")}
    assert worker.stop() == 0, worker.said()
    world.verify()


@pytest.mark.usefixtures("plugin")
def test_live_an_event_that_kills_the_worker_is_set_aside_after_three_deaths(
    kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = broken(new_world(kafka, live=True, events=0))
    world.create_topics()
    now, people = time.time_ns() // 1_000_000, [f"c{number}" for number in range(10)]
    rows = [event(f"{who}{n}", "login.failed", now + n, who) for n in range(3) for who in people]
    breaking = [
        event("raising", "login", now, "c3", breaks="raises"),
        event("killing", "login", now, "c4", breaks="kills"),
    ]
    world.put("usage", [row.encode() for row in [*rows[:15], *breaking, *rows[15:]]])

    def all_are_warned() -> bool:
        return {line["key"] for line in world.decisions().values() if line["detector"] == "break-in"} == set(people)

    worker, deaths = until_it_lives(world, all_are_warned)
    assert deaths in {DEATHS_MOST, 1 + DEATHS_MOST}
    assert set_aside(world) == {("poison", "eraising"), ("crash_loop", "ekilling")}
    assert worker.stop() == 0, worker.said()


def until_it_lives(world: World, is_done: Callable[[], bool]) -> tuple[Worker, int]:
    """Start workers until one comes to the end of its work. That one, and how many died.

    The first may die without care; where another event of its batch has raised before, it takes care at once.
    """
    deaths = 0
    while True:
        worker = world.worker()
        world.until(partial(has_ended, worker, is_done), "it neither dies nor comes to the end", 60)
        if worker.process.poll() is None:
            return worker, deaths
        assert worker.end() == KILLED_ITSELF, worker.said()
        deaths += 1
        world.bury(set())


def has_ended(worker: Worker, is_done: Callable[[], bool]) -> bool:
    return worker.process.poll() is not None or is_done()
