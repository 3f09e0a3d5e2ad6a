"""The simulated company: what the demo and the reports lean on must be there, for any seed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from engine.model import DAY_MS, HOUR_MS
from engine.shells.company import (
    LATE_LINES,
    MALFORMED_LINES,
    MONDAY_MS,
    REPEATED_LINES,
    Company,
    simulate,
    write,
)
from engine.shells.times import from_text

SEEDS = (1, 2, 3, 2026)
every_seed = pytest.mark.parametrize("seed", SEEDS)


def rows(company: Company, event: str) -> list[dict[str, object]]:
    return [row for stream in company.streams.values() for row in stream if row["event"] == event]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@every_seed
def test_the_same_seed_writes_the_same_bytes(seed: int, tmp_path: Path) -> None:
    write(simulate(seed), tmp_path / "first")
    write(simulate(seed), tmp_path / "second")
    assert written(tmp_path / "first") == written(tmp_path / "second")


def test_another_seed_is_another_week() -> None:
    assert simulate(1).streams != simulate(2).streams


@every_seed
def test_a_week_is_of_a_size_that_a_small_company_has(seed: int) -> None:
    company = simulate(seed)
    in_the_week = [row for stream in company.streams.values() for row in stream if row["at"] >= company.start_ms]
    assert (len(company.accounts), len(company.customers)) == (40, 150)
    assert 12_000 <= len(in_the_week) <= 20_000


@every_seed
def test_rows_come_in_order_of_time_with_ids_of_their_own(seed: int) -> None:
    for stream in simulate(seed).streams.values():
        times = [row["at"] for row in stream]
        assert times == sorted(times)
        assert len({row["id"] for row in stream}) == len(stream)


@every_seed
def test_every_story_is_due_within_the_week(seed: int) -> None:
    company = simulate(seed)
    for story in company.stories:
        assert company.start_ms <= story.at <= story.by < company.start_ms + 7 * DAY_MS, story


@every_seed
def test_stories_and_near_misses_are_of_different_entities(seed: int) -> None:
    company = simulate(seed)
    told = {(story.detector, story.key) for story in company.stories}
    assert len(told) == len(company.stories)
    assert not told & {(near.detector, near.key) for near in company.near_misses}


@every_seed
def test_only_the_told_checkouts_are_left(seed: int) -> None:
    company = simulate(seed)
    paid = {row["session"] for row in rows(company, "order.placed") if "session" in row}
    left = {row["session"] for row in rows(company, "checkout.step")} - paid
    assert left == {story.key for story in company.stories if story.detector == "checkout-idle"}


@every_seed
def test_only_the_told_account_has_five_urgent_tickets(seed: int) -> None:
    company = simulate(seed)
    urgent = [row for row in rows(company, "ticket.opened") if row["priority"] in {"high", "urgent"}]
    many = {account for account, count in Counter(row["account"] for row in urgent).items() if count >= 5}
    assert many == {story.key for story in company.stories if story.detector == "urgent-ticket-surge"}


@every_seed
def test_only_the_told_order_is_not_handed_over(seed: int) -> None:
    company = simulate(seed)
    scanned = {row["order"] for row in rows(company, "parcel.scanned")}
    end = company.start_ms + 7 * DAY_MS
    waiting = {row["order"] for row in rows(company, "order.placed") if row["at"] + 36 * HOUR_MS < end} - scanned
    assert waiting == {story.key for story in company.stories if story.detector == "order-not-handed-over"}


@every_seed
def test_live_accounts_log_in_within_two_weeks_but_for_the_silent_one(seed: int) -> None:
    company = simulate(seed)
    last = {row["account"]: row["at"] for row in company.streams["usage"] if row["event"] == "usage.login"}
    live = {account.id for account in company.accounts if account.stage == "live"}
    silent = {account for account in live if last[account] < company.start_ms + 7 * DAY_MS - 14 * DAY_MS}
    assert silent == {story.key for story in company.stories if story.detector == "gone-silent"}


@every_seed
def test_files_carry_the_flaws_they_promise_and_no_other(seed: int, tmp_path: Path) -> None:
    company = simulate(seed)
    write(company, tmp_path)
    read, malformed = Counter[str](), 0
    for path in tmp_path.iterdir():
        for line in path.read_bytes().splitlines():
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                malformed += 1
                continue
            malformed += not isinstance(row["at"], int)
            read[row["id"]] += isinstance(row["at"], int)
    expected = {row["id"] for stream in company.streams.values() for row in stream}
    assert malformed == MALFORMED_LINES
    assert {name for name, times in read.items() if times} == expected
    assert sum(times - 1 for times in read.values() if times) == REPEATED_LINES


@every_seed
def test_late_lines_are_at_most_five_seconds_late(seed: int, tmp_path: Path) -> None:
    write(simulate(seed), tmp_path)
    lines = (tmp_path / "logistics.jsonl").read_bytes().splitlines()
    times = [orjson.loads(line)["at"] for line in lines if line.startswith(b"{")]
    late = [before - after for before, after in pairwise(times) if after < before]
    assert len(late) == LATE_LINES
    assert max(late) <= 5_000


@every_seed
def test_a_late_scan_and_no_other_names_the_day_on_which_the_parcel_comes(seed: int) -> None:
    scans = rows(simulate(seed), "parcel.scanned")
    assert all(("new_date" in scan) == (scan["status"] == "late") for scan in scans)
    days = {from_text(scan["new_date"]) // DAY_MS - scan["at"] // DAY_MS for scan in scans if "new_date" in scan}
    assert days == {1, 2}


@pytest.mark.parametrize(("start", "days"), [(MONDAY_MS + DAY_MS, 7), (MONDAY_MS + 1, 7), (MONDAY_MS, 6)])
def test_a_week_that_is_none_is_refused(start: int, days: int) -> None:
    with pytest.raises(ValueError, match="starts on a Monday"):
        simulate(1, start, days)
