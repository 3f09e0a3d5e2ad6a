"""What becomes of a question that was asked of somebody: yes, no, no answer, and whose answers teach."""

from __future__ import annotations

from pathlib import Path

import orjson

from engine.core.chain import Chain
from engine.core.examples import Example
from engine.core.holdout import place_of
from engine.core.route import Router, Row
from engine.model import DAY_MS, HOUR_MS, Signal, StreamResumed, StreamStalled, Tick
from tests.core import small

AT = 1_767_571_200_000
DETECTOR = """
detector: may-leave
owner: a
reason: b
per: customer
watch:
  orders: {count: order, over: 1d}
  leaving: {chance_of: left, within: 4d, from: [orders], needs: 10, step: 1d}
when: {any_of: [{leaving: {at_least: 99%}}, {orders: {at_least: 3}}]}
resolve_when: {orders: {below: 3}}
then: [{play: call}]
"""
MARKETING = "{play: call, to: customer, channel: desk, class: marketing, tier: 2, owner: a, title: t, text: t}"


class World:
    """One chain; `day(3.5, "order")` is an event of ada's at that time."""

    def __init__(self, folder: Path, detector: str = DETECTOR, project: str = "", play: str = small.PLAY) -> None:
        self.plan = small.partition(folder, detector, project, play).plan
        self.chain = Chain(self.plan)
        self.router = Router(self.plan.configuration.project, self.plan.watched)
        self.signals: list[Signal] = []
        self.given: list[Example] = []
        self._rows = 0

    def day(self, day: float, event: str, who: str = "ada") -> None:
        at = AT + int(day * DAY_MS)
        self.chain.take(Tick(at - 1))
        row = orjson.dumps({"id": f"e{self._rows}", "event": event, "at": at, "customer": who})
        self.chain.take_all(self.router.route(Row("usage", "t", self._rows, row)))  # type: ignore[arg-type]
        self._rows += 1

    def until(self, day: float) -> list[Example]:
        """All answers so far."""
        self.chain.take(Tick(AT + int(day * DAY_MS)))
        self.given += self.chain.learn.fresh
        self.chain.learn.saved()
        self.signals += self.chain.drain().signals
        return self.given


def asked(example: Example) -> float:
    return (example.asked_at - AT) / DAY_MS


