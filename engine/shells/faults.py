"""Named points where a test may kill the process, to prove what a crash between two writes does.

`FAULT_AT=D2:3` in the environment ends the process with SIGKILL at its third pass of point D2. `D2:3:stop` has it
stopped there until it gets SIGCONT, `D2:3:hang` has it hang there for ever. Without the variable the points cost one
comparison. Ingest and state have E0, E1 and E2, dispatch D2, D2b, D3, D4 and D5: docs/delivery.md.
The worker has three each before its outputs, after them and after its commit: R for route, K for detect, C for decide,
S for the ledger.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

POINTS = ("E0", "E1", "E2", "D2", "D2b", "D3", "D4", "D5")
WORKER_POINTS = ("R2", "R3", "K2", "K3", "K5", "C2", "C3", "C5", "S3", "S5", "D2", "D2b", "D3", "D4", "D5")

FOR_EVER_S = 86_400

_passes: Counter[str] = Counter()
_name, _count, _how, *_ = [*os.environ.get("FAULT_AT", "").split(":"), "", ""]


def fault_point(name: str) -> None:
    """Pass a named point; the process ends here if it was told to."""
    if name != _name:
        return
    _passes[name] += 1
    if _passes[name] != int(_count or "1"):
        return
    if _how == "hang":
        time.sleep(FOR_EVER_S)
    os.kill(os.getpid(), signal.SIGSTOP if _how == "stop" else signal.SIGKILL)
