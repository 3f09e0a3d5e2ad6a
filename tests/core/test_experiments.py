"""Who is in which arm, and what that makes of plays, texts, thresholds and routing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from engine.core.experiments import arm_of
from engine.model import Mode
from engine.spec.draws import Arm, Draw, Experiment
from engine.spec.policies import LimitSpec, Policies
from engine.spec.types import InVariant, PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

EVEN = Draw(salt="words", places=10_000, arms=(("as-now", 1), ("warm", 1)))
CROWD = [f"account:a{number}" for number in range(10_000)]
# Of a chi-square with one degree of freedom, one draw in 10,000 is beyond.
BOUND = 15.1


def only(arm: str, **more: Any) -> Draw:
    return Draw(salt="words", places=10_000, arms=((arm, 1),), **more)


# ---- the draw


@pytest.mark.parametrize("salt", ["words", "hours", "2026", "x"])
@pytest.mark.parametrize("parts", [(1, 1), (1, 3), (2, 1)])
def test_arms_have_the_shares_that_were_asked_for(salt: str, parts: tuple[int, int]) -> None:
    draw = Draw(salt=salt, places=10_000, arms=(("a", parts[0]), ("b", parts[1])))
    found = Counter(arm_of(draw, whose) for whose in CROWD)
    wanted = {name: len(CROWD) * part / sum(parts) for name, part in zip("ab", parts, strict=True)}
    assert sum((found[name] - count) ** 2 / count for name, count in wanted.items()) < BOUND


@pytest.mark.parametrize("places", [500, 2_000, 9_000])
def test_as_many_take_part_as_were_asked_for(places: int) -> None:
    draw = msgspec.structs.replace(EVEN, places=places)
    inside = sum(bool(arm_of(draw, whose)) for whose in CROWD)
    expected = {True: places, False: len(CROWD) - places}
    found = {True: inside, False: len(CROWD) - inside}
    assert sum((found[each] - expected[each]) ** 2 / expected[each] for each in expected) < BOUND


def test_a_larger_share_adds_people_and_moves_nobody() -> None:
    few, more = (msgspec.structs.replace(EVEN, places=places) for places in (2_000, 6_000))
    moved = [whose for whose in CROWD if arm_of(few, whose) and arm_of(few, whose) != arm_of(more, whose)]
    assert moved == []


def test_two_experiments_do_not_have_the_same_people() -> None:
    other = msgspec.structs.replace(EVEN, salt="hours")
    together = Counter((arm_of(EVEN, whose), arm_of(other, whose)) for whose in CROWD)
    assert sum((count - 2_500) ** 2 / 2_500 for count in together.values()) < 21.1  # three degrees of freedom


def test_an_arm_is_the_same_for_ever() -> None:
    """Written down, so that nobody changes the draw of experiments that run."""
    assert [arm_of(EVEN, f"account:a{number}") for number in range(6)] == [
        "as-now", "warm", "warm", "warm", "warm", "warm",
    ]  # fmt: skip


# ---- plays

LETTER = play("letter", text="Hello", purpose="marketing")


def tried(draw: Draw, arms: dict[str, Arm], plays: tuple[PlaySpec, ...] = (LETTER,), **project: Any) -> World:
    """Everybody who comes gets the first of these plays, tried out in these arms."""
    changed = frozenset(name for arm in arms.values() for name in (*arm.plays, *arm.nothing))
    experiment = Experiment(name="words", draw=draw, arms=arms, plays=changed, detectors=frozenset())
    seen = detector("seen", "customer", compare("n", "at_least", 1), watch("n", "count", "came", over="4w"),
                    plays=(plays[0].name,))  # fmt: skip
    return World(seen, experiments=(experiment,), plays=plays, **project)


def warm(**more: Any) -> dict[str, Arm]:
    changed = msgspec.structs.replace(LETTER, version="2", **more)
    return {"as-now": Arm(), "warm": Arm(plays={"letter": changed})}


def test_an_arm_has_its_own_words_and_is_named() -> None:
    for arm, said in (("warm", "Hello, you"), ("as-now", "Hello")):
        world = tried(only(arm), warm(text="Hello, you"))
        world.event("came", "1h", customer="ada")
        (decision,), (action,) = world.done.decisions, world.done.actions
        assert action.text == said
        assert decision.variants == action.variants == {"words": arm}
        assert decision.versions["play"] == ("2" if arm == "warm" else "1")


@pytest.mark.parametrize(
    ("base", "more", "found"),
    [
        ({}, {"channel": "sms"}, {"channel": "sms"}),
        ({}, {"tier": 3}, {"tier": 3}),
        ({"to": "owner", "purpose": "service"}, {"desk": "gold"}, {"recipient": "owner:gold"}),
        ({"to": "owner", "purpose": "service"}, {"owner": "night"}, {"recipient": "owner:night", "owner": "night"}),
    ],
)
def test_an_arm_may_go_another_way(base: dict[str, Any], more: dict[str, Any], found: dict[str, Any]) -> None:
    usual = msgspec.structs.replace(LETTER, **base)
    arms = {"as-now": Arm(), "warm": Arm(plays={"letter": msgspec.structs.replace(usual, **more)})}
    world = tried(only("warm"), arms, (usual,))
    world.event("came", "1h", customer="ada")
    (action,) = world.done.actions
    assert {name: getattr(action, name) for name in found} == found


def test_who_takes_no_part_gets_what_is_usual_and_is_in_no_arm() -> None:
    world = tried(msgspec.structs.replace(EVEN, places=0), warm(text="x"))
    world.event("came", "1h", customer="ada")
    assert (world.done.actions[0].text, world.done.decisions[0].variants) == ("Hello", {})


def test_another_play_may_take_its_place_also_after_it_was_held() -> None:
    voucher = play("voucher", text="A voucher", purpose="marketing", expires="3d")
    world = tried(only("warm"), {"as-now": Arm(), "warm": Arm(plays={"letter": voucher})}, (LETTER, voucher))
    world.hears("profile", "0s", stream="people", customer="ada", preferred_hours="17:00-18:00")
    world.event("came", "1h", customer="ada")
    world.wait_until("1d")
    assert [(each.play, each.gate, each.variants) for each in world.done.decisions] == [
        ("voucher", "preferred_hours", {"words": "warm"}),
        ("voucher", "", {"words": "warm"}),
    ]


NOTHING = {"as-now": Arm(), "none": Arm(nothing=("letter",))}


def test_an_arm_that_does_nothing_is_recorded_as_what_would_have_been_sent() -> None:
    world = tried(only("none"), NOTHING)
    world.event("came", "1h", customer="ada")
    (decision,) = world.done.decisions
    assert (decision.gate, decision.detail) == ("experiment", "would have been sent; none of words does nothing")
    assert world.done.actions == []


def test_what_was_left_out_counts_as_if_it_had_been_sent() -> None:
    """So that what is recorded of those in the arm is what they would have got."""
    once = Policies(limits=(LimitSpec(at_most=1, over_ms=ms("1d"), per="unit"),))
    world = tried(only("none"), NOTHING, policies=once)
    for number, at in enumerate(("1h", "2h", "30h")):
        world.event("came", at, customer=f"c{number}", account="acme")
    assert world.decided() == ["experiment", "limits", "experiment"]


def test_one_address_is_in_one_arm() -> None:
    world = tried(Draw(salt="s", places=10_000, arms=EVEN.arms, contact="mail"), warm(text="x"))
    for number in range(40):
        who = {"customer": f"c{number}"}
        world.hears(
            "profile", "0s", stream="people", mail="Ada@Example.com " if number % 2 else "ada@example.com", **who
        )
    for number in range(40):
        world.event("came", "1h", customer=f"c{number}")
    assert len({each.variants["words"] for each in world.done.decisions}) == 1


def test_a_play_may_ask_for_an_arm() -> None:
    asking = play("letter", only_if=(InVariant("words", ("warm",)),))
    for arm, outcome in (("warm", "chosen"), ("as-now", "only_if")):
        experiment = Experiment(name="words", draw=only(arm), arms={"as-now": Arm(), "warm": Arm()},
                                plays=frozenset({"letter"}), detectors=frozenset())  # fmt: skip
        seen = detector("seen", "customer", compare("n", "at_least", 1), watch("n", "count", "came", over="4w"),
                        plays=("letter",))  # fmt: skip
        world = World(seen, experiments=(experiment,), plays=(asking,))
        world.event("came", "1h", customer="ada")
        assert world.decided() == [outcome]
    assert world.done.decisions[0].detail == "only if in words it is warm, and it is as-now"


# ---- thresholds


def sooner(draw: Draw, **more: Any) -> World:
    """Three visits are too many; in an arm, two."""
    visits = watch("n", "count", "came", over="4w")
    usual = detector("often", "customer", compare("n", "at_least", 3), visits, why="{{ n }}", **more)
    two = msgspec.structs.replace(
        usual, name="often@visits.two", variant_of="often", when=compare("n", "at_least", 2), version="2"
    )
    experiment = Experiment(name="visits", draw=draw, arms={"three": Arm(), "two": Arm(detectors={"often": two})},
                            plays=frozenset(), detectors=frozenset({"often"}))  # fmt: skip
    return World(usual, experiments=(experiment,))


def came(world: World, customers: int = 1, account: bool = False) -> None:
    for hour in range(1, 5):
        for number in range(customers):
            more = {"account": f"a{number}"} if account else {}
            world.event("came", f"{hour}h {number}s", customer=f"c{number}", **more)


@pytest.mark.parametrize(("arm", "when", "version"), [("three", "3h", "1"), ("two", "2h", "2")])
def test_an_arm_may_have_another_threshold(arm: str, when: str, version: str) -> None:
    world = sooner(only(arm))
    came(world)
    (signal,) = world.done.signals
    assert (signal.detector, world.spoken(signal.at), signal.version) == ("often", when, version)
    (decision,) = world.done.decisions
    assert (decision.detector, decision.variants) == ("often", {"visits": arm})


def test_who_takes_no_part_has_the_usual_threshold() -> None:
    world = sooner(msgspec.structs.replace(only("two"), places=0))
    came(world)
    assert world.fired() == [("c0", "3h")]
    assert world.done.decisions[0].variants == {}


def test_each_is_judged_by_one_threshold_and_it_is_the_one_of_their_unit() -> None:
    draw = Draw(salt="visits", places=10_000, arms=(("three", 1), ("two", 1)))
    world = sooner(draw)
    came(world, customers=30, account=True)
    hours = {signal.key: world.spoken(signal.at).split(" ")[0] for signal in world.done.signals}
    assert len(world.done.signals) == len(hours) == 30
    for number in range(30):
        wanted = {"three": "3h", "two": "2h"}[arm_of(draw, f"account:a{number}")]
        assert hours[f"c{number}"] == wanted
    assert set(hours.values()) == {"2h", "3h"}


def test_a_restart_and_an_edit_leave_everybody_where_they_are() -> None:
    """Others come, who are not the same people; nobody who is there moves."""
    world = sooner(only("two"))
    world.event("came", "1h", customer="c0")
    world.restart()
    world.event("came", "2h", customer="c0")
    assert world.fired() == [("c0", "2h")]
    world.restart()
    world.event("came", "3h", customer="c0")
    assert world.fired() == [("c0", "2h")]


def test_an_arm_of_a_detector_in_shadow_is_in_shadow() -> None:
    world = sooner(only("two"), mode=Mode.SHADOW)
    came(world)
    assert world.decided() == ["shadow"]
