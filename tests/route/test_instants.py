"""What a record says about when, and what is refused rather than guessed."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.core.instants import BadInstant, iso_instant, time_reader
from engine.model import HOUR_MS, Json
from engine.spec.types import TimeFrom


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00+00:00"),
        ("2026-01-05 10:00:00+01:00", "2026-01-05T09:00:00+00:00"),
        ("2026-01-05T10:00:00.123456Z", "2026-01-05T10:00:00.123+00:00"),
        ("20260105T100000Z", "2026-01-05T10:00:00+00:00"),
    ],
)
def test_iso_texts_with_an_offset_are_read(text: str, same_as: str) -> None:
    assert iso_instant(text) == ms(same_as)


def test_a_leap_second_becomes_the_last_millisecond_of_its_minute() -> None:
    assert iso_instant("2016-12-31T23:59:60Z") == ms("2016-12-31T23:59:59.999+00:00")
    assert iso_instant("2016-12-31T23:59:60.500Z") == ms("2016-12-31T23:59:59.999+00:00")
    by_format = time_reader(TimeFrom(format="%d.%m.%Y %H:%M:%S", zone="UTC"))
    assert by_format("31.12.2016 23:59:60") == ms("2016-12-31T23:59:59.999+00:00")


@pytest.mark.parametrize("text", ["2026-01-05T10:00:61Z", "2026-01-05T10:60:00Z", "2026-02-30T00:00:00Z", "10:00", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadInstant):
        time_reader(TimeFrom())(text)


def test_a_naive_time_needs_a_zone() -> None:
    with pytest.raises(BadInstant, match="declare `zone`"):
        iso_instant("2026-01-05T10:00:00")
    assert time_reader(TimeFrom(zone="Europe/Rome"))("2026-01-05T10:00:00") == ms("2026-01-05T09:00:00+00:00")


def test_an_offset_in_the_text_beats_the_declared_zone() -> None:
    assert time_reader(TimeFrom(zone="Europe/Rome"))("2026-01-05T10:00:00Z") == ms("2026-01-05T10:00:00+00:00")


#   Berlin, 29 March 2026:  01:59 +01:00 | 02:00 - 02:59 do not exist | 03:00 +02:00
#   Berlin, 25 October:     02:00 - 02:59 +02:00 | 02:00 - 02:59 +01:00
def test_a_skipped_local_time_is_read_with_the_offset_before_the_change() -> None:
    berlin = time_reader(TimeFrom(zone="Europe/Berlin"))
    assert berlin("2026-03-29 02:30:00") == ms("2026-03-29T02:30:00+01:00")


def test_a_repeated_local_time_is_the_first_of_the_two() -> None:
    berlin = time_reader(TimeFrom(zone="Europe/Berlin"))
    assert berlin("2026-10-25 02:30:00") == ms("2026-10-25T02:30:00+02:00")
    assert berlin("2026-10-25 03:00:00") - berlin("2026-10-25 02:00:00") == 2 * HOUR_MS


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("s", 1767571200, 1767571200000),
        ("s", 1767571200.29, 1767571200290),
        ("s", "1767571200.29", 1767571200290),
        ("ms", "1767571200000", 1767571200000),
        ("us", 1767571200000999, 1767571200000),
        ("ns", "1767571200000999999", 1767571200000),
        ("iso", 1767571200000, 1767571200000),
    ],
)
def test_numbers_are_read_by_their_unit(unit: str, value: Json, expected: int) -> None:
    assert time_reader(TimeFrom(unit=unit))(value) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, None, [], {}, float("inf"), float("nan"), "nan", "1e9", "1_000", "٣"])
def test_what_is_no_number_is_refused(value: Json) -> None:
    with pytest.raises(BadInstant):
        time_reader(TimeFrom(unit="s"))(value)


def test_the_message_says_what_was_seen() -> None:
    with pytest.raises(BadInstant, match="'yesterday' is not a time in the expected form"):
        iso_instant("yesterday")
