"""The week put together: people, four weeks of history, the background, and the stories in it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import msgspec

from engine.model import DAY_MS, WEEK_MS
from engine.shells.company.background import Week
from engine.shells.company.book import Book, Row
from engine.shells.company.history import fall_silent, introduce_everybody, recall
from engine.shells.company.people import Account, Customer, meet
from engine.shells.company.stories import NearMiss, Plot, Stories, Story

MONDAY_MS = 1_772_409_600_000  # 2026-03-02T00:00Z
# 1970-01-01 was a Thursday, so Mondays lie four days after a multiple of seven.
FIRST_MONDAY_MS = 4 * DAY_MS


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated week: who is there, the rows of each stream in order of time, and what was planted in them.

    `delivered_twice` are the ids of rows that their source sends again; `write` repeats them.
    """

    seed: int
    start_ms: int
    days: int
    accounts: tuple[Account, ...]
    customers: tuple[Customer, ...]
    streams: Mapping[str, tuple[Row, ...]]
    stories: tuple[Story, ...]
    near_misses: tuple[NearMiss, ...]
    delivered_twice: tuple[str, ...]

    def late_in(self, region: str, after: int, before: int) -> set[str]:
        """The people whose parcels were scanned as late there in that time, both ends left out."""
        late = [row for row in self.streams["logistics"] if row["status"] == "late" and row["region"] == region]
        return {str(row["customer"]) for row in late if isinstance(at := row["at"], int) and after < at < before}


def simulate(seed: int, start_ms: int = MONDAY_MS, days: int = 7) -> Company:
    """The week from Monday `start_ms` on, with four weeks of sparse history before it. Same seed, same company.

    The stories fill the first seven days; more `days` add ordinary ones. Raises ValueError for a start that is not a
    Monday 00:00 UTC, or fewer than seven days.
    """
    if (start_ms - FIRST_MONDAY_MS) % WEEK_MS or days < 7:
        raise ValueError(
            f"a simulated week starts on a Monday 00:00 UTC and has 7 days or more, not {start_ms}, {days}"
        )
    # A simulation wants the same numbers for the same seed, not secrecy.
    rng = Random(seed)  # noqa: S311
    people, book, plot = meet(rng), Book(), Plot()
    week = Week(rng, book, people, start_ms)
    introduce_everybody(week)
    recall(week)
    week.live_through(days)
    stories = Stories(week, plot)
    stories.plant()
    fall_silent(stories)
    streams = book.streams(until=start_ms + days * DAY_MS)
    return Company(
        seed=seed,
        start_ms=start_ms,
        days=days,
        accounts=people.accounts,
        customers=people.customers,
        streams=streams,
        stories=tuple(sorted(plot.stories, key=lambda story: (story.at, story.name))),
        near_misses=tuple(plot.near_misses),
        delivered_twice=_ids_of(streams, plot.delivered_twice),
    )


def _ids_of(streams: Mapping[str, tuple[Row, ...]], noted: list[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(str(row["id"]) for stream, at in noted for row in streams[stream] if row["at"] == at)
