"""Tweets at six airlines: waves of complaints, lost luggage and cancelled flights, by the engine and by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.spec.types import Bounds
from tests.real.conftest import Backtested, Ran
from tests.real.product import episodes, refused, still_open, without_closing
from tests.real.reading import DAY, HOUR, Episode, Look, by, cooling, csv_rows, local_ms, spans, windows

MINUTE = HOUR // 60


class Tweet(NamedTuple):
    """What is left of a tweet when its text is left behind."""

    at: int
    airline: str
    mood: str
    reason: str


@pytest.fixture(scope="module")
def rows(data: Path) -> list[dict[str, str]]:
    return csv_rows(data / "airline_tweets/Tweets.csv.gz")


@pytest.fixture(scope="module")
def tweets(rows: list[dict[str, str]]) -> list[Tweet]:
    """Each id once, as it first stands in the file; in order of time, those of one minute in the order of the file."""
    first: dict[str, dict[str, str]] = {}
    for row in rows:
        first.setdefault(row["tweet_id"], row)
    found = [
        Tweet(
            local_ms(row["tweet_created"], "America/Los_Angeles", "%m/%d/%Y %H:%M"),
            row["airline"],
            row["airline_sentiment"],
            row["negativereason"],
        )
        for row in first.values()
    ]
    return sorted(found, key=lambda tweet: tweet.at)


@pytest.fixture(scope="module")
def by_hand(tweets: list[Tweet]) -> list[Episode]:
    end = max(tweet.at for tweet in tweets)
    return sorted(
        Episode(detector, airline, *span)
        for airline, about in by(lambda tweet: tweet.airline, tweets).items()
        for detector, span in of_airline(about, end)
    )


def of_airline(about: list[Tweet], end: int) -> Iterator[tuple[str, tuple[int, int]]]:
    yield from (("wave-of-complaints", span) for span in spans(waves(about, end), end, wait=30 * MINUTE))
    lost = counts(about, "Lost Luggage", DAY, (25, 15), end)
    yield from (("lost-luggage", span) for span in spans(lost, end))
    cancelled = counts(about, "Cancelled Flight", 6 * HOUR, (20, 10), end)
    yield from (("cancelled-flights", span) for span in spans(cancelled, end))


def waves(about: list[Tweet], end: int) -> Iterator[Look]:
    for at, moods, by_event in windows([(tweet.at, tweet.mood) for tweet in about], 3 * HOUR, end):
        share = moods.count("negative") / len(moods) if moods else None
        opens = share is not None and share >= 0.8 and len(moods) >= 30
        yield Look(at, opens, share is not None and share < 0.6, by_event)


def counts(about: list[Tweet], reason: str, over: int, limits: tuple[int, int], end: int) -> Iterator[Look]:
    named = [(tweet.at, tweet) for tweet in about if tweet.reason == reason]
    for at, held, by_event in windows(named, over, end):
        yield Look(at, len(held) >= limits[0], len(held) < limits[1], by_event)


def test_a_repeated_id_counts_once_and_is_set_aside_where_it_says_something_else(
    backtested: Backtested, rows: list[dict[str, str]]
) -> None:
    report = backtested("tweets").report
    pairs = [pair for pair in by(lambda row: row["tweet_id"], rows).values() if len(pair) == 2]
    assert len(rows) - len(pairs) == len({row["tweet_id"] for row in rows})
    assert report.events == {"tweets": len(rows)} == {"tweets": 14_640}
    assert report.noted == {"tweets duplicate": len(pairs), "tweets unknown_field": 14_640}
    differ = sum(one != other for one, other in pairs)
    assert report.dead_letters == {"tweets id_conflict": differ} == {"tweets id_conflict": 47}
    assert len(pairs) == 155


def test_texts_with_line_breaks_are_one_row(rows: list[dict[str, str]]) -> None:
    assert sum("\n" in row["text"] for row in rows) == 138


def test_the_same_waves_are_found_by_hand(backtested: Backtested, by_hand: list[Episode]) -> None:
    found = backtested("tweets")
    assert found.opened() == without_closing(by_hand)
    assert {name: count for name, count in found.open_at_end().items() if count} == still_open(by_hand)


def test_signals_close_when_they_should(ran: Ran, by_hand: list[Episode]) -> None:
    assert episodes(ran("tweets")) == by_hand
    assert refused(ran("tweets")) == {("tweets", "id_conflict"): 47}


def test_none_came_back_within_its_cooldown(backtested: Backtested, by_hand: list[Episode]) -> None:
    assert cooling(by_hand, "wave-of-complaints", 6 * HOUR, wait=30 * MINUTE) == 0
    assert {gate for _detector, gate in backtested("tweets").gates()} == {""}


def test_one_airline_is_hardly_in_the_log_before_its_last_two_days(tweets: list[Tweet]) -> None:
    """Its first signals say when collecting began, and nothing about the airline."""
    begun = local_ms("2/22/2015 11:00", "America/Los_Angeles", "%m/%d/%Y %H:%M")
    american = [tweet for tweet in tweets if tweet.airline == "American"]
    assert len(american) == 2_604
    assert sum(tweet.at < begun for tweet in american) == 4


def test_an_airline_hears_more_in_a_day_than_is_remembered_by_default(tweets: list[Tweet]) -> None:
    days = Counter((tweet.airline, tweet.at // DAY) for tweet in tweets)
    assert max(days.values()) > Bounds().seen_ids == 1_024
