"""The day book: events are noted in any order, and come out per stream in order of time with their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from engine.model import Json
from engine.shells.company.people import Customer

# One line of a stream as it would arrive: an event in our shape, before it is JSON.
Row: TypeAlias = dict[str, Json]

STREAMS = ("usage", "tickets", "sentiment", "logistics", "profile", "contacts", "outcome")


class Book:
    """Takes events in any order until `streams` is asked for."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {stream: [] for stream in STREAMS}
        self._numbers = {"order": 0, "session": 0, "ticket": 0}

    def note(self, stream: str, event: str, at: int, fields: Mapping[str, Json]) -> None:
        self._rows[stream].append({"id": "", "event": event, "at": at, **fields})

    def of(self, stream: str, event: str, at: int, person: Customer, fields: Mapping[str, Json] | None = None) -> None:
        """Note what a person did, for them and for their account."""
        self.note(stream, event, at, {"customer": person.id, "account": person.account, **(fields or {})})

    def number(self, kind: str) -> str:
        """The next order, session or ticket number."""
        self._numbers[kind] += 1
        return self.latest(kind)

    def latest(self, kind: str) -> str:
        """The number given out last."""
        return f"{kind[0]}{self._numbers[kind]:05}"

    def streams(self, until: int) -> dict[str, tuple[Row, ...]]:
        """All rows before `until`, sorted by time (equal times as noted) and numbered."""
        return {stream: tuple(_numbered(stream, rows, until)) for stream, rows in self._rows.items()}


def _numbered(stream: str, rows: list[Row], until: int) -> list[Row]:
    timed = sorted(((at, row) for row in rows if isinstance(at := row["at"], int) and at < until), key=_first)
    return [{**row, "id": f"{stream}-{number:06}"} for number, (_, row) in enumerate(timed, 1)]


def _first(timed: tuple[int, Row]) -> int:
    return timed[0]
