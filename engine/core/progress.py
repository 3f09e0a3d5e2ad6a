"""How far event time has come: progress per source, the ticks that follow from it, and streams that have gone quiet.

The tick is as far as all sources that are not idle have come, and never goes back. It is announced at most
once per full second (or another step). A stream is stalled when the tick is further past its last event than its
`stalled_after`.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

import msgspec

from engine.model import SECOND_MS, StreamResumed, StreamStalled, Tick
from engine.ports import NEVER
from engine.spec.types import StreamSpec

Notice = StreamStalled | StreamResumed
FILES = "files"  # the one clock of finite files that were merged in order of time


class ProgressState(msgspec.Struct, frozen=True):
    """All that has to be kept to go on exactly. `last` is the latest event time per stream that can stall, `told` are
    those of which was told before time has come to them.
    """

    tick: int = 0
    wall: int = 0
    reached: dict[str, int] = {}
    idle: tuple[str, ...] = ()
    last: dict[str, int] = {}
    stalled: dict[str, int] = {}
    told: dict[str, tuple[int, ...]] = {}


class Progress:
    """Moved by `reach` at every accepted event, and by `idle` and `quiet` where nothing comes."""

    def __init__(self, streams: Sequence[StreamSpec], step_ms: int = SECOND_MS) -> None:
        """`step_ms`: time is announced at most once in each full step of it."""
        self._step_ms = step_ms
        self._stalled_after = {stream.name: stream.stalled_after_ms for stream in streams if stream.stalled_after_ms}
        self._reached: dict[str, int] = {}
        self._idle: set[str] = set()
        self._last: dict[str, int] = {}
        self._stalled: dict[str, int] = {}
        self._told: dict[str, list[int]] = {}
        self._resumed: list[StreamResumed] = []
        self._tick = 0
        self._wall = 0
        self._due = False
        # Nothing can become due before an event time reaches this, so most events need only one comparison.
        self.next_look = 0

    def reach(self, clock: str, at: int) -> bool:
        """An event was accepted. True: ask `before` for what may have to be told before the event."""
        if at > self._reached.get(clock, -1):
            self._reached[clock] = at
        if self._idle:
            self._idle.discard(clock)
        return at >= self.next_look

    def reached(self, clock: str) -> int:
        return self._reached.get(clock, 0)

    def before(self, clock: str, at: int) -> list[Tick | Notice]:
        """What comes before the event that was just reached: streams that turn out to have been silent, and time.

        In recorded history nothing came between two events, so time passes to just before the later one, as it would
        have live.
        """
        if clock != FILES or self._reached[clock] != at:
            return [*self._look()]
        self._reached[clock] = at - 1
        passed: list[Tick | Notice] = [*self._look()]
        floor = self._floor()
        if self._tick and floor // self._step_ms > self._tick // self._step_ms:
            passed.append(self._tick_at(floor))
        self._reached[clock] = at
        return [*passed, *self._look()]

    def look_again(self) -> None:
        """`before` was asked for an event that comes once more."""
        self.next_look = 0

    def flowed(self, stream: str, at: int) -> None:
        """An event of a stream that can stall has come."""
        if stream not in self._last:
            self.next_look = 0  # it may be far behind already
        self._last[stream] = max(at, self._last.get(stream, 0))
        if stream in self._stalled and self._floor() - at <= self._stalled_after[stream]:
            del self._stalled[stream]
            self._resumed.append(StreamResumed(stream, at))
            self.next_look = 0

    def heard(self, stream: str, at: int) -> list[Notice]:
        """An event of a stream that can stall is about to come, and none has come since the one told of before it.

        For those who are told now and then, and not of each event: it gives the silence between the two, if it was one.
        """
        last, notices = self._last.get(stream, at), list[Notice]()
        if stream not in self._stalled and at - last > self._stalled_after.get(stream, NEVER):
            self._stalled[stream] = last
            notices.append(StreamStalled(stream, last))
        self.flowed(stream, at)
        return notices

    def tell(self, stream: str, at: int) -> None:
        """As `heard`, in recorded history, where time waits for every source: `silences` has it when time has come."""
        insort(self._told.setdefault(stream, []), at)

    def silences(self, *, is_over: bool = False) -> list[Notice]:
        """The silences before those events of which `tell` was told, and to which every source has come by now.

        `is_over`: nothing more comes from any source, so before all of them.
        """
        floor, notices = self._floor(), list[Notice]()
        for stream, times in self._told.items():
            until = len(times) if is_over else bisect_right(times, floor)
            for at in times[:until]:
                last = self._last.get(stream, at)
                if stream not in self._stalled and at - last > self._stalled_after.get(stream, NEVER):
                    self._stalled[stream] = last
                    notices.append(StreamStalled(stream, last))
                if self._stalled.pop(stream, None) is not None:
                    notices.append(StreamResumed(stream, at))
                self._last[stream] = max(at, last)
            del times[:until]
        return notices

    def expect(self, clock: str) -> None:
        """Hold time back for a source that has not produced yet, until it does or is idle."""
        self._reached.setdefault(clock, 0)

    def idle(self, clock: str) -> None:
        """A source is quiet while others flow: time no longer waits for it until it produces again."""
        if clock in self._reached:
            self._idle.add(clock)
            self.next_look = 0

    def quiet(self, now_ms: int) -> None:
        """All is quiet: time follows the wall clock."""
        self._idle.update(self._reached)
        self._wall = max(self._wall, now_ms)
        self.next_look = 0

    def ticks(self) -> list[Tick | Notice]:
        """What has become due since the last call: changes of streams first, then at most one tick."""
        if not self._due and not self._resumed and self.next_look:
            return []
        due: list[Tick | Notice] = [*self._look()]
        floor = self._floor()
        if floor // self._step_ms > self._tick // self._step_ms:
            due.append(self._tick_at(floor))
        return due

    def end(self, at: int | None = None) -> list[Tick | Notice]:
        """The input has ended: time goes to the largest event time, or on to `at`."""
        furthest = max([*self._reached.values(), self._wall, at or 0])
        self._idle.update(self._reached)
        self._wall = furthest
        due: list[Tick | Notice] = [*self._look()]
        if furthest > self._tick:
            due.append(self._tick_at(furthest))
        return due

    def state(self) -> ProgressState:
        assert not self._resumed, "take ticks() before the state, or a resumed stream would be lost"
        idle, last = tuple(sorted(self._idle)), dict(self._last)
        told = {stream: tuple(times) for stream, times in self._told.items() if times}
        return ProgressState(self._tick, self._wall, dict(self._reached), idle, last, dict(self._stalled), told)

    def restore(self, state: ProgressState) -> None:
        self._tick, self._wall = state.tick, state.wall
        self._reached, self._idle = dict(state.reached), set(state.idle)
        self._last, self._stalled = dict(state.last), dict(state.stalled)
        self._told = {stream: list(times) for stream, times in state.told.items()}
        self._resumed, self._due, self.next_look = [], False, 0

    def _floor(self) -> int:
        """The time that every source has reached which is not idle; with none of those, the wall clock's."""
        if not self._idle:
            return max(self._tick, min(self._reached.values(), default=0))
        active = [at for clock, at in self._reached.items() if clock not in self._idle]
        return max(self._tick, min(active) if active else self._wall)

    def _look(self) -> list[Notice]:
        floor = self._floor()
        # A stream that resumed and went silent again since the last ticks() must be told in that order.
        notices: list[Notice] = [*self._resumed]
        self._resumed = []
        next_stall = NEVER
        for stream, after in self._stalled_after.items():
            if stream not in self._last or stream in self._stalled:
                continue
            if floor - self._last[stream] > after:
                self._stalled[stream] = self._last[stream]
                notices.append(StreamStalled(stream, self._last[stream]))
            else:
                next_stall = min(next_stall, self._last[stream] + after + 1)
        self._due = floor // self._step_ms > self._tick // self._step_ms
        next_second = NEVER if self._due else (self._tick // self._step_ms + 1) * self._step_ms
        self.next_look = min(next_second, next_stall)
        return notices

    def _tick_at(self, at: int) -> Tick:
        self._tick, self._due = at, False
        self.next_look = min(self.next_look, (at // self._step_ms + 1) * self._step_ms)
        return Tick(at)


class Noted(Progress):
    """How far each source and stream has come, and no more: where somebody else makes time of it.

    `to_tell` are streams and times of events that they have to hear of before the event that has just come. Between
    two that they hear of from one source there is more than `stalled_after` only where it was silent for so long; each
    source is told of by itself, as what is told of one may reach them behind the events of another. `source` is the
    one whose events are coming.
    """

    source = ""

    def __init__(self, streams: Sequence[StreamSpec]) -> None:
        super().__init__(streams)
        self.to_tell: list[tuple[str, int]] = []
        self._told_to: dict[str, int] = {}
        self._latest: dict[str, int] = {}

    def reach(self, clock: str, at: int) -> bool:
        if at > self._reached.get(clock, -1):
            self._reached[clock] = at
        return False

    def flowed(self, stream: str, at: int) -> None:
        last, after = self._latest.get(self.source, 0), self._stalled_after[stream]
        if at - self._told_to.get(self.source, 0) > after:
            self._tell(stream, last)
        if at - last > after:
            self._tell(stream, at)
        self._latest[self.source] = max(at, last)
        self._last[stream] = max(at, self._last.get(stream, 0))

    def latest(self, source: str) -> int:
        """The latest event time of a source whose stream can stall, 0 if none has come or it cannot."""
        return self._latest.get(source, 0)

    def _tell(self, stream: str, at: int) -> None:
        if at > self._told_to.get(self.source, 0):
            self._told_to[self.source] = at
            self.to_tell.append((stream, at))

    def ticks(self) -> list[Tick | Notice]:
        return []
