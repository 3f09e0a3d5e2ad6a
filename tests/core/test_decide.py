"""Every candidate leaves a decision, and one that is not chosen names the gate that stopped it."""

from __future__ import annotations

import msgspec

from engine.model import Mode
from engine.spec.types import AttributeTest, DetectorSpec, Firing
from tests.core.worlds import World, compare, detector, is_, kept, ms, play, watch

TICKETS = watch("tickets", "count", "ticket.opened", over="1h")
LEVEL = watch("level", "latest", "reading", field="level", over="52w")


def busy(name: str = "busy", limit: int = 1, **more: object) -> DetectorSpec:
    return detector(name, "customer", compare("tickets", "at_least", limit), TICKETS, **more)


def test_a_chosen_decision_carries_the_whole_story() -> None:
    world = World(busy(why="{{ tickets }} tickets from {{ customer.name }}"))
    world.event("ticket.opened", "0s", customer="ada", account="acme", id="t1")
    (decision,), (action,) = world.done.decisions, world.done.actions
    assert decision.why == "1 tickets from ada"
    assert (decision.outcome.value, decision.unit, decision.recipient) == ("chosen", "account:acme", "customer:ada")
    assert decision.event_ids == ("t1",)
    assert decision.versions == {"detector": "1", "play": "1", "configuration": "1"}
    assert (action.decision_id, action.id) == (decision.id, decision.action_id)
    assert action.text == "Call ada"


def test_the_same_happenings_give_the_same_ids() -> None:
    worlds = [World(busy()) for _ in range(2)]
    for world in worlds:
        world.event("ticket.opened", "0s", customer="ada")
    first, second = (msgspec.json.encode(world.done.decisions + world.done.actions) for world in worlds)
    assert first == second


def test_a_second_episode_within_the_cooldown_is_dropped_by_name() -> None:
    """
    episodes  | 0s .. 1h |      | 2h .. 3h |            | 25h
    cooldown  [------------- 24h ------------]
    """
    world = World(busy(cooldown="1d"))
    for at in ("0s", "2h", "25h"):
        world.event("ticket.opened", at, customer="ada")
    assert world.decided() == ["chosen", "cooldown", "chosen"]


def test_what_closed_before_it_was_decided_is_dropped_as_resolved() -> None:
    silent = detector("silent", "customer", kept("absent", event="login", within="1h"))
    world = World(silent)
    world.hears("login", "0s", customer="ada")
    world.hears("login", "2h", customer="ada")
    world.wait_until("2h")
    assert world.decided() == ["resolved"]


def test_what_closed_while_others_were_awaited_is_dropped_as_resolved() -> None:
    world = World(detector("high", "customer", compare("level", "above", 5), LEVEL), wait_ms=ms("10m"))
    world.event("reading", "0s", customer="ada", level=9)
    world.event("reading", "5m", customer="ada", level=1)
    assert world.decided() == []
    world.wait_until("10m")
    assert world.decided() == ["resolved"]


def test_shadow_and_paused_detectors_decide_without_acting() -> None:
    world = World(busy("one", mode=Mode.SHADOW), busy("two", mode=Mode.PAUSED))
    world.event("ticket.opened", "0s", customer="ada")
    assert sorted(world.decided()) == ["paused", "shadow"]
    assert world.done.actions == []


def test_a_detector_without_a_play_only_signals() -> None:
    world = World(busy(play=""))
    world.event("ticket.opened", "0s", customer="ada")
    assert world.fired() == [("ada", "0s")]
    assert world.decided() == []


def test_only_if_reads_the_profile_of_another_entity_of_the_unit() -> None:
    world = World(busy(only_if=(AttributeTest("account", is_("stage", "live")),)))
    world.event("profile", "0s", stream="crm", account="acme", stage="live")
    world.event("ticket.opened", "1m", customer="ada", account="acme")
    world.event("ticket.opened", "1m", customer="bob", account="other")
    assert world.decided() == ["chosen", "only_if"]
    assert world.done.decisions[-1].detail == "only if account.stage is live, and it is not known"


def test_a_decision_says_what_was_wanted_and_what_is_so() -> None:
    live, big = AttributeTest("account", is_("stage", "live")), AttributeTest("account", is_("big", [True, "very"]))
    plays = (play("sorry", only_if=(live,)), play("phone", to="owner", unless=(big,)))
    world = World(busy(plays=("sorry", "phone"), unless=(Firing("outage"),)), plays=plays)
    world.event("profile", "0s", stream="crm", account="acme", stage="closed" * 11, big=True)
    world.event("ticket.opened", "1m", customer="ada", account="acme")
    assert sorted(each.detail for each in world.done.decisions) == [
        "not if account.big is true or very, and it is true",
        f"only if account.stage is live, and it is {('closed' * 11)[:60]} ...",
    ]


def test_the_newest_profile_of_another_entity_wins_in_any_order() -> None:
    world = World(busy(only_if=(AttributeTest("account", is_("stage", "live")),)))
    world.hears("profile", "2h", stream="crm", account="acme", stage="live")
    world.hears("profile", "1h", stream="crm", account="acme", stage="new")
    world.event("ticket.opened", "3h", customer="ada", account="acme")
    assert world.decided() == ["chosen"]


