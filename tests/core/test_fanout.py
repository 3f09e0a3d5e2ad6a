"""A group's signal is passed on to each of its members: once, with their own facts, and under their own rules."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.model import Decision, Mode
from engine.spec.members import FanOutSpec, ForEach
from engine.spec.policies import LimitSpec, Policies
from engine.spec.types import AttributeTest, CourseStep, DetectorSpec, StreamSpec
from tests.core.worlds import World, compare, detector, is_, ms, play, watch

PLAYS = (
    play("warn", to="owner", text="{{ region.id }}: {{ late }}"),
    play("sorry", text="{{ step }}: {{ date }} in {{ region.id }} of {{ account.name }}", channel="email"),
    play("over", text="over", channel="email"),
    play("ask", to="owner", text="{{ members }} for {{ incident }}"),
)
LATE = {"status": "late"}


def clause(**more: Any) -> ForEach:
    given: dict[str, Any] = {"kind": "customer", "play": "sorry", "events": ("scan",), "over_ms": ms("2h")}
    return ForEach(**{**given, "where": (is_("status", "late"),), "facts": ("date",), "update_on": ("date",), **more})


def trouble(*clauses: ForEach, at_least: int = 3, **more: Any) -> DetectorSpec:
    wanted = watch("late", "count", "scan", over="1h", where=LATE)
    return detector(
        "trouble", "region", compare("late", "at_least", at_least), wanted, play="warn", for_each=clauses, **more
    )


def world(*clauses: ForEach, at_least: int = 3, **project: Any) -> World:
    return World(trouble(*clauses or (clause(),), at_least=at_least), plays=PLAYS, **project)


def scan(it: World, who: str, at: str, status: str = "late", **more: Any) -> None:
    it.event("scan", at, region="north", customer=who, status=status, **more)


def told(it: World) -> list[tuple[str, str, str, str]]:
    """(whom, which play, at which step, when) of all that customers got."""
    actions = [action for action in it.done.actions if action.recipient.startswith("customer:")]
    return [(one.recipient.removeprefix("customer:"), one.play, one.step, it.spoken(one.at)) for one in actions]


def desk(it: World) -> list[str]:
    """The plays that colleagues got."""
    return [action.play for action in it.done.actions if action.recipient == "owner:desk"]


def of(it: World, who: str) -> list[Decision]:
    return [one for one in it.done.decisions if one.recipient == f"customer:{who}"]


def test_each_member_gets_it_once_and_the_group_once() -> None:
    it = world()
    for number, who in enumerate(("ada", "bob", "ada", "eve")):
        scan(it, who, f"{number}m", date=f"day {number}")
    assert told(it) == [
        ("ada", "sorry", "first", "2m"),
        ("bob", "sorry", "first", "2m"),
        ("eve", "sorry", "first", "3m"),
    ]
    assert desk(it) == ["warn"]
    assert next(action.text for action in it.done.actions if action.play == "sorry") == "first: day 2 in north of"


def test_only_events_that_match_make_somebody_a_member() -> None:
    it = world()
    scan(it, "dan", "0m", status="fine")
    it.event("scan", "1m", region="south", customer="kim", status="late")
    for number in range(3):
        scan(it, "ada", f"{2 + number}m")
    assert [who for who, *_ in told(it)] == ["ada"]


def test_who_was_seen_too_long_ago_is_no_member_any_more() -> None:
    it = world()
    scan(it, "old", "0m")
    scan(it, "new", "1m")
    for number in range(3):
        scan(it, "ada", f"{120 + number}m")
    assert [who for who, *_ in told(it)] == ["ada"], "exactly so long ago does not count"


def test_who_joins_later_is_told_then_unless_nobody_is_to_be_added() -> None:
    for keep_adding, late in ((True, [("eve", "sorry", "first", "9m")]), (False, [])):
        it = world(clause(keep_adding=keep_adding))
        for number in range(3):
            scan(it, "ada", f"{number}m")
        scan(it, "eve", "9m")
        scan(it, "eve", "10m")
        assert told(it)[1:] == late


def test_a_changed_fact_is_an_update_for_those_who_were_told() -> None:
    it = world()
    for number in range(3):
        scan(it, "ada", f"{number}m", date="monday")
    scan(it, "ada", "5m", date="monday")
    scan(it, "ada", "6m", date="tuesday")
    scan(it, "ada", "7m", date="friday")
    assert told(it)[1:] == [("ada", "sorry", "update:1", "6m"), ("ada", "sorry", "update:2", "7m")]
    assert it.done.actions[-1].text.startswith("update:2: friday")


def test_an_update_of_what_was_not_sent_yet_changes_what_will_be() -> None:
    it = world(clause(portion=1, span_ms=ms("1h")))
    for number, who in enumerate(("ada", "bob", "eve")):
        scan(it, who, f"{number}m", date="monday")
    second = next(one.recipient for one in it.done.decisions if one.gate == "spread").removeprefix("")
    scan(it, second, "5m", date="friday")
    it.wait_until("4h")
    texts = [action.text for action in it.done.actions if action.recipient == f"customer:{second}"]
    assert texts == ["first: friday in north of"]


def test_an_all_clear_goes_to_those_who_were_told() -> None:
    rules = Policies(limits=(LimitSpec(at_most=1, over_ms=ms("30m"), per="customer"),))
    it = world(clause(all_clear="over"), policies=rules)
    it.event("visit", "0s", session="s")
    for number, who in enumerate(("ada", "bob", "bob")):
        scan(it, who, f"{number}m")
    scan(it, "eve", "50m", date="x")
    it.wait_until("3h")
    assert told(it) == [
        ("ada", "sorry", "first", "2m"),
        ("bob", "sorry", "first", "2m"),
        ("eve", "sorry", "first", "50m"),
        ("ada", "over", "all-clear", "1h 1m"),
        ("bob", "over", "all-clear", "1h 1m"),
    ]
    assert [one.gate for one in of(it, "eve")] == ["", "limits"]


def test_who_was_not_told_hears_neither_more_nor_an_end() -> None:
    rules = Policies(limits=(LimitSpec(at_most=1, over_ms=ms("3d")),))
    other = detector(
        "other", "customer", compare("n", "at_least", 1), watch("n", "count", "visit", over="1h"), play="over"
    )
    it = World(trouble(clause(all_clear="over")), other, plays=PLAYS, policies=rules)
    it.event("visit", "0s", customer="ada")
    for number in range(3):
        scan(it, "ada", f"{number}m", date="monday")
    scan(it, "ada", "4m", date="tuesday")
    it.wait_until("3h")
    assert [(one.gate, one.step) for one in of(it, "ada")][1:] == [
        ("limits", ""),
        ("not_told", "update:1"),
        ("not_told", "all-clear"),
    ]
    assert it.chain.units.get("ada").told == []


def test_a_second_incident_is_told_anew() -> None:
    it = world(clause(all_clear="over"))
    for start in (0, 600):
        for number in range(3):
            scan(it, "ada", f"{start + number}m")
    it.wait_until("1d")
    steps = [(play, when) for who, play, _step, when in told(it) if who == "ada"]
    assert steps == [("sorry", "2m"), ("over", "1h"), ("sorry", "10h 2m"), ("over", "11h")]


def test_many_are_told_so_many_at_a_time_and_who_joins_at_once() -> None:
    it = world(clause(portion=2, span_ms=ms("10m")), at_least=5)
    for number in range(5):
        scan(it, f"c{number}", f"{number}m")
    scan(it, "joe", "5m")
    it.wait_until("1h")
    assert sorted(when for *_, when in told(it)) == ["14m", "14m", "24m", "4m", "4m", "5m"]
    assert sorted(who for who, *_ in told(it)) == ["c0", "c1", "c2", "c3", "c4", "joe"]


def test_members_know_the_region_and_their_own_profile() -> None:
    here = clause(only_if=(AttributeTest("region", is_("open", True)), AttributeTest("customer", is_("plan", "gold"))))
    streams = (
        StreamSpec(name="usage", lateness_ms=0),
        StreamSpec(name="people", family="profile", describes="customer", lateness_ms=0),
        StreamSpec(name="places", family="profile", describes="region", lateness_ms=0),
    )
    it = World(trouble(here), plays=PLAYS, streams=streams)
    it.hears("profile", "0s", stream="places", region="north", open=True)
    it.hears("profile", "0s", stream="people", customer="ada", plan="gold")
    for number, who in enumerate(("ada", "bob", "bob")):
        scan(it, who, f"{1 + number}m")
    assert {one.recipient: one.gate for one in it.done.decisions if one.play == "sorry"} == {
        "customer:ada": "",
        "customer:bob": "only_if",
    }


def test_a_region_without_an_account_is_its_own_unit() -> None:
    it = world()
    for number, who in enumerate(("ada", "bob", "eve")):
        it.event("scan", f"{number}m", region="north", customer=who, account=f"of-{who}", status="late")
    units = [(one.play, one.unit) for one in it.done.decisions]
    of_members = [("sorry", f"account:of-{who}") for who in ("ada", "bob", "eve")]
    assert units == [*of_members, ("warn", "region:north")]


def test_a_shadow_detector_says_whom_it_would_have_told() -> None:
    it = World(trouble(clause(), mode=Mode.SHADOW), plays=PLAYS)
    for number in range(3):
        scan(it, "ada", f"{number}m")
    assert [(one.play, one.gate) for one in it.done.decisions] == [("sorry", "shadow"), ("warn", "shadow")]


def test_what_is_beyond_the_most_is_counted() -> None:
    it = world(clause(at_most_members=2))
    for number in range(5):
        scan(it, f"c{number}", f"{number}m")
    assert [who for who, *_ in told(it)] == ["c0", "c1"]
    assert it.done.counts["members_beyond", "usage"] == 3


def test_room_is_made_when_others_are_members_no_more() -> None:
    it = world(clause(at_most_members=2, over_ms=ms("1h")))
    scan(it, "c0", "0m")
    scan(it, "c1", "1m")
    scan(it, "c2", "2m")
    for number, who in enumerate(("c3", "c4", "c4", "c4")):
        scan(it, who, f"{90 + number}m")
    assert [who for who, *_ in told(it)] == ["c0", "c1", "c3", "c4"]


# ---- the flood guard

GUARD = Policies(fan_out=FanOutSpec(ask_above=2, ask="ask"))


def flood(*clauses: ForEach) -> World:
    it = world(*clauses, policies=GUARD)
    for number, who in enumerate(("ada", "bob", "eve")):
        scan(it, who, f"{number}m")
    return it


def test_above_so_many_a_person_is_asked_first() -> None:
    it = flood()
    assert told(it) == []
    assert sorted(desk(it)) == ["ask", "warn"]
    held = [one for one in it.done.decisions if one.gate == "approval"]
    assert {(one.recipient, one.outcome.value, one.until) for one in held} == {
        (f"customer:{who}", "held", 0) for who in ("ada", "bob", "eve")
    }
    asked = next(action.text for action in it.done.actions if action.play == "ask")
    assert asked == f"3 for {held[0].incident}"


def test_once_approved_all_are_told_and_who_joins_as_well() -> None:
    it = flood()
    scan(it, "kim", "10m")
    it.event("fanout.approved", "20m", region="north", by="lena")
    scan(it, "joe", "30m")
    assert told(it) == [
        *((who, "sorry", "first", "20m") for who in ("ada", "bob", "eve", "kim")),
        ("joe", "sorry", "first", "30m"),
    ]


def test_who_joins_counts_for_the_guard_as_well() -> None:
    it = world(policies=GUARD)
    for number in range(3):
        scan(it, "ada", f"{number}m")
    scan(it, "bob", "5m")
    scan(it, "eve", "6m")
    assert [who for who, *_ in told(it)] == ["ada", "bob"]
    assert [one.gate for one in of(it, "eve")] == ["approval"]
    it.event("fanout.approved", "20m", region="north")
    assert [who for who, *_ in told(it)] == ["ada", "bob", "eve"]


def test_once_declined_nobody_is_told_and_it_says_by_whom() -> None:
    it = flood(clause(all_clear="over"))
    it.event("fanout.declined", "20m", region="north", by="lena", because="too many")
    scan(it, "joe", "30m")
    it.wait_until("6h")
    assert {one.detail for one in of(it, "ada") if one.outcome.value == "dropped"} == {
        "declined by lena: too many",
        "they were not told of it in the first place",
    }
    assert [one.gate for one in of(it, "joe")] == ["approval", "not_told"]
    assert told(it) == []


def test_an_incident_that_ends_unanswered_leaves_nothing_behind() -> None:
    it = flood(clause(all_clear="over"))
    it.wait_until("6h")
    assert [one.gate for one in of(it, "ada")] == ["approval", "resolved", "not_told"]
    it.event("fanout.approved", "7h", region="north")
    assert it.done.counts["nothing_to_approve", "usage"] == 1
    assert it.chain.units.waiting == set()


def test_an_approval_of_another_incident_approves_nothing() -> None:
    it = flood()
    it.event("fanout.approved", "20m", region="north", incident="another")
    assert told(it) == []
    it.event("fanout.approved", "21m", region="north", incident=of(it, "ada")[0].incident)
    assert len(told(it)) == 3


def test_what_was_approved_can_still_be_stopped() -> None:
    it = flood(clause(portion=1, span_ms=ms("1h")))
    it.event("fanout.approved", "20m", region="north")
    it.event("fanout.declined", "30m", region="north", by="lena")
    it.wait_until("6h")
    outcomes = [[one.gate for one in of(it, who)][-1] for who in ("ada", "bob", "eve")]
    assert sorted(outcomes) == ["", "approval", "approval"]


def test_restarts_make_no_difference() -> None:
    logs = []
    for restarts in (False, True):
        it = world(clause(all_clear="over", portion=1, span_ms=ms("30m")), policies=GUARD)
        for number, who in enumerate(("ada", "bob", "eve", "ada", "kim")):
            scan(it, who, f"{number}m", date=f"day {number}")
            if restarts:
                it.restart()
        it.event("fanout.approved", "20m", region="north")
        if restarts:
            it.restart()
        it.wait_until("1d")
        logs.append([msgspec.json.encode(one) for one in it.done.decisions])
    assert logs[0] == logs[1]


def test_a_play_with_a_reminder_reminds_once_and_in_the_words_of_the_latest_fact() -> None:
    step = CourseStep(name="reminder", after_ms=ms("30m"), play=play("sorry", text="still {{ date }}", channel="email"))
    plays = (*(each for each in PLAYS if each.name != "sorry"), play("sorry", text="{{ date }}", steps=(step,)))
    it = World(trouble(clause()), plays=plays)
    for number in range(3):
        scan(it, "ada", f"{number}m", date="monday")
    scan(it, "ada", "10m", date="friday")
    it.wait_until("50m")
    sent = [(one.step, one.text) for one in it.done.actions if one.play == "sorry"]
    assert sent == [("first", "monday"), ("update:1", "friday"), ("reminder", "still friday")]
