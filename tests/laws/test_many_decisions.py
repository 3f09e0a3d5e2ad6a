"""Over many random decisions no limit, quiet hour, consent or holdout is ever broken, as an independent judge finds.

DECISIONS says how many; `make soak` takes 100,000. The judge is held against wrong logs first, so that its silence
means something.
"""

from __future__ import annotations

import os
from collections import Counter

import msgspec
import pytest

from engine.core.holdout import PLACES, place_of
from tests.laws import judge, town

DECISIONS = int(os.environ.get("DECISIONS", "4000"))
REASONS = 500
WAITS = ("0s", "45m", "10m")
RULES = judge.Rules(
    limits=(
        judge.Limit(2, 86_400_000),
        judge.Limit(6, 3 * 86_400_000, "unit", reserve=2),
        judge.Limit(1, 2 * 86_400_000, channels=("sms",)),
        judge.Limit(1, 4 * 86_400_000, purposes=("marketing",), tags=("gift",)),
    ),
    night=(21 * 60, 8 * 60),
    quiet_weekdays=(6,),
    unknown_zones=("Europe/Lisbon", "Europe/Helsinki"),
    free=frozenset({"lock", "terms"}),
    awake=frozenset({"lock", "chat"}),
    beside=frozenset({"lock", "terms"}),
    tags={"gift": ("gift",)},
    expires={"text": 8 * 3_600_000, "chat": 600_000},
)


def said(story: list[town.Happening]) -> list[judge.Said]:
    """What people have said and where they live, in the judge's words."""
    found = []
    for each in story:
        whose = f"customer:{each.who['customer']}"
        if each.what == "profile" and "time_zone" in each.said:
            found.append(judge.Said(each.at, whose, zone=each.said["time_zone"]))
        elif each.what == "answered":
            found.append(judge.Said(each.at, whose, channel="sms"))
        elif each.what in ("yes", "no"):
            about = (each.said.get("channel", ""), each.said.get("purpose", ""))
            found.append(judge.Said(each.at, whose, each.what == "yes", *about))
        else:
            found.append(judge.Said(each.at, whose, is_reason=True))
    return found


def lines(of: list[msgspec.Struct]) -> list[judge.Line]:
    return [msgspec.to_builtins(one) | {"gate": getattr(one, "gate", "")} for one in of]


@pytest.mark.slow
def test_no_rule_is_broken_whatever_happens_and_a_replay_decides_the_same() -> None:
    decided, gates, seed = 0, Counter[str](), 0
    while decided < DECISIONS:
        lived, story = town.live(seed, REASONS, WAITS[seed % 3])
        broken = list(judge.faults(lines(lived.actions), lines(lived.decisions), said(story), RULES))
        assert not broken, f"seed {seed}: {broken[:5]}"
        calm, _story = town.live(seed, REASONS, WAITS[seed % 3], calmly=True)
        assert lived.log() == calm.log(), f"seed {seed}: a replay without restarts decides otherwise"
        decided += len(lived.decisions)
        gates.update(one.gate for one in lived.decisions)
        seed += 1
    print(f"{decided:,} decisions in {seed} stories: {dict(gates)}")
    wanted = {"", "consent", "limits", "quiet_hours", "expired", "arbitration", "holdout"}
    assert wanted <= gates.keys(), "the stories reach every gate, else the law would hold for nothing"


# ---- the judge finds what is wrong


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("limit", {"limits": (judge.Limit(1, 86_400_000),)}),
        ("limit", {"limits": (judge.Limit(3, 3 * 86_400_000, "unit"),)}),
        ("at night", {"night": (20 * 60, 9 * 60)}),
        ("at night", {"quiet_weekdays": (5,)}),
        ("at night", {"unknown_zones": ("Asia/Tokyo",)}),
        ("at night", {"awake": frozenset({"lock"})}),
        ("limit", {"free": frozenset[str]()}),
        ("two at once", {"beside": frozenset[str]()}),
    ],
)
def test_under_a_stricter_rule_the_judge_finds_faults(rule: str, changed: dict[str, object]) -> None:
    lived, story = town.live(3, REASONS, "0s")
    strict = msgspec.structs.replace(RULES, **changed)
    found = list(judge.faults(lines(lived.actions), lines(lived.decisions), said(story), strict))
    assert any(fault.startswith(rule) for fault in found)


def test_the_judge_finds_what_was_sent_twice_unasked_or_to_somebody_held_out() -> None:
    lived, story = town.live(4, REASONS, "0s")
    actions, decisions = lines(lived.actions), lines(lived.decisions)

    def found(actions: list[judge.Line], decisions: list[judge.Line], words: list[judge.Said]) -> set[str]:
        return {fault.split(":")[0] for fault in judge.faults(actions, decisions, words, RULES)}

    assert "an action went out twice" in found([*actions, actions[0]], decisions, said(story))
    assert "actions are not those of the chosen decisions" in found(actions[1:], decisions, said(story))
    assert "unwanted" in found(actions, decisions, [one for one in said(story) if one.zone or not one.yes])
    held = next(one for one in decisions if one["gate"] == "holdout")
    sent = next(one for one in actions if one["purpose"] == "marketing")
    moved = [one | {"unit": held["unit"], "recipient": held["recipient"]} if one is sent else one for one in actions]
    assert "held out and written to" in found(moved, decisions, said(story))
    late = [one | {"expires_at": one["at"]} if one is sent else one for one in actions]
    assert "expired" in found(late, decisions, said(story))


# ---- who is held out

# What chance exceeds once in a thousand times, with 19 degrees of freedom, and with 3.
CHI_SQUARE_19, CHI_SQUARE_3 = 43.8, 16.3


@pytest.mark.parametrize(("salt", "layer"), [("spring", ""), ("spring", "marketing"), ("autumn", ""), ("", "service")])
def test_places_are_spread_evenly(salt: str, layer: str) -> None:
    people = 40_000
    found = Counter(place_of(salt, layer, f"account:a{number}") * 20 // PLACES for number in range(people))
    expected = people / 20
    assert sum((found[part] - expected) ** 2 / expected for part in range(20)) < CHI_SQUARE_19


def test_layers_and_salts_draw_apart() -> None:
    """Being held out of one says nothing about the other."""
    for other in (("spring", "marketing"), ("autumn", "")):
        table = Counter(
            (place_of("spring", "", whose) < 2_000, place_of(*other, whose) < 2_000)
            for whose in (f"customer:c{number}" for number in range(40_000))
        )
        expected = {
            (a, b): 40_000 * (0.2 if a else 0.8) * (0.2 if b else 0.8) for a in (True, False) for b in (True, False)
        }
        assert sum((table[cell] - count) ** 2 / count for cell, count in expected.items()) < CHI_SQUARE_3


def test_a_larger_share_adds_people_and_moves_nobody_out() -> None:
    places = [place_of("spring", "", f"customer:c{number}") for number in range(5_000)]
    held = [{number for number, place in enumerate(places) if place < share} for share in (500, 1_000, 5_000)]
    assert held[0] < held[1] < held[2]
