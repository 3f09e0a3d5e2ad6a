"""Some are left alone on purpose: they are decided like everybody else, and nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.holdout import PLACES, place_of
from engine.spec.policies import HoldoutSpec, LimitSpec, Policies
from engine.spec.types import PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

ALL_BUT_ONE = PLACES - 1
OFFER = play("gift", purpose="marketing")


def everybody(**more: Any) -> HoldoutSpec:
    return HoldoutSpec(salt="spring", places=ALL_BUT_ONE, **more)


class Drawn(World):
    def __init__(self, *plays: PlaySpec, holdout: HoldoutSpec, **policies: Any) -> None:
        specs = [
            detector(
                each.name,
                "session",
                compare(each.name, "at_least", 1),
                watch(each.name, "count", each.name, over="1h"),
                plays=(each.name,),
            )
            for each in plays
        ]
        super().__init__(*specs, plays=plays, policies=Policies(holdout=holdout, **policies))
        self._session = 0

    def wants(self, name: str, at: str, customer: str = "ada", **more: str) -> str:
        self._session += 1
        self.event(name, at, session=f"s{self._session}", customer=customer, **more)
        return self.decided()[-1]


def test_what_would_have_been_sent_is_recorded_and_not_sent() -> None:
    world = Drawn(OFFER, holdout=everybody())
    assert world.wants("gift", "1h") == "holdout"
    (decision,) = world.done.decisions
    assert decision.detail == "would have been sent; customer:ada is held out of everything"
    assert (decision.outcome.value, decision.action_id, world.done.actions) == ("dropped", "", [])


@pytest.mark.parametrize("more", [{"purpose": "critical"}, {"mandatory": True}, {"to": "owner"}, {"to": "system"}])
def test_what_must_go_goes(more: dict[str, Any]) -> None:
    assert Drawn(play("note", **more), holdout=everybody()).wants("note", "1h") == "chosen"


def test_a_class_may_be_held_out_alone() -> None:
    world = Drawn(OFFER, play("help"), holdout=HoldoutSpec(salt="spring", places_by_class={"marketing": ALL_BUT_ONE}))
    assert [world.wants("gift", "1h"), world.wants("help", "2h")] == ["holdout", "chosen"]
    assert world.done.decisions[0].detail.endswith("is held out of marketing")


def test_a_gate_that_stops_it_anyway_comes_first() -> None:
    day = LimitSpec(at_most=1, over_ms=ms("1d"))
    world = Drawn(OFFER, holdout=everybody(), limits=(day,))
    assert [world.wants("gift", at) for at in ("1h", "2h", "26h")] == ["holdout", "limits", "holdout"]


def test_what_was_not_sent_counts_for_the_held_out_alone() -> None:
    """The account's service goes for real: what marketing would have sent must not stop it."""
    twice = LimitSpec(at_most=2, over_ms=ms("1d"))
    world = Drawn(
        OFFER,
        play("help"),
        holdout=HoldoutSpec(salt="spring", places_by_class={"marketing": ALL_BUT_ONE}),
        limits=(twice,),
    )
    said = [world.wants(name, f"{at}h") for at, name in enumerate(("gift", "help", "gift", "help", "help"))]
    assert said == ["holdout", "chosen", "limits", "chosen", "limits"]


def test_the_held_out_compete_like_everybody_else() -> None:
    world = Drawn(OFFER, play("book", purpose="marketing", value=3), holdout=everybody())
    world.hears("gift", "1h", session="a", customer="ada")
    world.hears("book", "1h", session="b", customer="ada")
    world.wait_until("2h")
    assert [(d.play, d.gate) for d in world.done.decisions] == [("book", "holdout"), ("gift", "arbitration")]


# ---- who is drawn


def test_people_of_one_account_share_one_place() -> None:
    world = Drawn(OFFER, holdout=HoldoutSpec(salt="spring", places=PLACES // 2))
    for number in range(20):
        world.wants("gift", f"{number}h", customer=f"c{number}", account="acme")
    assert len(set(world.decided())) == 1


def test_customers_with_one_address_share_one_place() -> None:
    world = Drawn(OFFER, holdout=HoldoutSpec(salt="spring", places=PLACES // 2, contact="email"))
    for number in range(20):
        address = ("Ada@example.com ", "ada@example.com")[number % 2]
        world.hears("profile", f"{number}h", stream="people", customer=f"c{number}", email=address)
        world.wants("gift", f"{number}h", customer=f"c{number}")
    assert len(set(world.decided())) == 1


@pytest.mark.parametrize("share", [100, 500, 1_000, 5_000])
@pytest.mark.parametrize("layer", ["", "marketing"])
def test_the_share_is_as_wanted(share: int, layer: str) -> None:
    """Chi-square over 20,000 customers: above 10.8 would come by chance once in a thousand draws."""
    people, wanted = 20_000, 20_000 * share / PLACES
    drawn = sum(place_of("spring", layer, f"customer:c{number}") < share for number in range(people))
    deviation = (drawn - wanted) ** 2
    assert deviation / wanted + deviation / (people - wanted) < 10.8


def test_layers_and_salts_draw_others() -> None:
    people = [f"customer:c{number}" for number in range(5_000)]
    draws = [("spring", ""), ("spring", "marketing"), ("autumn", "")]
    first, *others = [{who for who in people if place_of(salt, layer, who) < 1_000} for salt, layer in draws]
    for other in others:
        assert 20 < len(first & other) < 90  # 50 by chance


def test_a_larger_share_moves_nobody_out() -> None:
    people = [f"customer:c{number}" for number in range(1_000)]
    held = [{who for who in people if place_of("spring", "", who) < share} for share in (200, 500, 1_000)]
    assert held[0] < held[1] < held[2]


def test_who_is_drawn_is_the_same_on_every_machine() -> None:
    assert [place_of("spring", "", f"customer:c{number}") for number in range(4)] == [4747, 1845, 5494, 4011]
