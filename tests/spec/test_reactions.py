"""What can be written of reactions, courses, suppression and hand-offs, as it is read."""

from __future__ import annotations

import pytest

import detectors
import sinks
from engine.model import DAY_MS
from engine.ports import FieldTest
from engine.spec.load import load
from engine.spec.policies import HandOff, QuietHours, Suppress
from engine.spec.types import AttributeTest, Configuration, Happened
from tests.spec.broken import DETECTOR

PROJECT = """
project: meadow
entities: {customer: customer, account: account}
streams:
  app: {events: [app.opened, case.opened]}
  outcomes: {family: outcome, events: [message.opened, mail.clicked, sms.clicked, message.dismissed, message.replied,
    handoff.answered, plan.renewed]}
sinks: {log: {kind: stdout}}
channels: {email: log, sms: log, desk: log}
human: {by: reply, say: "Reply, and a person answers."}
reactions: {clicked: [mail.clicked, sms.clicked], remember: 60d}
suppress: {after: 3, of: ignored, within: 30d, for: 60d, ignored_after: 2d}
hand_off:
  play: answer-them
  away: say-when
  business_hours: {from: "08:30", to: "17:00", time_zone: Europe/Rome, days: [monday, friday], holidays: [2026-12-25]}
"""
PLAYS = """
play: call
channel: email
fallback: sms
class: service
owner: care
text: "Hello {{ account.name }}"
mandatory: true
expires: 20d
only_if: {account.stage: live}
goal: {event: plan.renewed, where: {plan: gold}, within: 14d}
stop_if: [case.opened, {event: app.opened, where: {kind: admin}}]
while_open: false
recommend: Offer a call
steps:
  - {step: text-them, after: 3d, channel: sms, text: "{{ why }}", unless: {happened: app.opened}}
  - {step: call-them, after: 2d, to: owner, desk: care, channel: desk, tier: 3, title: Call, text: "Now"}
---
play: answer-them
to: owner
channel: desk
class: service
owner: care
text: "{{ hand_off.said }} - {{ why }}"
---
play: say-when
channel: email
class: service
owner: care
text: "We are there on {{ hand_off.opens }}"
---
play: ask
channel: email
class: marketing
owner: care
text: "How was it?"
suppress: [{after: 2, of: dismissed, within: 7d, for: 14d}, {after: 5, within: 7d, for: 30d}]
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    folder = tmp_path_factory.mktemp("good")
    for name, text in (("beforehand", PROJECT), ("playbooks/p", PLAYS), ("detectors/d", DETECTOR)):
        path = folder / f"{name}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return load(folder, detectors.load(), sinks.options_of, sinks.kinds())


def test_reactions_have_names_of_their_own_or_the_usual_ones(good: Configuration) -> None:
    reactions = good.project.policies.reactions
    assert reactions is not None
    assert reactions.remember_ms == 60 * DAY_MS
    assert [event for event, kind in reactions.kinds.items() if kind == "clicked"] == ["mail.clicked", "sms.clicked"]
    assert reactions.kinds["message.replied"] == "replied"
    assert reactions.kinds["handoff.answered"] == "answered"


def test_goals_and_what_stops_a_course(good: Configuration) -> None:
    call = good.plays["call"]
    assert call.goal == Happened(("plan.renewed",), (FieldTest("plan", "is", "gold"),), 14 * DAY_MS)
    assert call.stop_if == (Happened(("case.opened",)), Happened(("app.opened",), (FieldTest("kind", "is", "admin"),)))
    assert (call.while_open, call.recommend) == (False, "Offer a call")


def test_a_step_takes_from_its_play_what_it_does_not_say(good: Configuration) -> None:
    text, phone = good.plays["call"].steps
    assert [(step.name, step.after_ms) for step in (text, phone)] == [
        ("text-them", 3 * DAY_MS),
        ("call-them", 2 * DAY_MS),
    ]
    assert (text.play.channel, text.play.fallback, text.play.mandatory) == ("sms", (), True)
    assert (text.play.title, text.play.text, text.play.expires_ms) == ("", "{{ why }}", 20 * DAY_MS)
    assert (text.play.steps, text.play.goal, text.play.while_open) == ((), None, False)
    assert (phone.play.to, phone.play.desk, phone.play.tier, phone.play.mandatory) == ("owner", "care", 3, False)


def test_what_a_step_asks_comes_on_top_of_what_its_play_asks(good: Configuration) -> None:
    live = AttributeTest("account", FieldTest("stage", "is", "live"))
    text, phone = good.plays["call"].steps
    assert (text.play.only_if, text.play.unless) == ((live,), (Happened(("app.opened",)),))
    assert (phone.play.only_if, phone.play.unless) == ((live,), ())


def test_suppression(good: Configuration) -> None:
    ignored = Suppress(after=3, of=("ignored",), within_ms=30 * DAY_MS, for_ms=60 * DAY_MS, ignored_after_ms=2 * DAY_MS)
    assert good.project.policies.suppress == (ignored,)
    assert good.plays["ask"].suppress == (
        Suppress(after=2, of=("dismissed",), within_ms=7 * DAY_MS, for_ms=14 * DAY_MS, ignored_after_ms=3 * DAY_MS),
        Suppress(
            after=5, of=("ignored", "dismissed"), within_ms=7 * DAY_MS, for_ms=30 * DAY_MS, ignored_after_ms=3 * DAY_MS
        ),
    )


def test_a_hand_off_knows_when_its_desk_is_closed(good: Configuration) -> None:
    hours = QuietHours(
        from_minute=17 * 60,
        to_minute=8 * 60 + 30,
        unknown_zone=("Europe/Rome",),
        days=(1, 2, 3, 5, 6),
        holidays=("2026-12-25",),
    )
    assert good.project.policies.hand_off == HandOff(play="answer-them", away="say-when", closed=hours)
