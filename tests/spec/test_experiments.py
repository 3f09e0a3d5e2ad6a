"""Experiments and routing span several documents: what arms change is checked as if it had been written out."""

from __future__ import annotations

from pathlib import Path

import pytest

import detectors
import sinks
from engine.spec.load import load
from engine.spec.types import Configuration, InVariant
from tests.spec import broken

OFFER = broken.PLAY.replace("call", "offer").replace("service", "marketing")
DESK = "play: ring\nto: owner\nchannel: email\nclass: service\nowner: care\ntext: Ring them\n"
LOCK = broken.PLAY.replace("call", "lock").replace("service", "critical\nreason: fraud")
CALM = broken.DETECTOR.replace("[{play: call}]", "{then}")


def written(folder: Path, arms: str = "", then: str = "[{play: call}]", more: str = "") -> None:
    broken.write(folder, "detector", CALM.replace("{then}", then).encode())
    (folder / "playbooks/bad.yml").write_text("---\n".join((broken.PLAY, OFFER, DESK, LOCK)))
    experiments = f"experiments:\n  words: {{arms: {arms}{more}}}\n" if arms else ""
    (folder / "beforehand.yml").write_text(broken.PROJECT + experiments)


def said(folder: Path, arms: str = "", then: str = "[{play: call}]", more: str = "") -> list[str]:
    """What is said of it, without the places."""
    written(folder, arms, then, more)
    return [line.partition(" ")[2] for line in broken.said_of(folder)]


def loaded(folder: Path, arms: str, then: str = "[{play: call}]", more: str = "") -> Configuration:
    written(folder, arms, then, more)
    return load(folder, detectors.load(), sinks.options_of, sinks.kinds())


def test_an_arm_is_not_blamed_for_a_mistake_in_the_play_that_it_changes(tmp_path: Path) -> None:
    written(tmp_path, "{as-now: {}, warm: {plays: {call: {text: Warmly}}}}")
    play = tmp_path / "playbooks/bad.yml"
    play.write_text(play.read_text().replace("class: service", "class: service\nexpires: soon", 1))
    assert [line.partition(" ")[2] for line in broken.said_of(tmp_path)] == [
        "error[bad-duration]: 'soon' is not a duration - write 90s, 15m, 6h or 2d"
    ]


# ---- routing


def test_the_first_that_may_be_done_may_reach_several_audiences(tmp_path: Path) -> None:
    then = "[{first_of: [{play: ring, only_if: {account.value: {above: 5}}}, {play: offer}]}]"
    (spec,) = loaded(tmp_path, "", then).detectors
    assert spec.plays == ("ring", "offer")
    assert spec.first_of == (("ring", "offer"),)
    assert list(spec.choices) == ["ring"]


@pytest.mark.parametrize(
    ("then", "complaint"),
    [
        (
            "[{first_of: [{play: ring}, {play: offer}]}]",
            "error[no-effect]: nothing after 'ring' would ever be done "
            "- say with 'only_if' or 'unless' when it is to be",
        ),
        (
            "[{play: call}, {first_of: [{play: ring, unless: {account.plan: gold}}, {play: offer}]}]",
            "error[same-audience]: 'offer' goes to the customer like 'call' - a signal has one play for each audience",
        ),
        (
            "[{first_of: [{play: call, unless: {account.plan: gold}}, {play: call}]}]",
            "error[same-play]: 'call' is chosen already",
        ),
    ],
)
def test_routing_that_makes_no_sense(then: str, complaint: str, tmp_path: Path) -> None:
    assert complaint in said(tmp_path, then=then)


# ---- arms


def test_an_arm_is_the_play_with_other_words(tmp_path: Path) -> None:
    found = loaded(tmp_path, "{cold: {}, warm: {parts: 3, plays: {call: {text: Hello, tier: 3}}}}")
    (experiment,) = found.experiments
    changed = experiment.arms["warm"].plays["call"]
    assert (changed.name, changed.text, changed.tier, changed.owner) == ("call", "Hello", 3, "care")
    assert changed.version != found.plays["call"].version
    assert (experiment.draw.arms, experiment.draw.places) == ((("cold", 1), ("warm", 3)), 10_000)
    assert (experiment.draw.salt, experiment.plays) == ("words", {"call"})


