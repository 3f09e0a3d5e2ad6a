"""What a message says: in the reader's language, on their channel, and never without a way to a person."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import Action, HumanPath, Resource
from engine.spec.messages import Assign, Disruption, HumanSpec, LinkSpec, LinksSpec, MessageRules, Words
from engine.spec.types import PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

REPLY = HumanSpec(by="reply", say=Words({"": {"en": "Reply to {{ customer.nick }}'s desk.", "it": "Rispondi."}}))


def once(text: str) -> Words:
    return Words({"": {"": text}})


class Told(World):
    """Ada gives reason for a play."""

    def __init__(self, spec: PlaySpec, messages: MessageRules | None = None, **project: Any) -> None:
        seen = detector("seen", "customer", compare("n", "at_least", 1), watch("n", "count", "came", over="4w"),
                        plays=(spec.name,))  # fmt: skip
        super().__init__(seen, plays=(spec,), messages=messages or MessageRules(), **project)

    def action(self, **profile: Any) -> Action:
        self.hears("profile", "0s", stream="people", customer="ada", **profile)
        self.event("came", "1m", customer="ada")
        (action,) = self.done.actions
        return action


TEXTS = Words({"email": {"en": "Good morning", "it": "Buongiorno"}, "sms": {"en": "Hi"}})
TWO = MessageRules(languages=("en", "it"))


@pytest.mark.parametrize(
    ("channel", "wanted", "said", "language"),
    [
        ("email", "it", "Buongiorno", "it"),
        ("email", "it-IT", "Buongiorno", "it"),
        ("email", "IT_ch", "Buongiorno", "it"),
        ("email", "de", "Good morning", "en"),
        ("email", None, "Good morning", "en"),
        ("email", 7, "Good morning", "en"),
        ("sms", "it", "Hi", "en"),
    ],
)
def test_a_text_is_said_in_the_language_of_its_reader(channel: str, wanted: Any, said: str, language: str) -> None:
    action = Told(play("hello", channel=channel, text="", texts=TEXTS), TWO).action(language=wanted)
    assert (action.text, action.language) == (said, language)


def test_what_goes_with_a_text_is_in_the_same_language() -> None:
    """The text has no Italian, so the sentence after it is not Italian either."""
    spec = play("hello", channel="sms", text="", texts=TEXTS, human=REPLY)
    assert Told(spec, TWO).action(language="it", nick="Ada").text == "Hi Reply to Ada's desk."


def test_where_no_language_is_named_none_is_told() -> None:
    assert Told(play("hello", text="Hi")).action(language="it").language == ""


def test_a_title_of_another_channel_stays_away() -> None:
    spec = play("hello", channel="sms", text="Hi", titles=Words({"email": {"": "Hello"}}))
    assert Told(spec).action().title == ""


def test_the_way_to_a_person_is_put_after_the_text() -> None:
    action = Told(play("hello", text="Hi.", human=HumanSpec(by="phone", say=once("Ring us."), at="+39 1"))).action()
    assert action.text == "Hi. Ring us."
    assert action.human == HumanPath(by="phone", say="Ring us.", at="+39 1")


def test_a_text_of_several_lines_gets_it_as_a_paragraph() -> None:
    action = Told(play("hello", text="Hi.\nAll well?", human=HumanSpec(by="reply", say=once("Reply.")))).action()
    assert action.text == "Hi.\nAll well?\n\nReply."


def test_a_text_that_names_it_has_it_there() -> None:
    spec = play("hello", text="{{ human }} Or wait.", human=HumanSpec(by="reply", say=once("Reply.")))
    assert Told(spec).action().text == "Reply. Or wait."


def test_a_text_too_long_is_cut_and_the_way_to_a_person_stays() -> None:
    spec = play("hello", text="{{ customer.nick }}", human=HumanSpec(by="reply", say=once("Reply.")))
    action = Told(spec, bounds={"text_chars": 30}).action(nick="a" * 200)
    assert len(action.text) <= 30
    assert action.text.endswith("a Reply.")


TROUBLE = Disruption(about="outage", acknowledges=once("We are down."), next_step=once("Up by {{ key }}."))


def test_a_disruption_is_acknowledged_first_and_the_next_step_comes_after() -> None:
    spec = play("down", text="Sorry.", disruption=TROUBLE, human=HumanSpec(by="reply", say=once("Reply.")))
    assert Told(spec).action().text == "We are down. Sorry. Up by ada. Reply."


def test_a_text_may_say_it_in_an_order_of_its_own() -> None:
    spec = play("down", text="{{ next_step }} {{ acknowledges }}", disruption=TROUBLE)
    assert Told(spec).action().text == "Up by ada. We are down."


def test_resources_go_with_the_action_and_into_the_text() -> None:
    manual = Resource(title="Manual", url="https://example.com/m", kind="video")
    text = "{% for each in resources %}{{ each.title }} ({{ each.kind }}): {{ each.url }}{% endfor %}"
    action = Told(play("read", text=text, resources=(manual,))).action()
    assert action.resources == (manual,)
    assert action.text == "Manual (video): https://example.com/m"


def test_a_link_is_kept_without_anything_that_could_be_clicked() -> None:
    links = LinksSpec(base="https://fix.example.com", key="env:KEY", does=("pay",))
    spec = play("pay", text="Pay: {{ link }}", link=LinkSpec(does="pay", expires_ms=ms("7d")))
    world = Told(spec, MessageRules(links=links))
    action = world.action()
    assert action.link is not None
    assert action.text == f"Pay: https://fix.example.com/{action.id}"
    assert (action.link.does, world.spoken(action.link.expires_at)) == ("pay", "7d 1m")


# ---- who gets it


@pytest.mark.parametrize(
    ("assign", "profile", "whom"),
    [
        (Assign(owner_of="customer", team="billing"), {"owner": "ida"}, "owner:ida"),
        (Assign(owner_of="customer", team="billing"), {}, "owner:billing"),
        (Assign(owner_of="customer", team="billing"), {"owner": ""}, "owner:billing"),
        (Assign(team="billing"), {"owner": "ida"}, "owner:billing"),
    ],
)
def test_a_colleague_is_the_owner_or_of_the_team(assign: Assign, profile: dict[str, str], whom: str) -> None:
    assert Told(play("call", to="owner", assign=assign)).action(**profile).recipient == whom
