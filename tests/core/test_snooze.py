"""What is snoozed is dropped, for whom it was meant and for as long as it was said, and nothing else is."""

from __future__ import annotations

import pytest

from engine.spec.policies import Policies, SnoozeSpec
from tests.core.worlds import MONDAY, World, compare, detector, ms, play, watch

PLAYS = (play("call"), play("phone", to="owner"), play("lock", purpose="critical"))


def decided(what: str, at: str, begins: str = "1h", ends: str = "2h") -> list[str]:
    """What became of a call and of a colleague's call when ada of acme visits three times."""
    visits = watch("visits", "count", "visit", over="1d")
    spec = detector("busy", "customer", compare("visits", "at_least", 1), visits, plays=("call", "phone"))
    other = detector("fraud", "customer", compare("visits", "at_least", 1), visits, plays=("lock",))
    snooze = SnoozeSpec(what=what, from_ms=MONDAY + ms(begins), until_ms=MONDAY + ms(ends), because="prices change")
    world = World(spec, other, plays=PLAYS, policies=Policies(snoozes=(snooze,)))
    world.event("visit", at, customer="ada", account="acme")
    world.wait_until("3d")
    return [f"{one.play} {one.gate or 'chosen'}" for one in world.done.decisions]


BUSY = ["call", "phone"]


@pytest.mark.parametrize(
    ("what", "stopped"),
    [
        ("all", ["call", "phone", "lock"]),
        ("play:phone", ["phone"]),
        ("detector:busy", BUSY),
        ("customer:ada", ["call", "phone", "lock"]),
        ("account:acme", ["call", "phone", "lock"]),
        ("owner:desk", ["phone"]),
        ("customer:bob", []),
        ("play:call2", []),
    ],
)
def test_what_is_named_is_dropped_and_nothing_else(what: str, stopped: list[str]) -> None:
    found = decided(what, "90m")
    assert sorted(found) == sorted(f"{n} {'snoozed' if n in stopped else 'chosen'}" for n in ("call", "phone", "lock"))


@pytest.mark.parametrize(("at", "holds"), [("59m", False), ("1h", True), ("119m", True), ("2h", False)])
def test_it_holds_from_its_beginning_until_before_its_end(at: str, holds: bool) -> None:
    assert any("snoozed" in each for each in decided("all", at)) is holds
