"""A measure held against what is usual among others alike: a drop of one, and one of all, which is none."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from engine.core.teaching import Teaching
from engine.model import HOUR_MS, Json
from engine.spec.departures import Departs, PeersSpec
from engine.spec.types import StreamSpec
from tests.core.worlds import World, detector, watch

LOGINS = msgspec.structs.replace(watch("logins", "count", "usage.login", every="1d"), period="1d")
WEDNESDAY = date(2026, 1, 7).toordinal()
BELOW = Departs(measure="logins", side="below", share=0.4, against="peers")
OTHERS = ("birch", "cedar", "dale", "elm")


STREAMS = (
    StreamSpec(name="usage", events=("usage.login",), lateness_ms=0),
    StreamSpec(name="crm", family="profile", describes="account", lateness_ms=0),
)


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


def learned(world: World) -> list[Teaching]:
    return list(world.chain.learn.state.models.values())


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


def test_nothing_is_said_of_the_first_day_or_with_too_few_others() -> None:
    alone = world(needs=4)
    days(alone, {"acme": [10, 10, 1, 1, 1], **{key: [10] * 5 for key in OTHERS[:3]}})
    alone.wait_until("9d")
    assert alone.said() == []
    enough = world(needs=4)
    days(enough, {"acme": [10, 10, 1, 1, 1], **{key: [10] * 5 for key in OTHERS}})
    enough.wait_until("9d")
    assert enough.fired() == [("acme", "4d 1h")]


@pytest.mark.parametrize(
    ("every", "bad", "in_a_row", "said"),
    [
        ("1w", [(14, 21)], 1, [("firing", "acme", "22d 1h"), ("resolved", "acme", "29d 1h")]),
        ("1w", [(14, 28)], 2, [("firing", "acme", "29d 1h"), ("resolved", "acme", "36d 1h")]),
        # February of 2026 begins 27 days after the first Monday of the year, March 28 later.
        ("1mo", [(27, 55)], 1, [("firing", "acme", "56d 1h"), ("resolved", "acme", "87d 1h")]),
    ],
)
def test_a_week_or_a_month_is_told_a_day_after_it(
    every: str, bad: list[tuple[int, int]], in_a_row: int, said: list[tuple[str, str, str]]
) -> None:
    """Five accounts that log in daily, of which one is quieter for one or two weeks, or a month."""
    logins = msgspec.structs.replace(LOGINS, options=watch("logins", "count", "usage.login", every=every).options)
    logins = msgspec.structs.replace(logins, period=every)
    when = msgspec.structs.replace(BELOW, in_a_row=in_a_row)
    town = World(detector("below-peers", "account", when, logins, peers=PeersSpec(needs=3)), streams=STREAMS)
    for day in range(37 if every == "1w" else 90):
        is_bad = any(begin <= day < end for begin, end in bad)
        for account in ("acme", *OTHERS):
            for hour in range(1 if is_bad and account == "acme" else 2):
                town.event("usage.login", f"{day}d {8 + hour}h", account=account)
    assert town.said() == said


def test_others_are_those_whose_attributes_are_the_same() -> None:
    town = world(same=("plan", "home.country"), needs=2)
    for number, account in enumerate(("acme", *OTHERS, "fir")):
        home = {"country": "IT" if number < 4 else "DE"}
        town.event("profile", f"{number}s", stream="crm", account=account, plan="pro", home=home)
    low = [9, 9, 2, 2, 9]
    days(town, {"acme": low, **{key: [9] * 5 for key in OTHERS[:3]}, "elm": low, "fir": low}, first=1)
    town.wait_until("9d")
    # Of the three in the other country two have to be others, so they are told by nobody.
    assert town.fired() == [("acme", "5d 1h")]


def test_whose_plan_is_not_known_is_in_no_segment() -> None:
    town = world(same=("plan",), needs=1)
    plans: dict[str, Json] = {"acme": None, "birch": "", "cedar": ["pro"], "dale": "x" * 300}
    for account, plan in plans.items():
        town.event("profile", "0s", stream="crm", account=account, plan=plan)
    days(town, {"acme": [9, 9, 1, 1], "birch": [9, 9, 9, 9], "cedar": [9, 9, 9, 9], "dale": [9, 9, 9, 9]})
    town.wait_until("8d")
    assert town.said() == []
    assert learned(town) == []


def test_several_days_in_a_row_above_by_spreads() -> None:
    town = world(Departs(measure="logins", side="above", spreads=3, in_a_row=2, against="peers"))
    days(town, {"acme": [9, 9, 25, 9, 25, 25, 9], **{key: [8, 9, 10, 9, 8, 9, 10] for key in OTHERS}})
    town.wait_until("11d")
    assert town.said() == [("firing", "acme", "7d 1h"), ("resolved", "acme", "8d 1h")]


def test_those_in_the_east_wait_for_those_in_the_west() -> None:
    town = world()
    zones = {"acme": "Asia/Tokyo", "birch": "Asia/Tokyo", **dict.fromkeys(OTHERS[1:], "America/New_York")}
    for account, zone in zones.items():
        town.event("profile", "0s", stream="crm", account=account, time_zone=zone)
    # At ten in the morning in UTC it is the same day in both.
    for day in range(6):
        for minute in range(8):
            for account in zones:
                if minute < 2 or (account, day) != ("acme", 3):
                    town.event("usage.login", f"{day}d 10h {minute}m", account=account)
    town.wait_until("9d")
    # In Tokyo the day 3 ends at 3d 15h, and with one other nothing can be told at 4d 1h.
    assert town.fired() == [("acme", "5d 1h")]


def test_a_stream_that_comes_late_is_waited_for() -> None:
    town = world(lateness_ms=24 * HOUR_MS)
    days(town, {"acme": [10, 10, 10, 4, 10, 10, 10], **{key: [10] * 7 for key in OTHERS}})
    town.wait_until("12d")
    assert town.fired() == [("acme", "6d")]


def test_a_stalled_stream_is_no_drop_and_tells_nobody_anything() -> None:
    town = world()
    days(town, {"acme": [10, 10, 10, 0], **{key: [10] * 4 for key in OTHERS}})
    town.stalls("usage", "3d 12h")
    town.resumes("usage", "3d 20h")
    town.wait_until("6d")
    assert town.said() == []
    # Of Thursday, the fourth day, nobody tells anything.
    periods = [sorted(teaching.crowds["[]"].values) for teaching in learned(town)]
    assert periods == [[WEDNESDAY, WEDNESDAY + 2]]


def test_whoever_is_silent_for_long_counts_no_more_for_the_others() -> None:
    town = world(needs=2)
    days(town, {"acme": [10] * 16, "birch": [10] * 16, "cedar": [10] * 3 + [0] * 13, "dale": [10] * 3 + [0] * 13})
    town.wait_until("17d")
    assert {len(values) for teaching in learned(town) for values in teaching.crowds["[]"].values.values()} == {2}
