"""A measure held against what is usual among others alike: a drop of one, and one of all, which is none."""

from __future__ import annotations

import msgspec

from engine.spec.departures import Departs, PeersSpec
from engine.spec.types import StreamSpec
from tests.core.worlds import World, detector, watch

LOGINS = msgspec.structs.replace(watch("logins", "count", "usage.login", every="1d"), period="1d")
BELOW = Departs(measure="logins", side="below", share=0.4, against="peers")
OTHERS = ("birch", "cedar", "dale", "elm")


def world(when: Departs = BELOW, same: tuple[str, ...] = (), needs: int = 3, lateness_ms: int = 0) -> World:
    usage = StreamSpec(name="usage", events=("usage.login",), lateness_ms=lateness_ms)
    crm = StreamSpec(name="crm", family="profile", describes="account", lateness_ms=0)
    peers = PeersSpec(same=same, needs=needs)
    return World(detector("below-peers", "account", when, LOGINS, peers=peers), streams=(usage, crm))


def days(world: World, counts: dict[str, list[int]], first: int = 0) -> None:
    for day in range(max(map(len, counts.values()))):
        for minute in range(60):
            for account, of_days in counts.items():
                if minute < of_days[day]:
                    world.event("usage.login", f"{first + day}d {minute}m", account=account)


def test_a_drop_of_one_is_told_when_the_day_of_the_others_is_known() -> None:
    town = world()
    days(town, {"acme": [10, 10, 10, 4, 10], **{key: [10, 10, 10, 12, 10] for key in OTHERS}})
    town.wait_until("7d")
    # The day ends at 4d. The values of that day are learned at 5d, and an hour later they count.
    assert town.said() == [("firing", "acme", "5d 1h"), ("resolved", "acme", "6d 1h")]
    story = town.done.signals[0].readings
    assert [(reading.measure, reading.value, reading.comparator, reading.limit) for reading in story] == [
        ("logins", 4, "below_peers_by", "40%"),
        ("peers_logins", 12, "", None),
    ]
    assert town.done.signals[0].models == {"peers_logins": "4"}


def test_a_drop_of_all_is_none_of_one() -> None:
    town = world()
    days(town, {key: [10, 10, 10, 2, 1, 10] for key in ("acme", *OTHERS)})
    town.wait_until("9d")
    assert town.said() == []
