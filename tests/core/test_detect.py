"""Signals open and close as the story of one entity says, whatever comes late, twice or not at all."""

from __future__ import annotations

from engine.model import Event, Routed, Severity, Tick
from engine.ports import FieldTest
from engine.spec.types import AllOf, AnyOf, DetectorSpec
from tests.core.worlds import MONDAY, World, compare, detector, kept, ms, planned, watch

TICKETS = watch("tickets", "count", "ticket.opened", over="1h", panes=60)
LEVEL = watch("level", "latest", "reading", field="level", over="52w")


def busy(name: str = "busy", limit: int = 3, **more: object) -> DetectorSpec:
    return detector(name, "customer", compare("tickets", "at_least", limit), TICKETS, **more)


def silent(within: str = "1h", **more: object) -> DetectorSpec:
    return detector("silent", "customer", kept("absent", event="login", within=within), **more)


# ---- opening and closing


def test_a_firing_signal_does_not_fire_again() -> None:
    world = World(busy())
    world.events("ticket.opened", "0s", times=9, every="1m", customer="ada")
    assert world.said() == [("firing", "ada", "2m")]


def test_it_closes_when_the_window_has_moved_on() -> None:
    world = World(busy())
    world.events("ticket.opened", "0s", times=3, every="1m", customer="ada")
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "2m"), ("resolved", "ada", "1h")]


def test_closing_waits_for_resolve_when() -> None:
    """
    tickets  |1|2|3|                      |
    window   [---------- 1h ----------]
             fires     below 3 at 1h: still open; below 1 at 1h 2m: closed
    """
    world = World(busy(resolve_when=compare("tickets", "below", 1)))
    world.event("other", "-2h", customer="ada")
    world.events("ticket.opened", "0s", times=3, every="1m", customer="ada")
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "2m"), ("resolved", "ada", "1h 2m")]


def test_a_signal_kept_firing_survives_a_gap() -> None:
    world = World(detector("high", "customer", compare("level", "above", 5), LEVEL, keep_firing_for="10m"))
    for at, level in (("0s", 9), ("5m", 1), ("12m", 9), ("20m", 1)):
        world.event("reading", at, customer="ada", level=level)
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "0s"), ("resolved", "ada", "30m")]


def test_for_waits_until_it_has_been_true_long_enough() -> None:
    world = World(detector("high", "customer", compare("level", "above", 5), LEVEL, for_="15m"))
    world.event("reading", "0s", customer="ada", level=9)
    world.wait_until("14m")
    assert world.said() == []
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "15m")]
    assert world.signal().started_at == MONDAY


def test_for_begins_again_after_an_interruption() -> None:
    world = World(detector("high", "customer", compare("level", "above", 5), LEVEL, for_="15m"))
    for at, level in (("0s", 9), ("10m", 1), ("12m", 9)):
        world.event("reading", at, customer="ada", level=level)
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "27m")]


def test_an_unknown_value_neither_fires_nor_resolves() -> None:
    mood = watch("mood", "average", "ticket.closed", field="score", over="1h")
    world = World(detector("sour", "customer", compare("mood", "below", 3), mood))
    world.event("ticket.closed", "0s", customer="ada")
    assert world.said() == []
    world.event("ticket.closed", "1m", customer="ada", score=1)
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "1m")]


def test_the_story_names_the_measures_and_the_events() -> None:
    last = watch("last", "latest", "ticket.opened", field="topic", over="1h")
    world = World(detector("busy", "customer", compare("tickets", "at_least", 2), TICKETS, last))
    world.event("ticket.opened", "0s", customer="ada", id="t1", topic="login")
    world.event("ticket.opened", "1m", customer="ada", id="t2", topic="bill")
    signal = world.signal()
    assert [(reading.measure, reading.value) for reading in signal.readings] == [("tickets", 2), ("last", "bill")]
    assert signal.event_ids == ("t1", "t2")


def test_the_story_keeps_the_latest_twenty_events() -> None:
    world = World(busy(limit=30))
    world.events("ticket.opened", "0s", times=30, every="1s", customer="ada")
    assert world.signal().event_ids == tuple(f"ticket.opened#{number}" for number in range(10, 30))


# ---- low counts


