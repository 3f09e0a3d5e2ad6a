"""Named points where a test may kill the process, to prove what a crash between two writes does.

`FAULT_AT=D2:3` in the environment ends the process with SIGKILL at its third pass of point D2; without the variable
the points cost one comparison. Ingest and state have E0, E1 and E2, dispatch D2, D2b, D3, D4 and D5: docs/delivery.md.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

POINTS = ("E0", "E1", "E2", "D2", "D2b", "D3", "D4", "D5")

_passes: Counter[str] = Counter()
_name, _, _count = os.environ.get("FAULT_AT", "").partition(":")


def fault_point(name: str) -> None:
    """Pass a named point; the process ends here if it was told to."""
    if name != _name:
        return
    _passes[name] += 1
    if _passes[name] == int(_count or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
