"""What follows a message: steps, goals, and what people do with it. Each story begins with a `trouble` of Ada's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.core.course_state import MOST_COURSES, MOST_SIGNALS
from engine.core.decide import decode_unit, encode_unit
from engine.core.erasure import strip_unit
from engine.model import Action, Outcome
from engine.spec.policies import Chance, HoldoutSpec, LimitSpec, Policies, QuietHours, Reactions
from engine.spec.types import AttributeTest, CourseStep, Happened, PlaySpec
from tests.core.worlds import World, compare, detector, is_, ms, play, watch

KINDS = ("opened", "clicked", "dismissed", "replied", "acknowledged", "answered", "bounced")
REACTIONS = Reactions(kinds={kind: kind for kind in KINDS}, remember_ms=ms("30d"))
ADA = {"customer": "ada", "account": "acme"}
RENEWED = Happened(("renewed",), within_ms=ms("14d"))


def then(name: str, after: str, **more: Any) -> CourseStep:
    return CourseStep(name=name, after_ms=ms(after), play=play("reach", **more))


TEXT = then("text", "3d", channel="sms")
CALL = then("call", "2d", to="owner", desk="support", tier=3, channel="desk", title="Call {{ customer.id }}")


def reach(*steps: CourseStep, **more: Any) -> PlaySpec:
    return play("reach", channel="email", title="We miss you", steps=steps, **more)


class Story(World):
    """`trouble` opens a signal that lasts; `over` closes it."""

    def __init__(self, what: PlaySpec, *others: PlaySpec, cooldown: str = "0s", **policies: Any) -> None:
        last = watch("state", "latest", "trouble", field="state", over="400d")
        spec = detector("trouble", "customer", compare("state", "is", "bad"), last, play=what.name, cooldown=cooldown)
        given = {"reactions": REACTIONS, **policies}
        super().__init__(spec, plays=(what, *others), policies=Policies(**given))

    def trouble(self, at: str, state: str = "bad", **who: Any) -> None:
        self.event("trouble", at, state=state, **(who or ADA))

    def reacts(self, kind: str, at: str, **about: Any) -> None:
        self.event(kind, at, **{**ADA, **about})

    def told(self) -> list[tuple[str, str, str]]:
        """(step, chosen, worked or the gate, when) of each decision."""
        words = [(d.step or "first", d.gate or d.outcome.value, self.spoken(d.at)) for d in self.done.decisions]
        return [(step, "worked" if gate == "goal" and one.outcome is Outcome.WORKED else gate, at)
                for (step, gate, at), one in zip(words, self.done.decisions, strict=True)]  # fmt: skip

    def sent(self) -> list[tuple[str, str, str]]:
        return [(action.step, action.channel, action.recipient) for action in self.done.actions]

    def last(self) -> Action:
        return self.done.actions[-1]


# ---- steps


def test_steps_follow_one_another_at_their_times() -> None:
    story = Story(reach(TEXT, CALL))
    story.trouble("1h")
    story.restart()
    story.wait_until("9d")
    assert story.told() == [("first", "chosen", "1h"), ("text", "chosen", "3d 1h"), ("call", "chosen", "5d 1h")]
    assert story.sent() == [
        ("first", "email", "customer:ada"),
        ("text", "sms", "customer:ada"),
        ("call", "desk", "owner:support"),
    ]
    assert len({action.id for action in story.done.actions}) == len({d.id for d in story.done.decisions}) == 3


def test_a_colleague_at_a_later_step_is_told_what_was_sent_and_what_is_recommended() -> None:
    story = Story(reach(TEXT, CALL, recommend="Offer half an hour this week"))
    story.trouble("1h")
    story.wait_until("9d")
    assert story.last().tier == 3
    assert story.last().title == "Call ada"
    assert story.last().context == (
        "sent: 2026-01-05 01:00 UTC reach to customer:ada by email: We miss you",
        "sent: 2026-01-08 01:00 UTC reach (text) to customer:ada by sms",
        "recommended: Offer half an hour this week",
    )


def test_each_step_passes_the_gates_at_its_own_time() -> None:
    """Held over night, and passed over where a limit is full; what comes after it counts from there."""
    night = QuietHours(from_minute=0, to_minute=8 * 60, unknown_zone=("UTC",))
    story = Story(reach(TEXT, CALL), quiet_hours=night, limits=(LimitSpec(at_most=1, over_ms=ms("30d")),))
    story.trouble("9h")
    story.wait_until("9d")
    assert story.told() == [("first", "chosen", "9h"), ("text", "limits", "3d 9h"), ("call", "chosen", "5d 9h")]
    story = Story(reach(TEXT, CALL), quiet_hours=night)
    story.trouble("20h")
    story.event("trouble", "21h", state="bad", customer="bob", account="acme")
    story.wait_until("9d")
    assert [one for one in story.told() if one[0] == "text"] == [
        ("text", "chosen", "3d 20h"),
        ("text", "chosen", "3d 21h"),
    ]
    late = reach(then("text", "2d 5h", channel="sms"), CALL)
    story = Story(late, quiet_hours=night)
    story.trouble("20h")
    story.restart()
    story.wait_until("9d")
    assert story.told() == [
        ("first", "chosen", "20h"),
        ("text", "quiet_hours", "3d 1h"),
        ("text", "chosen", "3d 8h"),
        ("call", "chosen", "5d 8h"),
    ]


def test_a_step_may_be_for_some_only_and_the_course_goes_on_without_it() -> None:
    """The ladder goes up to a person for those who are worth it."""
    worthy = AttributeTest("account", is_("tier", "gold"))
    story = Story(reach(then("call", "1d", to="owner", only_if=(worthy,)), then("text", "1d", channel="sms")))
    story.trouble("1h")
    story.wait_until("9d")
    assert story.told() == [("first", "chosen", "1h"), ("call", "only_if", "1d 1h"), ("text", "chosen", "2d 1h")]


def test_what_was_never_sent_has_nothing_to_follow_it() -> None:
    story = Story(reach(TEXT, only_if=(AttributeTest("account", is_("tier", "gold")),)))
    story.trouble("1h")
    story.wait_until("9d")
    assert story.told() == [("first", "only_if", "1h")]


def test_a_course_ends_when_its_signal_closes_unless_it_is_to_go_on() -> None:
    story = Story(reach(TEXT, CALL))
    story.trouble("1h")
    story.trouble("2h", state="good")
    story.wait_until("9d")
    assert story.told() == [("first", "chosen", "1h"), ("text", "resolved", "3d 1h")]
    goes_on = tuple(msgspec.structs.replace(step, play=msgspec.structs.replace(step.play, while_open=False))
                    for step in (TEXT, CALL))  # fmt: skip
    story = Story(reach(*goes_on, while_open=False))
    story.trouble("1h")
    story.trouble("2h", state="good")
    story.wait_until("9d")
    assert [what for _step, what, _at in story.told()] == ["chosen"] * 3


def test_a_course_expires_as_a_whole() -> None:
    night = QuietHours(from_minute=0, to_minute=23 * 60, unknown_zone=("UTC",))
    text = then("text", "1d 1h", channel="sms", expires="1d 12h")
    story = Story(reach(text, CALL, expires="1d 12h"), quiet_hours=night)
    story.trouble("23h")
    story.wait_until("9d")
    assert story.told() == [("first", "chosen", "23h"), ("text", "quiet_hours", "2d"), ("text", "expired", "2d 23h")]


def test_nobody_is_in_the_same_course_twice() -> None:
    story = Story(reach(TEXT, while_open=False))
    for at in ("1h", "3h"):
        story.trouble(at)
        story.trouble(f"{at} 30m", state="good")
    story.trouble("4h", customer="bob", account="acme")
    assert story.told() == [("first", "chosen", "1h"), ("first", "in_course", "3h"), ("first", "chosen", "4h")]


def test_the_held_out_go_through_the_same_course_and_no_colleague_calls_them() -> None:
    story = Story(reach(TEXT, CALL, goal=RENEWED), holdout=HoldoutSpec(salt="all", places=10_000))
    story.trouble("1h")
    story.wait_until("6d")
    story.event("renewed", "7d", **ADA)
    assert story.told()[:3] == [("first", "holdout", "1h"), ("text", "holdout", "3d 1h"), ("call", "holdout", "5d 1h")]
    assert story.done.actions == []
    assert story.done.decisions[-1].outcome is Outcome.WORKED, "what they do without us is what we are measured by"
    assert story.chain.units.get("account:acme").tally == {}


# ---- what ends a course


@pytest.mark.parametrize("kind", ["replied", "dismissed", "acknowledged"])
def test_what_somebody_does_about_a_message_ends_its_course(kind: str) -> None:
    story = Story(reach(TEXT, CALL))
    story.trouble("1h")
    story.reacts(kind, "2h", action=story.last().id)
    story.wait_until("9d")
    assert story.told() == [("first", "chosen", "1h"), ("text", kind, "2h")]


@pytest.mark.parametrize("kind", ["opened", "clicked", "bounced"])
def test_reading_alone_does_not_end_it(kind: str) -> None:
    story = Story(reach(TEXT, CALL))
    story.trouble("1h")
    story.reacts(kind, "2h")
    story.wait_until("9d")
    assert [what for _step, what, _at in story.told()] == ["chosen"] * 3


def test_a_reaction_is_about_the_message_it_names_else_the_play_else_the_latest_to_that_person() -> None:
    def two_courses() -> Story:
        story = Story(reach(TEXT))
        story.trouble("1h")
        story.trouble("2h", customer="bob", account="acme")
        return story

    story = two_courses()
    story.event("replied", "3h", customer="eve", account="acme", action=story.done.actions[0].id)
    assert story.told()[-1] == ("text", "replied", "3h")
    assert story.done.decisions[-1].recipient == "customer:ada"
    story = two_courses()
    story.event("replied", "3h", customer="bob", account="acme", play="reach")
    assert story.done.decisions[-1].recipient == "customer:bob"
    story = two_courses()
    story.event("replied", "3h", customer="bob", account="acme")
    assert story.done.decisions[-1].recipient == "customer:bob"
    story.event("replied", "4h", customer="eve", account="acme")
    assert story.done.counts["unmatched", "usage"] == 1


def test_a_message_to_an_account_may_be_answered_by_anybody_in_it() -> None:
    last = watch("state", "latest", "trouble", field="state", over="400d")
    spec = detector("trouble", "account", compare("state", "is", 1), last, play="reach")
    world = World(spec, plays=(reach(TEXT),), policies=Policies(reactions=REACTIONS))
    world.event("trouble", "1h", state=1, account="acme")
    world.event("replied", "2h", **ADA)
    assert [(d.recipient, d.gate) for d in world.done.decisions] == [("account:acme", ""), ("account:acme", "replied")]


def test_stop_if_takes_out_what_waits_whether_or_not_anything_went() -> None:
    night = QuietHours(from_minute=0, to_minute=8 * 60, unknown_zone=("UTC",))
    stops = reach(TEXT, stop_if=(Happened(("ticket", "called"), (is_("topic", "login"),)),))
    story = Story(stops, quiet_hours=night)
    story.trouble("1h")
    story.event("ticket", "2h", topic="login", **ADA)
    assert story.told() == [("first", "quiet_hours", "1h"), ("first", "stop_if", "2h")]
    assert story.done.decisions[-1].detail == "ticket or called (topic is login) has happened"
    story = Story(stops)
    story.trouble("1h")
    story.event("ticket", "2h", topic="other", **ADA)
    story.event("ticket", "3h", topic="login", customer="bob", account="acme")
    story.event("called", "4h", topic="login", **ADA)
    story.wait_until("9d")
    assert story.told() == [("first", "chosen", "1h"), ("text", "stop_if", "4h")]


# ---- goals


def test_a_goal_is_written_down_and_ends_the_course() -> None:
    story = Story(reach(TEXT, CALL, goal=RENEWED))
    story.trouble("1h")
    story.event("renewed", "4d", **ADA)
    story.event("renewed", "5d", **ADA)
    story.wait_until("9d")
    assert story.told() == [
        ("first", "chosen", "1h"),
        ("text", "chosen", "3d 1h"),
        ("text", "worked", "4d"),
        ("call", "goal", "4d"),
    ]
    worked = story.done.decisions[2]
    assert (worked.outcome, worked.detail) == (Outcome.WORKED, "renewed 23h after it")
    assert worked.action_id == story.done.actions[1].id


@pytest.mark.parametrize(("at", "counts"), [("30m", False), ("14d", True), ("14d 59m", True), ("14d 1h", False)])
def test_a_goal_counts_within_its_time_after_a_message(at: str, counts: bool) -> None:
    story = Story(reach(goal=RENEWED))
    if at == "30m":
        story.event("renewed", at, **ADA)
    story.trouble("1h")
    if at != "30m":
        story.event("renewed", at, **ADA)
    assert ("first", "worked", at) in story.told() or not counts
    assert len(story.told()) == 1 + counts


def test_what_the_account_did_counts_for_its_people_and_what_a_colleague_did_does_not() -> None:
    story = Story(reach(goal=RENEWED))
    story.trouble("1h")
    story.event("renewed", "2h", customer="bob", account="acme")
    assert len(story.told()) == 1
    story.event("renewed", "3h", account="acme")
    assert story.told()[-1] == ("first", "worked", "3h")


def test_what_worked_and_what_did_not_changes_the_chance_for_the_same_unit() -> None:
    guess = Chance(guess=0.2, worth=10)
    story = Story(reach(goal=Happened(("renewed",), within_ms=ms("1d")), chance=guess))
    for day in (0, 5, 10, 15):
        story.trouble(f"{day}d 1h")
        story.event("renewed" if day == 5 else "nothing", f"{day}d 2h", **ADA)
        story.trouble(f"{day}d 3h", state="good")
    chances = [d.factors["chance"] for d in story.done.decisions if d.outcome is Outcome.CHOSEN]
    assert chances == [0.2, round(2 / 11, 6), round(3 / 12, 6), round(3 / 13, 6)]
    assert story.chain.units.get("account:acme").tally == {"reach": (3, 1)}


# ---- what is remembered


def test_it_is_the_same_written_down_and_read_again_and_an_older_record_is_still_read() -> None:
    story = Story(reach(TEXT, CALL, goal=RENEWED))
    story.trouble("1h")
    story.reacts("opened", "2h")
    unit = story.chain.units.get("account:acme")
    assert decode_unit(encode_unit(unit)) == unit
    older = msgspec.msgpack.decode(encode_unit(unit))[:9]
    assert decode_unit(msgspec.msgpack.encode(older)).courses == []


def test_what_nothing_can_come_of_is_forgotten() -> None:
    story = Story(reach())
    for number in range(60):
        at = number * ms("10h")
        story.trouble(f"{at}ms")
        story.trouble(f"{at + ms('1h')}ms", state="good")
    unit = story.chain.units.get("account:acme")
    assert len(unit.courses) == MOST_COURSES + 1, "those of before, and the one just begun"
    assert sum(course.signal is not None for course in unit.courses) == MOST_SIGNALS + 1
    story.trouble("80d")
    assert len(unit.courses) == 1


def test_whoever_is_erased_is_gone_from_courses() -> None:
    story = Story(reach(TEXT, CALL, goal=RENEWED))
    story.trouble("1h")
    story.reacts("opened", "2h")
    unit = story.chain.units.change("account:acme")
    strip_unit(unit, "customer:ada")
    assert "ada" not in repr(unit)


def test_nobody_else_gets_the_next_step_of_somebody_who_is_erased() -> None:
    last = watch("state", "latest", "trouble", field="state", over="400d")
    spec = detector("trouble", "account", compare("state", "is", 1), last, play="reach")
    world = World(spec, plays=(reach(TEXT),), policies=Policies(reactions=REACTIONS))
    world.event("trouble", "1h", state=1, **ADA)
    assert world.done.actions[-1].recipient == "customer:ada"
    strip_unit(world.chain.units.change("account:acme"), "customer:ada")
    world.wait_until("9d")
    assert len(world.done.actions) == 1
