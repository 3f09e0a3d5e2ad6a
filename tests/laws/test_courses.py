"""Whatever people do in which order, and wherever it is interrupted: nobody hears more of a course that has ended.

Each story is checked against its own log and what happened in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Action, Outcome
from engine.spec.policies import HandOff, LimitSpec, Policies, QuietHours, Reactions, Suppress
from engine.spec.types import CourseStep, Happened
from tests.core.worlds import World, compare, detector, ms, play, watch

HOURS = 20 * 24
WHO = ("ada", "bob")
KINDS = ("opened", "dismissed", "replied", "acknowledged", "answered")
ENDING = ("dismissed", "replied", "acknowledged", "renewed", "ticket")
STEPS = (
    CourseStep(name="text", after_ms=ms("1d"), play=play("reach", channel="sms", while_open=False)),
    CourseStep(name="call", after_ms=ms("1d"), play=play("reach", to="owner", tier=3, while_open=False)),
)
REACH = play(
    "reach",
    steps=STEPS,
    while_open=False,
    goal=Happened(("renewed",), within_ms=ms("30d")),
    stop_if=(Happened(("ticket",)),),
)
PLAYS = (REACH, play("take-over", to="owner"), play("note"))
RULES = Policies(
    reactions=Reactions(kinds={kind: kind for kind in KINDS}, remember_ms=ms("30d")),
    hand_off=HandOff(play="take-over"),
    limits=(LimitSpec(at_most=3, over_ms=ms("2d")),),
    quiet_hours=QuietHours(from_minute=22 * 60, to_minute=7 * 60, unknown_zone=("UTC",)),
    suppress=(Suppress(after=2, of=("dismissed",), within_ms=ms("5d"), for_ms=ms("4d"), ignored_after_ms=ms("1d")),),
)


class Happening(msgspec.Struct, frozen=True):
    """At an hour, somebody does something; `restart` happens to the engine."""

    hour: int
    what: str
    who: str


WHAT = ("bad", "bad", "good", "note", "restart", "renewed", "ticket", *KINDS, "repeat")
happenings = st.lists(
    st.builds(Happening, st.integers(0, HOURS), st.sampled_from(WHAT), st.sampled_from(WHO)), min_size=15, max_size=60
)


def told(story: Sequence[Happening], *, restarts: bool = True) -> World:
    state = watch("state", "latest", "trouble", field="state", over="400d")
    notes = watch("notes", "count", "note", over="1m")
    specs = (
        detector("trouble", "customer", compare("state", "is", 1),
                 state, play="reach"),
        detector("noted", "session", compare("notes", "at_least", 1), notes, play="note"),
    )  # fmt: skip
    world = World(*specs, plays=PLAYS, policies=RULES)
    last: dict[str, str] = {}
    for number, each in enumerate(sorted(story, key=lambda one: one.hour)):
        at, whose = f"{each.hour}h", {"customer": each.who, "account": "acme"}
        if each.what == "restart":
            if restarts:
                world.restart()
        elif each.what in ("bad", "good"):
            world.event("trouble", at, state=int(each.what == "bad"), **whose)
        elif each.what == "note":
            world.event("note", at, session=f"s{number}", **whose)
        elif each.what == "repeat":
            if each.who in last:
                world.hears(last[each.who].split("#")[0], last[each.who].split("#")[1], id=last[each.who], **whose)
        else:
            last[each.who] = f"{each.what}#{at}"
            world.event(each.what, at, id=last[each.who], **whose)
    world.wait_until(f"{HOURS + 10 * 24}h")
    return world


def at_of(world: World, each: Happening) -> int:
    return world.start + each.hour * 3_600_000


@given(story=happenings)
def test_nothing_follows_what_has_ended_a_course(story: list[Happening]) -> None:
    world = told(story)
    sent = world.done.actions
    assert len({action.id for action in sent}) == len(sent), "nothing goes out twice"
    begun = {action.signal_id: action for action in sent if action.play == "reach" and action.step == "first"}
    for action in sent:
        if action.play == "reach" and action.step != "first":
            first = begun[action.signal_id]
            assert not [each for each in story if ends(each, first, action, sent, world)], action


def ends(each: Happening, first: Action, action: Action, sent: Sequence[Action], world: World) -> bool:
    """Did that end the course between its first message and this one? At the same moment, either may be first."""
    at = at_of(world, each)
    if each.what not in ENDING or f"customer:{each.who}" != first.recipient or not first.at < at < action.at:
        return False
    if each.what in ("renewed", "ticket"):
        return True
    # A reaction that names no message is about the latest to that person.
    to_them = [one for one in sent if one.recipient == first.recipient and one.at < at]
    return to_them[-1].signal_id == first.signal_id


@given(story=happenings)
def test_every_reply_finds_a_person_who_has_not_finished_with_them(story: list[Happening]) -> None:
    world = told(story)
    answered = {one.action_id: one.at for one in world.done.decisions if one.outcome is Outcome.ANSWERED}
    for each in (one for one in story if one.what == "replied"):
        at, whom = at_of(world, each), f"customer:{each.who}"
        if any(action.recipient == whom and action.at < at for action in world.done.actions):
            open_then = [
                action for action in world.done.actions
                if action.play == "take-over" and action.at <= at <= answered.get(action.id, at)
            ]  # fmt: skip
            assert open_then, each
    assert len(answered) == sum(one.outcome is Outcome.ANSWERED for one in world.done.decisions)


@given(story=happenings)
def test_restarts_make_no_difference(story: list[Happening]) -> None:
    logs = [
        [msgspec.json.encode(one) for one in told(story, restarts=restarts).done.decisions]
        for restarts in (True, False)
    ]
    assert logs[0] == logs[1]


@given(story=happenings)
def test_every_course_comes_to_an_end_and_the_tally_agrees_with_the_log(story: list[Happening]) -> None:
    world = told(story)
    unit = world.chain.units.get("account:acme")
    assert unit.candidates == []
    assert unit.heard == []
    assert world.chain.units.waiting == set()
    worked = sum(one.outcome is Outcome.WORKED for one in world.done.decisions)
    began = sum(one.play == "reach" and one.step == "first" for one in world.done.actions)
    sent, counted = unit.tally.get("reach", (0, 0))
    assert counted <= sent <= began
    assert counted <= worked <= began


def test_the_stories_reach_what_they_are_about() -> None:
    """Else the laws above would hold for nothing."""
    story = [Happening(9 + 24 * day, "bad", "ada") for day in (0, 6, 12)]
    story += [Happening(10, "dismissed", "ada"), Happening(12 + 24 * 2, "good", "ada")]
    story += [Happening(10 + 24 * 7, "replied", "ada"), Happening(12 + 24 * 7, "answered", "ada")]
    story += [Happening(9, "bad", "bob"), Happening(9 + 24 * 3, "renewed", "bob")]
    gates = {one.gate for one in told(story).done.decisions}
    assert gates >= {"", "dismissed", "replied", "hand_off", "goal"}
