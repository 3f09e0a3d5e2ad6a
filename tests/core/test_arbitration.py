"""Of several messages to the same person one goes out. Each story: tickets of a moment want plays."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.arbitrate import chance_of
from engine.model import Mode
from engine.spec.policies import ArbitrationSpec, Chance, InhibitSpec, LimitSpec, Policies, QuietHours
from engine.spec.types import AttributeTest, Context, PlaySpec
from tests.core.worlds import World, compare, detector, is_, ms, play, watch


class Contest(World):
    """Each play has a detector that opens with the first event of the play's name."""

    def __init__(self, *plays: PlaySpec, wait: str = "0s", **policies: Any) -> None:
        wanted = [
            detector(
                each.name,
                "customer",
                compare(each.name, "at_least", 1),
                watch(each.name, "count", each.name, over="10d"),
                plays=(each.name,),
            )
            for each in plays
        ]
        super().__init__(*wanted, plays=plays, wait_ms=ms(wait), policies=Policies(**policies))

    def wants(self, at: str, *names: str, customer: str = "ada") -> None:
        for name in names:
            self.hears(name, at, customer=customer, account="acme")
        self.wait_until(at)

    def told(self) -> list[tuple[str, str, str]]:
        """(play, chosen or the gate, when) of each decision."""
        return [(d.play, d.gate or d.outcome.value, self.spoken(d.at)) for d in self.done.decisions]


def offer(name: str, **more: Any) -> PlaySpec:
    return play(name, purpose="marketing", **more)


def test_the_highest_priority_goes_and_other_marketing_is_dropped() -> None:
    world = Contest(offer("a", value=2), offer("b", value=5), offer("c", value=3))
    world.wants("1h", "a", "b", "c")
    world.wait_until("9d")
    assert world.told() == [("b", "chosen", "1h"), ("c", "arbitration", "1h"), ("a", "arbitration", "1h")]
    won, lost = world.done.decisions[:2]
    assert (won.priority, won.runner_up, lost.priority, lost.runner_up) == (5, "c", 3, "")
    assert lost.detail == "b went first, with a priority of 5 to 3"


def test_service_goes_before_marketing_and_is_decided_again_where_it_lost() -> None:
    world = Contest(offer("gift", value=100), play("help", value=1), play("news", value=2))
    world.wants("1h", "gift", "help", "news")
    world.restart()
    world.wait_until("9d")
    assert world.told() == [
        ("news", "chosen", "1h"),
        ("help", "arbitration", "1h"),
        ("gift", "arbitration", "1h"),
        ("help", "chosen", "2h"),
    ]
    assert world.done.decisions[1].detail.endswith("decided again at 2026-01-05 02:00 UTC")


def test_what_lost_is_dropped_if_its_signal_closes_meanwhile() -> None:
    level = watch("level", "latest", "reading", field="level", over="52w")
    specs = [
        detector(name, "customer", compare("level", "above", 5), level, plays=(name,)) for name in ("help", "news")
    ]
    world = World(*specs, plays=(play("help"), play("news", value=2)))
    world.event("reading", "1h", customer="ada", level=9)
    world.event("reading", "90m", customer="ada", level=1)
    world.wait_until("3h")
    assert world.decided() == ["chosen", "arbitration", "resolved"]


def test_what_is_critical_or_owed_goes_beside_the_winner() -> None:
    world = Contest(play("lock", purpose="critical"), play("terms", mandatory=True), play("help"), offer("gift"))
    world.wants("1h", "lock", "terms", "help", "gift")
    assert sorted(world.told()) == [
        ("gift", "arbitration", "1h"),
        ("help", "chosen", "1h"),
        ("lock", "chosen", "1h"),
        ("terms", "chosen", "1h"),
    ]


def test_colleagues_hear_all_of_it() -> None:
    world = Contest(play("phone", to="owner"), play("visit", to="owner"))
    world.wants("1h", "phone", "visit")
    assert world.decided() == ["chosen", "chosen"]
    assert [decision.factors for decision in world.done.decisions] == [{}, {}]


@pytest.mark.parametrize(("per", "gates"), [("recipient", ["chosen", "chosen"]), ("unit", ["chosen", "arbitration"])])
def test_each_recipient_gets_one_or_the_unit_does(per: Any, gates: list[str]) -> None:
    world = Contest(offer("gift"), arbitration=ArbitrationSpec(per=per))
    world.hears("gift", "1h", customer="bob", account="acme")
    world.wants("1h", "gift", customer="ada")
    assert world.decided() == gates


def test_what_a_gate_stops_does_not_compete() -> None:
    world = Contest(
        offer("gift", value=9, tags=("gift",)),
        offer("book", value=2),
        limits=(LimitSpec(at_most=1, over_ms=ms("7d"), tags=("gift",)),),
    )
    world.wants("1h", "gift")
    world.wants("1h 1m", "gift", "book", customer="ada")
    assert [each[:2] for each in world.told()] == [("gift", "chosen"), ("book", "chosen")]
    world.wants("1h", "gift", "book", customer="bob")
    assert world.told()[-2][:2] == ("gift", "chosen")


def test_a_limit_of_the_account_holds_among_winners_of_one_moment() -> None:
    world = Contest(offer("gift"), limits=(LimitSpec(at_most=1, over_ms=ms("7d"), per="account"),))
    world.hears("gift", "1h", customer="bob", account="acme")
    world.wants("1h", "gift", customer="ada")
    assert sorted(world.decided()) == ["chosen", "limits"]


