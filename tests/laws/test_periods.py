"""Calendar periods are what a calendar on the wall says, daylight saving included, and each holds its own events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.periods import PERIODS, period_of
from engine.model import DAY_MS, HOUR_MS, Event
from engine.ports import Scalar
from tests.laws import oracles
from tests.laws.people import AMOUNTS, Watcher, event_of, measure, where_is

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo")
# 2026-03-01 00:00 UTC and 2026-10-01: both halves of the year's clock changes lie within the 45 days after.
SPRING, AUTUMN = 1_772_323_200_000, 1_790_812_800_000
WORDS = ("count", "sum", "average", "share", "highest", "lowest", "latest", "distinct")

zones = st.sampled_from(ZONES)
seasons = st.sampled_from((SPRING, AUTUMN))
offsets = st.one_of(st.integers(0, 45 * DAY_MS), st.integers(0, 45 * 96).map(lambda quarter: quarter * 900_000))


@given(zone=zones, season=seasons, offset=offsets, period=st.sampled_from(PERIODS))
def test_a_period_lasts_as_long_as_the_calendar_says(zone: str, season: int, offset: int, period: str) -> None:
    at = season + offset
    assert period_of(at, period, zone) == oracles.period_at(at, period, zone)


@pytest.mark.parametrize(("start", "hours"), [(SPRING + 28 * DAY_MS, 23), (AUTUMN + 24 * DAY_MS, 25)])
def test_the_days_of_the_clock_change_are_an_hour_shorter_or_longer(start: int, hours: int) -> None:
    first, last = period_of(start + 12 * HOUR_MS, "1d", "Europe/Berlin")
    assert last - first == hours * HOUR_MS


@st.composite
def rows_over(draw: st.DrawFn, span_ms: int) -> list[Event]:
    rows = draw(
        st.lists(st.tuples(st.integers(0, span_ms), AMOUNTS, st.sampled_from(["low", "high"])), min_size=1, max_size=20)
    )
    base = draw(seasons)
    return [event_of("paid", base + at, f"e{n}", amount=amount, priority=p) for n, (at, amount, p) in enumerate(rows)]


def options_of(word: str, period: str) -> dict[str, object]:
    options: dict[str, object] = {"event": ("paid",), "every": period}
    if word == "share":
        options["where"] = where_is("priority", "high")
    if word not in ("count", "share"):
        options["field"] = "amount"
    return options


def word_in(word: str, events: list[Event], stretch: tuple[int, int]) -> Scalar:
    held = [event for event in events if stretch[0] <= event.at < stretch[1]]
    where = where_is("priority", "high") if word == "share" else ()
    return oracles.word_over(word, held, where, "amount")


@given(
    word=st.sampled_from(WORDS),
    zone=zones,
    period_and_rows=st.one_of(
        st.tuples(st.sampled_from(["1h", "3h", "6h", "12h"]), rows_over(3 * DAY_MS)),
        st.tuples(st.sampled_from(["1d", "1w"]), rows_over(40 * DAY_MS)),
        st.tuples(st.just("1mo"), rows_over(200 * DAY_MS)),
    ),
    rows=st.integers(1, 4),
    later=st.integers(0, 20 * DAY_MS),
    cut=st.integers(0, 20),
)
def test_open_and_closed_periods_hold_what_happened_in_them(
    word: str, zone: str, period_and_rows: tuple[str, list[Event]], rows: int, later: int, cut: int
) -> None:
    """In any order, interrupted anywhere. A period that had begun before the first event is unknown."""
    period, events = period_and_rows
    tracker, reader = measure(word, closed=rows, **options_of(word, period))
    watcher = Watcher(tracker, events[0].at, zone)
    watcher.add_all(events[:cut])
    watcher.interrupt()
    watcher.add_all(events[cut:])
    now = watcher.known.seen_at + later
    open_period = oracles.period_at(now, period, zone)
    wanted = oracles.closed_periods(now, min(event.at for event in events), period, zone, rows)
    assert reader.value(watcher.slot, now, watcher.known) == word_in(word, events, open_period)
    assert reader.closed is not None
    found = reader.closed(watcher.slot, now, watcher.known, rows)
    assert found == (None if wanted is None else [word_in(word, events, stretch) for stretch in wanted])
    assert tracker.turn(watcher.slot, now, watcher.known) == open_period[1]


@given(zone=zones, season=seasons, years=st.integers(1, 40), period=st.sampled_from(PERIODS))
def test_after_years_of_silence_the_periods_are_empty_and_aligned(
    zone: str, season: int, years: int, period: str
) -> None:
    tracker, reader = measure("count", closed=3, event=("paid",), every=period)
    watcher = Watcher(tracker, season, zone)
    watcher.add(event_of("paid", season))
    now = season + years * 365 * DAY_MS
    assert reader.closed is not None
    assert reader.closed(watcher.slot, now, watcher.known, 3) == [0, 0, 0]
    assert watcher.slot[:2] == list(oracles.period_at(now, period, zone))
