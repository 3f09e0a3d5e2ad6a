"""Reading finite input: every format, merged in order of time, going on exactly where it stopped."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.route import Router, Row, Watched
from engine.errors import OperatorError
from engine.model import DeadLetter, Routed
from engine.shells.files import FilePlace
from engine.shells.lines import LineCutter
from engine.shells.sources import MergedRows, read_all, without_files
from engine.spec.types import Bounds, EntitySpec, EventMap, ProjectSpec, StreamSpec, TimeFrom, ValueFrom

MONDAY = 1_767_571_200_000


def project(*streams: StreamSpec, event_bytes: int = 262_144) -> ProjectSpec:
    entities = (EntitySpec(kind="customer", fields=("customer",)),)
    return ProjectSpec(entities=entities, streams=streams, bounds=Bounds(event_bytes=event_bytes))


def reading(spec: ProjectSpec, data: Path, positions: dict[str, FilePlace] | None = None) -> MergedRows:
    return read_all(spec, data, router_for(spec), positions)


def router_for(spec: ProjectSpec) -> Router:
    return Router(spec, Watched(all_events=frozenset({"customer"})))


def line(at: int, **fields: object) -> bytes:
    return orjson.dumps({"id": f"e{at}", "event": "x", "at": MONDAY + at, "customer": "c7"} | fields) + b"\n"


def write(path: Path, *lines: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wb") as file:
        file.write(b"".join(lines))
    return path


def ids(spec: ProjectSpec, rows: Iterator[Row]) -> list[str]:
    """The id of each event, or the reason it was refused, in the order read."""
    router = router_for(spec)
    out = [each for row in rows for each in router.route(row)]
    return [
        each.event.id if isinstance(each, Routed) else each.reason
        for each in out
        if isinstance(each, Routed | DeadLetter)
    ]


USAGE = StreamSpec(name="usage", source="usage*.jsonl*")
TICKETS = StreamSpec(name="tickets", source="tickets.csv", format="csv", delimiter=";")


def test_files_are_merged_in_order_of_time(tmp_path: Path) -> None:
    write(tmp_path / "usage-1.jsonl", line(10), line(40))
    write(tmp_path / "usage-2.jsonl.gz", line(20), line(30))
    write(tmp_path / "tickets.csv", b"id;event;at;customer\n", b"t25;x;2026-01-05T00:00:00.025Z;c7\n")
    spec = project(USAGE, TICKETS)
    assert ids(spec, reading(spec, tmp_path)) == ["e10", "e20", "t25", "e30", "e40"]


def test_equal_times_are_read_by_stream_path_and_position(tmp_path: Path) -> None:
    for name in ("usage-b", "usage-a"):
        write(tmp_path / f"{name}.jsonl", line(5, id=f"{name}1"), line(5, id=f"{name}2"))
    write(tmp_path / "early.jsonl", line(5, id="early"))
    spec = project(USAGE, StreamSpec(name="early", source="early.jsonl"))
    assert ids(spec, reading(spec, tmp_path)) == ["early", "usage-a1", "usage-a2", "usage-b1", "usage-b2"]


def test_merged_files_count_as_one_source(tmp_path: Path) -> None:
    write(tmp_path / "usage-1.jsonl", line(0))
    write(tmp_path / "usage-2.jsonl", line(9000))
    spec = project(USAGE)
    router = router_for(spec)
    for row in read_all(spec, tmp_path, router):
        router.route(row)
        router.ticks()
    assert router.changes().progress.tick == MONDAY + 9000


def test_a_stream_to_be_sorted_is_put_in_order_event_by_event(tmp_path: Path) -> None:
    days = EventMap(at=TimeFrom(field="placed"), event=ValueFrom(constant="placed"))
    later = EventMap(at=TimeFrom(field="done"), event=ValueFrom(constant="done"), when_present=True)
    stream = StreamSpec(name="orders", source="orders.jsonl", sort=True, maps=(days, later))
    rows = [(1, 30, 50), (2, 10, 40), (3, 20, None)]
    written = [{"id": n, "customer": "c7", "placed": MONDAY + a, "done": b and MONDAY + b} for n, a, b in rows]
    write(tmp_path / "orders.jsonl", *(orjson.dumps(each) + b"\n" for each in written), b"{\n")
    write(tmp_path / "usage.jsonl", line(25))
    spec = project(stream, USAGE)
    assert ids(spec, reading(spec, tmp_path)) == ["bad_json", "2#1", "3#1", "e25", "1#1", "2#2", "1#2"]


@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("stop", range(8))
def test_reading_goes_on_exactly_where_it_stopped(tmp_path: Path, stop: int, sort: bool) -> None:
    write(tmp_path / "usage-1.jsonl", line(10), b"\n", line(40), line(45))
    write(tmp_path / "usage-2.jsonl.gz", line(20), b"{broken\n", line(30))
    write(tmp_path / "tickets.csv", b"id;event;at;customer\n", b'"t\n25";x;2026-01-05T00:00:00.025Z;c7\n', b"a;b\n")
    spec = project(StreamSpec(name="usage", source="usage*.jsonl*", sort=sort), TICKETS)
    whole = list(reading(spec, tmp_path))
    first = reading(spec, tmp_path)
    before = [next(first) for _ in range(stop)]
    assert before + list(reading(spec, tmp_path, first.positions())) == whole
    assert len(whole) == 8


def test_a_file_that_was_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    write(tmp_path / "usage.jsonl", line(1), line(2))
    spec = project(USAGE)
    rows = reading(spec, tmp_path)
    list(rows)
    write(tmp_path / "usage.jsonl", line(3), line(4), line(5))
    assert ids(spec, reading(spec, tmp_path, rows.positions())) == ["e3", "e4", "e5"]


def test_a_file_that_grew_is_read_from_where_it_ended(tmp_path: Path) -> None:
    path = write(tmp_path / "usage.jsonl", line(1))
    spec = project(USAGE)
    rows = reading(spec, tmp_path)
    list(rows)
    with path.open("ab") as file:
        file.write(line(2))
    assert ids(spec, reading(spec, tmp_path, rows.positions())) == ["e2"]


# ---- lines


def test_a_missing_last_newline_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    write(tmp_path / "usage.jsonl", line(1).replace(b"\n", b"\r\n"), b"\r\n", line(2).rstrip())
    spec = project(USAGE)
    assert ids(spec, reading(spec, tmp_path)) == ["e1", "e2"]


def test_a_byte_order_mark_at_the_start_of_a_file_is_no_part_of_it(tmp_path: Path) -> None:
    write(tmp_path / "usage.jsonl", b"\xef\xbb\xbf", line(1))
    write(tmp_path / "tickets.csv", b"\xef\xbb\xbfid;event;at;customer\n", b"t2;x;2026-01-05T00:00:00.025Z;c7\n")
    spec = project(USAGE, TICKETS)
    assert ids(spec, reading(spec, tmp_path)) == ["e1", "t2"]


def test_only_truly_empty_lines_are_skipped(tmp_path: Path) -> None:
    write(tmp_path / "usage.jsonl", b"\n\n", line(1), b"  \n", b"null\n")
    spec = project(USAGE)
    assert ids(spec, reading(spec, tmp_path)) == ["e1", "null_value", "null_value"]


@pytest.mark.parametrize("name", ["usage.jsonl", "usage.jsonl.gz"])
def test_a_line_too_long_to_hold_is_refused_and_the_next_one_read(tmp_path: Path, name: str) -> None:
    huge = line(2, text="x" * 700_000)
    write(tmp_path / name, line(1), huge, line(3))
    spec = project(USAGE)
    rows = list(reading(spec, tmp_path))
    assert ids(spec, iter(rows)) == ["e1", "too_large", "e3"]
    assert rows[1].size == len(huge) - 1
    assert len(rows[1].raw) == 65_536


@given(st.lists(st.binary(max_size=30)), st.integers(1, 40), st.integers(1, 20))
def test_lines_do_not_depend_on_how_the_bytes_come(texts: list[bytes], step: int, longest: int) -> None:
    content = b"\n".join(texts)
    straight, pieces = LineCutter(0, longest), LineCutter(0, longest)
    whole = [*straight.feed(content), *straight.finish()]
    parts = [each for n in range(0, len(content), step) for each in pieces.feed(content[n : n + step])]
    assert [*parts, *pieces.finish()] == whole
    assert b"".join(content[each.start : each.after] for each in whole) == content


def test_a_damaged_gzip_file_gives_what_it_can_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "usage.jsonl.gz", *(line(n, text=str(n) * 50) for n in range(2000)))
    path.write_bytes(path.read_bytes()[:-2000])
    spec = project(USAGE)
    found = ids(spec, reading(spec, tmp_path))
    assert found[0] == "e0"
    assert found[-1] == "bad_gzip"
    assert len(found) > 500


def test_what_is_no_gzip_at_all_is_one_dead_letter(tmp_path: Path) -> None:
    (tmp_path / "usage.jsonl.gz").write_bytes(b"plain text")
    spec = project(USAGE)
    assert ids(spec, reading(spec, tmp_path)) == ["bad_gzip"]


# ---- CSV


def csv_ids(tmp_path: Path, *lines: bytes, event_bytes: int = 262_144) -> list[str]:
    write(tmp_path / "tickets.csv", b"id;event;at;customer\n", *lines)
    spec = project(TICKETS, event_bytes=event_bytes)
    return ids(spec, reading(spec, tmp_path))


AT = b"2026-01-05T00:00:00.025Z"


def test_quoted_fields_may_hold_delimiters_quotes_and_line_breaks(tmp_path: Path) -> None:
    assert csv_ids(tmp_path, b'"a;""\r\nb";x;' + AT + b";c7\r\n", b"c;x;" + AT + b";c7\n") == ['a;"\r\nb', "c"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"a;x;" + AT + b"\n", "bad_csv"),
        (b"a;x;" + AT + b";c7;more\n", "bad_csv"),
        (b'"a"b;x;' + AT + b";c7\n", "bad_csv"),
        (b'"never closed;x;' + AT + b";c7\n", "bad_csv"),
        (b"\xff;x;" + AT + b";c7\n", "bad_encoding"),
        (b"a" * 2000 + b";x;" + AT + b";c7\n", "too_large"),
    ],
)
def test_a_broken_row_does_not_take_the_next_one_with_it(tmp_path: Path, broken: bytes, reason: str) -> None:
    good = b"c;x;" + AT + b";c7\n"
    assert csv_ids(tmp_path, good, broken, good, b"\n", good, event_bytes=1000) == ["c", reason, "c", "c"]


def test_a_header_that_names_a_column_twice_is_the_operators_to_mend(tmp_path: Path) -> None:
    write(tmp_path / "tickets.csv", b"id;id\n", b"1;2\n")
    with pytest.raises(OperatorError, match="names the column 'id' twice"):
        list(reading(project(TICKETS), tmp_path))


@given(st.lists(st.sampled_from([b'"', b";", b"\n", b"\r\n", b"a", b"\xff", b"", b"x;y\n", b'"\n']), max_size=30))
def test_any_csv_is_read_to_its_end(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("csv")
    write(folder / "tickets.csv", b"a;b\n", *parts)
    rows = list(reading(project(TICKETS), folder))
    assert [row.position for row in rows] == sorted({row.position for row in rows})


# ---- which files


def test_no_input_at_all_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no stream has a file"):
        reading(project(USAGE), tmp_path)


def test_streams_without_files_are_named(tmp_path: Path) -> None:
    write(tmp_path / "usage.jsonl", line(1))
    assert without_files(project(USAGE, TICKETS), tmp_path) == ["tickets"]


@pytest.mark.parametrize("source", ["../other.jsonl", "/etc/passwd", "a/../../b"])
def test_files_outside_the_data_folder_are_not_read(tmp_path: Path, source: str) -> None:
    with pytest.raises(OperatorError, match="outside the data folder"):
        reading(project(StreamSpec(name="usage", source=source)), tmp_path)
