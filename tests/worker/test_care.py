"""Dead letters on Kafka put back after a fix, and all that workers hold about somebody, on a real broker."""

from __future__ import annotations

import asyncio
import json

import pytest

from engine.spec.types import KafkaSpec
from tests.kill.process import command
from tests.kill.project import START, event
from tests.worker.conftest import NewWorld
from tests.worker.world import World

pytestmark = pytest.mark.slow

LARGE = "larger-than-1024"


def ask(world: World, *arguments: str) -> str:
    done = command(world.folder, *arguments, "--config", "config", "--kafka")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def letters(world: World) -> list[dict[str, object]]:
    found = [json.loads(r.value or b"") for r in world.reading.records(world.topics.dead_letters) if r.key is None]
    return [letter for letter in found if letter["reason"] == "too_large"]


def routed(world: World) -> list[str]:
    return [line["id"] for line in world.reading.values(world.topics.events) if line["id"] == f"e{LARGE}"]


def bounded(world: World, old: str, new: str) -> None:
    project = world.folder / "config/beforehand.yml"
    project.write_text(project.read_text().replace(old, new))


def test_letters_are_put_back_once_and_taken_after_a_fix(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = new_world(kafka, events=200)
    bounded(world, "bounds: {", "bounds: {event_bytes: 1024, ")
    world.feed()
    row = event(LARGE, "login", START, "c1", note="x" * 2_000).encode()
    asyncio.run(world._send([(world.topics.raw["usage"], row)]))
    worker = world.worker()
    world.until(lambda: len(letters(world)) == 1, "it is set aside")
    raw = world.topics.raw["usage"]
    dry = ask(world, "replay", "--reason", "too_large", "--dry-run")
    assert dry == f"1 would go back into {raw}\n"
    assert ask(world, "replay", "--reason", "too_large") == f"1 put back into {raw}\n"
    world.until(lambda: len(letters(world)) == 2, "what was not fixed comes back")
    assert not routed(world)
    bounded(world, "event_bytes: 1024", "event_bytes: 4096")
    worker.process.send_signal(1)
    world.until(lambda: worker.said().count("configuration in force") == 2, "the configuration is taken")
    assert ask(world, "replay", "--reason", "too_large") == f"1 put back into {raw}\n1 had been put back before\n"
    world.until(lambda: bool(routed(world)), "it is taken now")
    assert len(letters(world)) == 2
    partitions = {r.partition for r in world.reading.records(raw) if LARGE.encode() in (r.value or b"")}
    assert len(partitions) == 1, "it goes back where it came from"
    assert worker.stop() == 0, worker.said()


def test_all_that_workers_hold_about_somebody_is_one_document(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = new_world(kafka, events=800).feed()
    worker = world.worker()
    world.until_done(120, worker)
    decided = [line for line in world.decisions().values() if line["key"] == "c7"]
    found = json.loads(ask(world, "export", "customer:c7"))
    assert {one["id"] for one in found["decisions"]} == {one["id"] for one in decided}
    chosen = {one["action_id"] for one in decided if one["action_id"]}
    assert {sent["action"]["id"] for sent in found["actions"]} == chosen
    assert {receipt["action_id"] for receipt in found["receipts"]} == chosen
    assert {sent["state"] for sent in found["actions"]} <= {"delivered", "unknown"}
    [record] = found["remembered"]
    assert set(record["detectors"]) == {"break-in", "gone-quiet", "unhappy"}
    assert {one["entities"]["customer"] for one in found["events"]} == {"c7"}
    assert {one["key"] for one in found["signals"]} == {"c7"}
    assert worker.stop() == 0, worker.said()


def test_explain_tells_of_workers_what_it_tells_of_a_run(kafka: KafkaSpec, new_world: NewWorld) -> None:
    """While a worker is at work; of what has been, as only a run's folder tells how it stands now."""
    world = new_world(kafka, events=800).feed()
    worker = world.worker()
    world.until_done(120, worker)
    there = "--config", "config", "--state", "run"
    ran = command(world.folder, "run", "--event-clock", "--data", "data", *there)
    assert ran.returncode == 0, ran.stderr
    decided = world.decisions().values()
    pairs = {str(one["detector"]): str(one["key"]) for one in decided}
    assert len(pairs) == 3
    for words in [*pairs.items(), ("customer:c7",), ("customer:c7", "--since", "2026-01-08")]:
        asked = ("explain", *words, "--at", "2030-01-01")
        kept = command(world.folder, *asked, *there)
        assert kept.returncode == 0, kept.stderr
        assert ask(world, *asked).strip().partition("\n\nHow it stands now, ")[0] == kept.stdout.strip()
    found = json.loads(ask(world, "explain", "customer:c7", "--json"))
    assert {one["id"] for one in found["decisions"]} == {one["id"] for one in decided if one["key"] == "c7"}
    said = ask(world, "explain", "customer:c7")
    assert said.splitlines()[-1].endswith("beforehand export customer:c7 --kafka")
    lacking = command(world.folder, "explain", "customer:c7", "--config", "config", "--state", "state-a")
    assert "add --kafka to ask for that" in lacking.stderr
    assert worker.stop() == 0, worker.said()
