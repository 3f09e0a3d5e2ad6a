"""Bad input is data: whatever comes in, each row has an outcome with a reason, and nothing raises."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.decode import Reason
from engine.core.route import Router, Row, Watched
from engine.model import DeadLetter, Event, Json, Routed
from engine.spec.types import Bounds, EntitySpec, EventMap, ProjectSpec, StreamSpec, TimeFrom, ValueFrom

MONDAY = 1_767_571_200_000
DOCS = Path(__file__).parents[2] / "docs"


def project(*streams: StreamSpec, **changes: object) -> ProjectSpec:
    entities = (EntitySpec(kind="customer", fields=("customer",)),)
    return ProjectSpec(entities=entities, streams=streams or (StreamSpec(name="usage"),), **changes)  # type: ignore[arg-type]


def router_for(spec: ProjectSpec) -> Router:
    return Router(spec, Watched(all_events=frozenset({"customer"})))


def event_bytes(**fields: object) -> bytes:
    return orjson.dumps({"id": "e1", "event": "usage.login", "at": MONDAY, "customer": "c7"} | fields)


def route_one(raw: bytes, spec: ProjectSpec | None = None, arrived_at: int = 0) -> Routed | DeadLetter:
    (outcome,) = router_for(spec or project()).route(Row("usage", "f", 7, raw, arrived_at=arrived_at))
    assert isinstance(outcome, Routed | DeadLetter)
    return outcome


def reason_for(raw: bytes, spec: ProjectSpec | None = None, arrived_at: int = 0) -> str:
    outcome = route_one(raw, spec, arrived_at)
    return outcome.reason if isinstance(outcome, DeadLetter) else "accepted"


def routed(raw: bytes, spec: ProjectSpec | None = None) -> Event:
    outcome = route_one(raw, spec)
    assert isinstance(outcome, Routed), outcome
    return outcome.event


@pytest.mark.parametrize("raw", [b"{", b'{"a": 1', b'{"a": 1} x', b"hello", b"{'a': 1}", event_bytes()[:-1]])
def test_b1_broken_json_is_refused(raw: bytes) -> None:
    assert reason_for(raw) == "bad_json"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
def test_b2_numbers_that_json_does_not_know_are_refused(number: bytes) -> None:
    assert reason_for(b'{"value": ' + number + b"}") == "bad_number"


def test_b3_the_last_of_repeated_keys_counts() -> None:
    assert routed(event_bytes()[:-1] + b',"customer":"c8"}').entities == {"customer": "c8"}


@pytest.mark.parametrize("tail", [b',"customer":"c8"}', b',"inner":{"a":1,"a":2}}', b',"list":[{"a":1,"a":1}]}'])
def test_b3_strict_json_refuses_repeated_keys(tail: bytes) -> None:
    assert reason_for(event_bytes()[:-1] + tail, project(StreamSpec(name="usage", strict_json=True))) == "duplicate_key"


@pytest.mark.parametrize(
    "number", [b"18446744073709551616", b"9007199254740993", b"-9007199254740993", b"1.5", b"true"]
)
def test_b4_ids_that_a_double_would_merge_are_refused(number: bytes) -> None:
    raw = event_bytes().replace(b'"c7"', number)
    assert reason_for(raw) == "bad_id"


def test_b4_small_whole_ids_are_written_out() -> None:
    event = routed(event_bytes(id=17, customer=42))
    assert (event.id, event.entities) == ("17", {"customer": "42"})


def test_b5_a_number_of_5000_digits_is_refused() -> None:
    assert reason_for(b'{"value": ' + b"9" * 5000 + b"}") == "bad_number"


@pytest.mark.parametrize("levels", [33, 1000, 100_000])
def test_b6_deep_nesting_is_refused(levels: int) -> None:
    assert reason_for(b'{"value": ' + b"[" * levels + b"]" * levels + b"}") == "too_deep"


def test_b6_many_brackets_are_not_depth() -> None:
    assert routed(event_bytes(text="[{" * 100, flat=[[] for _ in range(100)])).id == "e1"


def test_b6_depth_counts_to_the_bound() -> None:
    deepest = b"[" * 31 + b"]" * 31
    assert reason_for(event_bytes()[:-1] + b',"value":' + deepest + b"}") == "accepted"
    assert reason_for(event_bytes()[:-1] + b',"value":[' + deepest + b"]}") == "too_deep"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"customer": "\xff"}',
        b"\xef\xbb\xbf" + event_bytes(),
        event_bytes().decode().encode("utf-16"),
        event_bytes().decode().encode("utf-16-le"),
        event_bytes().decode().encode("utf-32"),
    ],
)
def test_b7_only_plain_utf8_is_taken(raw: bytes) -> None:
    assert reason_for(raw) == "bad_encoding"


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\u0041"', b'"\xed\xa0\x80"'])
def test_b8_half_a_surrogate_pair_is_refused(text: bytes) -> None:
    assert reason_for(b'{"customer": ' + text + b"}") == "bad_encoding"


def test_b9_a_huge_event_keeps_its_beginning_size_and_digest() -> None:
    raw = event_bytes(text="x" * 300_000)
    letter = route_one(raw)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.raw_size, letter.raw) == ("too_large", len(raw), raw[:65_536])
    assert letter.raw_digest == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("raw", [b"", b"  ", b"null", b" \t\r"])
def test_b10_an_empty_value_is_refused(raw: bytes) -> None:
    assert reason_for(raw) == "null_value"


@pytest.mark.parametrize("raw", [b"[]", b"1", b'"text"', b"true", b"[{}]"])
def test_b11_a_value_that_is_no_object_is_refused(raw: bytes) -> None:
    assert reason_for(raw) == "not_an_object"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"at": None}, "missing_field"),
        ({"at": ""}, "missing_field"),
        ({"event": None}, "missing_field"),
        ({"event": ""}, "missing_field"),
        ({"event": 5}, "wrong_type"),
        ({"event": "x" * 257}, "wrong_type"),
        ({"at": True}, "bad_time"),
        ({"at": [MONDAY]}, "bad_time"),
        ({"id": ["e1"]}, "bad_id"),
        ({"id": "x" * 257}, "bad_id"),
        ({"customer": {"id": "c7"}}, "bad_id"),
        ({"customer": "x" * 257}, "bad_id"),
        ({"customer": ""}, "no_entity"),
        ({"customer": None}, "no_entity"),
    ],
)
def test_b11_missing_fields_and_wrong_types_are_refused(fields: dict[str, Json], reason: str) -> None:
    assert reason_for(event_bytes(**fields)) == reason


def test_b11_fields_that_no_map_names_are_kept_out_but_counted() -> None:
    mapping = EventMap(attributes={"plan": ValueFrom(field="plan")})
    router = router_for(project(StreamSpec(name="usage", maps=(mapping,))))
    router.route(Row("usage", "f", 0, event_bytes(plan="pro")))
    router.route(Row("usage", "f", 1, event_bytes(plan="pro", colour="red")))
    assert router.drain_counts() == {("accepted", "usage"): 2, ("unknown_field", "usage"): 1}
    assert router.drain_counts() == {}


def test_b12_nothing_is_coerced_unless_declared() -> None:
    assert routed(event_bytes(size="5", ok=1)).attributes["size"] == "5"
    declared = EventMap(
        attributes={"size": ValueFrom(field="size", as_="whole"), "ok": ValueFrom(field="ok", as_="flag")}
    )
    stream = StreamSpec(name="usage", maps=(declared,))
    assert routed(event_bytes(size="5", ok="yes"), project(stream)).attributes == {"size": 5, "ok": True}
    assert reason_for(event_bytes(size="five", ok=True), project(stream)) == "wrong_type"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"schema_version": 2}, "future_schema"),
        ({"schema_version": "2.1"}, "future_schema"),
        ({"schema_version": "1.9"}, "accepted"),
        ({"schema_version": "draft"}, "accepted"),
        ({"specversion": "2.0"}, "future_schema"),
    ],
)
def test_b13_a_newer_event_shape_is_refused(fields: dict[str, Json], reason: str) -> None:
    assert reason_for(event_bytes(**fields)) == reason


@pytest.mark.parametrize("at", [MONDAY // 1000, MONDAY * 1000, MONDAY * 1_000_000, str(MONDAY)])
def test_b14_a_time_in_another_unit_is_never_guessed(at: Json) -> None:
    assert reason_for(event_bytes(at=at)) in {"far_past", "far_future", "bad_time"}


@pytest.mark.parametrize(("unit", "factor"), [("s", 0.001), ("ms", 1), ("us", 1000), ("ns", 1_000_000)])
def test_b14_a_declared_unit_is_read(unit: str, factor: float) -> None:
    spec = project(StreamSpec(name="usage", maps=(EventMap(at=TimeFrom(unit=unit)),)))  # type: ignore[arg-type]
    written = int(MONDAY * factor)
    assert routed(event_bytes(at=written), spec).at == MONDAY
    assert routed(event_bytes(at=str(written)), spec).at == MONDAY
    assert routed(event_bytes(at=float(written)), spec).at == MONDAY


def test_b15_an_event_ahead_of_its_arrival_moves_no_time() -> None:
    router = router_for(project())
    router.route(Row("usage", "f", 0, event_bytes(), arrived_at=MONDAY))
    assert [tick.at for tick in router.ticks()] == [MONDAY]  # type: ignore[union-attr]
    (letter,) = router.route(Row("usage", "f", 1, event_bytes(at=MONDAY + 300_001), arrived_at=MONDAY))
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "far_future"
    assert router.ticks() == []


@pytest.mark.parametrize("at", [0, -1, -(10**18), 946_684_799_999, "1970-01-01T00:00:00Z"])
def test_b16_a_time_before_2000_is_refused(at: Json) -> None:
    assert reason_for(event_bytes(at=at)) == "far_past"


@pytest.mark.parametrize("at", ["2026-01-05T10:00:00", "2026-01-05", "yesterday", "2026-13-01T00:00:00Z", "1" * 5000])
def test_b17_a_time_without_offset_or_sense_is_refused(at: str) -> None:
    assert reason_for(event_bytes(at=at)) == "bad_time"


def test_b18_arrival_is_kept_beside_the_producers_clock() -> None:
    outcome = route_one(event_bytes(), arrived_at=MONDAY + 9_000)
    assert isinstance(outcome, Routed)
    assert (outcome.event.at, outcome.event.arrived_at) == (MONDAY, MONDAY + 9_000)


def test_b19_b20_a_repeat_and_a_conflict_can_be_told_apart_later() -> None:
    first, repeat, conflict = (routed(event_bytes(n=n)) for n in (1, 1, 2))
    assert first.id == repeat.id == conflict.id
    assert first.body == repeat.body != conflict.body


def test_b21_an_event_out_of_order_is_routed_and_time_stays() -> None:
    router = router_for(project())
    router.route(Row("usage", "f", 0, event_bytes()))
    router.ticks()
    assert isinstance(router.route(Row("usage", "f", 1, event_bytes(at=MONDAY - 60_000)))[0], Routed)
    assert router.ticks() == []


def test_b22_a_missing_id_is_made_from_the_place_and_marked_weak() -> None:
    first, again = routed(event_bytes(id=None)), routed(event_bytes(id=""))
    assert first.id_is_weak
    assert first.id.startswith("usage/f@000000000007-")
    assert again.id != first.id


def test_b23_ids_are_compared_as_they_are_unless_nfc_is_declared() -> None:
    composed, decomposed, hidden = "caf\u00e9", "cafe\u0301", "caf\u00e9\u200b"
    raw = [
        routed(event_bytes(customer=text)).entities["customer"] for text in (composed, decomposed, hidden, "CAF\u00c9")
    ]
    assert len(set(raw)) == 4
    declared = ProjectSpec(
        entities=(EntitySpec(kind="customer", fields=("customer",), normalise="nfc"),),
        streams=(StreamSpec(name="usage"),),
    )
    assert routed(event_bytes(customer=decomposed), declared).entities["customer"] == composed
    assert routed(event_bytes(customer=hidden), declared).entities["customer"] == hidden


def test_b24_control_characters_travel_as_they_are() -> None:
    text = "a\u202eb\x00c\x1b[31m"
    assert routed(event_bytes(note=text)).attributes["note"] == text


def test_b25_joined_names_are_bounded() -> None:
    person = EntitySpec(kind="person", fields=("customer",), also_known_as=("email",))
    spec = ProjectSpec(entities=(person,), streams=(StreamSpec(name="usage"),), bounds=Bounds(keys_per_entity_kind=2))
    router = Router(spec, Watched(all_events=frozenset({"person"})))
    for n in range(5):
        router.route(Row("usage", "f", n, event_bytes(email=f"{n}@example.com")))
    assert len(router.changes().aliases["person"]) == 2


def test_an_unknown_stream_is_refused() -> None:
    (letter,) = router_for(project()).route(Row("orders", "f", 0, event_bytes()))
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "unknown_stream"


def test_what_a_map_does_not_list_is_refused() -> None:
    listed = EventMap(event=ValueFrom(field="event", values={"1": "ticket.opened"}, only_listed=True))
    spec = project(StreamSpec(name="usage", maps=(listed,)))
    assert routed(event_bytes(event="1"), spec).event == "ticket.opened"
    assert reason_for(event_bytes(event="2"), spec) == "unlisted_value"


def test_a_refused_row_tells_where_it_stood() -> None:
    letter = route_one(b"{")
    assert isinstance(letter, DeadLetter)
    assert (letter.stream, letter.source, letter.position, letter.raw) == ("usage", "f", 7, b"{")


def test_every_reason_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)`", (DOCS / "bad-input.md").read_text(), re.MULTILINE))
    assert documented == {reason.value for reason in Reason}


def _dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        return repr(value).encode(errors="surrogatepass")


FIELDS = ["id", "event", "at", "customer", "specversion", "schema_version", "data", "source", "type", "time", "subject"]
NAMES = st.sampled_from(FIELDS) | st.text()
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=8))
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=8)
BYTES = st.binary(max_size=200) | (VALUES | OBJECTS).map(_dumped)


@given(BYTES)
def test_any_bytes_have_exactly_one_outcome(raw: bytes) -> None:
    assert len(router_for(project()).route(Row("usage", "f", 0, raw))) == 1


@given(BYTES)
def test_any_bytes_have_exactly_one_outcome_when_mapped(raw: bytes) -> None:
    mapping = EventMap(
        event=ValueFrom(constant="x"), at=TimeFrom(field="at", unit="s"), entities={"customer": ValueFrom(field="id")},
        attributes={"n": ValueFrom(field="data", as_="number"), "f": ValueFrom(field="type", as_="flag"),
                    "w": ValueFrom(field="time", as_="whole"), "t": ValueFrom(field="subject", as_="text")},
    )  # fmt: skip
    assert len(router_for(project(StreamSpec(name="usage", maps=(mapping,)))).route(Row("usage", "f", 0, raw))) == 1
