"""Following files: each row once, through partial lines, rotation, truncation and restarts."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson

from engine.core.route import Router, Row, Watched
from engine.shells.follow import Follower
from engine.spec.types import EntitySpec, ProjectSpec, StreamSpec

MONDAY = 1_767_571_200_000
PROJECT = ProjectSpec(
    entities=(EntitySpec(kind="customer", fields=("customer",)),),
    streams=(
        StreamSpec(name="usage", source="usage*.jsonl*"),
        StreamSpec(name="tickets", source="tickets.csv", format="csv"),
    ),
)


def line(at: int) -> bytes:
    return orjson.dumps({"id": f"e{at}", "event": "x", "at": MONDAY + at, "customer": "c7"}) + b"\n"


def append(path: Path, *content: bytes) -> None:
    with path.open("ab") as file:
        file.write(b"".join(content))


def follower(data: Path, after: Follower | None = None) -> Follower:
    router = Router(PROJECT, Watched(all_events=frozenset({"customer"})))
    return Follower(PROJECT, data, router, after.positions() if after else None)


def ids(rows: list[Row]) -> list[str]:
    return [str(orjson.loads(row.raw)["id"]) for row in rows]


def test_rows_come_as_they_are_appended(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    assert live.poll(10) == []
    append(path, line(1), line(2), line(3))
    assert ids(live.poll(2)) == ["e1", "e2"]
    append(path, line(4))
    assert ids(live.poll(10)) == ["e3", "e4"]
    assert live.poll(10) == []


def test_a_last_line_waits_for_its_newline(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1)[:20])
    assert live.poll(10) == []
    append(path, line(1)[20:])
    assert ids(live.poll(10)) == ["e1"]


def test_what_is_there_comes_in_order_of_time(tmp_path: Path) -> None:
    append(tmp_path / "usage-1.jsonl", line(1), line(4))
    append(tmp_path / "usage-2.jsonl", line(2), line(3))
    assert ids(follower(tmp_path).poll(10)) == ["e1", "e2", "e3", "e4"]


def test_rows_carry_their_arrival_and_their_own_clock(tmp_path: Path) -> None:
    append(tmp_path / "usage.jsonl", line(1))
    (row,) = follower(tmp_path).poll(10, now_ms=MONDAY + 500)
    assert (row.arrived_at, row.clock, row.source) == (MONDAY + 500, "usage:usage.jsonl", "usage.jsonl")


def test_a_source_is_idle_after_its_streams_idle_after(tmp_path: Path) -> None:
    append(tmp_path / "usage.jsonl", line(1))
    live = follower(tmp_path)
    live.poll(10, now_ms=MONDAY)
    assert live.idle(MONDAY + 29_999) == []
    assert live.idle(MONDAY + 30_000) == ["usage:usage.jsonl"]


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_start(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1))
    live.poll(10)
    append(path, line(2), line(3).rstrip())
    path.rename(tmp_path / "old.log")
    append(path, line(4))
    assert sorted(ids(live.poll(10)) + ids(live.poll(10))) == ["e2", "e3", "e4"]
    assert live.poll(10) == []


def test_a_writer_may_go_on_with_a_rotated_file_for_a_while(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1))
    live.poll(10, now_ms=MONDAY)
    path.rename(tmp_path / "old.log")
    assert live.poll(10, now_ms=MONDAY + 1000) == []
    append(tmp_path / "old.log", line(2))
    assert ids(live.poll(10, now_ms=MONDAY + 2000)) == ["e2"]


def test_a_file_renamed_within_its_stream_is_not_read_again(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1))
    live.poll(10)
    path.rename(tmp_path / "usage-1.jsonl")
    append(tmp_path / "usage-1.jsonl", line(2))
    append(path, line(3))
    assert ids(live.poll(10)) == ["e2", "e3"]


def test_a_truncated_file_is_read_from_its_start(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1), line(2))
    live.poll(10)
    path.write_bytes(line(3))
    assert ids(live.poll(10)) == ["e3"]
    append(path, line(4))
    assert ids(live.poll(10)) == ["e4"]


def test_following_goes_on_after_a_restart_without_loss_or_repeat(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1), line(2), line(3), line(4)[:9])
    assert ids(live.poll(2)) == ["e1", "e2"]
    again = follower(tmp_path, after=live)
    append(path, line(4)[9:])
    assert ids(again.poll(10)) == ["e3", "e4"]


def test_a_rotation_during_a_restart_loses_nothing(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1), line(2))
    live.poll(1)
    path.rename(tmp_path / "old.log")
    append(path, line(3))
    again = follower(tmp_path, after=live)
    assert ids(again.poll(10)) == ["e2", "e3"]
    assert again.poll(10) == []


def test_a_restart_while_a_rotated_file_is_still_being_read_loses_nothing(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1), line(2), line(3))
    live.poll(1)
    path.rename(tmp_path / "old.log")
    append(path, line(4))
    assert ids(live.poll(1)) == ["e2"]
    assert ids(follower(tmp_path, after=live).poll(10)) == ["e3", "e4"]


def test_a_rename_within_the_stream_during_a_restart_repeats_nothing(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1), line(2))
    live.poll(1)
    path.rename(tmp_path / "usage-1.jsonl")
    append(path, line(3))
    assert ids(follower(tmp_path, after=live).poll(10)) == ["e2", "e3"]


def test_csv_rows_wait_for_the_end_of_a_quoted_field(tmp_path: Path) -> None:
    path, live = tmp_path / "tickets.csv", follower(tmp_path)
    append(path, b'id,note\n1,"first\n')
    assert live.poll(10) == []
    append(path, b'second"\n2,x\n')
    assert [row.fields for row in live.poll(10)] == [{"id": "1", "note": "first\nsecond"}, {"id": "2", "note": "x"}]
    append(path, b"3,y\n")
    assert [row.fields for row in follower(tmp_path, after=live).poll(10)] == [{"id": "3", "note": "y"}]


def test_a_packed_file_is_read_when_it_is_complete(tmp_path: Path) -> None:
    packed, live = gzip.compress(line(1) + line(2)), follower(tmp_path)
    append(tmp_path / "usage.jsonl.gz", packed[:-12])
    early = ids(live.poll(10))
    append(tmp_path / "usage.jsonl.gz", packed[-12:])
    assert early + ids(live.poll(10)) == ["e1", "e2"]


def test_a_finite_reading_can_be_followed_on(tmp_path: Path) -> None:
    path, live = tmp_path / "usage.jsonl", follower(tmp_path)
    append(path, line(1))
    live.poll(10)
    path.unlink()
    assert live.poll(10) == []
    append(path, line(2))
    assert ids(live.poll(10)) == ["e2"]
