"""What comes back of actions on Kafka: the same as in one process, whoever has the partition meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from engine.shells.wiring import load_configuration
from engine.spec.types import KafkaSpec
from tests.kill.answering import Answers, answering, happens, write_project
from tests.worker.conftest import NewWorld
from tests.worker.world import World


@pytest.fixture
def answers_at() -> Iterator[tuple[Answers, int]]:
    with answering() as found:
        yield found


def asking(new_world: NewWorld, kafka: KafkaSpec, port: int, **options: object) -> World:
    """A world in which actions are answered, by the clock on the wall."""
    world = new_world(kafka, live=True, events=0, **options)
    project = world.folder / "config" / "beforehand.yml"
    words = project.read_text().split("kafka: ", 1)[1]
    write_project(world.folder, port, f"kafka: {words}")
    world.configuration = load_configuration(project.parent)
    world.create_topics()
    return world


def put(world: World, kind: str, customer: str, stream: str = "usage") -> None:
    world.put(stream, [happens(kind, customer).encode()])


def decided(world: World, customer: str) -> list[tuple[object, object, object]]:
    """(play, what was decided, after what) of each decision, as they stand on the topic."""
    ours = [line for line in world.decisions().values() if line["key"] == customer]
    return [(line["play"], line["gate"] or line["outcome"], line.get("after", "")) for line in ours]


def test_what_is_refused_goes_another_way_and_a_remedy_leads_on(
    kafka: KafkaSpec, new_world: NewWorld, answers_at: tuple[Answers, int]
) -> None:
    answers, port = answers_at
    world = asking(new_world, kafka, port, partitions=4)
    workers = [world.worker("a"), world.worker("b")]
    for number in range(6):
        put(world, "parcel.late", f"ada{number}")
        put(world, "sync.broken", f"ben{number}")
        put(world, "sync.broken", f"max{number}x")
    wanted = {
        request
        for n in range(6)
        for request in (
            *(("mail", f"ada{n}", "sorry"), ("sms", f"ada{n}", "sorry")),
            *(("robot", f"ben{n}", "mend"), ("sms", f"ben{n}", "mended")),
            *(("robot", f"max{n}x", "mend"), ("desk", f"max{n}x", "ring")),
        )
    }
    world.until(lambda: set(answers.got) >= wanted, "all of it was sent", 90)
    assert decided(world, "ada0") == [("sorry", "chosen", ""), ("sorry", "chosen", "email rejected")]
    assert decided(world, "ben0") == [("mend", "chosen", ""), ("mended", "chosen", "mend worked")]
    assert decided(world, "max0x") == [("mend", "chosen", ""), ("ring", "chosen", "mend rejected")]
    for worker in workers:
        assert worker.stop() == 0, worker.said()
    assert sorted(answers.got) == sorted(wanted)


# The receipt is about to be written, is written and not in the log of dispatch, is there; decide is about to tell what
# it leads to, has told it, has it in its log. One of each stage, and the others where WORKER_KILLS asks for more.
IS_LONG = int(os.environ.get("WORKER_KILLS", "30")) > 30
POINTS = ["D5:1", "C3:3", *(["S5:5", "C2:3", "C5:3"] if IS_LONG else [])]


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_whatever_dies_it_goes_the_other_way_once(
    point: str, kafka: KafkaSpec, new_world: NewWorld, answers_at: tuple[Answers, int]
) -> None:
    answers, port = answers_at
    world = asking(new_world, kafka, port, partitions=1)
    dying = world.worker("a", env={"FAULT_AT": point})
    put(world, "parcel.late", "ada")
    wanted = [("mail", "ada", "sorry"), ("sms", "ada", "sorry")]
    world.until(lambda: dying.process.poll() is not None or set(answers.got) == set(wanted), "it dies", 60)
    again = world.worker("a")
    world.until(lambda: len(answers.got) >= len(wanted), "the other way was gone", 60)
    world.until(lambda: not world.reading.behind([world.topics.candidates, world.topics.actions]), "all is read")
    assert again.stop() == 0, again.said()
    assert answers.got == wanted


def test_who_says_no_while_the_channel_is_down_hears_nothing(
    kafka: KafkaSpec, new_world: NewWorld, answers_at: tuple[Answers, int]
) -> None:
    """Also where another worker takes the partition over in between."""
    answers, port = answers_at
    answers.is_down = True
    world = asking(new_world, kafka, port)
    first = world.worker("a")
    put(world, "order.placed", "ada")
    put(world, "order.placed", "ben")
    world.until(lambda: first.said().count("action retry") >= 2, "both were tried", 60)
    put(world, "consent.withdrawn", "ada", "people")
    first.until_it_says("action recalled", 60)
    assert first.stop() == 0, first.said()
    answers.is_down = False
    second = world.worker("b")
    world.until(lambda: ("chat", "ben", "thanks") in answers.got, "the other one is sent", 90)
    assert second.stop() == 0, second.said()
    assert answers.got == [("chat", "ben", "thanks")]
    told = {line["action_id"]: line for line in world.reading.values(world.topics.receipts)}
    assert sorted(line["what"] for line in told.values()) == ["delivered", "recalled"]
    assert {line["why"] for line in told.values() if line["what"] == "recalled"} == {
        "they do not want anything by chat any more"
    }
