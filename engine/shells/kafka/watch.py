"""Whether a worker gets anywhere: being up is not being alive."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

from engine.shells.kafka.seam import Place

# What a supervisor sees when a worker gave up; it is to start it again.
GAVE_UP = 70


class Movement:
    """Remembers since when each partition has stood still although there is something to read."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._seen: dict[Place, tuple[int, float]] = {}

    def look(self, ends: Mapping[Place, int], taken: Mapping[Place, int]) -> None:
        """Take in how far each partition goes, and how far it has been taken."""
        now = time.monotonic()
        for place, end in ends.items():
            at = taken.get(place, 0)
            known = self._seen.get(place)
            if known is None or known[0] != at or at >= end:
                self._seen[place] = (at, now)

    def forget(self, place: Place) -> None:
        """It is not ours any more."""
        self._seen.pop(place, None)

    def wrong(self) -> str:
        """What stands still for too long, in words; "" if all is well."""
        now = time.monotonic()
        for (topic, partition), (_, since) in self._seen.items():
            if now - since > self._most_s:
                return f"{topic}/{partition} has not moved for {now - since:.0f} s while there is something to read"
        return ""


class Watchdog(threading.Thread):
    """Ends the process when its event loop has not come round for too long, as nothing inside the loop could.

    So it does when the whole process was stopped for longer than `lease_s`: others have its partitions by now.
    """

    def __init__(self, silent_s: Callable[[], float], most_s: float, lease_s: float) -> None:
        super().__init__(daemon=True, name="watchdog")
        self._silent_s = silent_s
        self._most_s = most_s
        self._lease_s = lease_s

    def run(self) -> None:
        """Look until the process ends."""
        while True:
            began = time.monotonic()
            time.sleep(min(1.0, self._most_s / 5))
            if time.monotonic() - began > self._lease_s:
                os.write(2, b"beforehand: the worker was stopped for longer than its session; ending it\n")
                os._exit(GAVE_UP)
            if self._silent_s() > self._most_s:
                os.write(2, b"beforehand: the worker has come to a stop; ending it\n")
                os._exit(GAVE_UP)
