"""The express way: an ordinary row of one watched entity, from its bytes to that entity's memory in one go.

Route and detect one after the other make an event and a routed record of every row, which for most rows are read once
and thrown away. Here such a row is decoded, recognised, counted and looked at without them. Whatever is not ordinary is
handed on untouched and goes the long way, which comes to the same for every row; tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import xxhash

from engine.core.chain import Chain
from engine.core.entity_ids import plain_field
from engine.core.noting import Way, compile_steps, noting, way_of
from engine.core.ordinary import has_ordinary_rows
from engine.core.plan import KindPlan
from engine.core.route import Flow, Router, Row
from engine.core.shapes import REFUSALS, Shape
from engine.model import DeadLetter
from engine.spec.bounds import Bounds

# So many rows are tried in vain before that is held against a stream.
_IN_VAIN_MOST = 1_000


class _Lane:
    """What is particular to one stream."""

    def __init__(self, flow: Flow, kind: KindPlan, field: str, bounds: Bounds) -> None:
        self.flow = flow
        self.stream = flow.spec.name
        self.shape = Shape(field)
        self.ways = self._ways(kind) if has_ordinary_rows(flow.spec) else {}
        self.taken = self.in_vain = 0
        self._longest = bounds.event_bytes if self.ways else -1

    def _ways(self, kind: KindPlan) -> dict[str, Way]:
        """Those event types that concern this kind alone and can be taken in that way."""
        steps = compile_steps(kind, self.shape.place_of)
        return {event: way_of(steps, self.stream, event) for event in steps if self.flow.kinds(event) == (kind.kind,)}

    def longest(self) -> int:
        """The longest row that is tried; -1 where none is, as most were tried in vain."""
        return -1 if self.in_vain > max(_IN_VAIN_MOST, self.taken) else self._longest

    def learn(self, raw: bytes) -> None:
        self.in_vain += 1
        self.shape.learn(raw)


class Express:
    """A router and a chain joined: rows in, and what they led to in the chain's effects."""

    def __init__(self, router: Router, chain: Chain) -> None:
        self._router = router
        self._chain = chain
        self._lanes: dict[str, _Lane] = {}
        self._project = chain.plan.configuration.project
        entities = self._project.entities
        field = plain_field(entities[0]) if len(entities) == 1 else ""
        kind = chain.plan.kinds.get(entities[0].kind) if field else None
        if kind is not None:
            self._lanes = {name: _Lane(flow, kind, field, self._project.bounds) for name, flow in router.flows.items()}
            self._note = noting(chain.detect, kind)

    def take(self, rows: Iterable[Row], letters: list[DeadLetter]) -> None:
        """Take rows in order, each row's ticks behind it; what is refused is added to `letters`."""
        left = self._others(rows) if any(lane.ways for lane in self._lanes.values()) else rows
        self._chain.take_all(self._router.route_all(left, letters))

    def _others(self, rows: Iterable[Row]) -> Iterator[Row]:  # noqa: C901  one function, as each call costs a tenth
        """Take the ordinary rows, and give the others, each when all before it are taken."""
        progress, take_all, note = self._router.progress, self._chain.take_all, self._note
        digest, max_ahead_ms = xxhash.xxh3_64_intdigest, self._project.max_ahead_ms
        lane = next(iter(self._lanes.values()))
        stream, shape, ways, longest = lane.stream, lane.shape, lane.ways, lane.longest()
        # Where the router was when it was told last, and how far records and the clock have come meanwhile.
        began = position = self._router.position
        clock, reached, next_look = "", 0, progress.next_look
        for row in rows:
            raw, arrived, is_due = row.raw, row.arrived_at, False
            if row.stream != stream and row.stream in self._lanes:
                self._tell(lane, position - began, clock, reached)
                began, lane = position, self._lanes[row.stream]
                stream, shape, ways, longest = lane.stream, lane.shape, lane.ways, lane.longest()
            if row.fields is None and not row.fault and len(raw) <= longest and row.stream == stream:
                try:
                    event = shape.decode(raw)
                    way = ways[event.event]
                except (*REFUSALS, KeyError):
                    lane.learn(raw)
                else:
                    at = event.at
                    if not arrived or at - arrived <= max_ahead_ms:
                        if clock != (own := row.clock or row.source):
                            self._tell(lane, 0, clock, reached)
                            clock, reached = own, at
                        elif at > reached:
                            reached = at
                        is_due = at >= next_look
                        if is_due:
                            progress.reach(clock, reached)
                            take_all(progress.before(clock, at))
                        if note(way, event.key, event.id, at, event, digest(raw), position + 1, None):
                            position += 1
                            if is_due:
                                take_all(progress.ticks())
                                next_look = progress.next_look
                            continue
            self._tell(lane, position - began, clock, reached)
            if is_due:
                progress.look_again()
            yield row
            began = position = self._router.position
            clock, reached, next_look = "", 0, progress.next_look
        self._tell(lane, position - began, clock, reached)

    def _tell(self, lane: _Lane, taken: int, clock: str, reached: int) -> None:
        """Tell the router what has become of the rows since it routed one itself."""
        self._router.position += taken
        lane.flow.accepted += taken
        lane.taken += taken
        if reached:
            self._router.progress.reach(clock, reached)
