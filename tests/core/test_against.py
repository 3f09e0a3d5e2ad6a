"""A limit may be another measure, or what a profile says: what holds, what is unknown, and when it is looked at."""

from __future__ import annotations

import msgspec
import pytest

from engine.core.erasure import strip_signal
from engine.model import Json
from engine.ports import Comparator
from engine.shells.explain import told
from engine.spec.formula import parse
from engine.spec.profile import ProfileOptions
from engine.spec.types import AllOf, Compare, ConditionSpec, DetectorSpec, MeasureSpec
from tests.core.worlds import KINDS, World, compare, detector, ms, watch

OPENED = watch("opened", "count", "ticket.opened", over="1d")
ANSWERED = watch("answered", "count", "ticket.answered", over="1d")
DAILY = tuple(
    msgspec.structs.replace(watch(name, "count", f"ticket.{name}", every="1d"), period="1d")
    for name in ("opened", "answered")
)
ARRIVALS = msgspec.structs.replace(DAILY[0], name="arrivals")
SHIFT = watch("shift", "latest", "shift.planned", field="agents", over="1d", panes=24)


def profile(name: str, field: str) -> MeasureSpec:
    return MeasureSpec(name=name, word="profile", options=ProfileOptions(field=field))


def formula(name: str, source: str, period: str = "") -> MeasureSpec:
    made = parse(source)
    return MeasureSpec(name=name, word="formula", options=made, inputs=made.names, period=period)


def than(measure: str, comparator: Comparator, limit_of: str, in_a_row: int = 0) -> Compare:
    return Compare(measure=measure, comparator=comparator, limit=None, in_a_row=in_a_row, limit_of=limit_of)


def of(when: ConditionSpec, *measures: MeasureSpec, **more: object) -> DetectorSpec:
    return detector("over", "account", when, *measures, **more)


def says(world: World, at: str, **attributes: Json) -> None:
    world.event("profile.updated", at, stream="crm", account="acme", **attributes)


def opens(world: World, at: str, times: int = 1) -> None:
    world.events("ticket.opened", at, times=times, every="1m", account="acme")


def watch_learned(name: str, of_measure: str, **options: str) -> MeasureSpec:
    made = KINDS["forecast_of"].options(of=(of_measure,), **{key: ms(value) for key, value in options.items()})
    return MeasureSpec(name=name, word="forecast_of", options=made, inputs=(of_measure,))


# ---- a profile


CAPACITY = profile("capacity", "agents")


def test_what_is_counted_is_held_against_what_the_profile_says() -> None:
    world = World(of(than("opened", "above", "capacity"), OPENED, CAPACITY))
    says(world, "0s", agents=2)
    opens(world, "1h", times=4)
    assert world.said() == [("firing", "acme", "1h 2m")]
    assert [told(each) for each in world.signal().readings] == ["opened is 3, above capacity 2: yes", "capacity is 2"]


def test_a_profile_that_changes_is_enough() -> None:
    world = World(of(than("opened", "above", "capacity"), OPENED, CAPACITY))
    says(world, "0s", agents=9)
    opens(world, "1h", times=4)
    says(world, "2h", agents=3)
    world.restart()
    says(world, "3h", agents=4)
    assert world.said() == [("firing", "acme", "2h"), ("resolved", "acme", "3h")]


def test_a_profile_that_comes_late_changes_nothing_that_is_newer() -> None:
    world = World(of(than("opened", "above", "capacity"), OPENED, CAPACITY))
    says(world, "5h", agents=3)
    world.hears("profile.updated", "4h", stream="crm", account="acme", agents=1)
    opens(world, "6h", times=3)
    assert world.said() == []


def test_what_is_not_known_is_neither_true_nor_false() -> None:
    """The signal neither opens before there is a capacity, nor closes when it is gone."""
    world = World(of(than("opened", "above", "capacity"), OPENED, CAPACITY))
    opens(world, "1h", times=4)
    assert world.said() == []
    says(world, "2h", agents=3)
    says(world, "3h", agents=None)
    assert world.said() == [("firing", "acme", "2h")]


