"""A measure held against what is usual for the entity itself: a drop, a rise, and what is no news."""

from __future__ import annotations

import msgspec

from engine.spec.departures import Departs, UsualSpec
from engine.spec.types import StreamSpec
from tests.core.worlds import World, detector, ms, watch

LOGINS = msgspec.structs.replace(watch("logins", "count", "usage.login", every="1d"), period="1d")
WEEKDAYS = (20, 20, 20, 20, 20, 6, 4)


def world(when: Departs, **more: UsualSpec) -> World:
    usage = StreamSpec(name="usage", events=("usage.login",), lateness_ms=0)
    return World(detector("below-normal", "account", when, LOGINS, **more), streams=(usage,))


def days(world: World, first: int, counts: list[int]) -> None:
    for day, count in enumerate(counts):
        if count:
            world.events("usage.login", f"{first + day}d", times=count, every="1m", account="acme")


def test_three_days_below_usual_are_told_once_the_third_is_over() -> None:
    acme = world(Departs(measure="logins", side="below", share=0.4, in_a_row=3))
    days(acme, 0, [*WEEKDAYS * 6, 11, 11, 11, 20])
    acme.wait_until("47d")
    assert acme.said() == [("firing", "acme", "45d"), ("resolved", "acme", "46d")]
    story = acme.done.signals[0].readings
    assert [(reading.measure, reading.value, reading.comparator, reading.limit) for reading in story] == [
        ("logins", 11, "below_usual_by", "40%"),
        ("usual_logins", 20, "", None),
    ]


def test_a_rise_by_spreads() -> None:
    acme = world(Departs(measure="logins", side="above", spreads=3))
    days(acme, 0, [*WEEKDAYS * 6, 33, 34])
    acme.wait_until("45d")
    assert acme.said() == [("firing", "acme", "44d"), ("resolved", "acme", "45d")]


def test_nothing_is_said_while_it_learns() -> None:
    acme = world(Departs(measure="logins", side="below", share=0.4))
    days(acme, 0, [*WEEKDAYS * 3, 0, 0, 0])
    acme.wait_until("27d")
    assert acme.said() == []


def test_of_a_usual_nothing_no_part_can_be_told() -> None:
    acme = world(Departs(measure="logins", side="above", share=0.4))
    days(acme, 0, [1, *[0] * 69, 5])
    acme.wait_until("80d")
    assert acme.said() == []


def test_a_stalled_stream_is_no_drop_and_is_not_learned() -> None:
    acme = world(Departs(measure="logins", side="below", share=0.4))
    days(acme, 0, [*WEEKDAYS * 6])
    acme.stalls("usage", "42d")
    acme.wait_until("44d")
    acme.resumes("usage", "44d")
    days(acme, 44, [20, 20])
    acme.wait_until("46d")
    assert acme.said() == []


def test_another_need_is_another_memory() -> None:
    soon = world(Departs(measure="logins", side="below", share=0.4), usual=UsualSpec(needs=2, looking_back_ms=ms("4w")))
    days(soon, 0, [*WEEKDAYS * 2, 3])
    soon.wait_until("16d")
    assert soon.said() == [("firing", "acme", "15d")]