def test_a_low_count_means_something_after_a_whole_window() -> None:
    few = detector("few", "customer", compare("tickets", "below", 1), TICKETS)
    world = World(few)
    world.event("other", "0s", customer="ada")
    world.wait_until("59m")
    assert world.said() == []
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "1h")]


def test_a_low_count_of_an_open_period_waits_for_its_end() -> None:
    logins = watch("logins", "count", "login", every="1d")
    world = World(detector("few", "customer", compare("logins", "below", 2), logins))
    world.event("login", "1h", customer="ada")
    world.wait_until("2d")
    assert world.said() == [("firing", "ada", "2d")], "the day it was first seen on was not seen whole"


# ---- time


def test_a_timer_runs_before_the_event_that_came_too_late() -> None:
    """The silence of two hours was true at one o'clock, whoever logs in at two."""
    world = World(silent())
    world.hears("login", "0s", customer="ada")
    world.hears("login", "2h", customer="ada")
    assert world.said() == [("firing", "ada", "1h"), ("resolved", "ada", "2h")]


def test_a_straggler_within_lateness_still_counts() -> None:
    world = World(silent(), lateness="10s")
    world.hears("login", "0s", customer="ada")
    world.wait_until("1h 5s")
    world.hears("login", "59m", customer="ada")
    world.wait_until("1h 30s")
    assert world.said() == []
    world.wait_until("3h")
    assert world.said() == [("firing", "ada", "1h 59m")], "as of the due time, not of the moment of looking"


def test_an_event_too_old_for_its_windows_is_set_aside() -> None:
    world = World(busy())
    world.event("ticket.opened", "3h", customer="ada")
    world.hears("ticket.opened", "1h", customer="ada")
    assert world.set_aside() == ["late"]
    assert world.done.counts["late", "usage"] == 1


def test_an_event_out_of_order_counts_where_it_belongs() -> None:
    world = World(busy())
    for at in ("40m", "20m", "30m"):
        world.hears("ticket.opened", at, customer="ada")
    assert world.said() == [("firing", "ada", "40m")]
    world.wait_until("1d")
    assert world.said()[1:] == [("resolved", "ada", "1h 20m")]


def test_silence_on_a_stalled_stream_is_held_against_nobody() -> None:
    """
    login    |                                  |
    stalled      [== 30m ======= 2h 30m ==]
    silence  ----                          ---- an hour in all at 3h
    """
    world = World(silent(), streams=_listed())
    world.hears("login", "0s", customer="ada")
    world.stalls("usage", "30m")
    world.wait_until("2h 30m")
    assert world.said() == []
    world.resumes("usage", "2h 30m")
    world.wait_until("2h 59m")
    assert world.said() == []
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "3h")]


def test_two_stalled_streams_of_one_event_are_one_silence() -> None:
    world = World(silent(), streams=_listed("web", "app"))
    world.hears("login", "0s", customer="ada")
    world.stalls("web", "10m")
    world.stalls("app", "20m")
    world.resumes("web", "40m")
    world.resumes("app", "50m")
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "1h 40m")]


def test_a_long_stall_costs_few_looks() -> None:
    world = World(silent(), streams=_listed())
    world.hears("login", "0s", customer="ada")
    world.stalls("usage", "59m 59s")
    looks = 0
    ada = world.chain.entities.by_kind["customer"]["ada"]
    now = MONDAY
    while now < MONDAY + ms("30d"):
        now = ada.wake
        world.chain.take(Tick(now))
        looks += 1
    assert looks < 50_000
    assert world.said() == []


def _listed(*names: str) -> tuple[object, ...]:
    base = planned([busy()]).configuration.project.streams[0]
    return tuple(type(base)(name=name, lateness_ms=0, events=("login",)) for name in names or ("usage",))


# ---- once, and whose


def test_a_repeated_event_counts_once() -> None:
    world = World(busy())
    for at in ("0s", "0s", "0s", "1m"):
        world.hears("ticket.opened", at, customer="ada", id=f"t{at}")
    world.wait_until("2m")
    assert world.said() == []
    assert world.done.counts["duplicate", "usage"] == 2


def test_the_same_id_with_another_content_is_set_aside() -> None:
    world = World(busy())
    world.event("ticket.opened", "0s", customer="ada", id="t1", topic="login")
    world.event("ticket.opened", "1m", customer="ada", id="t1", topic="bill")
    assert world.set_aside() == ["id_conflict"]


