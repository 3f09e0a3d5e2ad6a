"""What comes back of an action: another way for what was refused, room in the limits, and what follows a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.decide import encode_unit
from engine.core.erasure import strip_unit
from engine.core.receipts import RECEIPT, UNDERWAY_MOST
from engine.spec.policies import ConsentSpec, LimitSpec, Policies, Remedy, StopWords
from engine.spec.types import CourseStep, EntitySpec, PlaySpec, StreamSpec
from tests.core.worlds import ENTITIES, World, compare, detector, ms, play, watch

NEWS = play("news", channel="email", fallback=("sms", "chat"))
ONE_A_DAY = Policies(limits=(LimitSpec(at_most=1, over_ms=ms("1d")),))
STOP = StopWords(event="sms.received", channel="sms", field="text", words=("stop",))
ASKED = ConsentSpec(given=("yes",), withdrawn=("no",), stop=STOP, attributes={"email": "newsletter"})


class Told(World):
    """Every ticket of somebody wants a play about the session it was opened in, until that is closed."""

    def __init__(self, *plays: PlaySpec, **more: Any) -> None:
        tickets = watch("tickets", "latest", "ticket", field="open", over="52w")
        spec = detector("busy", "session", compare("tickets", "above", 0), tickets, plays=(plays[0].name,))
        super().__init__(spec, plays=plays, **more)

    def ticket(self, at: str, session: str = "s1", still_open: int = 1) -> None:
        self.event("ticket", at, session=session, customer="ada", account="acme", open=still_open)

    def says(self, event: str, at: str, customer: str = "ada", **about: Any) -> None:
        self.hears(event, at, stream="people", customer=customer, account="acme", **about)

    def ways(self) -> list[tuple[str, str, str]]:
        """(play, what was decided, by which channel) of each decision."""
        channels = {action.id: action.channel for action in self.done.actions}
        return [(d.play, d.gate or d.outcome.value, channels.get(d.action_id, "")) for d in self.done.decisions]


# ---- refused


def test_what_one_channel_refuses_goes_by_the_next() -> None:
    world = Told(NEWS)
    world.ticket("1h")
    world.became("rejected")
    world.restart()
    world.wait_until("1h 1s")
    world.became("rejected")
    world.wait_until("1h 2s")
    world.became("rejected")
    world.wait_until("2h")
    assert world.ways() == [("news", "chosen", "email"), ("news", "chosen", "sms"), ("news", "chosen", "chat")]
    assert [d.after for d in world.done.decisions] == ["", "email rejected", "sms rejected"]
    assert len({d.id for d in world.done.decisions}) == len({a.id for a in world.done.actions}) == 3
    assert world.done.returned == {"rejected": 2}, "what the last channel refuses leads to nothing"


@pytest.mark.parametrize("what", ["delivered", "unknown", "expired", "retry", "held", "recalled"])
def test_only_what_was_refused_goes_another_way(what: str) -> None:
    world = Told(NEWS)
    world.ticket("1h")
    world.became(what)
    world.wait_until("2h")
    assert world.ways() == [("news", "chosen", "email")]


def test_the_other_way_passes_every_gate_again() -> None:
    world = Told(NEWS, policies=Policies(consent=ASKED))
    world.ticket("1h")
    world.says("no", "1h 1s", channel="sms")
    world.became("rejected")
    world.wait_until("2h")
    assert world.ways() == [("news", "chosen", "email"), ("news", "chosen", "chat")]


def test_what_has_resolved_meanwhile_goes_no_other_way() -> None:
    world = Told(NEWS)
    world.ticket("1h")
    world.ticket("1h 1s", still_open=0)
    world.became("rejected")
    world.restart()
    world.wait_until("2h")
    assert world.ways() == [("news", "chosen", "email"), ("news", "resolved", "")]


def test_what_has_expired_meanwhile_goes_no_other_way() -> None:
    world = Told(play("news", channel="email", fallback=("sms",), expires="10m"))
    world.ticket("1h")
    world.wait_until("1h 11m")
    world.became("rejected")
    world.wait_until("2h")
    assert world.ways() == [("news", "chosen", "email"), ("news", "expired", "")]


def test_what_is_told_twice_is_taken_once() -> None:
    world = Told(NEWS)
    world.ticket("1h")
    world.became("rejected", 0)
    world.became("rejected", 0)
    world.wait_until("1h 1s")
    world.became("rejected", 0)
    world.wait_until("2h")
    assert [way for _, _, way in world.ways()] == ["email", "sms"]


def test_word_of_an_action_that_nobody_knows_leaves_no_trace() -> None:
    world = Told(NEWS)
    world.ticket("1h")
    world.chain.units.known.clear()
    world.chain.units.saved()
    world.became("rejected")
    assert world.chain.units.touched == {}


# ---- limits


@pytest.mark.parametrize(
    ("what", "then"),
    [("rejected", "chosen"), ("recalled", "chosen"), ("unknown", "limits"), ("expired", "limits"), ("", "limits")],
)
def test_what_nobody_has_heard_of_is_not_counted(what: str, then: str) -> None:
    world = Told(play("news", channel="email"), policies=ONE_A_DAY)
    world.ticket("1h")
    if what:
        world.became(what)
    world.ticket("2h", session="s2")
    assert world.decided() == ["chosen", then]


def test_the_other_way_counts_in_the_place_of_the_first() -> None:
    world = Told(NEWS, policies=ONE_A_DAY)
    world.ticket("1h")
    world.became("rejected")
    world.ticket("2h", session="s2")
    assert world.ways()[1:] == [("news", "chosen", "sms"), ("news", "limits", "")]


def test_of_many_actions_the_newest_are_remembered() -> None:
    world = Told(NEWS, policies=ONE_A_DAY)
    for number in range(UNDERWAY_MOST + 5):
        world.ticket(f"{number * 25}h", session=f"s{number}")
        world.became("delivered")
    (unit,) = world.chain.units.known.values()
    assert len(unit.underway) <= UNDERWAY_MOST
    assert min(one.at for one in unit.underway) > world.chain.now - ms("8d")


# ---- remedies

FIX = play(
    "fix", to="system", channel="robot", tier=1, remedy=Remedy(within_ms=ms("10m"), then_tell="note", otherwise="ring")
)
NOTE = play("note", channel="email")
RING = play("ring", to="owner", channel="desk", tier=3)


def remedied(what: str, **more: Any) -> Told:
    world = Told(FIX, NOTE, RING, **more)
    world.ticket("1h")
    world.became(what)
    world.restart()
    world.wait_until("2h")
    return world


@pytest.mark.parametrize(
    ("what", "then", "after"),
    [
        ("delivered", "note", "fix worked"),
        ("rejected", "ring", "fix rejected"),
        ("unknown", "ring", "fix unknown"),
        ("expired", "ring", "fix expired"),
    ],
)
def test_a_remedy_that_worked_is_told_of_and_another_play_follows_one_that_did_not(
    what: str, then: str, after: str
) -> None:
    world = remedied(what)
    assert [(d.play, d.gate or d.outcome.value) for d in world.done.decisions] == [("fix", "chosen"), (then, "chosen")]
    assert world.done.decisions[1].after == after


@pytest.mark.parametrize("what", ["retry", "held", ""])
def test_a_remedy_of_which_nobody_knows_yet_leads_to_nothing(what: str) -> None:
    assert [d.play for d in remedied(what).done.decisions] == ["fix"]


def test_a_remedy_has_so_long_to_answer() -> None:
    world = Told(FIX, NOTE, RING)
    world.ticket("1h")
    assert world.spoken(world.done.actions[0].expires_at) == "1h 10m"


def test_what_was_done_is_told_although_the_signal_has_closed_by_it() -> None:
    for what, then in (("delivered", ("note", "chosen")), ("rejected", ("ring", "resolved"))):
        world = Told(FIX, NOTE, RING)
        world.ticket("1h")
        world.ticket("1h 1s", still_open=0)
        world.became(what)
        world.wait_until("2h")
        assert [(d.play, d.gate or d.outcome.value) for d in world.done.decisions][1] == then


def test_what_follows_a_remedy_passes_the_gates_like_any_other() -> None:
    world = Told(FIX, NOTE, RING, policies=Policies(consent=ASKED))
    world.says("no", "0h")
    world.ticket("1h")
    world.became("delivered")
    world.wait_until("2h")
    assert [d.gate for d in world.done.decisions] == ["", "consent"]


def test_where_nothing_is_sent_a_remedy_is_taken_to_work() -> None:
    world = Told(FIX, NOTE, RING, is_trial=True)
    world.ticket("1h")
    assert [(d.play, world.spoken(d.at)) for d in world.done.decisions] == [("fix", "1h"), ("note", "1h")]


def recorded(what: str) -> Told:
    """A backtest over the events and the receipts of a run."""
    streams = (
        StreamSpec(name="usage", lateness_ms=0),
        StreamSpec(name="people", family="profile", describes="customer", lateness_ms=0),
        StreamSpec(name="receipts", family="outcome", events=(RECEIPT,), lateness_ms=0),
    )
    entities = tuple(EntitySpec(kind=kind, fields=(kind,)) for kind in ENTITIES)
    first = Told(FIX, NOTE, RING)
    first.ticket("1h")
    world = Told(FIX, NOTE, RING, streams=streams, entities=entities, is_trial=True)
    world.hears(RECEIPT, "1h 5m", "receipts", account="acme", action_id=first.done.actions[0].id, what=what)
    world.ticket("1h")
    world.restart()
    world.wait_until("2h")
    return world


@pytest.mark.parametrize(("what", "then"), [("delivered", "note"), ("rejected", "ring")])
def test_recorded_receipts_say_what_became_of_it_then(what: str, then: str) -> None:
    world = recorded(what)
    assert [(d.play, world.spoken(d.at)) for d in world.done.decisions] == [("fix", "1h"), (then, "1h 5m")]


# ---- taken back


@pytest.mark.parametrize(
    ("event", "about", "is_recalled"),
    [
        ("no", {}, True),
        ("no", {"purpose": "marketing"}, True),
        ("no", {"channel": "email", "purpose": "survey"}, True),
        ("no", {"channel": "sms"}, False),
        ("no", {"purpose": "service"}, False),
        ("no", {"customer": "ben"}, False),
        ("yes", {}, False),
        ("sms.received", {"text": "stop"}, False),
        ("profile", {"newsletter": False}, True),
        ("profile", {"newsletter": True}, False),
    ],
)
def test_a_no_takes_back_what_it_is_about(event: str, about: dict[str, Any], is_recalled: bool) -> None:
    offer = play("offer", channel="email", purpose="marketing", tags=("survey",))
    world = Told(offer, policies=Policies(consent=ASKED))
    world.says("yes", "0h")
    world.ticket("1h")
    world.restart()
    world.says(event, "2h", **about)
    assert [recall.action_ids for recall in world.done.recalls] == [(world.done.actions[0].id,)] * is_recalled


def test_stop_takes_back_what_is_critical_as_well_and_names_nobody() -> None:
    world = Told(play("lock", channel="sms", purpose="critical"), policies=Policies(consent=ASKED))
    world.ticket("1h")
    world.says("sms.received", "2h", text="Stop!")
    world.says("sms.received", "3h", text="stop")
    assert [recall.why for recall in world.done.recalls] == ["they do not want anything by sms any more"]


def test_what_was_refused_is_not_taken_back() -> None:
    world = Told(play("news", channel="email"), policies=Policies(consent=ASKED))
    world.ticket("1h")
    world.became("rejected")
    world.wait_until("1h 1s")
    world.says("no", "2h")
    assert world.done.recalls == []


def test_nothing_is_left_of_somebody_erased() -> None:
    world = Told(NEWS, policies=Policies(consent=ASKED))
    world.ticket("1h")
    (unit,) = world.chain.units.known.values()
    assert b"ada" in encode_unit(unit)
    strip_unit(unit, "customer:ada")
    strip_unit(unit, "session:s1")
    assert b"ada" not in encode_unit(unit)
    assert unit.underway == []


# ---- courses


def test_a_step_goes_another_way_by_itself_and_the_next_comes_once() -> None:
    later = [
        play("news", channel=channel, fallback=fallback) for channel, fallback in (("sms", ("chat",)), ("desk", ()))
    ]
    steps = tuple(CourseStep(name=f"s{n}", after_ms=ms("1d"), play=one) for n, one in enumerate(later))
    world = Told(play("news", channel="email", fallback=("sms",), steps=steps, while_open=False))
    world.ticket("1h")
    world.became("rejected")
    world.wait_until("1d 2h")
    world.became("rejected")
    world.wait_until("9d")
    ways = [(a.step, a.channel, world.spoken(a.at)) for a in world.done.actions]
    assert ways == [
        *(("first", "email", "1h"), ("first", "sms", "1h")),
        *(("s0", "sms", "1d 1h"), ("s0", "chat", "1d 2h"), ("s1", "desk", "2d 1h")),
    ]