def test_what_was_held_until_the_same_morning_competes() -> None:
    night = QuietHours(from_minute=0, to_minute=8 * 60, unknown_zone=("UTC",))
    world = Contest(offer("a"), offer("b", value=2), offer("c"), quiet_hours=night)
    for hour, name in enumerate("abc", 1):
        world.wants(f"{hour}h", name)
    world.wait_until("9h")
    assert world.told()[3:] == [("b", "chosen", "8h"), ("a", "arbitration", "8h"), ("c", "arbitration", "8h")]


def test_what_is_gathered_competes() -> None:
    world = Contest(offer("a"), offer("b", value=2), wait="10m")
    world.wants("1h", "a")
    world.wants("1h 9m", "b")
    world.wait_until("2h")
    assert world.told() == [("b", "chosen", "1h 10m"), ("a", "arbitration", "1h 10m")]


def test_equal_ones_go_in_the_order_of_their_signals() -> None:
    world = Contest(offer("a"), offer("b"), wait="10m")
    world.wants("1h", "b")
    world.wants("1h 1m", "a")
    world.wait_until("2h")
    assert [each[0] for each in world.told()] == ["b", "a"]


# ---- the factors


def test_chance_is_a_guess_until_more_is_known() -> None:
    guess = {"guess": 0.1, "worth": 50}
    assert chance_of(None) == 1
    assert chance_of(Chance(**guess)) == pytest.approx(0.1)
    assert chance_of(Chance(**guess, sent=200, worked=45)) == pytest.approx(0.2)
    assert chance_of(Chance(**guess, sent=1_000_000, worked=500_000)) == pytest.approx(0.5, abs=1e-4)


def test_the_decision_shows_all_four_factors() -> None:
    trial, gone = (AttributeTest("customer", is_("stage", stage)) for stage in ("trial", "gone"))
    world = Contest(
        offer(
            "gift",
            value=40,
            lever=20,
            chance=Chance(guess=0.1, worth=50, sent=200, worked=45),
            context=(Context((trial,), 50), Context((gone,), 500)),
        )
    )
    world.hears("profile", "0s", stream="people", customer="ada", account="acme", stage="trial")
    world.wants("1h", "gift")
    (decision,) = world.done.decisions
    assert decision.factors == {"chance": 0.2, "context": 1.5, "value": 40, "lever": 1.2}
    assert decision.priority == 14.4


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"value": 3}, {"value": 2}),
        ({"lever": 10}, {"lever": -10}),
        ({"chance": Chance(guess=0.2, worth=1)}, {"chance": Chance(guess=0.1, worth=1)}),
        ({"context": (Context((), 10),)}, {}),
        ({"value": 2, "lever": -40}, {}),
    ],
)
def test_each_factor_can_decide(better: dict[str, Any], worse: dict[str, Any]) -> None:
    world = Contest(offer("a", **worse), offer("b", **better))
    world.wants("1h", "a", "b")
    assert world.told()[0][:2] == ("b", "chosen")


# ---- muting


class Muting(World):
    """Level above 5 of an account is an outage; a customer's ticket wants the offer."""

    def __init__(self, *equal: str, **outage: Any) -> None:
        level = watch("level", "latest", "reading", field="level", over="52w")
        tickets = watch("tickets", "count", "ticket.opened", over="10d")
        super().__init__(
            detector("outage", "account", compare("level", "above", 5), level, plays=(), **outage),
            detector("busy", "customer", compare("tickets", "at_least", 1), tickets, plays=("gift",)),
            plays=(offer("gift"),),
            policies=Policies(inhibits=(InhibitSpec(firing="outage", mutes=("gift",), equal=equal),)),
        )


def test_an_open_signal_mutes_and_a_closed_one_does_not() -> None:
    world = Muting()
    world.event("reading", "1h", account="acme", level=9)
    world.event("ticket.opened", "2h", customer="ada", account="acme")
    world.event("ticket.opened", "2h", customer="eve", account="other")
    world.restart()
    world.event("ticket.opened", "3h", customer="bob", account="acme")
    world.event("reading", "4h", account="acme", level=1)
    world.event("ticket.opened", "5h", customer="cyd", account="acme")
    assert world.decided() == ["inhibited", "chosen", "inhibited", "chosen"]
    assert world.done.decisions[0].detail == "outage is firing, which mutes gift"
    assert world.chain.units.get("account:acme").muting == {}


def test_both_have_to_be_about_the_same() -> None:
    world = Muting("account", "session")
    world.event("reading", "1h", account="acme", session="s1", level=9)
    world.event("ticket.opened", "2h", customer="ada", account="acme", session="s1")
    world.event("ticket.opened", "3h", customer="bob", account="acme", session="s2")
    world.event("ticket.opened", "4h", customer="cyd", account="acme")
    assert world.decided() == ["inhibited", "chosen", "chosen"]


def test_a_shadow_mutes_nothing() -> None:
    world = Muting(mode=Mode.SHADOW)
    world.event("reading", "1h", account="acme", level=9)
    world.event("ticket.opened", "2h", customer="ada", account="acme")
    assert world.decided() == ["chosen"]