@pytest.mark.parametrize("agents", ["40", True, [1], {"day": 1}])
def test_what_is_no_number_is_not_exceeded(agents: Json) -> None:
    world = World(of(than("opened", "above", "capacity"), OPENED, CAPACITY))
    says(world, "0s", agents=agents)
    opens(world, "1h", times=4)
    assert world.said() == []


def test_a_text_of_an_event_is_no_fault_of_a_number() -> None:
    level = watch("level", "latest", "reading", field="level", over="1d")
    world = World(of(compare("level", "above", 5), level))
    for at, value in (("0s", "high"), ("1s", True), ("2s", 6)):
        world.event("reading", at, account="acme", level=value)
    assert world.said() == [("firing", "acme", "2s")]


def test_a_profile_alone_makes_a_detector() -> None:
    plans = (profile("plan", "plan"), profile("agreed", "contract.plan"))
    world = World(of(than("plan", "is_not", "agreed"), *plans))
    says(world, "0s", plan="free", contract={"plan": "free"})
    says(world, "1h", contract={"plan": "pro"})
    says(world, "2h", plan="pro")
    assert world.said() == [("firing", "acme", "1h"), ("resolved", "acme", "2h")]


def test_the_profile_of_another_is_not_its_own() -> None:
    world = World(of(compare("seats", "above", 5), profile("seats", "seats")))
    world.event("profile.updated", "0s", stream="people", account="acme", customer="ada", seats=9)
    assert world.said() == []


def test_it_has_to_hold_for_a_while_as_ever() -> None:
    world = World(of(than("opened", "above", "capacity"), OPENED, CAPACITY, for_="30m"))
    says(world, "0s", agents=2)
    opens(world, "1h", times=3)
    world.wait_until("2h")
    assert world.said() == [("firing", "acme", "1h 32m")]


def test_it_closes_below_a_share_of_what_the_profile_says() -> None:
    calm = formula("calm", "capacity / 2")
    over, under = than("opened", "above", "capacity"), than("opened", "below", "calm")
    world = World(of(over, OPENED, CAPACITY, calm, resolve_when=under))
    says(world, "-2d", agents=4)
    world.events("ticket.opened", "0s", times=5, every="1h", account="acme")
    world.wait_until("1d 2h 10m")  # two of them are left
    assert world.said() == [("firing", "acme", "4h")]
    world.wait_until("2d")
    assert world.said()[1:] == [("resolved", "acme", "1d 2h 48m")]  # in steps of 24 minutes


def test_who_is_erased_is_no_limit_in_what_is_kept_of_others() -> None:
    chosen = watch("asked", "latest", "ticket.opened", field="agent", over="1d")
    world = World(of(than("asked", "is_not", "own"), chosen, profile("own", "agent")))
    says(world, "0s", agent="ada")
    world.event("ticket.opened", "1m", account="acme", agent="bob")
    stripped = strip_signal(world.signal(), "customer:ada")
    assert "ada" not in msgspec.json.encode(stripped.readings).decode()
    assert stripped.readings[0].value == "bob"


# ---- plans that come as events


def test_a_shift_plan_is_the_limit_as_long_as_it_is_new() -> None:
    world = World(of(than("opened", "above", "shift"), OPENED, SHIFT))
    world.event("shift.planned", "0s", account="acme", agents=3)
    opens(world, "8h", times=3)
    world.event("shift.planned", "9h", account="acme", agents=2)
    assert world.said() == [("firing", "acme", "9h")]
    world.event("shift.planned", "10h", account="acme", agents=5)
    assert world.said()[-1] == ("resolved", "acme", "10h")
    opens(world, "3d", times=9)
    assert len(world.said()) == 2, "an old plan says nothing of today"


# ---- counts against counts


def test_few_beside_many_waits_for_a_whole_window_whichever_is_named_first() -> None:
    for when in (than("opened", "above", "answered"), than("answered", "below", "opened")):
        world = World(of(when, OPENED, ANSWERED))
        opens(world, "0s", times=2)
        opens(world, "20h", times=2)
        world.wait_until("23h 59m")
        assert world.said() == []
        world.wait_until("2d")
        assert world.said()[0] == ("firing", "acme", "1d")


