"""How late events may come to a detector that asks models: what those knew is kept for so long, and no longer."""

from __future__ import annotations

from collections.abc import Mapping

from engine.model import DAY_MS
from engine.spec.departures import CHANCE
from engine.spec.nodes import Node
from engine.spec.types import DetectorSpec
from engine.spec.usual import departures_of
from engine.spec.watch import Measure
from engine.spec.world import World

# A timer runs so much later than it is due, and asks for the snapshot of a model that was in force when it was due. The
# newest three are kept, one for each day.
LATEST_MS = DAY_MS


def judge_lateness(spec: DetectorSpec, measures: Mapping[str, Measure], when: Node, world: World) -> None:
    """A chance waits for the streams that its detector reads, and peers for the slowest of all, to hear everybody."""
    late = [stream for stream in world.project.streams if stream.lateness_ms > LATEST_MS]
    read = [stream for stream in late if stream.may_carry(spec.events)]
    for measure in measures.values():
        if read and measure.word == CHANCE:
            world.report.error(measure.key, "no-effect", _never(f"'{measure.name}'", read[0].name))
    conditions = (spec.when, spec.resolve_when) if spec.resolve_when else (spec.when,)
    if late and any(found.against == "peers" for found in departures_of(conditions)):
        world.report.error(when, "no-effect", _never("what is usual among peers", late[0].name))


def _never(what: str, stream: str) -> str:
    return (
        f"{what} would not be known: what a model knew is kept for a day, and '{stream}' may come later than that - "
        "give that stream a 'lateness' of 1d at most"
    )
