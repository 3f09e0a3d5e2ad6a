"""Virtual time: an event loop in which nothing ever waits, because its clock jumps to what is due next."""

from __future__ import annotations

import asyncio
from typing import Any

START = 1_767_571_200_000  # Monday 2026-01-05 00:00 UTC


class Time:
    """Wall clock and loop clock in one; only the loop and `jump` move it."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    @property
    def ms(self) -> int:
        return START + int(self.passed_s * 1000)

    def jump(self, ms: int) -> None:
        self.passed_s += ms / 1000


class Stuck(AssertionError):
    """Every task waits for something that can never come."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Tasks and timers of asyncio, without a selector: when no task can go on, time goes to the next timer."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time
        self._clock_resolution = 1e-6
        self._selector = self
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return self._time.passed_s

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Stuck("nothing is due any more, and something still waits")
        self._time.passed_s += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def end(self) -> None:
        """Whatever was under way is gone, as when a process dies."""
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        if tasks:
            self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.close()
