"""Nobody is written to at night, by their own clock; what is held passes every gate again in the morning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.core.quiet import awake_at
from engine.model import Outcome
from engine.spec.policies import LimitSpec, Policies, QuietHours
from engine.spec.types import AttributeTest
from tests.core.worlds import World, compare, detector, is_, ms, play, watch

NIGHT = QuietHours(from_minute=21 * 60, to_minute=8 * 60, unknown_zone=("Europe/Lisbon", "Europe/Helsinki"))
ROME = {"time_zone": "Europe/Rome"}


class Night(World):
    """Level above 5 wants help. Monday, 00:00 in UTC, is 01:00 in Rome."""

    def __init__(self, *plays: Any, policies: Policies | None = None, **more: Any) -> None:
        plays = plays or (play("help"),)
        level = watch("level", "latest", "reading", field="level", over="52w")
        names = tuple(each.name for each in plays)
        spec = detector("high", "customer", compare("level", "above", 5), level, plays=names, **more)
        super().__init__(spec, plays=plays, policies=policies or Policies(quiet_hours=NIGHT))

    def lives(self, customer: str = "ada", **profile: str) -> None:
        self.hears("profile", "0s", stream="people", customer=customer, account="acme", **profile)

    def level(self, at: str, level: int = 9, customer: str = "ada") -> None:
        self.event("reading", at, customer=customer, account="acme", level=level)

    def told(self) -> list[tuple[str, str]]:
        return [(d.gate or d.outcome.value, self.spoken(d.at)) for d in self.done.decisions]


def test_what_comes_at_night_is_held_and_goes_in_the_morning() -> None:
    world = Night()
    world.lives(**ROME)
    world.level("2h")
    (held,) = world.done.decisions
    assert (held.outcome, held.gate, world.spoken(held.until)) == (Outcome.HELD, "quiet_hours", "7h")
    assert held.detail == "quiet in Europe/Rome until 2026-01-05 07:00 UTC"
    assert world.done.actions == []
    world.restart()
    world.wait_until("6h 59m 59s")
    assert world.done.actions == []
    world.wait_until("1d")
    assert world.told() == [("quiet_hours", "2h"), ("chosen", "7h")]
    assert len({decision.id for decision in world.done.decisions}) == 2
    assert world.done.actions[0].decision_id == world.done.decisions[1].id


def test_by_day_nothing_is_held() -> None:
    world = Night()
    world.lives(**ROME)
    world.level("12h")
    assert world.told() == [("chosen", "12h")]


def test_what_closed_overnight_is_dropped_as_resolved() -> None:
    world = Night()
    world.lives(**ROME)
    world.level("2h")
    world.restart()
    world.level("3h", 1)
    world.wait_until("1d")
    assert world.told() == [("quiet_hours", "2h"), ("resolved", "7h")]


def test_what_expires_overnight_is_dropped_as_expired() -> None:
    world = Night(play("help", expires="4h"))
    world.lives(**ROME)
    world.level("2h")
    world.wait_until("1d")
    assert world.told() == [("quiet_hours", "2h"), ("expired", "7h")]
    assert world.done.decisions[-1].detail == "it was worth sending until 2026-01-05 06:00 UTC"


def test_the_morning_asks_what_is_known_by_then() -> None:
    world = Night(only_if=(AttributeTest("customer", is_("stage", "live")),))
    world.lives(**ROME, stage="live")
    world.level("2h")
    world.hears("profile", "4h", stream="people", customer="ada", account="acme", stage="left")
    world.wait_until("1d")
    assert world.told() == [("quiet_hours", "2h"), ("only_if", "7h")]


def test_limits_hold_in_the_morning_too() -> None:
    day = LimitSpec(at_most=1, over_ms=ms("1d"), per="account")
    world = Night(policies=Policies(limits=(day,), quiet_hours=NIGHT))
    for customer in ("ada", "bob", "cyd"):
        world.lives(customer, **ROME)
        world.level("2h", customer=customer)
    world.wait_until("1d")
    assert sorted(world.told()) == [("chosen", "7h"), *[("limits", "7h")] * 2, *[("quiet_hours", "2h")] * 3]


def test_everybody_has_a_night_of_their_own() -> None:
    world = Night()
    world.lives("ada", **ROME)
    world.lives("bob", time_zone="Asia/Tokyo")
    world.level("2h", customer="ada")
    world.level("2h", customer="bob")
    assert [(d.key, d.outcome.value) for d in world.done.decisions] == [("ada", "held"), ("bob", "chosen")]


@pytest.mark.parametrize("zone", ["", "Nowhere/Land"])
def test_who_may_be_anywhere_waits_until_it_is_day_everywhere(zone: str) -> None:
    """Lisbon is at UTC, Helsinki two hours ahead: 08:00 in Lisbon to 21:00 in Helsinki."""
    world = Night()
    world.lives(time_zone=zone)
    world.level("7h")
    world.wait_until("18h")
    assert world.told() == [("quiet_hours", "7h"), ("chosen", "8h")]
    assert "quiet in Europe/Lisbon and Europe/Helsinki" in world.done.decisions[0].detail


def test_the_zone_of_the_account_serves_where_the_persons_is_not_known() -> None:
    world = Night()
    world.hears("profile", "0s", stream="crm", account="acme", time_zone="Asia/Tokyo")
    world.level("2h")
    assert world.told() == [("chosen", "2h")]


@pytest.mark.parametrize(
    "awake", [{"purpose": "critical"}, {"in_session": True, "expires": "10m"}, {"to": "owner"}, {"to": "system"}]
)
def test_some_are_never_held(awake: dict[str, Any]) -> None:
    world = Night(play("help", **awake))
    world.lives(**ROME)
    world.level("2h")
    assert world.told() == [("chosen", "2h")]


def test_a_notice_that_is_owed_waits_for_the_morning() -> None:
    world = Night(play("help", mandatory=True))
    world.lives(**ROME)
    world.level("2h")
    world.wait_until("1d")
    assert world.told() == [("quiet_hours", "2h"), ("chosen", "7h")]


def test_nothing_is_left_waiting_once_it_is_decided() -> None:
    world = Night()
    world.lives(**ROME)
    world.level("2h")
    world.wait_until("1d")
    assert world.chain.units.waiting == set()
    assert not world.chain.units.get("account:acme").is_waiting


# ---- the clock on the wall


def quiet(begins: str, ends: str, **more: Any) -> QuietHours:
    minutes = [int(text[:2]) * 60 + int(text[3:]) for text in (begins, ends)]
    return QuietHours(from_minute=minutes[0], to_minute=minutes[1], unknown_zone=("UTC",), **more)


def utc(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("rule", "zone", "asked", "awake"),
    [
        # The night to 29 March 2026 in Rome has no hour from 2 to 3; the one to 25 October has it twice.
        (quiet("21:00", "08:00"), "Europe/Rome", "2026-03-28T23:00", "2026-03-29T06:00"),
        (quiet("21:00", "08:00"), "Europe/Rome", "2026-10-24T23:00", "2026-10-25T07:00"),
        (quiet("21:00", "02:30"), "Europe/Rome", "2026-03-29T00:10", "2026-03-29T01:00"),
        (quiet("21:00", "02:30"), "Europe/Rome", "2026-10-25T00:10", "2026-10-25T00:30"),
        (quiet("21:00", "02:30"), "Europe/Rome", "2026-10-25T00:45", "2026-10-25T00:45"),
        (quiet("21:00", "02:30"), "Europe/Rome", "2026-10-25T01:10", "2026-10-25T01:30"),
        # By day, with weekends and a holiday that follow each other.
        (quiet("12:00", "14:00"), "UTC", "2026-01-05T13:59", "2026-01-05T14:00"),
        (quiet("21:00", "08:00", days=(5, 6)), "UTC", "2026-01-09T22:00", "2026-01-12T08:00"),
        (quiet("21:00", "08:00", days=(5, 6), holidays=("2026-01-12",)), "UTC", "2026-01-09T22:00", "2026-01-13T08:00"),
        (quiet("12:00", "14:00", holidays=("2026-01-12",)), "UTC", "2026-01-12T08:00", "2026-01-13T00:00"),
    ],
)
def test_the_night_ends_by_the_local_clock(rule: QuietHours, zone: str, asked: str, awake: str) -> None:
    assert awake_at(utc(asked), rule, (zone,)) == utc(awake)


@pytest.mark.parametrize(
    "zone", ["Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo"]
)
@pytest.mark.parametrize(
    ("begins", "ends"), [("21:00", "08:00"), ("23:30", "02:15"), ("00:15", "01:45"), ("22:00", "00:00")]
)
@pytest.mark.parametrize(
    "day", ["2026-03-07", "2026-03-28", "2026-04-04", "2026-04-23", "2026-10-03", "2026-10-24", "2026-11-01"]
)
def test_it_is_the_first_minute_that_is_not_quiet(zone: str, begins: str, ends: str, day: str) -> None:
    """Against looking at every minute, around the nights in which clocks change."""
    rule, where, start = quiet(begins, ends), ZoneInfo(zone), datetime.fromisoformat(day).replace(tzinfo=UTC)
    moments = [start + timedelta(minutes=minute) for minute in range(3 * 24 * 60)]
    is_quiet = [rule.is_quiet(moment.astimezone(where)) for moment in moments]
    for minute in range(0, 2 * 24 * 60, 23):
        first = next(later for later in range(minute, len(moments)) if not is_quiet[later])
        at, expected = (round(moments[each].timestamp() * 1000) for each in (minute, first))
        assert awake_at(at, rule, (zone,)) == expected


def test_what_is_held_costs_no_write_until_its_time() -> None:
    world = Night()
    world.lives(**ROME)
    world.level("2h")
    world.restart()
    for hour in range(3, 7):
        world.wait_until(f"{hour}h")
    assert world.chain.units.touched == {}
    world.wait_until("7h")
    assert set(world.chain.units.touched) == {"account:acme"}
