"""Sliding windows agree with looking at all events again, whatever order they come in."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from engine.model import Event
from engine.ports import Scalar
from tests.laws import oracles
from tests.laws.people import KINDS, MONDAY, SECOND, Watcher, events_between, measure, where_is

ADDED = ("count", "sum", "average", "share", "rate")
KEPT = ("highest", "lowest", "latest", "distinct")
FIELDS = ("sum", "average", *KEPT)
# A minute in ten-second panes; panes that do not divide the window; a single pane; panes of a millisecond.
SHAPES = ((60_000, 6), (100_000, 7), (30_000, 1), (50, 50))
HIGH = where_is("priority", "high")

words = st.sampled_from(ADDED + KEPT)
shapes = st.sampled_from(SHAPES)
arrivals = events_between(("paid", "other"), 400)


def options_of(word: str, shape: tuple[int, int], *, filtered: bool) -> dict[str, object]:
    options: dict[str, object] = {"event": ("paid",), "over": shape[0], "panes": shape[1]}
    if word in FIELDS:
        options["field"] = "amount"
    if word == "rate":
        options["unit"] = shape[0]  # so that a rate reads as a count
    if filtered or word == "share":
        options["where"] = HIGH
    return options


def expected(word: str, options: dict[str, object], events: list[Event], now: int) -> Scalar:
    paid = [event for event in events if event.event == "paid"]
    held = oracles.in_window(paid, now, options["over"], options["panes"])  # type: ignore[arg-type]
    return oracles.word_over(word, held, options.get("where", ()), options.get("field", ""))  # type: ignore[arg-type]


@given(word=words, shape=shapes, filtered=st.booleans(), events=arrivals)
def test_at_every_event_the_measure_is_what_the_events_so_far_say(
    word: str, shape: tuple[int, int], filtered: bool, events: list[Event]
) -> None:
    options = options_of(word, shape, filtered=filtered)
    tracker, reader = measure(word, **options)
    watcher = Watcher(tracker, MONDAY)
    for number, event in enumerate(events, 1):
        watcher.add(event)
        now = watcher.known.seen_at
        assert reader.value(watcher.slot, now, watcher.known) == expected(word, options, events[:number], now)


@given(word=words, shape=shapes, events=arrivals, looks=st.lists(st.integers(0, 600), max_size=5))
def test_time_alone_empties_the_window(
    word: str, shape: tuple[int, int], events: list[Event], looks: list[int]
) -> None:
    options = options_of(word, shape, filtered=False)
    tracker, reader = measure(word, **options)
    watcher = Watcher(tracker, MONDAY)
    watcher.add_all(events)
    for now in sorted(watcher.known.seen_at + look * SECOND for look in looks):
        assert reader.value(watcher.slot, now, watcher.known) == expected(word, options, events, now)


@given(word=words, shape=shapes, events=arrivals, seed=st.integers(0, 99))
def test_order_does_not_matter(word: str, shape: tuple[int, int], events: list[Event], seed: int) -> None:
    options = options_of(word, shape, filtered=False)
    shuffled = random.Random(seed).sample(events, len(events))
    values = []
    for order in (events, shuffled):
        tracker, reader = measure(word, **options)
        watcher = Watcher(tracker, MONDAY)
        watcher.add_all(order)
        values.append(reader.value(watcher.slot, watcher.known.seen_at, watcher.known))
    assert values[0] == values[1]


@given(word=words, shape=shapes, events=arrivals)
def test_an_event_is_refused_exactly_when_its_pane_is_gone(
    word: str, shape: tuple[int, int], events: list[Event]
) -> None:
    tracker, reader = measure(word, **options_of(word, shape, filtered=False))
    watcher = Watcher(tracker, MONDAY)
    for event in events:
        now = max(watcher.known.seen_at, event.at)
        reader.value(watcher.slot, watcher.known.seen_at, watcher.known)
        taken = watcher.add(event)
        if event.event == "paid":
            assert taken is bool(oracles.in_window([event], now, *shape))


@given(word=words, shape=shapes, events=arrivals)
def test_between_two_turns_nothing_changes(word: str, shape: tuple[int, int], events: list[Event]) -> None:
    tracker, reader = measure(word, **options_of(word, shape, filtered=False))
    watcher = Watcher(tracker, MONDAY)
    watcher.add_all(events)
    now = watcher.known.seen_at
    before = reader.value(watcher.slot, now, watcher.known)
    turn = tracker.turn(watcher.slot, now, watcher.known)
    assert turn > now
    assert reader.value(watcher.slot, min(turn - 1, now + 10**9), watcher.known) == before


@given(word=words, shape=shapes, events=arrivals, cut=st.integers(0, 25))
def test_an_interruption_changes_nothing(word: str, shape: tuple[int, int], events: list[Event], cut: int) -> None:
    options = options_of(word, shape, filtered=False)
    tracker, reader = measure(word, **options)
    watcher = Watcher(tracker, MONDAY)
    watcher.add_all(events[:cut])
    watcher.interrupt()
    watcher.add_all(events[cut:])
    now = watcher.known.seen_at
    assert reader.value(watcher.slot, now, watcher.known) == expected(word, options, events, now)


@given(shape=shapes, before=arrivals, after=arrivals, first=st.sampled_from(ADDED), second=st.sampled_from(ADDED))
def test_a_measure_added_later_leaves_the_history_of_the_others(
    shape: tuple[int, int], before: list[Event], after: list[Event], first: str, second: str
) -> None:
    kind = KINDS["count"]
    uses = [(word, kind.options(**options_of(word, shape, filtered=False)), 1) for word in (first, second)]
    alone, _readers = kind.build(uses[:1])
    both, readers = kind.build(uses[::-1])
    watcher = Watcher(alone, MONDAY)
    watcher.add_all(before)
    watcher.tracker, watcher.slot = both, both.adopt(watcher.slot, alone.columns, watcher.known)
    watcher.add_all(after)
    now = watcher.known.seen_at
    found = readers[1].value(watcher.slot, now, watcher.known)
    assert found == expected(first, options_of(first, shape, filtered=False), before + after, now)
