"""The four weeks before: who Northwind's customers are, that they log in, and the accounts that fall silent."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from engine.model import DAY_MS, SECOND_MS
from engine.shells.company.background import Week
from engine.shells.company.stories import Stories

HISTORY_DAYS = 28
# Days before the week, one login each: a shop that barely looks in, no two looks 14 days apart.
QUIET_DAYS = (-27, -26, -25, -24, -19, -11, -4)
# The same, with a second login in the last of the three weeks: no third quiet week.
NEARLY_QUIET_DAYS = (-27, -26, -25, -24, -19, -11, -5, -3)
# The last login is 13 days before the week's Monday, so that 14 days of silence end on its Tuesday.
SILENT_DAYS = (-27, -26, -25, -20, -19, -14, -13)
# How often a busy shop logs in on a working day, and on the days of the week in which it drops off, from its Monday on.
USUAL_LOGINS = 8
DROP, NEARLY_A_DROP = (8, 3, 2, 3, 8), (8, 3, 2, 7, 8)


def introduce_everybody(week: Week) -> None:
    """Profiles of all accounts and people, as of the beginning of the history."""
    at = week.start - HISTORY_DAYS * DAY_MS
    for account in week.people.accounts:
        facts = {"name": account.name, "stage": account.stage, "plan": account.plan, "owner": account.owner}
        where = {"account": account.id, "time_zone": account.time_zone, "country": account.country}
        week.book.note("profile", "profile.updated", at, {**where, **facts})
    for person in week.people.customers:
        words = {"name": person.name, "language": person.language}
        # A person joins an account that is known already, with its time zone.
        week.book.of("contacts", "profile.updated", at + SECOND_MS, person, words)


def recall(week: Week) -> None:
    """Everybody else logged in on every working day of those weeks."""
    past = Week(week.rng, week.book, week.people, week.start - HISTORY_DAYS * DAY_MS)
    quiet = past.quiet_accounts()
    for day in range(HISTORY_DAYS):
        for account in week.people.accounts:
            if day % 7 < 5 and account.id not in quiet:
                person = week.rng.choice(week.people.of(account))
                at = past.moment(day, account.offset_h)
                week.book.of("usage", "usage.login", at, person, {"country": person.country})


def fall_silent(stories: Stories) -> None:
    """Plant the accounts that came less and less, and those that only seem to."""
    start = stories.week.start
    log_in(stories, "quiet", (*QUIET_DAYS, 3))
    log_in(stories, "nearly_quiet", (*NEARLY_QUIET_DAYS, 1, 2))
    last = log_in(stories, "silent", SILENT_DAYS)
    log_in(stories, "closed", SILENT_DAYS)
    drop_off(stories)
    quiet, nearly, silent, closed = (
        ("account", stories.account(part).id) for part in ("quiet", "nearly_quiet", "silent", "closed")
    )
    week_ends = local_midnight(start, stories.account("quiet").time_zone)
    stories.expect("Three quiet weeks", "three-quiet-weeks", quiet, week_ends)
    stories.near("Two quiet weeks, then a look or two", "three-quiet-weeks", nearly)
    stories.expect("An account falls silent", "gone-silent", silent, last + 14 * DAY_MS)
    stories.near("Silent because it left us long ago", "gone-silent", closed)


def drop_off(stories: Stories) -> None:
    """Plant a busy account that drops off for three days in a row, and one that is back on the third."""
    working_days = [day for day in range(-HISTORY_DAYS, 0) if day % 7 < 5]
    for part, week in (("dropping", DROP), ("nearly_dropping", NEARLY_A_DROP)):
        usual = [day for day in working_days for _ in range(USUAL_LOGINS)]
        log_in(stories, part, (*usual, *(day for day, times in enumerate(week) for _ in range(times))))
    dropping, nearly = (("account", stories.account(part).id) for part in ("dropping", "nearly_dropping"))
    thursday_ends = local_midnight(stories.week.start + 4 * DAY_MS, stories.account("dropping").time_zone)
    stories.expect("A busy account drops off", "usage-below-own-normal", dropping, thursday_ends)
    stories.near("Two slow days", "usage-below-own-normal", nearly)


def log_in(stories: Stories, part: str, days: tuple[int, ...]) -> int:
    """One login on each of these days; the time of the last one."""
    for day in days:
        at = stories.on(day, 15)
        person = stories.someone_at(part)
        stories.book.of("usage", "usage.login", at, person, {"country": person.country})
    return at


def local_midnight(at: int, zone: str) -> int:
    """The beginning, in that zone, of the calendar day that is `at` in UTC."""
    day = datetime.fromtimestamp(at / 1000, UTC).replace(tzinfo=ZoneInfo(zone))
    return round(day.timestamp() * 1000)
