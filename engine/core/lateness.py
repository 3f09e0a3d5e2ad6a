"""How long the timers of a detector wait for stragglers."""

from __future__ import annotations

from engine.spec.profile import reads_profile
from engine.spec.types import DetectorSpec, ProjectSpec


def lateness_of(project: ProjectSpec, spec: DetectorSpec, events: tuple[str, ...]) -> int:
    """The longest of the streams that may carry these events.

    Where it reads profiles, those that bring them count as well.
    """
    carrying = [s.lateness_ms for s in project.streams if s.may_carry(events)]
    found = carrying or [s.lateness_ms for s in project.streams]
    if reads_profile(spec):
        found = found + [s.lateness_ms for s in project.streams if s.describes == spec.per]
    return max(found, default=0)
