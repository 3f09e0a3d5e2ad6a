"""What people prefer: a channel, the hours of their day, topics. A wish never costs anybody a message."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.decide import encode_unit
from engine.core.erasure import strip_unit
from engine.spec.messages import MessageRules, Preferences
from engine.spec.policies import Policies, QuietHours
from engine.spec.types import PlaySpec
from tests.core.worlds import World, compare, detector, play, watch


class Asked(World):
    def __init__(self, spec: PlaySpec, **project: Any) -> None:
        seen = detector("seen", "customer", compare("n", "at_least", 1), watch("n", "count", "came", over="4w"),
                        plays=(spec.name,), reason="billing")  # fmt: skip
        super().__init__(seen, plays=(spec,), **project)

    def at(self, at: str, **profile: Any) -> Asked:
        self.hears("profile", "0s", stream="people", customer="ada", **profile)
        self.event("came", at, customer="ada")
        self.wait_until("3d")
        return self

    def outcomes(self) -> list[tuple[str, str]]:
        """(when, `chosen` or the gate) of each decision."""
        return [(self.spoken(d.at), d.gate or d.outcome.value) for d in self.done.decisions]


HELP = play("help", expires="2d")


@pytest.mark.parametrize(
    ("hours", "when"),
    [
        ("17:00-20:00", "17h"),
        ("17-20", "17h"),
        (" 7 \u2013 9:30 ", "1d 7h"),
        ("9:00-12:00", "10h"),
        ("22:00-10:30", "10h"),
        ("11:00-24:00", "11h"),
        ("any", "10h"),
        ("25:00-26:00", "10h"),
        ("9:00-9:00", "10h"),
        (17, "10h"),
    ],
)
def test_it_waits_for_the_preferred_hours(hours: Any, when: str) -> None:
    world = Asked(HELP).at("10h", preferred_hours=hours)
    assert world.outcomes()[-1] == (when, "chosen")


def test_the_hours_are_by_the_clock_of_the_recipient() -> None:
    world = Asked(HELP).at("10h", preferred_hours="17:00-20:00", time_zone="America/New_York")
    assert world.outcomes() == [("10h", "preferred_hours"), ("22h", "chosen")]


def test_hours_that_come_too_late_do_not_cost_the_message() -> None:
    assert Asked(play("help", expires="2h")).at("10h", preferred_hours="17:00-20:00").outcomes() == [("10h", "chosen")]


@pytest.mark.parametrize("more", [{"purpose": "critical"}, {"in_session": True}, {"to": "owner"}])
def test_what_cannot_wait_does_not(more: dict[str, Any]) -> None:
    spec = play("help", expires="2d", **more)
    assert Asked(spec).at("10h", preferred_hours="17:00-20:00").outcomes() == [("10h", "chosen")]


NIGHT = QuietHours(from_minute=19 * 60, to_minute=8 * 60, unknown_zone=("UTC",))


def test_quiet_hours_cut_the_preferred_ones() -> None:
    world = Asked(HELP, policies=Policies(quiet_hours=NIGHT)).at("18h 30m", preferred_hours="19:30-8:30")
    assert world.outcomes() == [("18h 30m", "preferred_hours"), ("1d 8h", "chosen")]


def test_hours_that_are_always_quiet_do_not_keep_a_message_for_ever() -> None:
    world = Asked(HELP, policies=Policies(quiet_hours=NIGHT)).at("10h", preferred_hours="22:00-23:00")
    assert world.outcomes() == [("10h", "chosen")]


def test_the_attributes_may_have_other_names() -> None:
    named = MessageRules(preferences=Preferences(hours="office"))
    world = Asked(HELP, messages=named).at("10h", preferred_hours="20:00-21:00", office="12:00-13:00")
    assert world.outcomes()[-1] == ("12h", "chosen")


# ---- the channel


@pytest.mark.parametrize(
    ("profile", "channel"),
    [
        ({"preferred_channel": "sms"}, "sms"),
        ({"preferred_channel": "fax"}, "email"),
        ({"preferred_channel": "sms", "preferred_channel.billing": "chat"}, "chat"),
        ({"preferred_channel": {"billing": "chat"}}, "chat"),
        ({"preferred_channel": {"parcels": "sms", "billing": "chat"}}, "sms"),
        ({"preferred_channel": {"other": "chat"}}, "email"),
    ],
)
def test_a_channel_may_be_preferred_for_a_tag_or_reason(profile: dict[str, Any], channel: str) -> None:
    spec = play("help", channel="email", fallback=("sms", "chat"), tags=("parcels",))
    assert Asked(spec).at("10h", **profile).done.actions[0].channel == channel


# ---- topics


@pytest.mark.parametrize(
    ("topics", "gate"),
    [
        (["news", "parcels"], "chosen"),
        ("Parcels, news", "chosen"),
        (["news"], "consent"),
        ([], "consent"),
        ("", "consent"),
        ({"parcels": False}, "consent"),
        ({"news": False}, "chosen"),
        (None, "chosen"),
    ],
)
def test_a_topic_that_is_not_wanted_is_a_no(topics: Any, gate: str) -> None:
    world = Asked(play("help", topic="parcels")).at("10h", topics=topics)
    assert world.outcomes() == [("10h", gate)]


# ---- erasure


def test_what_somebody_prefers_is_forgotten_with_them() -> None:
    """All of it stands in the profile; what waits for their hours is not sent."""
    world = Asked(HELP)
    wishes = {"preferred_hours": "17:00-20:00", "language": "it", "topics": ["canary"], "preferred_channel": "sms"}
    world.hears("profile", "0s", stream="people", customer="ada", **wishes)
    world.event("came", "10h", customer="ada")
    assert world.decided() == ["preferred_hours"]
    unit = world.chain.units.change("customer:ada")
    strip_unit(unit, "customer:ada")
    world.wait_until("3d")
    assert world.done.actions == []
    kept = encode_unit(unit)
    assert not any(word in kept for word in (b"canary", b"17:00", b"ada"))
