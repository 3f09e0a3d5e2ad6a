"""What is usual is the middle of past periods of the same kind, moved along with its trend."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from engine.core.models.usual import Departure, cycle_of
from engine.model import DAY_MS, HOUR_MS, Scalar
from engine.ports import Known

MONDAY = 1_767_571_200_000  # 2026-01-05 00:00 UTC
WEEK = (20.0, 20.0, 20.0, 20.0, 20.0, 6.0, 4.0)


def known(zone: str = "UTC") -> Known:
    return cast("Known", SimpleNamespace(zone=zone))


def daily(*, needs: int = 4, kept: int = 1, remembered: int = 56, of_counts: bool = False) -> Departure:
    cycle = cycle_of("weekday", DAY_MS, remembered)
    return Departure(same="weekday", cycle=cycle, remembered=remembered, needs=needs, kept=kept, of_counts=of_counts)


def taught(departure: Departure, values: list[Scalar], zone: str = "UTC") -> list[object]:
    """What is remembered once each day's value was taken, the first of them a Monday's."""
    slot = departure.fresh()
    for day, value in enumerate(values):
        departure.take(slot, MONDAY + day * DAY_MS + DAY_MS // 2, [value], known(zone))
    return slot


def last(departure: Departure, values: list[Scalar]) -> tuple[float | None, float | None]:
    """Usual and spread for the last of the values."""
    verdicts = departure.verdicts(taught(departure, values), 1)
    assert verdicts is not None
    _value, usual, spread = verdicts[0]
    return usual, spread


def test_a_weekday_is_held_against_its_own_kind() -> None:
    departure = daily()
    assert last(departure, [*WEEK] * 6) == (4.0, 0.04)
    assert last(departure, [*WEEK * 6, 20.0])[0] == 20.0


@pytest.mark.parametrize("weeks", [1, 2, 3, 4])
def test_it_is_still_learning_before_it_has_enough(weeks: int) -> None:
    usual, _spread = last(daily(), [*WEEK * weeks, 20.0])
    assert usual == (20.0 if weeks >= 4 else None)


def test_a_wild_day_does_not_move_it() -> None:
    days: list[Scalar] = [*WEEK * 8]
    days[14] = 10_000.0
    assert last(daily(), [*days, 20.0])[0] == 20.0


def test_a_bad_week_does_not_move_it() -> None:
    assert last(daily(), [*WEEK * 7, *([1.0] * 7), 20.0])[0] == pytest.approx(20.0)


def test_a_trend_is_gone_along_with() -> None:
    growing: list[Scalar] = [level * (1 + day // 7 * 0.05) for day, level in enumerate(WEEK * 9)]
    usual, _spread = last(daily(), [*growing, 20 * 1.45])
    assert usual == pytest.approx(20 * 1.45, rel=0.03)


def test_what_is_unknown_is_not_learned_and_not_judged() -> None:
    departure = daily(kept=2)
    slot = taught(departure, [*WEEK * 5, None, 20.0])
    assert departure.verdicts(slot, 2) == [[20.0, 20.0, 0.2], [None, 20.0, 0.2]]
    assert last(daily(), [*[None if day % 7 == 0 else 20.0 for day in range(56)], 20.0])[0] is None


def test_counts_spread_at_least_as_chance_has_it() -> None:
    assert last(daily(of_counts=True), [*WEEK * 8, 20.0])[1] == pytest.approx(20.0**0.5)


def test_three_spreads_are_rarely_left_by_chance() -> None:
    chance = random.Random(5)
    departure, slot, beyond, judged = daily(), daily().fresh(), 0, 0
    for day in range(2_000):
        departure.take(slot, MONDAY + day * DAY_MS, [chance.gauss(WEEK[day % 7] * 5, 4.0)], known())
        value, usual, spread = slot[2][0]
        if usual is not None:
            judged += 1
            beyond += abs(value - usual) > 3 * spread
    assert judged > 1_900
    assert beyond / judged < 0.03


def test_hours_are_those_of_the_entity_s_own_zone() -> None:
    """04:00 in Paris is 03:00 UTC in winter and 02:00 in summer: the same hour, whatever the clocks do."""
    departure = Departure(
        same="hour", cycle=cycle_of("hour", HOUR_MS, 672), remembered=672, needs=4, kept=1, of_counts=False
    )
    slot = departure.fresh()
    march = 1_774_483_200_000  # 2026-03-26 00:00 UTC, three days before the clocks go forward
    for hour in range(24 * 8):
        at = march + hour * HOUR_MS + HOUR_MS // 2
        local = (hour + (1 if at < 1_774_746_000_000 else 2)) % 24
        departure.take(slot, at, [float(local)], known("Europe/Paris"))
        _value, usual, _spread = slot[2][0]
        assert usual is None or usual == pytest.approx(local, abs=0.01)
    assert slot[2][0][1] is not None


def test_a_year_of_days_is_remembered_in_few_bytes() -> None:
    chance = random.Random(1)
    slot = taught(daily(kept=3), [chance.randrange(100) for _ in range(400)])
    assert len(msgspec.msgpack.encode(slot)) < 200


def test_it_goes_on_from_what_was_stored() -> None:
    chance = random.Random(2)
    days: list[Scalar] = [chance.randrange(50) for _ in range(100)]
    departure = daily(kept=2)
    straight, slot = taught(departure, days), departure.fresh()
    for day, value in enumerate(days):
        slot = msgspec.msgpack.decode(msgspec.msgpack.encode(slot))
        departure.take(slot, MONDAY + day * DAY_MS + DAY_MS // 2, [value], known())
    assert slot == straight
