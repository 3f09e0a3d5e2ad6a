"""The first rows of a stream beside the event each became, or the reason why it was refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec
import orjson

from engine.core.route import Router, Row, Watched
from engine.model import DeadLetter, Event
from engine.shells.files import STDIN, files_of, rows_of
from engine.spec.types import Configuration, ProjectSpec, StreamSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RAW_SHOWN = 160


class PreviewLine(msgspec.Struct, frozen=True):
    """One event that a raw row became, or with `event` None why there is none (`reason`, `detail`)."""

    position: int
    raw: str
    event: Event | None = None
    reason: str = ""
    detail: str = ""


def preview(project: ProjectSpec, stream: StreamSpec, rows: Iterable[Row]) -> list[PreviewLine]:
    """What the rows become under this stream's reading; `stream` need not be part of the project yet."""
    others = tuple(each for each in project.streams if each.name != stream.name)
    router = Router(msgspec.structs.replace(project, streams=(*others, stream)), Watched())
    return [line for row in rows for line in _lines(row, router.events(row))]


def preview_text(lines: Iterable[PreviewLine]) -> str:
    """The preview for a terminal, without control characters."""
    return "\n".join(text for line in lines for text in _shown(line))


def _lines(row: Row, found: list[Event | DeadLetter]) -> Iterator[PreviewLine]:
    raw = row.raw[:_RAW_SHOWN].decode(errors="replace") + ("..." if len(row.raw) > _RAW_SHOWN else "")
    for each in found:
        if isinstance(each, DeadLetter):
            yield PreviewLine(row.position, raw, None, each.reason, each.detail)
        else:
            yield PreviewLine(row.position, raw, each)
    if not found:
        yield PreviewLine(row.position, raw, None, "not_present", "no map finds its time field filled in")


def _shown(line: PreviewLine) -> Iterator[str]:
    yield f"{line.position:>8}  {_printable(line.raw)}"
    if line.event is None:
        yield f"          refused: {line.reason}: {_printable(line.detail)}"
        return
    event = line.event
    at = (_EPOCH + timedelta(milliseconds=event.at)).isoformat(timespec="milliseconds")
    named = " ".join(f"{kind}={key}" for kind, key in event.entities.items())
    weak = " (made from its position)" if event.id_is_weak else ""
    yield _printable(f"          -> {event.event} at {at} for {named}, id {event.id}{weak}")
    attributes = orjson.dumps(event.attributes).decode()[:_RAW_SHOWN]
    if attributes != line.raw[:_RAW_SHOWN]:  # the whole row, as it stands one line above
        yield _printable(f"             {attributes}")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def sampled(configuration: Configuration, stream: StreamSpec, data: Path, count: int) -> str:
    """The first rows of a stream beside the events they become."""
    if stream.source == STDIN:
        return "  reads standard input"
    files = files_of(stream, data)
    if not files:
        return f"  no file {stream.source} in {data}"
    rows = islice(rows_of(files[0], 0, files[0].key, configuration.project.bounds.event_bytes), count)
    return preview_text(preview(configuration.project, stream, rows))
