"""What each peer measures of itself: the clock, the processor's time and the memory, from its first to its last record.

Every peer is called as `peer.py SERVERS TOPIC OUT GROUP EVENTS` and ends with one line of JSON on standard output. What
comes before the first record (imports, joining the group, creating topics) and after the last (flushing, leaving) does
not count.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


class Meter:
    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.seen = 0
        self._began = self._cpu_began = 0.0

    def saw(self, records: int = 1) -> bool:
        """To be called before so many records are taken. True if they are the last ones."""
        if not self.seen:
            self._began, self._cpu_began = time.perf_counter(), time.process_time()
        self.seen += records
        return self.seen >= self.expected

    def done(self, actions: int) -> None:
        """To be called once the last record was taken."""
        found = {
            "events": self.seen,
            "seconds": time.perf_counter() - self._began,
            "cpu_seconds": time.process_time() - self._cpu_began,
            "peak_rss_mb": peak_mb(),
            "actions": actions,
        }
        print(json.dumps(found), flush=True)


def peak_mb() -> float:
    """The most memory that this process has held; what its parent had counts in `getrusage`, but not here."""
    told = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in told if line.startswith("VmHWM"))


class Given:
    """What the command line says, and how many actions were told so far by peers that count them here."""

    def __init__(self) -> None:
        self.servers, self.topic, self.out, self.group, events = sys.argv[1:6]
        self.events = int(events)
        self.told = 0
        self.meter = Meter(self.events)