def test_few_says_nothing_while_the_stream_is_stalled() -> None:
    world = World(of(than("opened", "above", "answered"), OPENED, ANSWERED))
    opens(world, "0s")
    world.event("ticket.answered", "1h", account="acme")
    world.chain.detect.stalls.begin("ticket.answered", world.start)
    opens(world, "30h", times=2)
    assert world.said() == []
    world.chain.detect.stalls.end("ticket.answered", world.start)
    opens(world, "31h")
    assert world.said()[0][0] == "firing"


def test_a_day_is_held_against_the_same_day() -> None:
    """
    opened    |  3  |  2  |  1  |
    answered  |  1  |  2  |  0  |
    """
    world = World(of(than("opened", "above", "answered"), *DAILY))
    world.event("other", "-1h", account="acme")
    for day, (opened, answered) in enumerate([(3, 1), (2, 2), (1, 0)]):
        opens(world, f"{day}d 8h", times=opened)
        for number in range(answered):
            world.event("ticket.answered", f"{day}d 20h {number}m", account="acme")
    world.wait_until("3d 1h")
    assert world.said() == [("firing", "acme", "1d"), ("resolved", "acme", "2d"), ("firing", "acme", "3d")]


def test_several_days_in_a_row_are_compared_day_by_day() -> None:
    world = World(of(than("opened", "above", "answered", in_a_row=2), *DAILY))
    world.event("other", "-1h", account="acme")
    for day, (opened, answered) in enumerate([(3, 5), (2, 1), (9, 8)]):
        opens(world, f"{day}d 8h", times=opened)
        for number in range(answered):
            world.event("ticket.answered", f"{day}d 20h {number}m", account="acme")
    world.wait_until("3d")
    assert world.said() == [("firing", "acme", "3d")]


def test_several_days_in_a_row_above_what_the_profile_says_now() -> None:
    world = World(of(than("opened", "above", "capacity", in_a_row=2), DAILY[0], CAPACITY))
    says(world, "-1h", agents=2)
    opens(world, "8h", times=3)
    opens(world, "1d 8h", times=4)
    world.wait_until("3d")
    assert world.said() == [("firing", "acme", "2d"), ("resolved", "acme", "3d")]


def test_a_range_may_end_at_a_measure() -> None:
    when = AllOf((compare("opened", "at_least", 2), than("opened", "below", "capacity")))
    world = World(of(when, OPENED, CAPACITY))
    says(world, "0s", agents=3)
    opens(world, "1m", times=3)
    assert world.said() == [("firing", "acme", "2m"), ("resolved", "acme", "3m")]


# ---- what learns


def test_a_formula_of_what_is_coming_fires_by_the_clock_alone() -> None:
    coming = watch_learned("coming", "arrivals", ahead="1d")
    short = formula("short", "coming - capacity * 2")
    world = World(of(compare("short", "above", 0), ARRIVALS, coming, CAPACITY, short))
    says(world, "0s", agents=3)
    for day in range(14):
        opens(world, f"{day}d 8h", times=10 if day % 7 == 0 else 4)
    world.wait_until("14d")
    assert world.said() == [("firing", "acme", "14d")]  # the third Monday begins
    assert {each.measure for each in world.signal().readings} == {"short", "arrivals", "coming", "capacity"}
    world.wait_until("15d")
    assert world.said()[-1] == ("resolved", "acme", "15d")


def test_a_forecast_is_held_against_a_shift_plan() -> None:
    coming = watch_learned("coming", "arrivals", ahead="1d")
    world = World(of(than("coming", "above", "shift"), ARRIVALS, coming, SHIFT))
    for day in range(15):
        opens(world, f"{day}d 8h", times=5)
    assert world.said() == []
    world.event("shift.planned", "15d 9h", account="acme", agents=4)
    assert world.said() == [("firing", "acme", "15d 9h")]
