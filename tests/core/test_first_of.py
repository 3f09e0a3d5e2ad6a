"""Of several plays the first that may be done is: a call for those who are worth it, an offer for the others."""

from __future__ import annotations

from typing import Any

from engine.ports import FieldTest
from engine.spec.types import AttributeTest, Choice, PlaySpec
from tests.core.worlds import World, compare, detector, is_, play, watch

RICH = AttributeTest("account", FieldTest("value", "above", 50_000))
CALL = play("call", to="owner", tier=3)
OFFER = play("offer", purpose="marketing")
LETTER = play("letter")


def routed(*plays: PlaySpec, choices: dict[str, Choice] | None = None, **project: Any) -> World:
    names = tuple(each.name for each in plays)
    asked = {"call": Choice(only_if=(RICH,))} if choices is None else choices
    seen = detector("seen", "customer", compare("n", "at_least", 1), watch("n", "count", "came", over="4w"),
                    plays=names, first_of=(names,), choices=asked)  # fmt: skip
    return World(seen, plays=plays, **project)


def came(world: World, value: int | None) -> list[tuple[str, str]]:
    """(play, `chosen` or the gate) of each decision, in order."""
    world.hears("profile", "0s", stream="crm", account="acme", value=value)
    world.event("came", "1h", customer="ada", account="acme")
    return [(each.play, each.gate or each.outcome.value) for each in world.done.decisions]


def test_who_is_worth_it_gets_the_call() -> None:
    world = routed(CALL, OFFER)
    assert sorted(came(world, 60_000)) == [("call", "chosen"), ("offer", "first_of")]
    beaten = next(each for each in world.done.decisions if each.gate)
    assert beaten.detail == "call comes first, and may be done"


def test_the_others_get_the_offer_and_it_is_said_why_not_the_call() -> None:
    for value in (50_000, None):
        assert sorted(came(routed(CALL, OFFER), value)) == [("call", "only_if"), ("offer", "chosen")]


def test_what_a_play_asks_itself_counts_as_well() -> None:
    gold = play("call", to="owner", only_if=(AttributeTest("account", is_("plan", "gold")),))
    assert sorted(came(routed(gold, OFFER, choices={}), 60_000)) == [("call", "only_if"), ("offer", "chosen")]


def test_where_none_may_be_done_each_has_its_reason() -> None:
    nobody = {name: Choice(only_if=(RICH,)) for name in ("call", "offer")}
    assert sorted(came(routed(CALL, OFFER, choices=nobody), 1)) == [("call", "only_if"), ("offer", "only_if")]


def test_the_first_of_three_that_may_be_done_is() -> None:
    only = {"call": Choice(only_if=(RICH,)), "offer": Choice(unless=(AttributeTest("account", is_("value", 7)),))}
    assert sorted(came(routed(CALL, OFFER, LETTER, choices=only), 7)) == [
        ("call", "only_if"), ("letter", "chosen"), ("offer", "unless"),
    ]  # fmt: skip


def test_they_are_decided_together_even_if_one_of_them_does_not_wait() -> None:
    """Else the chat would be gone before anybody asked whether there is to be a call."""
    chat = play("chat", in_session=True, expires="10m")
    asked = {"offer": Choice(only_if=(RICH,))}
    world = routed(OFFER, chat, choices=asked, wait_ms=600_000)
    assert sorted(came(world, 60_000)) == [("chat", "first_of"), ("offer", "chosen")]
    assert {world.spoken(each.at) for each in world.done.decisions} == {"1h"}


def test_what_waits_is_remembered_over_a_restart() -> None:
    world = routed(CALL, OFFER, wait_ms=600_000)
    assert came(world, 60_000) == []
    world.restart()
    world.wait_until("2h")
    assert sorted((each.play, each.gate) for each in world.done.decisions) == [("call", ""), ("offer", "first_of")]
