"""Silence, promises and sequences agree with looking at all events again."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.core.state import Stalls
from engine.model import Event
from engine.ports import NEVER, Step
from tests.laws import oracles
from tests.laws.people import MONDAY, SECOND, Watcher, condition, event_of, events_between, where_is

HIGH = where_is("priority", "high")
WITHIN = 60 * SECOND
looks = st.lists(st.integers(0, 200), max_size=6).map(sorted)


# ---- silence


@given(events=events_between(("login", "other"), 300), filtered=st.booleans(), looks=looks)
def test_silence_is_the_time_since_the_last_match(events: list[Event], filtered: bool, looks: list[int]) -> None:
    where = HIGH if filtered else ()
    watcher = Watcher(condition("absent", event=("login",), within=WITHIN, where=where), MONDAY + 100 * SECOND)
    for number, event in enumerate(events, 1):
        watcher.add(event)
        logins = [e.at for e in events[:number] if e.event == "login" and oracles.takes(where, e)]
        for now in (watcher.known.seen_at + look * SECOND for look in looks):
            wanted = oracles.is_silent(logins, watcher.known.first_seen, now, WITHIN)
            assert watcher.truth(now) is wanted


@given(logins=st.lists(st.integers(0, 200), max_size=4), spans=st.lists(st.integers(0, 400), max_size=6, unique=True))
def test_time_in_which_nothing_could_come_is_not_silence(logins: list[int], spans: list[int]) -> None:
    edges = [MONDAY + span * SECOND for span in sorted(spans)]
    stalls = Stalls()
    stalls.by_event["login"] = list(zip(edges[::2], edges[1::2], strict=False))
    silence = condition("absent", event=("login",), within=WITHIN)
    watcher = Watcher(silence, MONDAY, stalls=stalls)
    watcher.add_all([event_of("login", MONDAY + at * SECOND) for at in logins])
    for now in range(watcher.known.seen_at, MONDAY + 600 * SECOND, 7 * SECOND):
        matches = [MONDAY + at * SECOND for at in logins]
        wanted = oracles.is_silent(matches, MONDAY, now, WITHIN, stalls.by_event["login"])
        assert watcher.truth(now) is wanted


# ---- promises


@given(events=events_between(("step", "paid", "both"), 300), filtered=st.booleans(), looks=looks)
def test_a_promise_is_broken_while_an_old_start_has_no_end_after_it(
    events: list[Event], filtered: bool, looks: list[int]
) -> None:
    where = HIGH if filtered else ()
    options = {"after": ("step",), "event": ("paid",), "within": WITHIN, "where": where}
    _holds_like_the_oracle(events, options, looks)


@given(events=events_between(("step", "paid"), 300), filtered=st.booleans(), looks=looks)
def test_a_step_answers_the_one_before_it_and_waits_for_the_next(
    events: list[Event], filtered: bool, looks: list[int]
) -> None:
    options = {
        "after": ("step",),
        "event": ("step", "paid"),
        "within": WITHIN,
        "after_where": HIGH if filtered else (),
    }
    _holds_like_the_oracle(events, options, looks)


def _holds_like_the_oracle(events: list[Event], options: dict[str, Any], looks: list[int]) -> None:
    promise = condition("expect", **options)
    watcher = Watcher(promise, MONDAY)
    where, after_where = options.get("where", ()), options.get("after_where", ())
    for number, event in enumerate(events, 1):
        watcher.add(event)
        watcher.interrupt()
        starts = [e for e in events[:number] if e.event in options["after"] and oracles.takes(after_where, e)]
        ends = [e for e in events[:number] if e.event in options["event"] and oracles.takes(where, e)]
        for now in (watcher.known.seen_at + look * SECOND for look in looks):
            times = [(end.at, end in starts) for end in ends]
            wanted = oracles.is_unanswered([start.at for start in starts], times, now, WITHIN)
            assert watcher.truth(now) is wanted


# ---- sequences


@st.composite
def patterns(draw: st.DrawFn) -> tuple[Step, ...]:
    def step(*, negated: bool) -> Step:
        events = draw(st.sampled_from([("a",), ("b",), ("c",), ("a", "b")]))
        where = draw(st.sampled_from([(), HIGH]))
        if negated:
            return Step(events=events, where=where, negated=True)
        least = draw(st.integers(1, 3))
        most = draw(st.sampled_from([0, least, least + 1]))
        return Step(events=events, where=where, at_least=least, at_most=most, strict=draw(st.booleans()))

    steps = [step(negated=False)]
    for _ in range(draw(st.integers(0, 2))):
        steps += [step(negated=True) for _ in range(draw(st.integers(0, 1)))]
        steps.append(step(negated=False))
    if len(steps) == 1 and steps[0].at_least < 2:
        steps.append(step(negated=False))
    return tuple(steps)


few = events_between(("a", "b", "c"), 90, most=9) | events_between(("a", "b"), 6, most=6)


def test_a_contact_heard_of_late_breaks_the_match_it_fell_into() -> None:
    steps = (Step(events=("declined",)), Step(events=("contacted",), negated=True), Step(events=("charged",)))
    pattern = condition("sequence", steps=steps, within=WITHIN)
    watcher = Watcher(pattern, MONDAY)
    watcher.add_all([event_of("declined", MONDAY), event_of("charged", MONDAY + 20 * SECOND)])
    assert watcher.truth(watcher.known.seen_at)
    watcher.add(event_of("contacted", MONDAY + 10 * SECOND))
    assert not watcher.truth(watcher.known.seen_at)


@given(steps=patterns(), events=few, looks=looks)
def test_a_sequence_holds_while_a_whole_match_is_recent(
    steps: tuple[Step, ...], events: list[Event], looks: list[int]
) -> None:
    """Events come in any order: one that comes late may complete a match, or break one that had been found."""
    pattern = condition("sequence", steps=steps, within=WITHIN)
    watcher = Watcher(pattern, MONDAY)
    for number, event in enumerate(events, 1):
        watcher.add(event)
        watcher.interrupt()
        for now in [watcher.known.seen_at, *(watcher.known.seen_at + look * SECOND for look in looks)]:
            wanted = oracles.has_match(events[:number], steps, now, WITHIN)
            assert watcher.truth(now) is wanted


@given(steps=patterns(), events=few, seed=st.integers(0, 99))
def test_the_order_of_arrival_does_not_matter(steps: tuple[Step, ...], events: list[Event], seed: int) -> None:
    truths = []
    for order in (events, random.Random(seed).sample(events, len(events))):
        watcher = Watcher(condition("sequence", steps=steps, within=WITHIN), MONDAY)
        watcher.add_all(order)
        truths.append(watcher.truth(watcher.known.seen_at))
    assert truths[0] == truths[1]


# ---- turns


@given(events=events_between(("a", "b", "c"), 200), word=st.sampled_from(["absent", "expect", "sequence"]))
def test_a_condition_changes_only_at_its_turn(events: list[Event], word: str) -> None:
    options: dict[str, object] = {"event": ("a",)}
    if word == "expect":
        options = {"after": ("a",), "event": ("b",)}
    if word == "sequence":
        options = {"steps": (Step(events=("a",)), Step(events=("b",)))}
    kept = condition(word, within=WITHIN, **options)
    watcher = Watcher(kept, MONDAY)
    watcher.add_all(events)
    now, known = watcher.known.seen_at, watcher.known
    turn, before = kept.turn(watcher.slot, now, known), watcher.truth(now)
    assert turn > now
    assert kept.truth(watcher.slot, min(turn - 1, now + 10**9), known) is before
    if turn < NEVER:
        assert watcher.truth(turn) is not before
