"""What goes wrong, and when: a countdown of steps until the process dies, and a count of what was seen to go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

NEVER = 1 << 60


class Crash(BaseException):
    """The simulated process dies here. No `except Exception` sees it, as none would see SIGKILL."""


class Fate:
    """Every durable write and every exchange with the outside is a step before and after; at one of them it ends.

    `mean` is how many steps a process lives on average, 0 = for ever. `spare` says that dying now would be unfair: the
    engine sets a row aside on which it has died too often, and cannot know that it was not the row's fault.
    """

    def __init__(self, random: Random, mean: int) -> None:
        self._random = random
        self._mean = mean
        self.left = NEVER
        self.is_dead = False
        self.pause: Callable[[], None] | None = None
        self.spare: Callable[[], bool] = lambda: False
        self.seen: Counter[str] = Counter()

    def begin_life(self) -> None:
        self.is_dead = False
        self.left = 1 + int(self._random.expovariate(1 / self._mean)) if self._mean else NEVER

    def stop_faults(self) -> None:
        self._mean, self.pause = 0, None

    def step(self, name: str) -> None:
        """Pass a place where the process may die. A dead process does nothing any more."""
        self.left -= 1
        if self.left > 0 and not self.is_dead:
            return
        if not self.is_dead and self.spare():
            self.left = 1
            return
        if not self.is_dead:
            self.seen[f"crash {name}"] += 1
        self.is_dead = True
        raise Crash(name)
