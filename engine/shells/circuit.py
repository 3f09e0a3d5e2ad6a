"""Takes a detector out of service when rows keep breaking the engine in it, so that the others go on.

A row that raises is set aside as `poison` whichever detector it was. Which one it was is read from the traceback: the
step keeps the detector it judges in `judge`, the tracker it feeds in `tracker_at`, and a glance has a line for each.
"""

from __future__ import annotations

from collections import defaultdict
from types import TracebackType

import msgspec

from engine.core.glance import asked_on_line
from engine.core.plan import Judge, KindPlan
from engine.model import MINUTE_MS
from engine.spec.types import Configuration

# So many different rows within a minute, and the detector is out.
ROWS_MOST = 3


class Circuit:
    """Counts poison rows per detector, by arrival time. `out` are the detectors taken out of service."""

    def __init__(self) -> None:
        self.out: set[str] = set()
        self._when: defaultdict[str, list[int]] = defaultdict(list)

    def blame(self, fault: Exception, arrived_at: int) -> None:
        for name in culprits(fault):
            recent = [at for at in self._when[name] if arrived_at - at < MINUTE_MS]
            self._when[name] = [*recent, arrived_at]
            if len(self._when[name]) >= ROWS_MOST:
                self.out.add(name)

    def without(self, configuration: Configuration) -> Configuration:
        """The configuration with the detectors that are out of service left out."""
        kept = tuple(spec for spec in configuration.detectors if spec.name not in self.out)
        return msgspec.structs.replace(configuration, detectors=kept)


def culprits(fault: Exception) -> set[str]:
    """The detectors that were being fed or judged when it happened; none if it happened elsewhere."""
    found: set[str] = set()
    frame: TracebackType | None = fault.__traceback__
    while frame is not None:
        names = frame.tb_frame.f_locals
        judge = names.get("judge") or asked_on_line(frame.tb_frame.f_globals, frame.tb_lineno)
        kind, at = names.get("kind"), names.get("tracker_at")
        if isinstance(judge, Judge):
            found = {judge.spec.variant_of or judge.spec.name}
        elif isinstance(kind, KindPlan) and at is not None:
            found = {each.spec.variant_of or each.spec.name for each in kind.judges.values() if at in each.at}
        frame = frame.tb_next
    return found
