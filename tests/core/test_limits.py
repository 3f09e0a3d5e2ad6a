"""How often somebody hears from us, told as stories: each ticket wants a message, and limits say which go out."""

from __future__ import annotations

from typing import Any

import pytest

from engine.spec.policies import LimitSpec, Policies
from engine.spec.types import DetectorSpec, PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

PLAYS = (
    play("help"),
    play("survey", purpose="marketing", tags=("survey",)),
    play("text", channel="sms"),
    play("owed", mandatory=True),
    play("lock", purpose="critical"),
    play("free", obeys_limits=False),
    play("quiet", counts=False),
    play("desk", to="owner"),
)


def on(each: PlaySpec) -> DetectorSpec:
    """Every event of the play's name wants the play."""
    wanted = watch(each.name, "count", each.name, over="1h")
    return detector(each.name, "session", compare(each.name, "at_least", 1), wanted, plays=(each.name,))


def limit(at_most: int, over: str, **more: Any) -> LimitSpec:
    return LimitSpec(at_most=at_most, over_ms=ms(over), **more)


class Limited(World):
    def __init__(self, *limits: LimitSpec) -> None:
        super().__init__(*map(on, PLAYS), plays=PLAYS, policies=Policies(limits=limits))
        self._session = 0

    def wants(self, name: str, at: str, customer: str = "ada", account: str = "acme") -> str:
        """What was decided of a play that is wanted then: `chosen`, or the gate."""
        self._session += 1
        self.event(name, at, session=f"s{self._session}", customer=customer, account=account)
        return self.decided()[-1]

    def last(self) -> str:
        return self.done.decisions[-1].detail


def test_a_limit_counts_any_span_of_its_length() -> None:
    """
    at most 2 in 1d   | 0h . 20h      . 24h . 44h
    """
    world = Limited(limit(2, "1d"))
    assert [world.wants("help", at) for at in ("0h", "20h", "23h 59m", "1d", "1d 1h", "1d 20h")] == [
        "chosen",
        "chosen",
        "limits",
        "chosen",
        "limits",
        "chosen",
    ]


def test_the_decision_says_which_limit_and_when_there_is_room_again() -> None:
    world = Limited(limit(1, "1d"), limit(1, "7d", channels=("desk",)), limit(5, "30d"))
    world.wants("help", "0s")
    world.wants("help", "1h")
    room = "there is room again at 2026-01-12 00:00 UTC"
    assert world.last() == f"at most 1 in 7d for customer:ada (desk); {room}"


def test_each_recipient_is_counted_alone_and_the_account_as_a_whole() -> None:
    world = Limited(limit(1, "1d"), limit(2, "1d", per="account"))
    said = [world.wants("help", f"{at}h", who) for at, who in enumerate(("ada", "ada", "bob", "cyd"))]
    assert said == ["chosen", "limits", "chosen", "limits"]
    assert "for account:acme" in world.last()
    assert world.wants("help", "5h", "dan", account="other") == "chosen"


@pytest.mark.parametrize(
    ("counts", "first", "second"),
    [
        ({"classes": ("marketing",)}, "survey", "survey"),
        ({"channels": ("sms",)}, "text", "text"),
        ({"tags": ("survey", "poll")}, "survey", "survey"),
        ({}, "help", "survey"),
    ],
)
def test_a_limit_stops_what_it_counts(counts: dict[str, tuple[str, ...]], first: str, second: str) -> None:
    world = Limited(limit(1, "1d", **counts))
    assert [world.wants(first, "0h"), world.wants(second, "1h")] == ["chosen", "limits"]


@pytest.mark.parametrize("counts", [{"classes": ("marketing",)}, {"channels": ("sms",)}, {"tags": ("survey",)}])
def test_a_limit_leaves_alone_what_it_does_not_count(counts: dict[str, tuple[str, ...]]) -> None:
    world = Limited(limit(1, "1d", **counts))
    assert [world.wants("help", f"{at}h") for at in range(3)] == ["chosen"] * 3


@pytest.mark.parametrize("name", ["owed", "lock", "free"])
def test_what_must_go_goes_and_counts_for_the_others(name: str) -> None:
    world = Limited(limit(1, "1d"))
    said = [world.wants(each, f"{at}h") for at, each in enumerate(("help", name, name))]
    assert said == ["chosen", "chosen", "chosen"]
    assert world.wants("help", "25h") == "limits"


def test_what_does_not_count_obeys_all_the_same() -> None:
    world = Limited(limit(1, "1d"))
    said = [world.wants(name, f"{at}h") for at, name in enumerate(("quiet", "quiet", "help", "quiet"))]
    assert said == ["chosen", "chosen", "chosen", "limits"]


def test_colleagues_are_neither_limited_nor_counted() -> None:
    world = Limited(limit(1, "1d"))
    assert [world.wants(name, f"{at}h") for at, name in enumerate(("desk", "desk", "help", "desk"))] == ["chosen"] * 4


def test_a_reserve_is_kept_from_marketing() -> None:
    world = Limited(limit(3, "1d", reserve=1))
    said = [world.wants(name, f"{at}h") for at, name in enumerate(("survey", "survey", "survey", "help", "help"))]
    assert said == ["chosen", "chosen", "limits", "chosen", "limits"]


def test_what_service_took_of_the_reserve_is_not_taken_from_marketing_again() -> None:
    world = Limited(limit(3, "1d", reserve=1))
    said = [world.wants(name, f"{at}h") for at, name in enumerate(("help", "survey", "survey", "survey"))]
    assert said == ["chosen", "chosen", "chosen", "limits"]


def test_limits_outlive_a_restart() -> None:
    world = Limited(limit(1, "1d"))
    world.wants("help", "0h")
    world.restart()
    assert world.wants("help", "1h") == "limits"


def test_no_more_is_remembered_than_a_limit_can_count() -> None:
    world = Limited(limit(2, "1d"), limit(3, "2h"))
    for at in range(300):
        world.wants("lock", f"{at * 5}m")
    assert [world.spoken(sent.at) for sent in world.chain.units.get("account:acme").sent] == [
        "1d 45m",
        "1d 50m",
        "1d 55m",
    ]


def test_without_limits_nothing_is_remembered() -> None:
    world = Limited()
    world.wants("help", "0h")
    assert world.chain.units.get("account:acme").sent == []