def test_an_arm_is_the_detector_with_another_threshold(tmp_path: Path) -> None:
    found = loaded(
        tmp_path, "{five: {}, two: {detectors: {calm: {when: {visits: {at_least: 2}}}}}}", more=", share: 20%"
    )
    (experiment,) = found.experiments
    changed = experiment.arms["two"].detectors["calm"]
    assert (changed.name, changed.variant_of, changed.plays) == ("calm@words.two", "calm", ("call",))
    assert (experiment.draw.places, changed.tests) == (2_000, ())
    assert [spec.name for spec in found.detectors] == ["calm"]


def test_the_order_of_arms_makes_no_difference(tmp_path: Path) -> None:
    arms = ("a: {}", "b: {plays: {call: {tier: 3}}}")
    draws = [loaded(tmp_path, f"{{{', '.join(each)}}}").experiments[0].draw for each in (arms, arms[::-1])]
    assert draws[0] == draws[1]


def test_an_arm_may_be_asked_for(tmp_path: Path) -> None:
    then = "[{first_of: [{play: ring, only_if: {variant: {words: [warm, hot]}}}, {play: offer}]}]"
    found = loaded(tmp_path, "{cold: {}, warm: {}, hot: {}}", then)
    assert found.detectors[0].choices["ring"].only_if == (InVariant("words", ("warm", "hot")),)
    assert found.experiments[0].detectors == {"calm"}


def test_another_play_and_no_play_at_all(tmp_path: Path) -> None:
    found = loaded(tmp_path, "{cold: {}, none: {plays: {offer: nothing}}}", "[{play: offer}]")
    assert found.experiments[0].arms["none"].nothing == ("offer",)


@pytest.mark.parametrize(
    ("arm", "complaint"),
    [
        ("{plays: {lock: nothing}}", "error[bad-arm]: 'lock' is critical, so everybody gets it"),
        ("{plays: {ring: nothing}}", "error[bad-arm]: 'ring' is no message to a customer"),
        ("{plays: {call: noting}}", "error[bad-choice]: 'noting' is not possible here - did you mean 'nothing'?"),
        ("{plays: {call: {class: marketing}}}", "error[bad-arm]: an arm cannot change 'class' of a play"),
        ("{plays: {call: {txt: Hi}}}", "an arm cannot change 'txt' of a play - did you mean 'text'?"),
        ("{plays: {call: {text: '{{ vists }}'}}}", "error[unknown-variable]: unknown variable 'vists'"),
        ("{plays: {call: {channel: fax}}}", "error[unknown-channel]: unknown channel 'fax'"),
        ("{plays: {call: {use: offer}}}", "error[bad-arm]: 'offer' and 'call' have to be alike in 'to', 'class'"),
        ("{plays: {call: {use: call}}}", "error[no-effect]: that is 'call' as usual - leave it out"),
        ("{plays: {call: {use: cal}}}", "error[unknown-play]: unknown play 'cal' - did you mean 'call'?"),
        ("{plays: {call: {}}}", "error[wrong-type]: write keys of the play and values, or the word nothing"),
        ("{detectors: {calm: {per: customer}}}", "error[bad-arm]: an arm cannot change 'per' of a detector"),
        ("{detectors: {calm: {when: {visit: {above: 1}}}}}", "unknown measure or condition 'visit'"),
        ("{detectors: {calm: {}}}", "error[wrong-type]: write one of for, resolve_when, when and its value"),
        ("{plays: {call: {tier: 3}}}}}\n  more: {arms: {a: {plays: {call: {tier: 1}}}, b: {}",
         "error[two-experiments]: 'words' changes 'call' already - one experiment at a time"),
    ],
)  # fmt: skip
def test_an_arm_that_makes_no_sense(arm: str, complaint: str, tmp_path: Path) -> None:
    assert any(complaint in line for line in said(tmp_path, f"{{as-now: {{}}, other: {arm}}}"))


def test_detectors_know_no_addresses(tmp_path: Path) -> None:
    (only,) = said(tmp_path, "{a: {}, b: {detectors: {calm: {for: 2h}}}}", more=", contact: email")
    assert only.startswith("error[no-effect]: detectors know no addresses")
