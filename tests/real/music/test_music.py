"""A music service: listeners who leave, are stuck, or nearly bought, found by the engine and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from tests.real.conftest import Backtested, Ran
from tests.real.product import episodes, refused, still_open, without_closing
from tests.real.reading import DAY, Episode, Look, by, cooling, followed, json_rows, spans, unanswered, windows

NEW_YORK = ZoneInfo("America/New_York")
TROUBLE = ("Help", "Error")


class Opened(NamedTuple):
    """A page that a listener opened."""

    at: int
    customer: str
    page: str


@pytest.fixture(scope="module")
def log(data: Path) -> list[Opened]:
    rows = json_rows(data / "sparkify_log_2018_11/events.jsonl.gz")
    return [Opened(row["ts"], row["userId"], row["page"]) for row in rows if row["userId"]]


@pytest.fixture(scope="module")
def by_hand(log: list[Opened]) -> list[Episode]:
    end = max(opened.at for opened in log)
    return sorted(
        Episode(detector, customer, *span)
        for customer, pages in by(lambda opened: opened.customer, log).items()
        for detector, span in of_customer(pages, end)
    )


def of_customer(pages: list[Opened], end: int) -> Iterator[tuple[str, tuple[int, int]]]:
    yield from (("gone-quiet", span) for span in quiet(pages, end))
    yield from (("two-weeks-with-few-songs", span) for span in spans(poor_weeks(pages, end), end))
    yield from (("stuck", span) for span in spans(cries(pages, end), end))
    trouble = [(one.at, one.page == "Downgrade", one.page in TROUBLE) for one in pages]
    leaving = spans(followed(trouble, DAY, end), end)
    yield from (("trouble-after-a-look-at-leaving", span) for span in leaving)
    looked, bought = ([one.at for one in pages if one.page == page] for page in ("Upgrade", "Submit Upgrade"))
    yield from (("upgrade-left-open", span) for span in unanswered(looked, bought, DAY, end))


def quiet(pages: list[Opened], end: int) -> Iterator[tuple[int, int]]:
    """Seven days after a page that no other followed, until the next one."""
    times = [one.at for one in pages]
    for at, following in zip(times, [*times[1:], 0], strict=True):
        if at + 7 * DAY < following or (not following and at + 7 * DAY <= end):
            yield at + 7 * DAY, following


def poor_weeks(pages: list[Opened], end: int) -> Iterator[Look]:
    """At the end of each week: were it and the one before it whole, and poor in songs?"""
    songs = [one.at for one in pages if one.page == "NextSong"]
    weeks = list(weeks_from(pages[0].at, end))
    few = [sum(start <= at < over for at in songs) < 5 for start, over in weeks]
    for (_start, over), last, this in zip(weeks[1:], few, few[1:], strict=False):
        yield Look(over, opens=last and this, closes=not (last and this))


def weeks_from(first: int, end: int) -> Iterator[tuple[int, int]]:
    """The whole calendar weeks in New York between two moments."""
    day = datetime.fromtimestamp(first / 1000, NEW_YORK).replace(tzinfo=None)
    monday = day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=7 - day.weekday())
    while (over := in_new_york(monday + timedelta(days=7))) <= end:
        yield in_new_york(monday), over
        monday += timedelta(days=7)


def in_new_york(local: datetime) -> int:
    return round(local.replace(tzinfo=NEW_YORK).timestamp() * 1000)


def cries(pages: list[Opened], end: int) -> Iterator[Look]:
    for at, held, by_event in windows([(one.at, one.page) for one in pages if one.page in TROUBLE], 7 * DAY, end):
        yield Look(at, len(held) >= 3, len(held) < 3, by_event)


def test_logged_out_rows_are_set_aside_and_all_others_taken(backtested: Backtested) -> None:
    report = backtested("music").report
    assert report.events == {"usage": 7_770}
    assert report.dead_letters == {"usage no_entity": 286}
    assert report.noted == {"usage unknown_field": 8_056}


def test_the_same_listeners_are_found_by_hand(backtested: Backtested, by_hand: list[Episode]) -> None:
    found = backtested("music")
    assert found.opened() == without_closing(by_hand)
    assert {name: count for name, count in found.open_at_end().items() if count} == still_open(by_hand)


def test_signals_close_when_they_should(ran: Ran, by_hand: list[Episode]) -> None:
    assert episodes(ran("music")) == by_hand
    assert refused(ran("music")) == {("usage", "no_entity"): 286}


def test_nobody_is_written_to_twice_within_the_cooldown(backtested: Backtested, by_hand: list[Episode]) -> None:
    gates = backtested("music").gates()
    assert gates["gone-quiet", "cooldown"] == cooling(by_hand, "gone-quiet", 14 * DAY) == 11
    assert gates["gone-quiet", ""] == 58
