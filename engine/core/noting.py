"""Takes an ordinary event into its entity's memory in one go, for the express ways of both shells.

What has been decoded and recognised as ordinary comes here without an event or a routed record being made of it. The
step that detect goes for any other event comes to the same; tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from engine.core.detect import Detect
from engine.core.digest import stream_seed
from engine.core.glance import Step, compile_step
from engine.core.plan import Judge, KindPlan
from engine.core.seen import Run, begin_run, is_seen
from engine.core.shapes import Fields

# For an event type: what feeds an entity's trackers and looks at its detectors.
Steps: TypeAlias = "dict[str, tuple[Step[Judge], tuple[int, ...]]]"
# For an event type of one stream: the same, and how its ids are noted.
Way: TypeAlias = "tuple[Step[Judge], Run, str]"
# Takes an event by its way: key, id, time, fields, digest of its body, position, and which entities it names where they
# are several. Says so; or that it has to go the long way, with nothing changed that this would not change.
Note: TypeAlias = Callable[[Way, str, str, int, Fields, int, int, Mapping[str, str] | None], bool]


def compile_steps(kind: KindPlan, place_of: Callable[[str], str]) -> Steps:
    """Those event types of a kind whose trackers can all be fed in this way, each with the trackers that it feeds."""
    found: Steps = {}
    for event, ops in kind.by_event.items():
        if ops.clauses or ops.judges_fan_out:
            continue
        fed = tuple(at for at, _add in ops.adds)
        step = compile_step(ops.asked, kind.trackers, fed, place_of)
        if step is not None:
            found[event] = step, fed
    return found


def way_of(steps: Steps, stream: str, event: str) -> Way:
    """Raises KeyError where there is none."""
    step, fed = steps[event]
    return step, Run(stream, stream_seed(stream), fed), event


def noting(detect: Detect, kind: KindPlan) -> Note:
    """What takes an event into its entity's memory, if there is nothing special about the two."""
    known, touched, generation = detect.entities.of_kind(kind.kind), detect.entities.touched, detect.generation
    is_timed = any(ops.timed for ops in kind.by_event.values())

    def note(
        way: Way, key: str, name: str, at: int, fields: Fields, body: int, position: int, all_: Mapping[str, str] | None
    ) -> bool:
        step, run, event = way
        entity = known.get(key) or detect.known_or_new(kind, key, at)
        if entity is None or at < entity.seen_at or (at > entity.look and not detect.has_nothing_due(entity, at)):
            return False
        if entity.run is not run and not begin_run(entity, run):
            return False
        if all_ is not None and not detect.knows_company(entity, all_):
            return False
        ids, before = entity.ids, entity.ids_before
        if (
            (before and name in before)
            or (entity.digested and is_seen(entity, name, run))
            or ids.setdefault(name, body) is not body
        ):
            return False
        entity.seen_at = at
        found = step(entity, fields, at)
        if found is None:
            del ids[name]
            return False
        entity.position = position
        if not entity.touched:
            entity.touched = True
            touched.append(entity)
        if len(ids) >= generation:
            detect.next_generation(entity, at, run.stream)
            entity.written = -1
        if found or is_timed or entity.episodes is not None:
            entity.written = -1
            detect.look(kind.by_event[event], found, entity, kind, is_late=False)
        return True

    return note
