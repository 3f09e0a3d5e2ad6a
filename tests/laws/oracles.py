"""What the words mean, computed the slow way: from all events ever sent, with no memory and no cleverness.

Each function is written from what the documentation promises. The trackers must agree with them on any input.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from engine.core.matching import holds, read_path
from engine.model import Event, Json, Scalar
from engine.ports import FieldTest, Step

QUARTER_MS = 900_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def takes(where: tuple[FieldTest, ...], event: Event) -> bool:
    return all(holds(read_path(event.attributes, test.path), test.comparator, test.value) for test in where)


# ---- windows


def in_window(events: Sequence[Event], now: int, over_ms: int, panes: int) -> list[Event]:
    """The events in the pane of `now` and the `panes - 1` before it."""
    pane_ms = max(1, over_ms // panes)
    first = now // pane_ms - panes + 1
    return [event for event in events if first <= event.at // pane_ms <= now // pane_ms]


def number_of(event: Event, field: str) -> int | float | None:
    value = read_path(event.attributes, field)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def numbers(events: Sequence[Event], field: str) -> list[int | float]:
    return [value for event in events if (value := number_of(event, field)) is not None]


def millionths(events: Sequence[Event], field: str) -> int:
    return sum(round(value * 1_000_000) for value in numbers(events, field))


def latest(events: Sequence[Event], field: str) -> Json:
    """The value of the event that happened last; of several at one moment, of the one with the largest id."""
    for event in sorted(events, key=lambda event: (event.at, event.id), reverse=True):
        value = read_path(event.attributes, field)
        if value is not None and not isinstance(value, dict | list):
            return value
    return None


def distinct(events: Sequence[Event], field: str) -> int:
    """How many values; 1 and 1.0 are one, true is another."""
    seen: list[tuple[bool, Json]] = []
    for event in events:
        value = read_path(event.attributes, field)
        if value is not None and (isinstance(value, bool), value) not in seen:
            seen.append((isinstance(value, bool), value))
    return len(seen)


def word_over(word: str, events: Sequence[Event], where: tuple[FieldTest, ...], field: str) -> Scalar:
    """The value of a word over these events; a rate is given as their count."""
    taken = [event for event in events if takes(where, event)]
    values = numbers(taken, field)
    if word in ("count", "rate"):
        return len(taken)
    if word == "share":
        return len(taken) / len(events) if events else None
    if word == "sum":
        return millionths(taken, field) / 1_000_000
    if word == "average":
        return millionths(taken, field) / (len(values) * 1_000_000) if values else None
    if word in ("highest", "lowest"):
        return (max if word == "highest" else min)(values, default=None)
    if word == "distinct":
        return distinct(taken, field)
    assert word == "latest", word
    found = latest(taken, field)
    assert not isinstance(found, dict | list)
    return found


# ---- calendar periods


def _label(at: int, period: str, zone: str) -> tuple[object, ...]:
    """What a calendar on the wall of that zone calls the period; neighbouring moments with one label share it."""
    local = (EPOCH + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone))
    if period == "1mo":
        return local.year, local.month
    if period == "1w":
        return local.isocalendar()[:2]
    if period == "1d":
        return (local.date(),)
    return local.date(), local.hour // int(period.removesuffix("h"))


@lru_cache(maxsize=10_000)
def period_around(quarter: int, period: str, zone: str) -> tuple[int, int]:
    """Walks a quarter of an hour at a time to where the label changes, both ways."""
    label, first, last = _label(quarter * QUARTER_MS, period, zone), quarter, quarter + 1
    while _label((first - 1) * QUARTER_MS, period, zone) == label:
        first -= 1
    while _label(last * QUARTER_MS, period, zone) == label:
        last += 1
    return first * QUARTER_MS, last * QUARTER_MS


def period_at(at: int, period: str, zone: str) -> tuple[int, int]:
    return period_around(at // QUARTER_MS, period, zone)


def closed_periods(now: int, since: int, period: str, zone: str, how_many: int) -> list[tuple[int, int]] | None:
    """The last full periods before `now`, newest first; None where the oldest began before `since`."""
    found: list[tuple[int, int]] = []
    start = period_at(now, period, zone)[0]
    for _ in range(how_many):
        found.append(period_at(start - 1, period, zone))
        start = found[-1][0]
    return found if start >= since else None


# ---- silence and promises


def stalled_between(stalls: Sequence[tuple[int, int]], since: int, until: int) -> int:
    return sum(max(0, min(end, until) - max(start, since)) for start, end in stalls)


def is_silent(
    matches: Sequence[int], first_seen: int, now: int, within: int, stalls: Sequence[tuple[int, int]] = ()
) -> bool:
    """Nothing came for `within`, not counting the time in which nothing could come."""
    since = max([first_seen, *matches])
    return now - since - stalled_between(stalls, since, now) >= within


def is_unanswered(starts: Sequence[int], ends: Sequence[tuple[int, bool]], now: int, within: int) -> bool:
    """Some start is at least `within` old and no end came after it, or with it without being a start itself.

    Ends are (time, is it a start too).
    """
    return any(
        start + within <= now and not any(end > start or (end == start and not both) for end, both in ends)
        for start in starts
    )


# ---- sequences


class Wanted(NamedTuple):
    """A step to be taken, and the steps that may not happen between the one before and it."""

    step: Step
    nots: tuple[Step, ...]


def wanted_of(steps: Sequence[Step]) -> list[Wanted]:
    found: list[Wanted] = []
    nots: list[Step] = []
    for step in steps:
        if step.negated:
            nots.append(step)
        else:
            found.append(Wanted(step, tuple(nots)))
            nots = []
    return found


def fits(step: Step, event: Event) -> bool:
    return event.event in step.events and takes(step.where, event)


class Search(NamedTuple):
    """Every way to pick events that satisfies all steps; as positions in the order of (at, id)."""

    ordered: list[Event]
    wanted: list[Wanted]

    def whole_matches(self) -> Iterator[list[int]]:
        for at, event in enumerate(self.ordered):
            if fits(self.wanted[0].step, event):
                yield from self.go_on([at], 0, 1)

    def go_on(self, picked: list[int], number: int, times: int) -> Iterator[list[int]]:
        """All matches that begin with `picked`, the last `times` of which were taken for one step."""
        step = self.wanted[number].step
        if times >= step.at_least and number + 1 == len(self.wanted):
            yield picked
        elif times >= step.at_least:
            for at in self.next_after(picked[-1], *self.wanted[number + 1]):
                yield from self.go_on([*picked, at], number + 1, 1)
        if not step.at_most or times < step.at_most:
            for at in self.next_after(picked[-1], step, ()):
                yield from self.go_on([*picked, at], number, times + 1)

    def next_after(self, last: int, step: Step, nots: tuple[Step, ...]) -> Iterator[int]:
        """What may be taken next: nothing in between if strict, and nothing forbidden in any case."""
        for at in range(last + 1, len(self.ordered)):
            if fits(step, self.ordered[at]):
                yield at
            if step.strict or any(fits(no, self.ordered[at]) for no in nots):
                return


def has_match(events: Sequence[Event], steps: Sequence[Step], now: int, within: int) -> bool:
    """Does a whole match lie within the last `within`?"""
    recent = [event for event in events if now - within <= event.at <= now]
    ordered = sorted(recent, key=lambda event: (event.at, event.id))
    return any(True for _ in Search(ordered, wanted_of(steps)).whole_matches())


# ---- the life of a signal


class Sample(NamedTuple):
    """How things stand from `at` on: is `when` true, and is `resolve_when`?"""

    at: int
    when: bool
    over: bool


def life_of(samples: Sequence[Sample], until: int, for_ms: int, keep_ms: int) -> list[tuple[str, int]]:
    """What is said, and when, found by looking at every moment. Without `resolve_when`, `over` is `not when`."""
    said: list[tuple[str, int]] = []
    phase, true_since, over_since = "quiet", 0, -1
    for now in range(samples[0].at, until + 1):
        _, when, over = max(sample for sample in samples if sample.at <= now)
        if phase == "quiet" and when:
            phase, true_since = "pending", now
        if phase == "pending" and not when:
            phase = "quiet"
        if phase == "pending" and now - true_since >= for_ms:
            phase, over_since = "firing", -1
            said.append(("firing", now))
        elif phase == "firing" and over and not when:
            over_since = now if over_since < 0 else over_since
            if now - over_since >= keep_ms:
                phase = "quiet"
                said.append(("resolved", now))
        elif phase == "firing":
            over_since = -1
    return said
