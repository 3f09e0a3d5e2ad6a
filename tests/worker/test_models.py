"""Models on Kafka: one partition learns for all, and what was learned leads to the decisions of a backtest."""

from __future__ import annotations

import pytest

from engine.spec.broker import KafkaSpec
from tests.kill.project import LEAVING, put_in_order
from tests.worker.conftest import NewWorld
from tests.worker.world import World, working

pytestmark = pytest.mark.slow

BUSIER = """
---
detector: busier
owner: support
reason: busy
per: customer
watch: {logins: {count: [login, login.failed], every: 1d}}
peers: {needs: 10}
when: {logins: {above_peers_by: 3sd}}
then: [{play: note}]
why: "{{ peers_logins }} are usual"
"""

# The same, told by a model of River; and once more in shadow, as what is done about everybody teaches nothing.
BY_RIVER = LEAVING.replace("challenger: naive", "learner: {river: linear_model.LogisticRegression}, challenger: naive")
IN_SHADOW = LEAVING.replace("will-write", "may-write").replace("within: 12h", "within: 1d") + "mode: shadow\n"

WATCHED = """
---
detector: judged
owner: data-team
reason: model-quality
per: model
watch: {days: {count: model.judged, over: 6h}}
when: {days: {at_least: 1}}
then: [{play: call}]
why: "{{ key }} was judged"
"""


def learned_from(world: World, model: str = "writes") -> set[str]:
    """The versions of the model that decisions were made under."""
    versions = [decision["versions"] for decision in world.decisions().values()]
    name = f"model of {model}"
    return {str(each[name]) for each in versions if name in each}  # type: ignore[index, operator]


@pytest.mark.parametrize(("partitions", "workers"), [(4, 2)])
def test_what_was_learned_on_kafka_leads_to_what_a_backtest_decides(
    partitions: int, workers: int, kafka: KafkaSpec, new_world: NewWorld
) -> None:
    world = new_world(
        kafka, partitions=partitions, events=3_000, seed=5, detectors=BY_RIVER + IN_SHADOW + BUSIER + WATCHED
    )
    # One model hears of all customers, so what comes late tells something only in the order of the whole file.
    put_in_order(world.folder / "data")
    world.feed()
    with working(world, workers) as running:
        world.until_done(120, *running)
    world.verify()
    assert len(learned_from(world)) > 1
    assert len(learned_from(world, "peers_logins")) > 1
    judged = [each for each in world.decisions().values() if each["detector"] == "judged"]
    assert len({each["at"] for each in judged}) == len(judged) > 1


def test_an_owner_of_models_that_dies_is_taken_over_from(kafka: KafkaSpec, new_world: NewWorld) -> None:
    world = new_world(kafka, partitions=2, events=3_000, seed=5, detectors=LEAVING)
    put_in_order(world.folder / "data")
    world.feed()
    first = world.worker("a")
    world.until(lambda: len(learned_from(world)) > 0, "something is learned")
    first.process.kill()
    first.process.wait()
    world.bury(set())
    with working(world, 1) as running:
        world.until_done(120, *running)
    world.verify()
