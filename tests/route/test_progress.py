"""How event time moves: ticks, idle sources, stalled streams, the end of input, restarts."""

from __future__ import annotations

from itertools import accumulate, pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from engine.core.progress import Noted, Notice, Progress
from engine.core.route import Outcome, Router, Row, Watched
from engine.model import HOUR_MS, DeadLetter, Routed, StreamResumed, StreamStalled, Tick
from engine.spec.types import EntitySpec, ProjectSpec, StreamSpec

MONDAY = 1_767_571_200_000
PROJECT = ProjectSpec(
    entities=(EntitySpec(kind="customer", fields=("customer",)),),
    streams=(StreamSpec(name="usage", stalled_after_ms=HOUR_MS), StreamSpec(name="tickets")),
)


def router() -> Router:
    return Router(PROJECT, Watched(all_events=frozenset({"customer"})))


def row(at: int, source: str = "live", stream: str = "usage") -> Row:
    fields = {"id": str(at), "event": "x", "at": MONDAY + at, "customer": "c7"}
    return Row(stream, "a.jsonl", at, orjson.dumps(fields), clock=source)


def feed(to: Router, *rows: Row) -> list[Outcome | Tick]:
    """Everything that comes of rows one by one, Routed records left out."""
    out = [each for one in rows for each in [*to.route(one), *to.ticks()]]
    return [each for each in out if not isinstance(each, Routed)]


def tick(at: int) -> Tick:
    return Tick(MONDAY + at)


#   events   0 . 400 . 999 | 1000 . 1500 | . . | 3200
#   ticks    0             | 1000        |     | 3200
def test_there_is_one_tick_per_full_second_of_progress() -> None:
    assert feed(router(), *(row(at) for at in (0, 400, 999, 1000, 1500, 3200))) == [tick(0), tick(1000), tick(3200)]


#   recorded history: nothing came between two events, so time passes to just before the later one
#   events   0 . 400 |     . . 3200
#   ticks    0       |     3199, 3200
def test_in_recorded_history_time_passes_to_just_before_the_next_event() -> None:
    to = router()
    feed(to, row(0, "files"), row(400, "files"))
    out = [*to.route(row(3200, "files")), *to.ticks()]
    assert [each for each in out if isinstance(each, Tick)] == [tick(3199)]
    assert isinstance(out[0], Tick)
    assert feed(to, row(90_000, "files")) == [tick(89_999), tick(90_000)]


def test_an_event_out_of_order_moves_no_time() -> None:
    assert feed(router(), row(5000), row(1000), row(5500)) == [tick(5000)]


def test_a_tick_waits_for_the_slowest_source() -> None:
    to = router()
    feed(to, row(0, "a"), row(0, "b"))
    assert feed(to, row(9000, "a")) == []
    assert feed(to, row(4000, "b")) == [tick(4000)]


def test_an_expected_source_holds_time_until_it_produces() -> None:
    to = router()
    to.expect("b")
    assert feed(to, row(0, "a")) == []
    assert feed(to, row(10, "b")) == [tick(0)]


def test_an_idle_source_holds_nothing_up_until_it_produces_again() -> None:
    to = router()
    feed(to, row(0, "a"), row(0, "b"))
    to.idle("b")
    assert feed(to, row(9000, "a")) == [tick(9000)]
    assert feed(to, row(5000, "b"), row(20_000, "a")) == []
    assert feed(to, row(12_000, "b")) == [tick(12_000)]


def test_when_all_is_quiet_time_follows_the_wall_clock() -> None:
    to = router()
    feed(to, row(0))
    to.quiet(MONDAY + 7000)
    assert to.ticks() == [tick(7000)]
    to.quiet(MONDAY + 7400)
    assert to.ticks() == []
    assert feed(to, row(6000), row(8000)) == [tick(8000)]


def test_the_end_of_input_moves_time_to_the_largest_event_time_and_no_further() -> None:
    to = router()
    feed(to, row(0, "a"), row(0, "b"), row(9400, "a"))
    assert to.end() == [tick(9400)]
    assert to.end() == []


def test_the_end_may_be_set_further() -> None:
    to = router()
    feed(to, row(0))
    assert to.end(MONDAY + 5000) == [tick(5000)]


def test_without_events_there_is_no_time() -> None:
    assert router().ticks() == []
    assert router().end() == []


def test_a_silent_stream_is_stalled_until_it_flows_again() -> None:
    to = router()
    feed(to, row(0))
    assert feed(to, row(HOUR_MS + 1, stream="tickets")) == [StreamStalled("usage", MONDAY), tick(HOUR_MS + 1)]
    assert feed(to, row(HOUR_MS + 2000, stream="tickets")) == [tick(HOUR_MS + 2000)]
    assert feed(to, row(HOUR_MS + 3000)) == [StreamResumed("usage", MONDAY + HOUR_MS + 3000), tick(HOUR_MS + 3000)]


def test_a_silence_is_told_before_the_event_that_shows_it() -> None:
    to = router()
    feed(to, row(0))
    out = [*to.route(row(9 * HOUR_MS)), *to.ticks()]
    assert [type(each) for each in out] == [StreamStalled, Routed, StreamResumed, Tick]


def test_a_stream_that_never_produced_is_not_stalled() -> None:
    assert feed(router(), *(row(at * HOUR_MS, stream="tickets") for at in (0, 9))) == [tick(0), tick(9 * HOUR_MS)]


