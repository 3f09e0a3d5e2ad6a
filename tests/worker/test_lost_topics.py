"""Topics that were cut, deleted or given more partitions, and a group whose progress is forgotten."""

from __future__ import annotations

import asyncio
import os

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from engine.shells.kafka.cluster import reached
from engine.shells.kafka.watch import GAVE_UP
from engine.spec.types import KafkaSpec
from tests.worker.conftest import NewWorld
from tests.worker.world import World

pytestmark = pytest.mark.slow

IS_LONG = int(os.environ.get("WORKER_KILLS", "30")) > 30


def test_a_worker_refuses_topics_that_were_given_more_partitions(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = new_world(kafka, partitions=1, events=100)
    world.create_topics()

    async def grow() -> None:
        async with reached(world.connection()) as cluster:
            await cluster.admin.create_partitions({world.topics.events: NewPartitions(3)})

    asyncio.run(grow())
    worker = world.worker()
    assert worker.end(40) == 1
    assert f"{world.topics.events}: " in worker.said()
    assert "partitions" in worker.said()
    assert "`beforehand doctor` says what to do about it" in worker.said()


def test_a_log_whose_beginning_was_cut_stops_the_worker_in_words(kafka: KafkaSpec, new_world: NewWorld) -> None:
    """Somebody deletes records behind our back; the state folder is gone too, so there is nothing to go on with."""
    world = worked(new_world(kafka, partitions=1, events=800).feed())
    cut(world, world.topics.log_detect)
    worker = world.worker("new")
    assert worker.end(60) == GAVE_UP, worker.said()
    assert world.topics.log_detect in worker.said()


@pytest.mark.parametrize("stage", ["detect", "decide", "dispatch"] if IS_LONG else ["decide"])
def test_a_log_that_was_deleted_is_refused_and_nothing_is_changed(
    stage: str, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    """Made anew and empty it would be a memory of nothing, and everything would be decided and sent once more."""
    world = worked(new_world(kafka, partitions=2, events=800).feed())
    world.delete_topic(getattr(world.topics, f"log_{stage}"))
    before = left_behind(world, stage)
    worker = world.worker("new")
    assert worker.end(60) == GAVE_UP, worker.said()
    assert f"the log of {stage} knows only of 0: it was deleted or cut" in worker.said()
    assert "Restore it, or begin anew with another `prefix`" in worker.said()
    assert left_behind(world, stage) == before


@pytest.mark.parametrize("stage", ["detect", "decide", "dispatch"] if IS_LONG else ["dispatch"])
def test_the_copy_beside_a_log_does_not_stand_in_for_one_that_was_deleted(
    stage: str, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    """This worker would know everything, and write on in a log from which nobody else could take over."""
    world = worked(new_world(kafka, partitions=2, events=800).feed())
    log = getattr(world.topics, f"log_{stage}")
    world.delete_topic(log)
    before = left_behind(world, stage)
    worker = world.worker()
    assert worker.end(60) == GAVE_UP, worker.said()
    assert f"{log}/" in worker.said()
    assert "ends at offset 0" in worker.said()
    assert "it was deleted or cut" in worker.said()
    assert left_behind(world, stage) == before


def test_a_forgotten_group_repeats_no_effect(kafka: KafkaSpec, new_world: NewWorld) -> None:
    """Kafka forgets how far a group has read: what is left of the streams is read again, and nothing is sent again."""
    world = worked(new_world(kafka, partitions=2, events=800).feed())
    sent = len(world.desk_lines())

    world.reading.forget()
    worker = world.worker("new")
    world.until_done(60, worker)
    assert worker.stop() == 0, worker.said()
    assert len(world.desk_lines()) == sent
    world.verify()


def worked(world: World) -> World:
    """To the end, with one worker that then stopped."""
    worker = world.worker()
    world.until_done(60, worker)
    assert worker.stop() == 0, worker.said()
    return world


def left_behind(world: World, stage: str) -> tuple[object, ...]:
    """What others see of the work: decisions, actions, receipts and dead letters, what was sent, how far was read."""
    topics, read = world.topics, world.reading.committed()
    ends = world.reading.ends([topics.decisions, topics.actions, topics.receipts, topics.dead_letters])
    topic = {"detect": topics.events, "decide": topics.candidates, "dispatch": topics.actions}[stage]
    return ends, world.desk_lines(), {place: offset for place, offset in read.items() if place.topic == topic}


def cut(world: World, topic: str) -> None:
    """Delete the first half of each partition."""

    async def delete() -> None:
        ends = await asyncio.to_thread(world.reading.ends, [topic])
        async with reached(world.connection()) as cluster:
            until = {TopicPartition(*place): RecordsToDelete(before_offset=end // 2) for place, end in ends.items()}
            await cluster.admin.delete_records(until)

    asyncio.run(delete())
