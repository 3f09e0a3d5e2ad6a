"""Whoever answers a message is handed to a person. Each story begins with a message to Ada."""

from __future__ import annotations

from typing import Any

from engine.model import Decision, Outcome
from engine.spec.policies import HandOff, LimitSpec, QuietHours
from engine.spec.types import PlaySpec
from tests.core.test_courses import ADA, REACTIONS, TEXT, Story, reach
from tests.core.worlds import ms, play

# Open from 9 to 17, Monday to Friday.
CLOSED = QuietHours(from_minute=17 * 60, to_minute=9 * 60, unknown_zone=("Europe/Rome",), days=(5, 6))
TAKE_OVER = play(
    "take-over",
    to="owner",
    desk="support",
    tier=3,
    title="{{ hand_off.customer }} answered",
    text="{{ hand_off.said }} | {{ why }} | {{ hand_off.recommended }} | {{ hand_off.opens }}",
)
AWAY = play("away", channel="sms", text="We are back on {{ hand_off.opens }}")


def answering(what: PlaySpec | None = None, *, away: str = "", **policies: Any) -> Story:
    hand_off = HandOff(play="take-over", away=away, closed=CLOSED)
    first = what or reach(TEXT, recommend="Call them")
    story = Story(first, TAKE_OVER, AWAY, **{"reactions": REACTIONS, "hand_off": hand_off, **policies})
    story.trouble("8h")
    return story


def closing(story: Story) -> list[Decision]:
    return [one for one in story.done.decisions if one.outcome is Outcome.ANSWERED]


def test_a_reply_reaches_a_colleague_who_knows_what_it_is_about() -> None:
    story = answering()
    story.reacts("replied", "10h", text="Can you call me?", action=story.last().id)
    action = story.last()
    assert (action.play, action.recipient, action.tier, action.at) == (
        "take-over",
        "owner:support",
        3,
        story.start + ms("10h"),
    )
    assert action.title == "ada answered"
    assert action.text == "Can you call me? |  | Call them |"
    assert action.context == (
        "sent: 2026-01-05 08:00 UTC reach to customer:ada by email: We miss you",
        "customer:ada answered: Can you call me?",
        "recommended: Call them",
    )
    assert action.readings, "and the story behind it"
    assert story.told()[-2:] == [("text", "replied", "10h"), (action.step, "chosen", "10h")]


def test_without_a_recommendation_the_next_step_is_named() -> None:
    story = answering(reach(TEXT))
    story.reacts("replied", "10h")
    assert story.last().context[-1] == "recommended: next would have been: text"


def test_off_hours_the_colleague_and_the_customer_are_told_when() -> None:
    story = answering(away="away")
    story.reacts("replied", "10h")
    assert [action.play for action in story.done.actions] == ["reach", "take-over"]
    story = answering(away="away")
    story.reacts("replied", "4d 20h")
    desk, customer = story.done.actions[-2:]
    assert desk.context[-1] == "the desk is closed until Monday 2026-01-12 09:00 Europe/Rome"
    assert desk.at == story.start + ms("4d 20h"), "it lies there when they come in"
    assert (customer.recipient, customer.channel) == ("customer:ada", "sms")
    assert customer.text == "We are back on Monday 2026-01-12 09:00 Europe/Rome"


def test_what_the_customer_is_told_keeps_the_rules_and_the_hand_off_does_not_wait_for_them() -> None:
    story = answering(away="away", limits=(LimitSpec(at_most=1, over_ms=ms("7d")),))
    story.reacts("replied", "20h")
    said = {(one.play, one.gate or one.outcome.value) for one in story.done.decisions[2:]}
    assert said == {("take-over", "chosen"), ("away", "limits")}


def test_a_hand_off_is_open_until_a_person_takes_it_up_and_the_time_is_measured() -> None:
    story = answering()
    story.reacts("replied", "10h", id="r1")
    story.reacts("replied", "11h", id="r2")
    assert len(story.done.actions) == 2, "the second reply joins the first"
    story.reacts("answered", "12h", id="a1", customer="ada")
    story.reacts("answered", "13h", id="a1", customer="ada")
    (taken_up,) = closing(story)
    assert (taken_up.took_ms, taken_up.play, taken_up.gate) == (ms("2h"), "take-over", "hand_off")
    assert taken_up.action_id == story.last().id
    story.reacts("replied", "10h", id="r1")
    assert len(story.done.actions) == 2, "a repeat of what was answered opens nothing"
    story.reacts("replied", "1d", id="r3")
    assert len(story.done.actions) == 3


def test_a_hand_off_can_be_taken_up_by_its_own_id_whoever_says_so() -> None:
    story = answering()
    story.reacts("replied", "10h")
    story.event("acknowledged", "10h 30m", account="acme", action=story.last().id)
    assert [one.took_ms for one in closing(story)] == [ms("30m")]


def test_a_reply_is_handed_off_though_its_signal_has_closed() -> None:
    story = answering()
    story.trouble("9h", state="good")
    story.reacts("replied", "10h")
    assert story.last().play == "take-over"


def test_nobody_takes_up_what_was_answered_without_a_message() -> None:
    story = answering()
    story.event("replied", "10h", customer="eve", account="acme")
    assert len(story.done.actions) == 1
    assert story.done.counts["unmatched", "usage"] == 1


def test_restarts_and_erasure_reach_it() -> None:
    story = answering()
    story.hears("replied", "10h", text="secret", **ADA)
    story.restart()
    story.wait_until("11h")
    assert story.last().play == "take-over"
    assert "secret" not in repr(story.chain.units.get("account:acme").courses)