def test_a_redelivered_record_is_not_taken_twice() -> None:
    world = World(busy(limit=2))
    event = Event("", "ticket.opened", MONDAY, "usage", {"customer": "ada"}, {}, id_is_weak=True)
    for _ in range(3):
        world.chain.take(Routed("customer", "ada", 7, event))
    world.wait_until("1m")
    assert world.said() == []


def test_one_entity_knows_nothing_of_another() -> None:
    world = World(busy())
    for number in range(9):
        world.event("ticket.opened", f"{number}m", customer=f"c{number}")
    assert world.said() == []


def test_who_is_not_heard_of_for_long_is_forgotten() -> None:
    world = World(busy(limit=2, cooldown="52w"), retention={"entities_ms": ms("30m")})
    world.event("ticket.opened", "0s", customer="ada")
    world.event("ticket.opened", "31m", customer="ada")
    assert world.said() == []


def test_what_was_due_before_the_forgetting_is_still_said() -> None:
    world = World(silent(), retention={"entities_ms": ms("2d")})
    world.hears("login", "0s", customer="ada")
    world.hears("login", "9d", customer="ada")
    assert world.fired() == [("ada", "1h")]


def test_beyond_the_limit_of_keys_new_ones_are_set_aside() -> None:
    world = World(busy(limit=2), bounds={"keys_per_entity_kind": 2})
    for number, customer in enumerate(("ada", "bob", "cyd", "ada")):
        world.event("ticket.opened", f"{number}m", customer=customer)
    assert world.set_aside() == ["key_limit"]
    assert world.fired() == [("ada", "3m")]


# ---- zones and profiles


def days() -> DetectorSpec:
    logins = watch("logins", "count", "login", every="1d")
    return detector("quiet-day", "customer", compare("logins", "below", 1), logins)


def test_calendar_days_follow_the_zone_of_the_entity() -> None:
    """In New York the 5th ends at five in the morning of the 6th, as UTC counts."""
    world = World(days())
    world.event("profile", "0s", stream="people", customer="ada", time_zone="America/New_York")
    world.event("login", "1d 4h", customer="ada")
    world.wait_until("2d 4h")
    assert world.said() == []
    world.wait_until("2d 5h")
    assert world.said() == [("firing", "ada", "2d 5h")]


def test_days_of_two_zones_are_not_mixed() -> None:
    """After a move the day that both zones share is left out, and the first whole day in the new zone counts."""
    world = World(days())
    world.event("login", "1h", customer="ada")
    world.event("profile", "3h", stream="people", customer="ada", time_zone="America/New_York")
    world.event("login", "20h", customer="ada")
    world.wait_until("2d 4h")
    assert world.said() == []
    world.wait_until("2d 5h")
    assert world.said() == [("firing", "ada", "2d 5h")]


def test_an_unknown_zone_is_ignored() -> None:
    world = World(days())
    world.event("profile", "0s", stream="people", customer="ada", time_zone="Mars/Olympus")
    world.event("login", "1h", customer="ada")
    world.wait_until("2d")
    assert world.said() == [("firing", "ada", "2d")]


def test_the_newest_profile_wins_in_any_order() -> None:
    world = World(busy(limit=1))
    world.hears("profile", "2h", stream="people", customer="ada", tier="gold", city="Rome")
    world.hears("profile", "1h", stream="people", customer="ada", tier="tin", age=7)
    world.hears("ticket.opened", "2h", customer="ada")
    assert {**world.signal().attributes, "customer": ""} == {"tier": "gold", "city": "Rome", "age": 7, "customer": ""}


# ---- combinations


def test_all_of_needs_every_part() -> None:
    spec = detector(
        "both",
        "customer",
        AllOf((compare("tickets", "at_least", 2), kept("absent", event="reply", within="1h"))),
        TICKETS,
    )
    world = World(spec)
    world.events("ticket.opened", "0s", times=2, every="1m", customer="ada")
    assert world.said() == []
    world.events("ticket.opened", "55m", times=2, every="1m", customer="ada")
    world.wait_until("1h")
    assert world.fired() == [("ada", "1h")]