def test_an_event_within_the_horizon_says_yes_and_its_passing_says_no(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.day(0.5, "order")
    world.day(3.5, "left")
    found = [(asked(example), example.came_at, example.known_at) for example in world.until(7.5)]
    assert found == [(day, AT + int(3.5 * DAY_MS), AT + (int(day) + 4) * DAY_MS) for day in (1.0, 2.0, 3.0)]
    world = World(tmp_path / "quiet")
    world.day(0.5, "order")
    found = [(asked(example), example.happened, example.known_at) for example in world.until(6.5)]
    assert found == [(1.0, False, AT + 5 * DAY_MS), (2.0, False, AT + 6 * DAY_MS)]


def test_who_has_left_is_not_asked_about_until_they_are_heard_of_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.day(0.5, "order")
    world.day(1.5, "left")
    assert [(asked(example), example.happened) for example in world.until(12)] == [(1.0, True)]
    world.day(12.5, "order")
    assert {asked(example) for example in world.until(18.1)} == {1.0, 13.0, 14.0}


def test_what_comes_again_and_again_is_asked_about_all_the_time(tmp_path: Path) -> None:
    world = World(tmp_path, DETECTOR.replace("chance_of: left", "chance_of: order"))
    world.day(0.5, "order")
    world.day(2.5, "order")
    assert {asked(example): example.happened for example in world.until(8.1)} == {
        1.0: True,
        2.0: True,
        3.0: False,
        4.0: False,
    }


def test_only_what_matches_is_an_answer(tmp_path: Path) -> None:
    world = World(tmp_path, DETECTOR.replace("within: 4d", "where: {for_good: true}, within: 4d"))
    world.day(0.5, "order")
    world.day(3.5, "left")
    assert {example.happened for example in world.until(8)} == {False}


def test_silence_of_a_stalled_stream_is_no_answer(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.day(0.5, "order")
    world.until(3)
    world.chain.take(StreamStalled("usage", AT + 3 * DAY_MS + HOUR_MS))
    world.chain.take(StreamResumed("usage", AT + 4 * DAY_MS))
    found = {asked(example) for example in world.until(12)}
    assert min(found) >= 4.0


def test_so_many_questions_are_open_at_a_time(tmp_path: Path) -> None:
    world = World(tmp_path, DETECTOR.replace("step: 1d", "step: 1h"))
    world.day(0.1, "order")
    world.until(30)
    entity = world.chain.entities.get("customer", "ada")
    assert entity is not None
    questions = next(slot[1][7] for slot in entity.slots if slot and isinstance(slot[1], list) and len(slot[1]) == 10)
    assert len(questions) == 4


def answered(world: World, who: str) -> dict[float, str]:
    world.day(0.5, "order", who)
    for hour in range(3):
        world.day(2.5 + hour / 24, "order", who)
    return {asked(example): example.treatment for example in world.until(9.1)}


def test_questions_that_were_open_when_something_was_done_are_marked(tmp_path: Path) -> None:
    found = answered(World(tmp_path), "ada")
    # Asked on days 1 and 2, done on day 2.5; on day 3 the signal is open still, and on day 4 it is over.
    assert found == {1.0: "treated", 2.0: "treated", 3.0: "treated", 4.0: "", 5.0: ""}


def test_nothing_is_marked_where_nothing_is_done(tmp_path: Path) -> None:
    assert set(answered(World(tmp_path / "a", DETECTOR + "mode: shadow\n"), "ada").values()) == {""}
    without = DETECTOR.replace("then: [{play: call}]\n", "")
    assert set(answered(World(tmp_path / "b", without), "ada").values()) == {""}


def test_who_is_held_out_teaches_what_comes_by_itself(tmp_path: Path) -> None:
    holdout = "holdout: {salt: spring, share: 50%}\nhuman: {by: reply, say: Write back.}\n"
    names = [f"c{number}" for number in range(20)]
    held_out = next(name for name in names if place_of("spring", "", f"customer:{name}") < 5_000)
    other = next(name for name in names if place_of("spring", "", f"customer:{name}") >= 5_000)
    assert answered(World(tmp_path / "a", DETECTOR, holdout, MARKETING), held_out)[2.0] == "held_out"
    assert answered(World(tmp_path / "b", DETECTOR, holdout, MARKETING), other)[2.0] == "treated"
    # What is owed to a colleague's desk heeds no holdout.
    assert answered(World(tmp_path / "c", DETECTOR, holdout), held_out)[2.0] == "treated"


def test_the_answers_of_the_treated_are_counted_and_not_learned(tmp_path: Path) -> None:
    world = World(tmp_path)
    answered(world, "ada")
    world.until(12)
    (teaching,) = world.chain.learn.state.models.values()
    assert teaching.left_out == 3
    assert teaching.examples > 0
    assert teaching.yes == 0


def test_how_often_it_has_happened_before_is_known_of_whoever_comes_back(tmp_path: Path) -> None:
    world = World(tmp_path)
    for day, event in ((0.5, "order"), (3.5, "left"), (6.5, "order"), (8.5, "left"), (10.5, "order")):
        world.day(day, event)
    times = {asked(example): example.values[-1] for example in world.until(20)}
    assert (times[3.0], times[8.0], times[12.0]) == (0, 1, 2)


def test_what_has_come_while_late_events_were_waited_for_is_of_the_question_and_not_of_its_answer(
    tmp_path: Path,
) -> None:
    whole = small.PROJECT.replace("{from:", "{lateness: 6h, from:")
    detector = DETECTOR.replace("chance_of: left", "chance_of: order")
    plan = small.partition(tmp_path, detector, whole=whole).plan
    world = World(tmp_path / "other", detector)
    world.plan, world.chain = plan, Chain(plan)
    world.router = Router(plan.configuration.project, plan.watched)
    world.day(0.5, "order")
    world.day(1.125, "order")  # three hours after a question was due
    found = {asked(example): (example.values[0], example.happened) for example in world.until(8.5)}
    assert found[1.125] == (2.0, False)
    assert 1.0 not in found
