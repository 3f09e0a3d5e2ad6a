"""Moments, lengths of time and numbers as a person would write them; moments in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_LENGTHS = (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS))


def spoken_length(length_ms: int) -> str:
    """`2d 3h`, with the two largest parts."""
    parts = []
    for unit, size in _LENGTHS:
        count, length_ms = divmod(length_ms, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def spoken_moment(at: int) -> str:
    """`2026-01-05 09:30 UTC`, the minute that has begun by then or begins next."""
    minute = -(-at // MINUTE_MS) * MINUTE_MS
    return datetime.fromtimestamp(minute / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def spoken_number(value: float) -> str:
    """In four digits that count, as people write it: 12340 and not 1.234e+04."""
    return f"{float(f'{value:.4g}'):.12g}"
