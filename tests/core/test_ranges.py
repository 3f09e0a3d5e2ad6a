"""A count between two limits, `{at_least: 3, below: 5}`: enough, but not more."""

from __future__ import annotations

from engine.spec.types import AllOf
from tests.core.worlds import World, compare, detector, watch

TICKETS = watch("tickets", "count", "ticket.opened", over="7d")
A_FEW = AllOf((compare("tickets", "at_least", 3), compare("tickets", "below", 5)))


def test_a_range_holds_from_its_lower_bound_and_ends_at_its_upper() -> None:
    world = World(detector("a-few", "customer", A_FEW, TICKETS))
    world.events("ticket.opened", "0s", times=6, every="1m", customer="ada")
    assert world.said() == [("firing", "ada", "2m"), ("resolved", "ada", "4m")]
