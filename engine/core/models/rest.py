"""Rest after an alarm: what follows it closely is the same story, and one story is told once."""

from __future__ import annotations

LEVEL = 3.0  # of `Anomaly`: one value in a thousand on normal data
POINTS = 120


class Rest:
    """Lets scores through until one reaches the level, then nothing for a number of further values."""

    __slots__ = ("_left", "_level", "_points")

    def __init__(self, level: float = LEVEL, points: int = POINTS, left: int = 0) -> None:
        assert level > 0.0
        assert points >= 0
        self._level, self._points, self._left = level, points, left

    def state(self) -> int:
        """How many values it still rests."""
        return self._left

    def take(self, score: float) -> float:
        """The score, or 0.0 while it rests."""
        if self._left > 0:
            self._left -= 1
            return 0.0
        if score >= self._level:
            self._left = self._points
        return score
