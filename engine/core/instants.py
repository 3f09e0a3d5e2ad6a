"""Event times: what a record says about when, as int milliseconds since 1970 in UTC.

Nothing is guessed: a number is read by its declared unit, and a text without an offset only with a declared zone.
A local time that a change of clocks skips or repeats is read with the offset in force before the change, and the leap
second :60 becomes the last millisecond of its minute.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

from engine.model import Json
from engine.spec.types import TimeFrom

TimeReader: TypeAlias = Callable[[Json], int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_MS = timedelta(milliseconds=1)
_LEAP_SECOND = re.compile(r"(?<=:\d\d):60(?:[.,]\d+)?(?!\d)")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
# Per unit: what to multiply by and what to divide by to get milliseconds.
_UNITS = {"iso": (1, 1), "s": (1_000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, 1_000_000)}
_LONGEST_TEXT = 64


class BadInstant(ValueError):
    """A time that cannot be read; the message says what was seen and what to declare."""


def time_reader(spec: TimeFrom) -> TimeReader:
    """A function from a raw value to milliseconds, by the declared unit, format and zone. Raises BadInstant."""
    zone = ZoneInfo(spec.zone) if spec.zone else None
    multiply, divide = _UNITS[spec.unit]
    read_text = _numeric_text(spec.unit) if spec.unit != "iso" else _text_by_format(spec.format, zone)

    def read(value: Json) -> int:
        if type(value) is int:
            return value * multiply // divide
        if type(value) is float and -1e20 < value < 1e20:
            return int(value * multiply // divide)
        if type(value) is str and value and len(value) <= _LONGEST_TEXT:
            return read_text(value)
        raise BadInstant(f"{_shown(value)} is not a time")

    return read


def iso_instant(text: str, zone: tzinfo | None = None) -> int:
    """An ISO 8601 text in milliseconds; without an offset in the text it needs `zone`. Raises BadInstant."""
    try:
        return _in_ms(datetime.fromisoformat(text), zone, text)
    except BadInstant:
        raise
    except (ValueError, OverflowError):
        return _leap_second(text, zone, datetime.fromisoformat)


def _text_by_format(layout: str, zone: tzinfo | None) -> Callable[[str], int]:
    if not layout:
        return lambda text: iso_instant(text, zone)

    def parse(text: str) -> datetime:
        return datetime.strptime(text, layout)  # noqa: DTZ007  a naive result is given its zone in _in_ms

    def read(text: str) -> int:
        try:
            return _in_ms(parse(text), zone, text)
        except BadInstant:
            raise
        except (ValueError, OverflowError):
            return _leap_second(text, zone, parse)

    return read


def _numeric_text(unit: str) -> Callable[[str], int]:
    multiply, divide = _UNITS[unit]

    def read(text: str) -> int:
        number = text.strip()
        if not _NUMBER.fullmatch(number):
            raise BadInstant(f"{_shown(text)} is not a number of {unit}")
        if number.lstrip("+-").isdigit():
            return int(number) * multiply // divide
        # A double holds a date in seconds to better than a microsecond; rounding first keeps .29 from becoming .289.
        return int(round(float(number) * multiply, 3) // divide)

    return read


def _leap_second(text: str, zone: tzinfo | None, parse: Callable[[str], datetime]) -> int:
    """Read `23:59:60` as the last millisecond of `23:59:59`, so that time does not run into the next day."""
    earlier, found = _LEAP_SECOND.subn(":59", text, count=1)
    try:
        if found:
            return _in_ms(parse(earlier), zone, text) // 1_000 * 1_000 + 999
    except BadInstant:
        raise
    except (ValueError, OverflowError):
        pass
    raise BadInstant(f"{_shown(text)} is not a time in the expected form")


def _in_ms(moment: datetime, zone: tzinfo | None, text: str) -> int:
    if moment.tzinfo is None:
        if zone is None:
            raise BadInstant(f"{_shown(text)} has no offset from UTC: write one, or declare `zone` for the field")
        moment = moment.replace(tzinfo=zone)
    return (moment - _EPOCH) // _ONE_MS


def _shown(value: Json) -> str:
    return repr(value)[:60]