def test_a_stream_that_is_catching_up_is_stalled_until_it_has_caught_up() -> None:
    to = router()
    feed(to, row(0), row(9 * HOUR_MS, stream="tickets"))
    assert feed(to, row(2 * HOUR_MS), row(3 * HOUR_MS)) == []
    assert feed(to, row(8 * HOUR_MS)) == [StreamResumed("usage", MONDAY + 8 * HOUR_MS)]


# ---- told now and then


def told(times: list[int], batch: int) -> list[Tick | Notice]:
    """What one comes to who hears of a stream what another notes of it, and of its source behind each batch."""
    noted, progress, found = Noted(PROJECT.streams), Progress(PROJECT.streams), list[Tick | Notice]()
    for number, at in enumerate(times, start=1):
        noted.flowed("usage", MONDAY + at)
        for stream, flowed in noted.to_tell:
            found += [*progress.heard(stream, flowed), *progress.ticks()]
        noted.to_tell.clear()
        if number % batch == 0:
            found += progress.heard("usage", MONDAY + at)
            if progress.reach("usage/0", MONDAY + at):
                found += progress.before("usage/0", MONDAY + at)
            found += progress.ticks()
    return found


@given(st.lists(st.integers(0, 2 * HOUR_MS), min_size=1, max_size=20), st.integers(1, 25))
def test_whoever_is_told_now_and_then_knows_each_silence_and_no_other(pauses: list[int], batch: int) -> None:
    times = list(accumulate(pauses))
    silences = [(a + MONDAY, b + MONDAY) for a, b in pairwise(times) if b - a > HOUR_MS]
    found = told(times, batch)
    assert [each.since for each in found if isinstance(each, StreamStalled)] == [since for since, _ in silences]
    assert [each.at for each in found if isinstance(each, StreamResumed)] == [until for _, until in silences]


def test_a_silence_is_told_before_its_end_and_known_to_whoever_began_later() -> None:
    """The one who notes began anew meanwhile, and has heard of nothing before."""
    progress = Progress(PROJECT.streams)
    assert progress.heard("usage", MONDAY) == []
    noted = Noted(PROJECT.streams)
    noted.flowed("usage", MONDAY + 3 * HOUR_MS)
    assert noted.to_tell == [("usage", MONDAY + 3 * HOUR_MS)]
    assert progress.heard(*noted.to_tell[0]) == [StreamStalled("usage", MONDAY)]
    assert progress.ticks() == [StreamResumed("usage", MONDAY + 3 * HOUR_MS)]


def test_in_recorded_history_a_source_that_is_read_first_tells_of_no_silence_by_itself() -> None:
    """Time waits for the other one, which flowed meanwhile; it is told of again after a restart."""
    progress = Progress(PROJECT.streams)
    for source in ("usage/0", "usage/1"):
        progress.expect(source)
    for hours in (0, 2, 3):
        progress.tell("usage", MONDAY + hours * HOUR_MS)
    progress.reach("usage/1", MONDAY + 3 * HOUR_MS)
    assert progress.silences() == []
    after = Progress(PROJECT.streams)
    after.restore(progress.state())
    after.tell("usage", MONDAY + HOUR_MS)
    after.reach("usage/0", MONDAY + HOUR_MS)
    assert after.silences() == []
    after.tell("usage", MONDAY + 5 * HOUR_MS)
    assert after.silences(is_over=True) == [
        StreamStalled("usage", MONDAY + 3 * HOUR_MS),
        StreamResumed("usage", MONDAY + 5 * HOUR_MS),
    ]


def test_each_source_of_a_stream_is_told_of_by_itself() -> None:
    noted, progress = Noted(PROJECT.streams), Progress(PROJECT.streams)
    for at in (MONDAY, MONDAY + 3 * HOUR_MS):
        for noted.source in ("usage/0", "usage/1"):
            noted.flowed("usage", at)
            assert noted.to_tell.pop() == ("usage", at)
            assert not noted.to_tell
    assert progress.heard("usage", MONDAY + 2 * HOUR_MS) == []
    assert progress.heard("usage", MONDAY + 3 * HOUR_MS) == [], "one was silent, but not the stream"


TIMES = st.lists(
    st.tuples(st.integers(0, 3 * HOUR_MS), st.sampled_from("ab"), st.sampled_from(["usage", "tickets"])), max_size=30
)


@given(TIMES, st.integers(0, 30))
def test_a_restart_changes_nothing(times: list[tuple[int, str, str]], stop: int) -> None:
    rows = [row(at, source, stream) for at, source, stream in times]
    straight, first, second = router(), router(), router()
    whole = [each for one in rows for each in [*straight.route(one), *straight.ticks()]]
    halves = [each for one in rows[:stop] for each in [*first.route(one), *first.ticks()]]
    second.restore(first.changes())
    halves += [each for one in rows[stop:] for each in [*second.route(one), *second.ticks()]]
    assert halves == whole
    assert second.changes().progress == straight.changes().progress


@given(TIMES)
def test_ticks_never_go_back_and_never_pass_a_source(times: list[tuple[int, str, str]]) -> None:
    to, last, reached = router(), 0, {"a": 0, "b": 0}
    to.expect("a")
    to.expect("b")
    for at, source, stream in times:
        assert not any(isinstance(each, DeadLetter) for each in to.route(row(at, source, stream)))
        reached[source] = max(reached[source], MONDAY + at)
        for each in to.ticks():
            if isinstance(each, Tick):
                assert last < each.at <= min(reached.values())
                last = each.at
