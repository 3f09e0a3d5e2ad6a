"""Nobody is written to who does not want it; marketing needs a yes. Each story ends with a ticket that wants a play."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.decide import encode_unit
from engine.core.erasure import strip_unit
from engine.spec.policies import ConsentSpec, LimitSpec, Policies, QuietHours, StopWords
from engine.spec.types import PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

STOP = StopWords(event="sms.received", channel="sms", field="text", words=("stop", "basta"))
ASKED = ConsentSpec(given=("yes",), withdrawn=("no", "bounced"), stop=STOP, attributes={"email": "newsletter"})
SERVICE = play("help", channel="email")
MARKETING = play("offer", channel="email", purpose="marketing", tags=("survey",))


class Asked(World):
    def __init__(self, what: PlaySpec, **policies: Any) -> None:
        tickets = watch("tickets", "count", "ticket.opened", over="1d")
        spec = detector("busy", "session", compare("tickets", "at_least", 1), tickets, plays=(what.name,))
        super().__init__(spec, plays=(what,), policies=Policies(**{"consent": ASKED, **policies}))
        self._session = 0

    def says(self, event: str, at: str, customer: str = "ada", **about: Any) -> None:
        self.hears(event, at, stream="people", customer=customer, account="acme", **about)

    def wanted(self, at: str, customer: str = "ada") -> str:
        self._session += 1
        self.event("ticket.opened", at, session=f"s{self._session}", customer=customer, account="acme")
        return self.decided()[-1]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (MARKETING, "consent"),
        (SERVICE, "chosen"),
        (play("lock", purpose="critical"), "chosen"),
        (play("owed", mandatory=True), "chosen"),
        (play("desk", to="owner", purpose="marketing"), "chosen"),
    ],
)
def test_who_has_said_nothing_gets_no_marketing(what: PlaySpec, said: str) -> None:
    assert Asked(what).wanted("1h") == said


def test_the_decision_says_what_is_missing() -> None:
    world = Asked(MARKETING)
    world.wanted("1h")
    world.says("no", "2h", purpose="marketing")
    world.wanted("3h")
    assert [decision.detail for decision in world.done.decisions] == [
        "customer:ada on email has not agreed to marketing",
        "customer:ada on email does not want marketing since 2026-01-05 02:00 UTC",
    ]


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({}, "chosen"),
        ({"channel": "email", "purpose": "marketing"}, "chosen"),
        ({"channel": ["sms", "email"]}, "chosen"),
        ({"purpose": "survey"}, "chosen"),
        ({"channel": "sms"}, "consent"),
        ({"purpose": "service"}, "consent"),
        ({"purpose": 7}, "consent"),
        ({"purpose": []}, "consent"),
    ],
)
def test_a_yes_is_about_what_it_names(about: dict[str, Any], said: str) -> None:
    world = Asked(MARKETING)
    world.says("yes", "0h", **about)
    assert world.wanted("1h") == said


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({}, "consent"),
        ({"channel": "email"}, "consent"),
        ({"purpose": ["service", "survey"]}, "consent"),
        ({"purpose": 7}, "consent"),
        ({"channel": "sms"}, "chosen"),
        ({"purpose": "marketing"}, "chosen"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"purpose": "critical"}, {"mandatory": True}])
def test_a_no_is_about_what_it_names(about: dict[str, Any], said: str, more: dict[str, Any]) -> None:
    if more.get("purpose") == "critical" and about.get("purpose") == ["service", "survey"]:
        said = "chosen"
    world = Asked(play("help", channel="email", **more))
    world.says("no", "0h", **about)
    assert world.wanted("1h") == said


def test_the_newest_word_counts_in_whatever_order_words_come() -> None:
    world = Asked(MARKETING)
    world.says("yes", "2h")
    world.says("no", "1h")
    assert world.wanted("3h") == "chosen"
    world.says("no", "3h")
    world.says("yes", "3h")
    assert world.wanted("4h") == "consent"


def test_a_word_about_one_purpose_and_a_newer_one_about_all() -> None:
    world = Asked(MARKETING)
    world.says("no", "1h", purpose="survey")
    world.says("yes", "2h")
    assert world.wanted("3h") == "chosen"
    world.says("no", "4h", purpose="survey")
    assert world.wanted("5h") == "consent"


@pytest.mark.parametrize(
    ("text", "said"), [("Stop!", "consent"), (" BASTA. ", "consent"), ("please stop by", "chosen")]
)
def test_an_answer_closes_its_channel(text: str, said: str) -> None:
    world = Asked(play("text", channel="sms"))
    world.says("sms.received", "0h", text=text)
    assert world.wanted("1h") == said


def test_a_profile_may_say_it_and_a_newer_event_counts_more() -> None:
    world = Asked(MARKETING)
    world.says("profile", "0h", newsletter="yes please")
    assert world.wanted("1h") == "consent"
    world.says("profile", "1h", newsletter=True)
    assert world.wanted("2h") == "chosen"
    world.says("no", "2h", purpose="marketing")
    assert world.wanted("3h") == "consent"
    world.says("profile", "4h", newsletter=True)
    assert world.wanted("5h") == "chosen"


def test_what_people_say_is_no_part_of_their_profile() -> None:
    world = Asked(MARKETING)
    world.says("yes", "0h", channel="email")
    assert world.chain.units.get("account:acme").attributes == {}


def test_one_persons_word_is_not_anothers() -> None:
    world = Asked(MARKETING)
    world.says("yes", "0h", customer="ada")
    assert [world.wanted("1h", "ada"), world.wanted("2h", "bob")] == ["chosen", "consent"]


def test_a_no_reaches_what_is_held_and_outlives_a_restart() -> None:
    night = QuietHours(from_minute=0, to_minute=8 * 60, unknown_zone=("UTC",))
    world = Asked(SERVICE, quiet_hours=night)
    assert world.wanted("2h") == "quiet_hours"
    world.says("bounced", "3h", channel="email")
    world.restart()
    world.wait_until("9h")
    assert world.decided() == ["quiet_hours", "consent"]


# ---- the channel

EITHER = play("help", channel="email", fallback=("sms", "chat"))


def test_another_channel_is_taken_where_the_first_is_closed() -> None:
    world = Asked(EITHER)
    world.says("no", "0h", channel="email")
    world.wanted("1h")
    assert [action.channel for action in world.done.actions] == ["sms"]


def test_the_channel_that_somebody_prefers_is_taken_first() -> None:
    world = Asked(EITHER)
    world.says("profile", "0h", preferred_channel="chat")
    world.wanted("1h")
    world.says("profile", "1h", preferred_channel="fax")
    world.wanted("2h")
    assert [action.channel for action in world.done.actions] == ["chat", "email"]


def test_a_channel_that_is_full_is_closed_too_and_each_counts_its_own() -> None:
    once = tuple(LimitSpec(at_most=1, over_ms=ms("1d"), channels=(channel,)) for channel in ("email", "sms", "chat"))
    world = Asked(EITHER, limits=once)
    said = [world.wanted(f"{hour}h") for hour in range(1, 5)]
    assert said == ["chosen", "chosen", "chosen", "limits"]
    assert [action.channel for action in world.done.actions] == ["email", "sms", "chat"]
    assert "(email)" in world.done.decisions[-1].detail


def test_it_is_dropped_where_every_channel_is_closed() -> None:
    world = Asked(EITHER)
    world.says("no", "0h")
    assert world.wanted("1h") == "consent"
    assert "on email" in world.done.decisions[-1].detail


# ---- erased


def test_nothing_that_deciding_remembers_names_somebody_erased() -> None:
    """What was sent to them still counts for their account."""
    week = LimitSpec(at_most=1, over_ms=ms("7d"), per="account")
    night = QuietHours(from_minute=0, to_minute=8 * 60, unknown_zone=("UTC",))
    world = Asked(SERVICE, limits=(week,), quiet_hours=night)
    world.says("yes", "0h")
    world.says("profile", "0h", stage="live")
    world.wanted("9h", "ada")
    world.wanted("1d 1h", "ada")
    world.restart()
    unit = world.chain.units.change("account:acme")
    assert b"ada" in encode_unit(unit)
    strip_unit(unit, "customer:ada")
    assert b"ada" not in encode_unit(unit)
    world.restart()
    assert world.wanted("1d 9h", "bob") == "limits"
