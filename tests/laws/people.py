"""One entity and one tracker, fed the way the detect step feeds them, and the events they are fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

import detectors
from engine.core.state import Entity, Stalls
from engine.model import Event, Json
from engine.ports import Condition, FieldTest, Reader, Slot, Tracker

KINDS: dict[str, Any] = dict(detectors.load())
MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC
SECOND = 1_000


def event_of(name: str, at: int, event_id: str = "", **attributes: Json) -> Event:
    return Event(event_id or f"{name}@{at}", name, at, "usage", {"customer": "ada"}, attributes)


def where_is(path: str, *values: str) -> tuple[FieldTest, ...]:
    return (FieldTest(path, "is", values if len(values) > 1 else values[0]),)


def measure(word: str, closed: int = 1, **options: Any) -> tuple[Tracker, Reader]:
    """The tracker and the reader of one use of a word."""
    kind = KINDS[word]
    made = kind.options(**options)
    assert not kind.problems(word, made), kind.problems(word, made)
    tracker, (reader,) = kind.build([(word, made, closed)])
    return tracker, reader


def condition(word: str, **options: Any) -> Condition:
    kind = KINDS[word]
    made = kind.options(**options)
    assert not kind.problems(word, made), kind.problems(word, made)
    built: Condition = kind.build(word, made)
    return built


class Watcher:
    """Keeps a tracker's slot for an entity first seen at `at`."""

    def __init__(self, tracker: Tracker, at: int, zone: str = "UTC", stalls: Stalls | None = None) -> None:
        self.tracker = tracker
        self.known = Entity("customer", "ada", 1, stalls or Stalls())
        self.known.first_seen = self.known.seen_at = at
        self.known.zone = zone
        self.slot: Slot = tracker.empty(self.known)

    def add(self, event: Event) -> bool | None:
        self.known.seen_at = max(self.known.seen_at, event.at)
        self.known.first_seen = min(self.known.first_seen, event.at)
        wanted = "*" in self.tracker.events or event.event in self.tracker.events
        return self.tracker.add(self.slot, event, self.known) if wanted else None

    def add_all(self, events: Sequence[Event]) -> None:
        for event in events:
            self.add(event)

    def truth(self, now: int) -> bool | None:
        condition: Condition = self.tracker  # type: ignore[assignment]
        return condition.truth(self.slot, now, self.known)

    def interrupt(self) -> None:
        """Written down and read again."""
        self.slot = msgspec.msgpack.decode(msgspec.msgpack.encode(self.slot))


# ---- events to try

AMOUNTS = st.one_of(
    st.integers(-5, 5), st.floats(-10, 10, allow_nan=False, width=32), st.sampled_from(["a", "b", None, True])
)


@st.composite
def events_between(draw: st.DrawFn, names: tuple[str, ...], span: int, most: int = 25) -> list[Event]:
    """Events within `span` seconds, in any order, some at the same moment; ids differ."""
    rows = draw(
        st.lists(
            st.tuples(st.sampled_from(names), st.integers(0, span), AMOUNTS, st.sampled_from(["low", "high"])),
            max_size=most,
        )
    )
    return [
        event_of(name, MONDAY + at * SECOND, f"e{number}", amount=amount, priority=priority)
        for number, (name, at, amount, priority) in enumerate(rows)
    ]
