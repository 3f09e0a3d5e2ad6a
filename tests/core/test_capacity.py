"""Colleagues can do only so much a day: the best first, the rest waits. Each story: events want tasks."""

from __future__ import annotations

from typing import Any

from engine.core.erasure import strip_unit
from engine.model import Mode, Signal
from engine.spec.policies import CapacitySpec, Policies
from engine.spec.types import AttributeTest, DetectorSpec, PlaySpec
from tests.core.test_courses import Story, reach, then
from tests.core.test_handoff import answering
from tests.core.worlds import World, compare, detector, is_, play, watch

TWO_A_DAY = (CapacitySpec(at_most=2),)


def task(name: str, **more: Any) -> PlaySpec:
    return play(name, to="owner", **more)


def wanting(name: str, **more: Any) -> DetectorSpec:
    """Open from an event of that name until `name.done`; it wants the play of its name."""
    level = watch(f"{name}_open", "latest", name, field="open", over="52w")
    return detector(name, "customer", compare(f"{name}_open", "above", 0), level, plays=(name,), **more)


class Office(World):
    """Each play has a detector of its own. Every account belongs to ida if nothing else is said."""

    def __init__(self, *plays: PlaySpec, capacity: tuple[CapacitySpec, ...] = TWO_A_DAY, **more: Any) -> None:
        wanted = [wanting(each.name) for each in plays if each.name != "instead"]
        super().__init__(*wanted, plays=plays, policies=Policies(capacity=capacity, **more))
        self.belongs("acme", "ida")

    def belongs(self, account: str, owner: str) -> None:
        self.hears("profile", "0s", stream="crm", account=account, owner=owner)

    def wants(self, at: str, name: str, *customers: str, account: str = "acme") -> None:
        """The first at that moment, each of the others a minute after the one before."""
        for minute, customer in enumerate(customers):
            self.event(name, f"{at} {minute}m", customer=customer, account=account, open=1)
        self.wait_until(f"{at} {len(customers) - 1}m 1s")

    def closes(self, at: str, name: str, customer: str) -> None:
        self.event(name, at, customer=customer, account="acme", open=0)
        self.wait_until(f"{at} 1s")

    def told(self) -> list[tuple[str, str, str]]:
        """(whose task, chosen or the gate, in which minute) of each decision."""
        return [(d.key, d.gate or d.outcome.value, self.spoken(d.at // 60_000 * 60_000)) for d in self.done.decisions]


def test_what_finds_no_room_waits_for_the_next_day() -> None:
    office = Office(task("call"))
    for hour, customer in enumerate(("ada", "bob", "cyd", "dan", "eve"), 9):
        office.wants(f"{hour}h", "call", customer)
    office.restart()
    office.wait_until("9d")
    assert office.told() == [
        ("ada", "chosen", "9h"),
        ("bob", "chosen", "10h"),
        ("cyd", "capacity", "11h"),
        ("dan", "capacity", "12h"),
        ("eve", "capacity", "13h"),
        ("cyd", "chosen", "1d"),
        ("dan", "chosen", "1d"),
        ("eve", "capacity", "1d"),
        ("eve", "chosen", "2d"),
    ]
    held, last = office.done.decisions[4], office.done.decisions[-1]
    assert held.detail == "ida has no room: at most 2 a day; decided again at 2026-01-06 00:00 UTC"
    assert (held.outcome, held.until) == ("held", office.start + 86_400_000)
    assert len({decision.id for decision in office.done.decisions}) == 9
    assert [action.decision_id for action in office.done.actions][-1] == last.id
    assert [action.at for action in office.done.actions][-1] == last.at


def test_a_task_is_taken_in_at_the_end_of_its_second() -> None:
    office = Office(task("call"))
    office.event("call", "1h 200ms", customer="ada", account="acme", open=1)
    assert office.decided() == []
    office.wait_until("1h 1s")
    assert [office.spoken(decision.at) for decision in office.done.decisions] == ["1h 1s"]


def test_the_best_comes_first_whichever_unit_raised_it() -> None:
    office = Office(task("call"), task("visit", value=5), task("write", value=3))
    office.belongs("other", "ida")
    office.wants("1h", "write", "ann")
    office.wants("90m", "call", "ada", account="other")
    office.wants("2h", "call", "bob")
    office.wants("3h", "visit", "cyd", account="other")
    office.wants("4h", "write", "dan")
    office.wait_until("2d")
    assert [each[:2] for each in office.told() if each[2] == "1d"] == [
        ("cyd", "chosen"),
        ("dan", "chosen"),
        ("bob", "capacity"),
    ]
    assert [d.priority for d in office.done.decisions if d.key == "cyd"] == [5, 5]


def test_what_comes_at_one_moment_competes() -> None:
    office = Office(task("call"), task("visit", value=5), capacity=(CapacitySpec(at_most=1),))
    office.hears("call", "1h", customer="ada", account="acme", open=1)
    office.hears("visit", "1h", customer="bob", account="acme", open=1)
    office.wait_until("1h 1s")
    assert office.told() == [("bob", "chosen", "1h"), ("ada", "capacity", "1h")]


def test_what_waits_is_dropped_when_its_signal_closes() -> None:
    office = Office(task("call"))
    office.wants("1h", "call", "ada", "bob", "cyd")
    office.restart()
    office.closes("5h", "call", "cyd")
    office.wait_until("3d")
    assert office.told()[2:] == [("cyd", "capacity", "1h 2m"), ("cyd", "resolved", "5h")]
    assert office.done.decisions[-1].detail == "the signal closed before there was room"
    assert not office.chain.units.waiting


def test_what_expires_while_it_waits_is_dropped() -> None:
    office = Office(task("call", expires="6h"), capacity=(CapacitySpec(at_most=1),))
    office.wants("1h", "call", "ada", "bob")
    office.wants("20h", "call", "cyd")
    office.wait_until("2d")
    assert office.told()[1:] == [
        ("bob", "capacity", "1h 1m"),
        ("bob", "expired", "20h"),
        ("cyd", "capacity", "20h"),
        ("cyd", "chosen", "1d"),
    ]


def test_what_is_critical_counts_and_never_waits() -> None:
    office = Office(task("lock", purpose="critical"), task("call"))
    office.wants("1h", "call", "ada")
    office.wants("2h", "lock", "bob", "cyd", "dan")
    office.wants("3h", "call", "eve")
    assert [each[1] for each in office.told()] == ["chosen"] * 4 + ["capacity"]


def test_a_play_may_say_what_is_done_instead() -> None:
    instead = play("instead", to="system", text="{{ customer.id }} by mail")
    office = Office(task("call", when_full="instead"), instead, capacity=(CapacitySpec(at_most=1),))
    office.wants("1h", "call", "ada", "bob")
    office.wait_until("3d")
    assert [(d.play, d.key, d.gate) for d in office.done.decisions] == [
        ("call", "ada", ""),
        ("call", "bob", "capacity"),
        ("instead", "bob", ""),
    ]
    assert office.done.decisions[1].detail == "ida has no room: at most 1 a day; instead is done instead"
    assert [action.text for action in office.done.actions][-1] == "bob by mail"


def test_where_the_gates_of_the_other_are_closed_the_task_waits() -> None:
    instead = play("instead", to="system", only_if=(AttributeTest("account", is_("stage", "trial")),))
    office = Office(task("call", when_full="instead"), instead, capacity=(CapacitySpec(at_most=1),))
    office.wants("1h", "call", "ada", "bob")
    office.wait_until("1d")
    assert office.told()[1:] == [("bob", "capacity", "1h 1m"), ("bob", "chosen", "1d")]


def test_only_so_many_wait_and_the_least_is_dropped() -> None:
    office = Office(task("call"), task("visit", value=5), capacity=(CapacitySpec(at_most=1, waiting=2),))
    office.wants("1h", "call", "ada", "bob", "cyd")
    office.wants("2h", "visit", "dan")
    assert office.told()[3:] == [("dan", "capacity", "2h"), ("cyd", "capacity", "2h")]
    assert (
        office.done.decisions[-1].detail == "ida has no room: at most 1 a day, and 2 tasks of more value wait already"
    )
    assert office.done.decisions[-1].outcome == "dropped"


def test_each_owner_has_room_of_their_own_and_a_desk_where_it_is_named() -> None:
    rules = (CapacitySpec(at_most=1), CapacitySpec(at_most=2, of=("ole",)), CapacitySpec(at_most=1, of=("night",)))
    office = Office(task("call"), task("watch", desk="night"), task("post", desk="mail"), capacity=rules)
    office.belongs("other", "ole")
    office.wants("1h", "call", "ada", "bob")
    office.wants("2h", "call", "cyd", "dan", "eve", account="other")
    office.wants("3h", "watch", "ada", "bob")
    office.wants("4h", "post", "ada", "bob")
    room = {recipient: [] for recipient in ("ida", "ole", "night", "mail")}
    for decision in office.done.decisions:
        room[decision.recipient.removeprefix("owner:")].append(decision.gate or "chosen")
    assert room == {
        "ida": ["chosen", "capacity"],
        "ole": ["chosen", "chosen", "capacity"],
        "night": ["chosen", "capacity"],
        "mail": ["chosen", "chosen"],
    }


def test_days_and_weeks_are_those_of_the_zone() -> None:
    rules = (CapacitySpec(at_most=1, time_zone="Asia/Kathmandu"), CapacitySpec(at_most=1, of=("ole",), per="week"))
    office = Office(task("call"), capacity=rules)
    office.belongs("other", "ole")
    office.wants("1h", "call", "ada", "bob")
    office.wants("2h", "call", "cyd", "dan", account="other")
    office.wait_until("8d")
    assert [each for each in office.told() if each[0] in ("bob", "dan")] == [
        ("bob", "capacity", "1h 1m"),
        ("dan", "capacity", "2h 1m"),
        ("bob", "chosen", "18h 15m"),
        ("dan", "chosen", "7d"),
    ]


def test_without_its_rule_what_waits_is_done() -> None:
    office = Office(task("call"))
    office.wants("1h", "call", "ada", "bob", "cyd")
    office._project = {**office._project, "policies": Policies()}
    office.restart(wanting("call"))
    office.wait_until("5h")
    assert office.decided() == ["chosen", "chosen", "capacity", "chosen"]


def test_whoever_answers_waits_for_nobodys_day() -> None:
    story = answering(capacity=(CapacitySpec(at_most=1, of=("support",)),))
    for hour in (10, 20, 30):
        story.reacts("replied", f"{hour}h", id=f"r{hour}", action=story.done.actions[0].id)
        story.reacts("answered", f"{hour}h 30m", id=f"a{hour}")
    tasks = [each for each in story.done.decisions if each.recipient == "owner:support" and each.play == "take-over"]
    assert {each.outcome.value for each in tasks} <= {"chosen", "answered"}
    assert sum(each.outcome.value == "chosen" for each in tasks) == 3


def test_a_step_of_its_own_stays_when_the_signal_closes() -> None:
    for while_open, ends in ((True, "resolved"), (False, "chosen")):
        call = then("call", "2h", to="owner", desk="support", while_open=while_open)
        story = Story(reach(call, while_open=while_open), capacity=(CapacitySpec(at_most=1, of=("support",)),))
        for hour, who in enumerate(("ada", "bob"), 1):
            story.trouble(f"{hour}h", customer=who, account="acme")
        story.wait_until("5h")
        story.trouble("6h", "fine", customer="bob", account="acme")
        story.wait_until("3d")
        assert [each[:2] for each in story.told()][-2:] == [("call", "capacity"), ("call", ends)]


def test_a_shadow_takes_no_room() -> None:
    office = Office(task("call"), capacity=(CapacitySpec(at_most=1),))
    office.restart(wanting("call", mode=Mode.SHADOW))
    office.wants("1h", "call", "ada")
    office.restart(wanting("call"))
    office.wants("2h", "call", "bob")
    assert [each[1] for each in office.told()] == ["shadow", "chosen"]


def test_an_erasure_takes_out_what_waits_about_somebody() -> None:
    office = Office(task("call"), capacity=(CapacitySpec(at_most=1),))
    office.wants("1h", "call", "ada", "bob", "cyd")
    strip_unit(office.chain.units.get("owner:ida"), "customer:bob")
    office.wait_until("3d")
    assert ("bob", "chosen", "1d") not in office.told()
    assert ("cyd", "chosen", "1d") in office.told()


def test_without_a_capacity_nothing_is_remembered_of_owners() -> None:
    office = Office(task("call"), capacity=())
    office.wants("1h", "call", "ada", "bob", "cyd")
    assert office.decided() == ["chosen"] * 3
    assert "owner:ida" not in office.chain.units.known
    assert office.chain.units.get("account:acme").handed == {}


def test_a_signal_that_has_closed_is_forgotten_by_the_unit() -> None:
    office = Office(task("call"))
    office.wants("1h", "call", "ada")
    signal: Signal = office.done.signals[0]
    assert office.chain.units.get("account:acme").handed == {signal.id: ["owner:ida"]}
    office.closes("2h", "call", "ada")
    assert office.chain.units.get("account:acme").handed == {}
