"""What plays may say and where they may go, and experiments with them, on top of all rules that a crowd lives under."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.model import Resource
from engine.spec.draws import Arm, Draw, Experiment
from engine.spec.messages import Assign, Disruption, HumanSpec, LinkSpec, LinksSpec, MessageRules, Words
from engine.spec.types import AttributeTest, Choice, DetectorSpec, InVariant, PlaySpec
from tests.core.worlds import compare, is_, kept, ms, play

HUMAN = HumanSpec(by="reply", say=Words({"": {"en": "Reply.", "it": "Rispondi."}}))
LINK = LinkSpec(does="pay", expires_ms=ms("7d"))
TROUBLE = Disruption(about="outage", acknowledges=Words({"": {"": "Down."}}), next_step=Words({"": {"": "Up soon."}}))
TERMS = Resource(title="Terms", url="https://example.com")
MESSAGES = MessageRules(
    languages=("en", "it"), links=LinksSpec(base="https://fix.example.com", key="env:KEY", does=("pay",))
)
SHAPES: dict[str, dict[str, Any]] = {
    "call": {"texts": Words({"": {"en": "Hello {{ key }}", "it": "Ciao {{ key }}"}}), "human": HUMAN, "link": LINK},
    "phone": {"assign": Assign(owner_of="customer", team="desk"), "tier": 3},
    "gift": {"topic": "gifts", "human": HUMAN},
    "lock": {"disruption": TROUBLE},
    "terms": {"resources": (TERMS,)},
}


def shaped(plays: Sequence[PlaySpec]) -> tuple[PlaySpec, ...]:
    """The same plays, with all that they may say, and one more for those who are called."""
    made = (msgspec.structs.replace(each, **SHAPES.get(each.name, {})) for each in plays)
    return (*made, play("ring", to="owner", tier=3))


def routed(specs: Sequence[DetectorSpec]) -> tuple[DetectorSpec, ...]:
    """The same detectors, some of which call those who are worth it and write to the others."""
    rich = Choice(only_if=(AttributeTest("account", is_("stage", "live")),))
    asking = Choice(only_if=(InVariant("words", ("warm",)),))
    chosen = {"quiet": rich, "testing": asking, "spender": rich}
    one_of = {"plays": ("ring", "gift"), "first_of": (("ring", "gift"),)}
    return tuple(
        msgspec.structs.replace(spec, **one_of, choices={"ring": chosen[spec.name]}) if spec.name in chosen else spec
        for spec in specs
    )


def experiments(detectors: Sequence[DetectorSpec], plays: Sequence[PlaySpec]) -> tuple[Experiment, ...]:
    """Words, an arm that does nothing, and thresholds of a plain, a timed and a waiting detector."""
    specs = {spec.name: spec for spec in detectors}
    call = next(each for each in plays if each.name == "call")
    warm = {"call": msgspec.structs.replace(call, texts=Words({"": {"": "Dear {{ key }}"}}), channel="chat")}
    other = {
        "surge": compare("tickets", "at_least", 2),
        "silent": kept("absent", event="login", within="4h"),
        "spender": compare("spent", "above", 35),
    }
    variants = {
        name: msgspec.structs.replace(specs[name], name=f"{name}@sooner.soon", variant_of=name, when=when, version="2")
        for name, when in other.items()
    }
    draw = Draw(salt="w6", places=8_000, arms=(("as-now", 1), ("none", 1), ("warm", 2)), contact="mail")
    halves = Draw(salt="sooner", places=10_000, arms=(("late", 1), ("soon", 1)))
    words = {"as-now": Arm(), "warm": Arm(plays=warm), "none": Arm(nothing=("call",))}
    times = {"late": Arm(), "soon": Arm(detectors=variants)}
    nobody = frozenset[str]()
    return (
        Experiment(name="words", draw=draw, arms=words, plays=frozenset({"call"}), detectors=frozenset({"testing"})),
        Experiment(name="sooner", draw=halves, arms=times, plays=nobody, detectors=frozenset(variants)),
    )
