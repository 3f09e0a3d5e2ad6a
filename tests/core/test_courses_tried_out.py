"""Courses beside experiments and routing: who began a course in an arm goes on in it, to its end."""

from __future__ import annotations

from engine.model import Outcome
from engine.spec.draws import Arm, Draw, Experiment
from engine.spec.policies import Policies
from engine.spec.types import CourseStep, Happened, PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

ALL = Draw(salt="words", places=10_000, arms=(("tried", 1),))


def then(name: str, of: str, **more: object) -> CourseStep:
    return CourseStep(name=name, after_ms=ms("1d"), play=play(of, while_open=False, **more))


def reach(name: str, channel: str, *steps: CourseStep, **more: object) -> PlaySpec:
    return play(name, channel=channel, steps=steps, while_open=False, **more)


USUAL_GOAL = Happened(("renewed",), within_ms=ms("5d"))
USUAL = reach(
    "letter",
    "email",
    then("again", "letter", channel="email"),
    then("ring", "letter", to="owner", tier=3),
    goal=USUAL_GOAL,
)


def tried(arm: Arm, *others: PlaySpec) -> World:
    experiment = Experiment(name="words", draw=ALL, arms={"tried": arm}, plays=frozenset({"letter"}),
                            detectors=frozenset())  # fmt: skip
    seen = detector("seen", "customer", compare("n", "at_least", 1), watch("n", "count", "came", over="4w"),
                    plays=("letter",))  # fmt: skip
    return World(seen, experiments=(experiment,), plays=(USUAL, *others), policies=Policies())


def told(world: World) -> list[tuple[str, str, str]]:
    """(play, step, chosen or the gate) of each decision; all are in the arm."""
    world.event("came", "1h", customer="ada")
    world.restart()
    world.event("seen", "4d", customer="ben")
    assert {decision.variants["words"] for decision in world.done.decisions} == {"tried"}
    return [(one.play, one.step, one.gate or one.outcome.value) for one in world.done.decisions]


def test_steps_go_as_the_arm_has_them() -> None:
    steps = (then("again", "letter", channel="sms"), then("ring", "letter", to="owner", tier=3))
    world = tried(Arm(plays={"letter": reach("letter", "sms", *steps)}))
    assert told(world) == [("letter", "", "chosen"), ("letter", "again", "chosen"), ("letter", "ring", "chosen")]
    assert [action.channel for action in world.done.actions][:2] == ["sms", "sms"]


def test_another_play_goes_on_with_its_own_steps() -> None:
    card = reach("card", "chat", then("second", "card", channel="chat"))
    world = tried(Arm(plays={"letter": card}), card)
    assert told(world) == [("card", "", "chosen"), ("card", "second", "chosen")]


def test_a_goal_that_is_reached_names_the_arm_that_reached_it() -> None:
    world = tried(Arm(plays={"letter": reach("letter", "sms", goal=USUAL_GOAL)}))
    world.event("came", "1h", customer="ada")
    world.event("renewed", "5h", customer="ada")
    world.event("seen", "4d", customer="ben")
    worked = [one for one in world.done.decisions if one.outcome is Outcome.WORKED]
    assert [one.variants for one in worked] == [{"words": "tried"}]


def test_an_arm_that_does_nothing_does_not_call_either() -> None:
    world = tried(Arm(nothing=("letter",)))
    assert told(world) == [
        ("letter", "", "experiment"), ("letter", "again", "experiment"), ("letter", "ring", "experiment"),
    ]  # fmt: skip
    assert world.done.actions == []


def test_what_stops_one_of_several_plays_leaves_the_others() -> None:
    call = play("call", to="owner", tier=3, stop_if=(Happened(("left",)),))
    letter = play("letter")
    seen = detector("seen", "customer", compare("n", "at_least", 1), watch("n", "count", "came", over="4w"),
                    plays=("call", "letter"), first_of=(("call", "letter"),))  # fmt: skip
    world = World(seen, plays=(call, letter), policies=Policies(), wait_ms=ms("1h"))
    world.event("came", "1h", customer="ada")
    world.event("left", "80m", customer="ada")
    world.event("seen", "4h", customer="ben")
    assert [(one.play, one.gate or one.outcome.value) for one in world.done.decisions] == [
        ("call", "stop_if"), ("letter", "chosen"),
    ]  # fmt: skip
