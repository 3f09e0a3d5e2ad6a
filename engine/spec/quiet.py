"""`quiet_hours:` - when nobody is written to, by their own clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from engine.ports import As
from engine.spec.nodes import Node
from engine.spec.policies import QuietHours
from engine.spec.reading import Written, read
from engine.spec.report import either, near
from engine.spec.values import Scope
from engine.spec.zones import is_zone, judge_zone

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


class QuietDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The block as it is written."""

    from_: Annotated[str, As.TEXT, 'when it becomes quiet each day, as "21:00"'] = msgspec.field(name="from")
    to: Annotated[str, As.TEXT, "when that ends, the same day or the next"]
    unknown_zone: Annotated[tuple[str, ...], As.TEXTS, "the zones somebody may live in whose zone is not known"]
    days: Annotated[tuple[str, ...], As.TEXTS, "days of the week that are quiet all day"] = ()
    holidays: Annotated[tuple[str, ...], As.TEXTS, "dates that are quiet all day"] = ()


def read_quiet_hours(node: Node | None, scope: Scope) -> QuietHours | None:
    """The typed form, None where there is none or something in it is wrong."""
    written = read(node, QuietDocument, scope) if node is not None else None
    if written is None or not written.sound:
        return None
    before, document = scope.report.errors, written.value
    nodes = written.nodes
    begins, ends = minute_of(document.from_, nodes["from_"], scope), minute_of(document.to, nodes["to"], scope)
    days = tuple(day_numbers(document.days, nodes.get("days", nodes["to"]), scope))
    judge_dates(document.holidays, nodes.get("holidays", nodes["to"]), scope)
    for zone in document.unknown_zone:
        judge_zone(written.nodes["unknown_zone"], zone, scope)
    quiet = QuietHours(
        from_minute=begins,
        to_minute=ends,
        unknown_zone=document.unknown_zone,
        days=days,
        holidays=document.holidays,
    )
    if scope.report.errors == before:
        _judge_whole(quiet, written, scope)
    return quiet if scope.report.errors == before else None


def minute_of(text: str, node: Node, scope: Scope) -> int:
    """The minute of the day; what is no time is reported."""
    found = _TIME.fullmatch(text)
    if found:
        return int(found[1]) * 60 + int(found[2])
    scope.report.error(node, "bad-time", f"'{text}' is not a time of day - write one like \"21:00\"")
    return 0


def day_numbers(days: Iterable[str], node: Node, scope: Scope) -> Iterator[int]:
    """0 for Monday; what is no day is reported."""
    for day in days:
        if day in DAYS:
            yield DAYS.index(day)
        else:
            hint = near(day, DAYS) or f" - write {either(DAYS)}"
            scope.report.error(node, "bad-choice", f"'{day}' is not a day of the week{hint}")


def judge_dates(dates: Iterable[str], node: Node, scope: Scope) -> None:
    """Report what is no date."""
    for day in dates:
        try:
            date.fromisoformat(day)
        except ValueError:
            scope.report.error(node, "bad-date", f"'{day}' is not a date - write one like 2026-12-25")


def _judge_whole(quiet: QuietHours, written: Written[QuietDocument], scope: Scope) -> None:
    """Refuse what leaves no time at all."""
    if quiet.from_minute == quiet.to_minute:
        scope.report.error(written.nodes["to"], "no-effect", "it begins and ends at the same time - let it end later")
    elif not _some_time_is_left(quiet):
        message = "it is never day in all of these zones at once - name fewer, or shorten the quiet hours"
        scope.report.error(written.nodes["unknown_zone"], "no-time-left", message)


def _some_time_is_left(quiet: QuietHours) -> bool:
    """In winter and in summer, is there a moment of the week that is quiet in none of the zones?"""
    zones = [ZoneInfo(zone) for zone in quiet.unknown_zone if is_zone(zone)]
    for week in (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC)):
        moments = (week + timedelta(minutes=15 * step) for step in range(7 * 96))
        if not any(not any(quiet.is_quiet(moment.astimezone(zone)) for zone in zones) for moment in moments):
            return False
    return True
