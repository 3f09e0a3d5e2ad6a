"""Seven detectors that people ask for, each told as a story."""

from __future__ import annotations

from engine.model import Severity
from engine.ports import FieldTest
from engine.spec.types import AnyOf, AttributeTest
from tests.core.worlds import World, compare, detector, is_, kept, step, watch


def test_five_urgent_tickets_in_a_week_fire_once() -> None:
    surge = detector(
        "urgent-ticket-surge",
        "account",
        compare("tickets", "at_least", 5),
        watch("tickets", "count", "ticket.opened", where={"priority": ["high", "urgent"]}, over="7d"),
        severity=Severity.URGENT,
        resolve_when=compare("tickets", "below", 2),
        cooldown="14d",
    )
    world = World(surge)
    world.events("ticket.opened", "0s", times=4, every="1d", account="acme", priority="high")
    world.event("ticket.opened", "3d 1h", account="acme", priority="low")
    assert world.said() == []
    world.events("ticket.opened", "4d", times=2, every="1d", account="acme", priority="urgent")
    assert world.said() == [("firing", "acme", "4d")]
    assert world.decided() == ["chosen"]
    world.wait_until("20d")
    assert [said[0] for said in world.said()] == ["firing", "resolved"]


def test_three_quiet_weeks_are_noticed_at_the_end_of_the_third() -> None:
    """
    week    1         2         3         4
    logins  ######### #         .         .
    quiet             1         2         3 fires at its end
    """
    quiet = detector(
        "three-quiet-weeks",
        "account",
        compare("logins", "below", 2, in_a_row=3),
        watch("logins", "count", "usage.login", every="1w"),
    )
    world = World(quiet)
    world.events("usage.login", "0s", times=30, every="1h", account="acme")
    world.event("usage.login", "7d", account="acme")
    world.wait_until("27d")
    assert world.said() == []
    world.wait_until("28d")
    assert world.said() == [("firing", "acme", "28d")]


def test_silence_counts_from_the_last_login_for_those_who_are_live() -> None:
    silent = detector(
        "gone-silent",
        "account",
        kept("absent", event="usage.login", within="14d"),
        only_if=(AttributeTest("account", is_("stage", "live")),),
    )
    world = World(silent)
    world.event("profile", "0s", stream="crm", account="acme", stage="live")
    world.event("profile", "0s", stream="crm", account="trial", stage="new")
    world.event("usage.login", "3d", account="acme")
    world.wait_until("16d")
    assert ("acme", "16d") not in world.fired()
    world.wait_until("17d")
    assert world.fired() == [("trial", "14d"), ("acme", "17d")]
    assert world.decided() == ["only_if", "chosen"]


def idle_checkout() -> World:
    waits = kept("expect", after="checkout.step", event=("checkout.step", "order.placed"), within="90s")
    return World(detector("checkout-idle", "session", waits))


def test_paying_in_time_keeps_us_quiet() -> None:
    world = idle_checkout()
    world.event("checkout.step", "0s", session="s1", customer="c7")
    world.event("order.placed", "80s", session="s1", customer="c7")
    world.wait_until("1d")
    assert world.said() == []


def test_ninety_idle_seconds_in_a_checkout() -> None:
    world = idle_checkout()
    world.event("checkout.step", "0s", session="s1", customer="c7")
    world.event("checkout.step", "30s", session="s1", customer="c7")
    world.wait_until("1m 59s")
    assert world.said() == []
    world.wait_until("2m")
    assert world.fired() == [("s1", "2m")]
    assert world.done.decisions[0].unit == "customer:c7"


def test_autopay_on_off_on_off() -> None:
    flips = ("autopay.started", "autopay.stopped") * 2
    world = World(detector("flip-flop", "customer", kept("sequence", steps=tuple(map(step, flips)), within="10m")))
    for number, name in enumerate(flips):
        world.event(name, f"{number * 3}m", customer="c7")
    assert world.fired() == [("c7", "9m")]


def card_testing() -> World:
    steps = (
        step("card.declined", at_least=3, strict=True),
        step("support.contacted", negated=True),
        step("card.charged", where=(FieldTest("amount", "above", 500),)),
    )
    return World(detector("card-testing", "customer", kept("sequence", steps=steps, within="30m")))


def test_three_declines_then_a_large_charge() -> None:
    world = card_testing()
    world.events("card.declined", "0s", times=3, every="1m", customer="c7")
    world.event("card.charged", "4m", customer="c7", amount=20)
    assert world.said() == []
    world.event("card.charged", "5m", customer="c7", amount=900)
    assert world.fired() == [("c7", "5m")]


def test_who_called_us_in_between_is_not_testing_cards() -> None:
    world = card_testing()
    world.events("card.declined", "0s", times=3, every="1m", customer="c7")
    world.event("support.contacted", "3m", customer="c7")
    world.event("card.charged", "5m", customer="c7", amount=900)
    assert world.said() == []


def login_trouble() -> World:
    either = AnyOf((compare("resets", "at_least", 3), compare("failures", "above", 2)))
    resets = watch("resets", "count", "password.reset_requested", over="1h")
    failures = watch("failures", "rate", "usage.login_failed", over="10m", unit="1m")
    return World(detector("login-trouble", "customer", either, resets, failures))


def test_three_resets_in_an_hour_are_login_trouble() -> None:
    world = login_trouble()
    world.events("password.reset_requested", "0s", times=3, every="10m", customer="c7")
    assert world.fired() == [("c7", "20m")]


def test_more_than_two_failures_a_minute_for_ten_minutes_are_login_trouble() -> None:
    world = login_trouble()
    world.events("usage.login_failed", "0s", times=21, every="20s", customer="c7")
    assert world.fired() == [("c7", "6m 40s")]
