"""An entity held against others alike: what each period brought it, and what it brought to the rest of its segment.

When a period is over, the entity tells its value to the owner of the model, and keeps it. What the others had in that
very period is known once the day's snapshot is in force, and only then is the value judged. So whatever befell all of
them, a holiday or an outage, lowers what is usual as well and is no news of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeGuard
from zoneinfo import ZoneInfo

import msgspec

from engine.core.compiled import Measure, slot_of
from engine.core.digest import digest
from engine.core.examples import IN_FORCE_AFTER_MS, Example, Number, numbers_in, who_of
from engine.core.fields import field_getter
from engine.core.learned import Memory, by_period, learned_of
from engine.core.models.usual import in_four_digits
from engine.core.state import Entity, entity_of
from engine.core.teaching import SURE_AFTER_MS, day_after
from engine.model import DAY_MS, Json, Scalar
from engine.ports import NEVER, Known, Slot

# Where things lie in the slot: when the running period ends, values that wait to be judged, and verdicts.
ENDS, PENDING, VERDICTS = range(3)
# In a value that waits. `TOLD` is 1 if it is one of those that the others are told of, `LOOKS` counts those in vain.
READY_AT, PERIOD, VALUE, SEGMENT, TOLD, LOOKS = range(6)
# And in a verdict: value, usual, spread, and the version of the snapshot that said so.
USUAL, VERSION = 1, 3
# A day goes round the world within two of UTC: whoever is far in the east may have to wait for those in the west.
MOST_LOOKS = 2
# Whoever was silent for so many periods is no measure for others any more.
SILENT_PERIODS = 10
LONGEST_NAME = 100


class Peers:
    """The learner of what is held against peers. Slot as named above, verdicts with the newest first.

    `same` are the attributes that make a segment. `needs` others have to be known. Verdicts are kept of `kept` periods
    of `period_ms`. The owner of the model has each value `lateness_ms` after its period at the latest.
    """

    events: tuple[str, ...] = ()

    def __init__(self, *, same: tuple[str, ...], needs: int, period_ms: int, kept: int, lateness_ms: int) -> None:
        self.identity = f"peers {same} {needs}"
        self.model = ""
        self._same, self._getters = same, [field_getter(name) for name in same]
        self._needs, self._kept, self._silent_ms = needs, kept, SILENT_PERIODS * period_ms
        self._known_after_ms = max(lateness_ms, SURE_AFTER_MS)

    def bind(self, kind: str, inputs: str) -> None:
        """Say whom it is about, and which measure, told apart by `inputs`."""
        self.model = digest("peers", kind, inputs, *self._same)

    def fresh(self) -> Slot:
        return [0, [], []]

    def take(self, slot: Slot, at: int, values: Sequence[Scalar], known: Known) -> None:
        """The value of the period that ended after `at`: it is told, and waits for those of the others."""
        entity = entity_of(known)
        value, segment = numbers_in(values)[0], self._segment(entity.attributes)
        period = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(entity.zone)).toordinal()
        is_told = value is not None and segment is not None and self._is_heard(segment, at, entity)
        if is_told and segment is not None:
            who = who_of(entity.kind, entity.key)
            example = Example(self.model, at, who, at, (value,), segment=segment, period=period)
            entity.stalls.models.examples.append(example)
        ready_at = day_after(at + self._known_after_ms) + IN_FORCE_AFTER_MS
        slot[PENDING].append([ready_at, period, value, segment, int(is_told), 0])

    def _segment(self, attributes: dict[str, Json]) -> str | None:
        """The name of it; None where one of the attributes is not known, or is too long to name anything."""
        found = [_short(value) for get in self._getters if _is_plain(value := get(attributes))]
        if len(found) < len(self._getters):
            return None
        name = msgspec.json.encode(found).decode()
        return name if len(name) <= LONGEST_NAME else None

    def _is_heard(self, segment: str, at: int, entity: Entity) -> bool:
        """Is it one of those whose values are wanted?"""
        if at - entity.seen_at > self._silent_ms:
            return False
        snapshot = entity.stalls.models.in_force(self.model, at)
        known = snapshot.segments.get(segment) if snapshot else None
        return known is None or not known.up_to or who_of(entity.kind, entity.key) <= known.up_to

    def judge(self, slot: Slot, now: int, entity: Entity) -> None:
        """The values of which it is known by now what the others had, or that it will not be known."""
        while slot[PENDING] and slot[PENDING][0][READY_AT] <= now:
            waiting = slot[PENDING][0]
            verdict = self._verdict(waiting, entity)
            waiting[LOOKS] += 1
            if verdict[USUAL] is None and waiting[LOOKS] < MOST_LOOKS:
                waiting[READY_AT] += DAY_MS
                continue
            slot[VERDICTS].insert(0, verdict)
            del slot[PENDING][0]
        del slot[VERDICTS][self._kept :]

    def _verdict(self, waiting: Slot, entity: Entity) -> Slot:
        value: Number = waiting[VALUE]
        snapshot = entity.stalls.models.in_force(self.model, waiting[READY_AT])
        segment = snapshot.segments.get(waiting[SEGMENT]) if snapshot else None
        if snapshot is None or segment is None:
            return [value, None, None, 0]
        usual, spread, count = segment.of_period(waiting[PERIOD])
        if count - waiting[TOLD] < self._needs:
            return [value, None, None, 0]
        return [value, usual, spread, snapshot.version]

    # ---- what is said

    def value(self, slot: Slot) -> Scalar:
        """What was usual among them in the newest period that was judged, in four digits."""
        return in_four_digits(slot[VERDICTS][0][USUAL] if slot[VERDICTS] else None)

    def verdicts(self, slot: Slot, periods: int) -> Sequence[Sequence[float | None]] | None:
        """(value, usual, spread) of the newest periods, newest first; None if there have not been so many."""
        found = [verdict[:VERSION] for verdict in slot[VERDICTS][:periods]]
        return found if len(found) == periods else None

    def version(self, slot: Slot) -> str:
        """Of the snapshot that the newest period was judged by; "" where there was none."""
        version = slot[VERDICTS][0][VERSION] if slot[VERDICTS] else 0
        return str(version) if version else ""


def peers_of(name: str, at: int, memory: Memory, part: Measure, period: str) -> Measure:
    """What is usual among peers for a measure by the calendar, as a measure that has verdicts on each period."""
    peers, clock = memory.learner, by_period((part,), period)
    assert isinstance(peers, Peers), name

    def caught_up(entity: Entity, now: int) -> Slot:
        slot: Slot = entity.slots[at] or slot_of(entity, at, memory)
        if now >= slot[0]:
            kept = slot[1]
            if now >= kept[ENDS]:
                sample, kept[ENDS] = clock(entity, now, kept[ENDS])
                if sample is not None:
                    peers.take(kept, *sample, entity)
            peers.judge(kept, now, entity)
            slot[0] = min(kept[ENDS], kept[PENDING][0][READY_AT] if kept[PENDING] else NEVER)
        return slot

    def turn(entity: Entity, now: int) -> int:
        until: int = caught_up(entity, now)[0]
        return until

    def verdicts(entity: Entity, now: int, periods: int) -> Sequence[Sequence[float | None]] | None:
        return peers.verdicts(caught_up(entity, now)[1], periods)

    return msgspec.structs.replace(
        learned_of(name, at, memory, (part,), clock),
        value=lambda entity, now: peers.value(caught_up(entity, now)[1]),
        turn=turn,
        verdicts=verdicts,
    )


def _is_plain(value: Json) -> TypeGuard[str | int | float]:
    """Can it name a segment?"""
    return isinstance(value, str | int | float) and value != ""


def _short(value: str | float) -> str | int | float:
    return int(value) if isinstance(value, float) and value.is_integer() else value