def test_another_signal_of_the_unit_holds_this_one_back() -> None:
    outage = detector("outage", "account", compare("level", "above", 5), LEVEL)
    world = World(outage, busy(unless=(Firing("outage"),)))
    world.event("reading", "0s", account="acme", level=9)
    world.event("ticket.opened", "1m", customer="ada", account="acme")
    world.event("reading", "2m", account="acme", level=1)
    world.event("ticket.opened", "3m", customer="bob", account="acme")
    assert world.decided() == ["chosen", "unless", "chosen"]


def test_a_signal_closes_in_the_unit_that_it_opened_in() -> None:
    """The customer joined an account while the signal was open; it must not inhibit others for ever."""
    high = detector("high", "customer", compare("level", "above", 5), LEVEL)
    world = World(high, busy(unless=(Firing("high"),)))
    world.event("reading", "0s", customer="ada", level=9)
    world.event("reading", "1m", customer="ada", account="acme", level=1)
    assert [signal.unit for signal in world.done.signals] == ["customer:ada", "customer:ada"]
    assert not world.chain.units.get("customer:ada").firing


def test_what_happens_within_one_gap_is_decided_in_its_order() -> None:
    """Pending at 0s, firing at 15m, closed at 1h: acted on at 15m, even if nothing else is heard before 5h."""
    world = World(busy(for_="15m"))
    world.event("ticket.opened", "0s", customer="ada")
    world.wait_until("5h")
    assert [said[::2] for said in world.said()] == [("firing", "15m"), ("resolved", "1h")]
    assert world.decided() == ["chosen"]


def test_signals_of_one_moment_are_decided_in_the_same_order_whoever_came_first() -> None:
    orders = []
    for customers in (("ada", "bob"), ("bob", "ada")):
        world = World(busy())
        for customer in customers:
            world.hears("ticket.opened", "0s", customer=customer, account="acme", id=customer)
        world.wait_until("1s")
        orders.append([decision.id for decision in world.done.decisions])
    assert orders[0] == orders[1]


def test_units_are_decided_in_the_order_of_their_names() -> None:
    world = World(busy())
    for customer in ("fay", "ada", "eve", "bob", "dan", "cyd", "gus", "hal"):
        world.hears("ticket.opened", "0s", customer=customer)
    world.wait_until("1s")
    assert [decision.key for decision in world.done.decisions] == sorted(d.key for d in world.done.decisions)


def test_a_signal_reaches_each_audience_by_a_play_of_its_own() -> None:
    plays = (play("sorry"), play("phone", to="owner", desk="care"), play("book", to="system"))
    world = World(busy(plays=("sorry", "phone", "book")), plays=plays)
    world.event("ticket.opened", "0s", customer="ada")
    assert {(d.play, d.recipient) for d in world.done.decisions} == {
        ("sorry", "customer:ada"),
        ("phone", "owner:care"),
        ("book", "system:desk"),
    }
    assert len({action.id for action in world.done.actions}) == 3


def test_a_play_asks_for_itself() -> None:
    live = AttributeTest("account", is_("stage", "live"))
    plays = (play("sorry", only_if=(live,)), play("phone", to="owner", unless=(live,)))
    world = World(busy(plays=("sorry", "phone")), plays=plays)
    world.event("ticket.opened", "0s", customer="ada", account="acme")
    assert [(d.play, d.gate) for d in world.done.decisions] == [("phone", ""), ("sorry", "only_if")]


def test_the_first_signal_opens_a_gathering_that_decides_all_that_came_meanwhile() -> None:
    """
    wait 10m  |0s ... 4m ...... 10m|    |15m ......... 25m|
    """
    world = World(busy(), wait_ms=ms("10m"))
    for at in ("0s", "4m", "15m"):
        world.event("ticket.opened", at, customer=at, account="acme")
    world.wait_until("1h")
    assert [(d.key, world.spoken(d.at)) for d in world.done.decisions] == [("0s", "10m"), ("4m", "10m"), ("15m", "25m")]


def test_what_is_critical_waits_for_nobody() -> None:
    plays = (play("lock", purpose="critical"), play("phone", to="owner"))
    world = World(busy(plays=("lock", "phone")), plays=plays, wait_ms=ms("10m"))
    world.event("ticket.opened", "0s", customer="ada")
    assert [d.play for d in world.done.decisions] == ["lock"]
    world.restart()
    world.wait_until("10m")
    assert [(d.play, world.spoken(d.at)) for d in world.done.decisions] == [("lock", "0s"), ("phone", "10m")]


def test_a_gathering_goes_on_after_a_restart() -> None:
    world = World(busy(), wait_ms=ms("10m"))
    world.event("ticket.opened", "0s", customer="ada", account="acme")
    world.restart()
    world.event("ticket.opened", "5m", customer="bob", account="acme")
    world.wait_until("9m")
    world.restart()
    world.wait_until("10m")
    assert [(d.key, world.spoken(d.at)) for d in world.done.decisions] == [("ada", "10m"), ("bob", "10m")]
