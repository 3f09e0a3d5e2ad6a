"""`alike` agrees with comparing all messages again, whatever order they come in, and keeps no text."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detectors.alike import REMEMBERED, USUAL_LIKENESS, Messages
from engine.core.sketch import KEPT, is_alike, likeness, sketch_of
from engine.model import Event
from tests.laws.people import MONDAY, SECOND, Watcher, event_of, measure, where_is

OVER = 60 * SECOND
WORDS = ("invoice", "invoices", "parcel", "lost", "printer", "broken", "customs", "refund", "the", "grüße", "12")


@st.composite
def messages(draw: st.DrawFn, most: int = 20) -> list[Event]:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 150), st.lists(st.sampled_from(WORDS), max_size=4), st.sampled_from(["low", "high"])
            ),
            max_size=most,
        )
    )
    return [
        event_of("opened", MONDAY + at * SECOND, f"e{number}", subject=" ".join(words), priority=priority)
        for number, (at, words, priority) in enumerate(rows)
    ]


def slowly(events: Sequence[Event], now: int, least: float, *, only_high: bool = False) -> int:
    """Each message joins together all groups that hold one like it; how large is the group of the newest?"""
    held = sorted(
        (event for event in events if not only_high or event.attributes["priority"] == "high"),
        key=lambda event: event.at,
    )
    held = [event for event in held if event.at > now - OVER and sketch_of([str(event.attributes["subject"])])]
    groups: list[list[list[int]]] = []
    for sketch in (sketch_of([str(event.attributes["subject"])]) for event in held):
        near = [group for group in groups if any(likeness(sketch, other) >= least for other in group)]
        joined = [sketch, *(one for group in near for one in group)]
        groups = [joined, *(group for group in groups if group not in near)]
    if not held:
        return 0
    newest = sketch_of([str(held[-1].attributes["subject"])])
    return next(len(group) for group in groups if newest in group)


def distinct_times(events: Sequence[Event]) -> list[Event]:
    """Of two at one moment the digests of their ids decide, which is of no concern here."""
    return list({event.at: event for event in events}.values())


@given(events=messages(), least=st.sampled_from([0.1, 0.3, 1.0]), only_high=st.booleans())
def test_at_every_message_the_group_is_what_the_messages_so_far_say(
    events: list[Event], least: float, only_high: bool
) -> None:
    where = where_is("priority", "high") if only_high else ()
    tracker, reader = measure("alike", event=("opened",), field=("subject",), over=OVER, likeness=least, where=where)
    watcher = Watcher(tracker, MONDAY)
    events = distinct_times(events)
    for number, event in enumerate(events, 1):
        watcher.add(event)
        watcher.interrupt()
        now = watcher.known.seen_at
        expected = slowly(events[:number], now, least, only_high=only_high)
        assert reader.value(watcher.slot, now, watcher.known) == expected


@given(events=messages(), looks=st.lists(st.integers(0, 200), max_size=4))
def test_time_alone_forgets(events: list[Event], looks: list[int]) -> None:
    tracker, reader = measure("alike", event=("opened",), field=("subject",), over=OVER)
    watcher = Watcher(tracker, MONDAY)
    events = distinct_times(events)
    watcher.add_all(events)
    for now in sorted(watcher.known.seen_at + look * SECOND for look in looks):
        assert reader.value(watcher.slot, now, watcher.known) == slowly(events, now, USUAL_LIKENESS)


@given(events=messages(most=100), seed=st.integers(0, 99))
def test_order_does_not_matter_also_where_more_come_than_are_remembered(events: list[Event], seed: int) -> None:
    slots = []
    for order in (events, random.Random(seed).sample(events, len(events))):
        tracker, _reader = measure("alike", event=("opened",), field=("subject",), over=OVER)
        watcher = Watcher(tracker, MONDAY)
        watcher.add_all(order)
        tracker.turn(watcher.slot, watcher.known.seen_at, watcher.known)
        slots.append(watcher.slot)
    assert slots[0] == slots[1]
    assert len(slots[0][1]) <= REMEMBERED


@given(st.text(max_size=400), st.text(max_size=400))
def test_likeness_is_a_share_and_does_not_ask_who_comes_first(one: str, other: str) -> None:
    mine, theirs = sketch_of([one]), sketch_of([other])
    assert mine == sorted(set(mine))
    assert len(mine) <= KEPT
    assert 0 <= likeness(mine, theirs) == likeness(theirs, mine) <= 1
    assert likeness(mine, mine) == (1 if mine else 0)
    for least in (0.01, 0.17, 0.5, 1.0):
        assert is_alike(frozenset(mine), frozenset(theirs), least) is (likeness(mine, theirs) >= least)


def test_what_is_remembered_is_bounded_and_the_newest_stay() -> None:
    tracker, reader = measure("alike", event=("opened",), field=("subject",), over=OVER)
    watcher = Watcher(tracker, MONDAY)
    for number in range(100):
        assert watcher.add(event_of("opened", MONDAY + number, subject="the invoice is wrong")) is True
    assert reader.value(watcher.slot, MONDAY + 99, watcher.known) == REMEMBERED
    assert watcher.add(event_of("opened", MONDAY + 1, "late", subject="the invoice is wrong")) is False
    assert len(msgspec.msgpack.encode(watcher.slot)) < 16_384


def test_no_word_of_a_message_is_kept() -> None:
    tracker, _reader = measure("alike", event=("opened",), field=("subject", "body"), over=OVER)
    watcher = Watcher(tracker, MONDAY)
    watcher.add(event_of("opened", MONDAY, subject="Broken printer", body="It was broken by Ada Lovelace"))
    kept = msgspec.msgpack.encode(watcher.slot).lower()
    assert not any(word.encode() in kept for word in ("broken", "printer", "lovelace", "ovel"))


def test_two_likenesses_read_one_memory() -> None:
    from detectors.alike import KINDS

    (kind,) = KINDS
    uses = [
        ("alike", kind.options(event=("opened",), field=("subject",), over=OVER, likeness=least), 1)
        for least in (USUAL_LIKENESS, 1.0)
    ]
    assert kind.share_key(*uses[0][:2]) == kind.share_key(*uses[1][:2])
    tracker, (loose, strict) = kind.build(uses)
    assert isinstance(tracker, Messages)
    watcher = Watcher(tracker, MONDAY)
    for number, subject in enumerate(("The invoice is wrong", "Another wrong invoice!", "invoices, wrong again")):
        watcher.add(event_of("opened", MONDAY + number, subject=subject))
    assert loose.value(watcher.slot, MONDAY + 2, watcher.known) == 3
    assert strict.value(watcher.slot, MONDAY + 2, watcher.known) == 1
