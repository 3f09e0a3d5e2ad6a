"""A sample of decisions goes to a desk, the same in every replay, and what the desk says is counted once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from engine.model import Action
from engine.spec.policies import ConsentSpec, Policies, ReviewSpec, SnoozeSpec
from tests.core.worlds import MONDAY, World, compare, detector, ms, play, watch

SPEC = ReviewSpec(desk="quality", channel="desk", places=10_000, event="review.verdict")


class Visits(World):
    """Each visit of a session wants a greeting, and an offer that nobody agreed to."""

    def __init__(self, review: ReviewSpec | None = SPEC, share: int = -1, **rules: Any) -> None:
        greet, offer = (watch(name, "count", "visit", over="1m") for name in ("greet", "offer"))
        plays = (
            play("greet", title="Hello", text="Good day {{ customer.id }}", review_places=share),
            play("offer", purpose="marketing", review_places=share),
        )
        super().__init__(
            detector("greets", "session", compare("greet", "at_least", 1), greet, play="greet"),
            detector("offers", "session", compare("offer", "at_least", 1), offer, play="offer"),
            plays=plays,
            policies=Policies(review=review, consent=ConsentSpec(given=("yes",), withdrawn=("no",)), **rules),
        )

    def visits(self, how_many: int) -> None:
        for number in range(how_many):
            self.event("visit", f"{number}h", customer="ada", session=f"s{number}")

    def reviews(self) -> list[Action]:
        return [action for action in self.done.actions if action.step == "review"]


def test_the_desk_gets_what_was_decided_and_said() -> None:
    world = Visits()
    world.visits(1)
    (review,) = world.reviews()
    decision = next(one for one in world.done.decisions if one.play == "greet")
    assert (review.recipient, review.channel, review.tier) == ("owner:quality", "desk", 3)
    assert review.decision_id == decision.id
    assert review.title == "Review: greet for customer:ada"
    assert review.text == "greet on desk to customer:ada, sent.\n\nHello\nGood day ada"
    assert world.done.reviews == {("greet", "asked"): 1}


def test_what_was_stopped_is_looked_at_too_if_the_project_says_so() -> None:
    world = Visits(msgspec.structs.replace(SPEC, stopped=True))
    world.visits(1)
    offer = next(each for each in world.reviews() if each.play == "offer")
    assert offer.text.startswith(
        "offer on desk to customer:ada, dropped at consent: customer:ada on desk has not agreed"
    )
    assert offer.text.endswith("\n\nCall s0")


def test_the_kill_switch_sends_nothing_to_the_desk_either() -> None:
    snooze = SnoozeSpec(what="all", until_ms=MONDAY + ms("9d"), because="nonsense")
    world = Visits(msgspec.structs.replace(SPEC, stopped=True), snoozes=(snooze,))
    world.visits(3)
    assert world.decided() == ["snoozed"] * 6
    assert world.done.actions == []


@pytest.mark.parametrize(("share", "own", "expected"), [(1_000, -1, 0.1), (0, 5_000, 0.5), (10_000, 0, 0.0)])
def test_a_share_is_taken_and_a_play_may_have_its_own(share: int, own: int, expected: float) -> None:
    world = Visits(msgspec.structs.replace(SPEC, places=share), own)
    world.visits(400)
    # Four standard deviations.
    assert abs(len(world.reviews()) / 400 - expected) <= 4 * (expected * (1 - expected) / 400) ** 0.5


def test_a_restart_and_a_larger_share_keep_those_that_were_taken() -> None:
    few, again, more = (Visits(msgspec.structs.replace(SPEC, places=places)) for places in (2_000, 2_000, 6_000))
    for world in (few, again, more):
        world.visits(60)
        if world is again:
            world.restart()
        world.event("visit", "100h", customer="ada", session="last")
    taken = [{each.decision_id for each in world.reviews()} for world in (few, again, more)]
    assert taken[0] == taken[1] < taken[2]


def test_the_first_verdict_on_a_decision_counts_once_and_one_that_is_not_listed_as_other() -> None:
    world = Visits()
    world.visits(3)
    first, second, third = world.reviews()
    world.restart()
    for number, (about, verdict) in enumerate(
        [
            ({"decision": first.decision_id}, "good"),
            ({"decision": first.decision_id}, "bad"),
            ({"action": second.id}, "bad"),
            ({"action": third.id}, "so-so"),
            ({"decision": "unknown"}, "good"),
            ({}, "good"),
        ]
    ):
        world.event("review.verdict", f"{10 + number}h", stream="people", customer="ada", verdict=verdict, **about)
    verdicts = Counter({what: count for (_play, what), count in world.done.reviews.items() if what != "asked"})
    assert verdicts == {"good": 1, "bad": 1, "other": 1}
    assert world.chain.units.get("customer:ada").reviews == {}


def test_without_the_block_nobody_is_asked() -> None:
    world = Visits(None)
    world.visits(2)
    assert world.reviews() == []