def test_any_of_needs_one_part() -> None:
    spec = detector(
        "either",
        "customer",
        AnyOf((compare("tickets", "at_least", 2), kept("absent", event="reply", within="1h"))),
        TICKETS,
    )
    world = World(spec)
    world.events("ticket.opened", "0s", times=2, every="1m", customer="ada")
    assert world.fired() == [("ada", "1m")]


def test_a_filter_reads_nested_attributes() -> None:
    nested = watch("hits", "count", "call", where=(FieldTest("request.status", "at_least", 500),), over="1h")
    world = World(detector("failing", "customer", compare("hits", "at_least", 1), nested))
    world.event("call", "0s", customer="ada", request={"status": 200})
    world.event("call", "1m", customer="ada", request={"status": 503})
    assert world.fired() == [("ada", "1m")]


# ---- configurations


def test_a_rise_in_severity_breaks_the_cooldown() -> None:
    world = World(busy(cooldown="7d", severity=Severity.WATCH))
    world.events("ticket.opened", "0s", times=3, every="1m", customer="ada")
    world.wait_until("2h")
    world.restart(busy(cooldown="7d", severity=Severity.URGENT))
    world.events("ticket.opened", "3h", times=3, every="1m", customer="ada")
    assert world.decided() == ["chosen", "chosen"]


def test_a_restart_keeps_an_open_signal_open() -> None:
    world = World(busy())
    world.events("ticket.opened", "0s", times=3, every="1m", customer="ada")
    world.restart()
    world.event("ticket.opened", "4m", customer="ada")
    world.wait_until("1d")
    assert [said[0] for said in world.said()] == ["firing", "resolved"]


def test_a_detector_switched_on_later_starts_then() -> None:
    world = World(busy())
    world.event("login", "0s", customer="ada")
    world.event("ticket.opened", "0s", customer="ada")
    world.wait_until("5h")
    world.restart(busy(), silent())
    world.wait_until("5h 59m")
    assert world.said() == []
    world.wait_until("6h")
    assert world.fired() == [("ada", "6h")]


def test_a_measure_added_to_a_window_keeps_its_history() -> None:
    """Both read one window, so the slot gets another column, and what was counted stays."""
    mean = watch("mean", "average", "ticket.opened", field="score", over="1h", panes=60)
    sour = detector("sour", "customer", compare("mean", "below", 3), mean)
    world = World(busy())
    world.events("ticket.opened", "0s", times=2, every="1m", customer="ada", score=1)
    world.restart(sour, busy())
    world.event("ticket.opened", "2m", customer="ada", score=2)
    assert sorted(signal.detector for signal in world.done.signals) == ["busy", "sour"]
    assert world.signal().readings[0].value in (2, 3)


def test_sums_beyond_64_bits_can_be_written() -> None:
    spent = watch("spent", "sum", "paid", field="amount", over="1h")
    world = World(detector("rich", "customer", compare("spent", "above", 5e15), spent))
    for number in range(3):
        world.event("paid", f"{number}m", customer="ada", amount=2_000_000_000_000_000)
        world.restart()
    assert world.fired() == [("ada", "2m")]
    assert world.signal().readings[0].value == 6_000_000_000_000_000


def test_being_heard_of_often_does_not_pile_up_alarms() -> None:
    world = World(silent("14d"))
    for number in range(500):
        world.hears("login", f"{number}m", customer="ada")
    assert len(world.chain.entities._alarms) == 1
    world.wait_until("20d")
    assert world.fired() == [("ada", "14d 8h 19m")]


def test_an_alarm_may_be_put_forward_and_off_again() -> None:
    """
    login     |   |          |
    silence   1h  1h         1h fires
    reading     for 10m: fires in between
    """
    world = World(silent(), detector("high", "customer", compare("level", "above", 5), LEVEL, for_="10m"))
    world.hears("login", "0s", customer="ada")
    world.hears("reading", "1m", customer="ada", level=9)
    world.hears("login", "2m", customer="ada")
    world.restart()
    world.wait_until("30m")
    world.hears("login", "40m", customer="ada")
    world.wait_until("1d")
    assert world.said() == [("firing", "ada", "11m"), ("firing", "ada", "1h 40m")]
    assert len(world.chain.entities._alarms) == 1, "the level is kept for a year"
