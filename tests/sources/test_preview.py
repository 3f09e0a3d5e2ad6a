"""A preview shows rows beside what became of them."""

from __future__ import annotations

from engine.core.route import Row
from engine.shells.preview import preview, preview_text
from engine.spec.types import EntitySpec, EventMap, ProjectSpec, StreamSpec, TimeFrom, ValueFrom

PROJECT = ProjectSpec(entities=(EntitySpec(kind="customer", fields=("customer",)),))
STREAM = StreamSpec(
    name="tickets",
    maps=(EventMap(event=ValueFrom(constant="ticket.opened"), at=TimeFrom(field="opened"), when_present=True),),
)


def row(position: int, raw: bytes) -> Row:
    return Row("tickets", "t.jsonl", position, raw)


def test_a_preview_shows_events_refusals_and_rows_without_an_event() -> None:
    rows = [row(0, b'{"id":"1","opened":"2026-01-05T00:00:00Z","customer":"c7"}'), row(60, b"{"), row(62, b"{}")]
    lines = preview(PROJECT, STREAM, rows)
    assert [(line.position, line.reason) for line in lines] == [(0, ""), (60, "bad_json"), (62, "not_present")]
    assert lines[0].event
    assert "-> ticket.opened at 2026-01-05T00:00:00.000+00:00 for customer=c7, id 1" in preview_text(lines)


def test_a_preview_prints_no_control_characters() -> None:
    text = preview_text(preview(PROJECT, STREAM, [row(0, b'{"x": "\x1b[31m"')]))
    assert "\x1b" not in text
