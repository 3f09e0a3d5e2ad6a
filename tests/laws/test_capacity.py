"""No colleague ever gets more than fits into a day, the best goes first, and nothing is lost on the way.

Each story is checked against its own log. That it is the same over any number of partitions is held by `test_the_law`,
whose crowd has owners too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Decision, Outcome
from engine.spec.policies import CapacitySpec, Policies
from engine.spec.types import PlaySpec
from tests.core.worlds import World, compare, detector, ms, play, watch

# Thursday to Tuesday; the clocks of Rome go forward on Sunday.
START, ZONE = round(datetime(2026, 3, 26, tzinfo=UTC).timestamp() * 1000), ZoneInfo("Europe/Rome")
MINUTES = 5 * 24 * 60
ROOM = {"ida": 2, "ole": 1}
RULES = (CapacitySpec(at_most=2, time_zone="Europe/Rome", waiting=50), CapacitySpec(at_most=1, of=("ole",), per="week"))
PLAYS = (
    play("call", to="owner"),
    play("visit", to="owner", value=5, expires="30h"),
    play("write", to="owner", value=2, when_full="file"),
    play("lock", to="owner", purpose="critical"),
    play("file", to="system"),
)
NAMES = [each.name for each in PLAYS if each.to == "owner"]
OWNERS = {"acme": "ida", "bolt": "ida", "cube": "ole"}


class Happening(msgspec.Struct, frozen=True):
    """At a minute somebody of an account gives reason for a task, or their reason is gone, or the engine restarts."""

    minute: int
    what: str
    who: str
    account: str
    opens: bool


happenings = st.lists(
    st.builds(
        Happening,
        st.integers(0, MINUTES // 60).map(lambda hour: hour * 60),
        st.sampled_from([*NAMES, *NAMES, "restart"]),
        st.sampled_from(["ada", "bob", "eve"]),
        st.sampled_from(list(OWNERS)),
        st.sampled_from([True, True, True, False]),
    ),
    min_size=20,
    max_size=60,
)


def told(story: Sequence[Happening], *, restarts: bool = True) -> World:
    specs = []
    for name in NAMES:
        level = watch(f"{name}_open", "latest", name, field="open", over="52w")
        specs.append(detector(name, "session", compare(f"{name}_open", "above", 0), level, plays=(name,)))
    world = World(*specs, start=START, plays=PLAYS, policies=Policies(capacity=RULES))
    for account, owner in OWNERS.items():
        world.hears("profile", "0s", stream="crm", account=account, owner=owner)
    for each in sorted(story, key=lambda one: one.minute):
        if each.what != "restart":
            session = f"{each.account}-{each.who}"
            world.event(each.what, f"{each.minute}m", session=session, account=each.account, open=int(each.opens))
        elif restarts:
            world.restart()
    world.wait_until(f"{ms('600d')}ms")
    return world


def spec_of(decision: Decision) -> PlaySpec:
    return next(each for each in PLAYS if each.name == decision.play)


def is_counted(decision: Decision) -> bool:
    return decision.recipient.startswith("owner:")


def span_of(decision: Decision) -> tuple[str, object]:
    """Whose room it takes, and in which day or week."""
    if decision.recipient == "owner:ole":
        week = datetime.fromtimestamp(decision.at / 1000, UTC).isocalendar()[:2]
        return decision.recipient, week
    return decision.recipient, datetime.fromtimestamp(decision.at / 1000, ZONE).date()


@given(story=happenings)
def test_nobody_gets_more_than_fits(story: list[Happening]) -> None:
    taken: dict[tuple[str, object], int] = {}
    for decision in told(story).done.decisions:
        if decision.outcome is Outcome.CHOSEN and is_counted(decision):
            span, most = span_of(decision), ROOM[decision.recipient.removeprefix("owner:")]
            assert taken.get(span, 0) < most or spec_of(decision).purpose == "critical", decision
            taken[span] = taken.get(span, 0) + 1


@given(story=happenings)
def test_nothing_goes_before_what_is_worth_more(story: list[Happening]) -> None:
    waiting: dict[str, dict[tuple[str, str], Decision]] = {"owner:ida": {}, "owner:ole": {}}
    decisions = [decision for decision in told(story).done.decisions if is_counted(decision)]
    for decision in decisions:
        mine, name = waiting[decision.recipient], (decision.signal_id, decision.play)
        mine.pop(name, None)
        if decision.outcome is Outcome.HELD:
            mine[name] = decision
        elif decision.outcome is Outcome.CHOSEN and spec_of(decision).purpose != "critical":
            # What is decided behind it at the same moment is worth no more, and neither is what goes on waiting.
            assert all(other.priority <= decision.priority for other in mine.values()), decision


@given(story=happenings)
def test_every_task_ends_with_one_answer(story: list[Happening]) -> None:
    world = told(story)
    wanted = sorted(signal.id for signal in world.done.signals if signal.state == "firing")
    answers = sorted(d.signal_id for d in world.done.decisions if is_counted(d) and d.outcome is not Outcome.HELD)
    assert answers == wanted
    instead = [d for d in world.done.decisions if not is_counted(d)]
    assert len(instead) == sum("instead" in d.detail for d in world.done.decisions)
    chosen = [d.action_id for d in world.done.decisions if d.outcome is Outcome.CHOSEN]
    assert chosen == [action.id for action in world.done.actions]
    assert len(set(chosen)) == len(chosen)
    assert not any(unit.is_waiting for unit in world.chain.units.known.values())


@given(story=happenings)
def test_restarts_make_no_difference_to_who_gets_what(story: list[Happening]) -> None:
    def log(world: World) -> list[bytes]:
        return [msgspec.json.encode(decision) for decision in world.done.decisions]

    assert log(told(story)) == log(told(story, restarts=False))


def test_the_stories_reach_every_end() -> None:
    """Else the laws above would hold for nothing."""
    story = [
        Happening(60 * hour, name, who, account, opens=(hour + len(who)) % 5 > 0)
        for hour in range(0, 100, 3)
        for who, name in zip(("ada", "bob", "eve"), NAMES[hour % 4 :] + NAMES, strict=False)
        for account in OWNERS
    ]
    decisions = told(story).done.decisions
    ends = {(d.play, d.outcome.value, d.gate) for d in decisions}
    wanted = {("call", "held", "capacity"), ("call", "dropped", "resolved"), ("visit", "dropped", "expired")}
    assert ends >= {*wanted, ("write", "dropped", "capacity"), ("file", "chosen", ""), ("lock", "chosen", "")}
