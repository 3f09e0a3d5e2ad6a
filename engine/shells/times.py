"""Times as people write and read them."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def wall_ms() -> int:
    """Now, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def iso(at: int) -> str:
    """2026-01-05T09:30:00.000Z, or "" for 0."""
    if not at:
        return ""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> str:
    """The same without what a person skips: `2026-01-05 09:30:00`."""
    return text[:19].replace("T", " ")


def from_text(text: str) -> int:
    """Milliseconds of an ISO 8601 date or time; without an offset it is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


class RunningClock:
    """Shows the time it was set to, and goes on from there as real time passes. Milliseconds."""

    def __init__(self) -> None:
        self.set(0)

    def set(self, at: int) -> None:
        self._ahead_ms = at - _passed_ms()

    def now(self) -> int:
        return _passed_ms() + self._ahead_ms


def _passed_ms() -> int:
    return time.monotonic_ns() // 1_000_000
