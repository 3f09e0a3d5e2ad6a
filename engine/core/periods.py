"""Calendar periods in a zone: where the hour, day, week or month that holds an instant begins and ends.

Weeks begin on Monday, days at local midnight, so a day is 23 or 25 hours long when the clocks change.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.model import DAY_MS

PERIODS = ("1h", "2h", "3h", "4h", "6h", "8h", "12h", "1d", "1w", "1mo")
# Every zone's offset is a multiple of this, so all instants in one such slice share their period.
_SLICE_MS = 900_000
# 1970 began on a Thursday, so the first Monday came four days later.
MONDAY_MS = 4 * DAY_MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def period_of(at: int, period: str, zone: str) -> tuple[int, int]:
    """(start, end) in ms of the period that holds `at`; the end belongs to the next one."""
    return _period_of_slice(at // _SLICE_MS, period, zone)


@lru_cache(maxsize=65_536)
def _period_of_slice(slice_index: int, period: str, zone: str) -> tuple[int, int]:
    where = ZoneInfo(zone)
    local = (_EPOCH + timedelta(milliseconds=slice_index * _SLICE_MS)).astimezone(where).replace(tzinfo=None)
    start, end = _bounds(local, period)
    return _to_ms(start, where), _to_ms(end, where)


def _bounds(local: datetime, period: str) -> tuple[datetime, datetime]:
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "1d":
        return midnight, midnight + timedelta(days=1)
    if period == "1w":
        monday = midnight - timedelta(days=midnight.weekday())
        return monday, monday + timedelta(days=7)
    if period == "1mo":
        first = midnight.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    hours = int(period.removesuffix("h"))
    start = midnight + timedelta(hours=local.hour - local.hour % hours)
    return start, start + timedelta(hours=hours)


def _to_ms(local: datetime, where: ZoneInfo) -> int:
    """A local time that occurs twice means its first occurrence; one that is skipped, the moment of the change."""
    return round((local.replace(tzinfo=where) - _EPOCH) / timedelta(milliseconds=1))


def local_ms(at: int, zone: str) -> int:
    """The moment as a clock on the wall shows it there, in ms as if that were UTC."""
    shown = (_EPOCH + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)
    return round((shown - _EPOCH) / timedelta(milliseconds=1))
