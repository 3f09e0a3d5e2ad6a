"""The simulated company on Kafka: its week goes into the raw topics of a project, at once or as if it happened now.

The rows are those of the demo, with their flaws (repeats, late and broken ones), moved in time so that they end now.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from engine.errors import OperatorError
from engine.model import DAY_MS
from engine.shells.company import Company, write
from engine.shells.kafka.cluster import NO_SUCH_TOPIC, reached
from engine.shells.kafka.reach import why_unreachable
from engine.shells.kafka.settings import connection
from engine.shells.kafka.topics import topics_of
from engine.shells.times import from_text, iso
from engine.spec.types import Configuration

# How many rows may be on their way before we wait for the broker's word on them.
UNDERWAY = 2_000
_WHOSE = ("account", "customer", "order", "region")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a stream as it is sent, `due_ms` after the start. Rows of one key stay in order."""

    stream: str
    raw: bytes
    key: bytes | None
    due_ms: int


def lines_of(company: Company, now_ms: int, speed: float = 0) -> list[Line]:
    """The week in order of time, moved so that it is over when its last row is sent.

    With speed 0 everything is due at once and the week ends now. With speed 1 the week begins now and every row is due
    at its own time; with more it began before now, and time catches up with the clock. What the company remembers from
    before the week is due at once. Rows are named after `now_ms`, so that a second week is no repeat of the first.
    """
    assert speed == 0 or speed >= 1, "below 1, rows would be ahead of the clock"
    whole_ms = company.days * DAY_MS
    takes_ms = whole_ms / speed if speed else 0
    moved_ms = now_ms + round(takes_ms) - whole_ms - company.start_ms
    found: list[tuple[int, Line]] = []
    with TemporaryDirectory(prefix="beforehand-") as name:
        write(company, Path(name))
        for stream in company.streams:
            arrived_ms = 0
            for raw in (Path(name) / f"{stream}.jsonl").read_bytes().splitlines():
                row = _row(raw)
                arrived_ms = max(arrived_ms, row["at"] if row else 0)
                due_ms = max(arrived_ms - company.start_ms, 0) / speed if speed else 0
                sent = raw if row is None else _moved(row, moved_ms, now_ms)
                found.append((arrived_ms, Line(stream=stream, raw=sent, key=_key(row), due_ms=round(due_ms))))
    found.sort(key=lambda each: each[0])
    return [line for _, line in found]


def _row(raw: bytes) -> dict[str, Any] | None:
    """The row, unless it is one of the broken ones."""
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row["at"], int) else None


def _moved(row: dict[str, Any], by_ms: int, now_ms: int) -> bytes:
    at = row["at"] + by_ms
    moved = {**row, "id": f"{now_ms // 1000:x}-{row['id']}", "at": at}
    if "new_date" in row:
        # As many days after the scan as before it was moved: by time alone it could become the day of the scan.
        days = from_text(row["new_date"]) // DAY_MS - row["at"] // DAY_MS
        moved["new_date"] = iso(at + days * DAY_MS)[:10]
    return orjson.dumps(moved)


def _key(row: dict[str, Any] | None) -> bytes | None:
    whose = next((str(row[field]) for field in _WHOSE if row and field in row), "")
    return whose.encode() or None


def save(lines: Sequence[Line], folder: Path) -> list[Path]:
    """Write the lines as one file per stream. Returns the files. Raises OperatorError if one of them exists."""
    files: dict[Path, list[bytes]] = {}
    for line in lines:
        files.setdefault(folder / f"{line.stream}.jsonl", []).append(line.raw)
    for path in files:
        if path.exists():
            raise OperatorError(f"{path} exists already; nothing was changed. Name another folder with --data")
    folder.mkdir(parents=True, exist_ok=True)
    for path, rows in files.items():
        path.write_bytes(b"".join(row + b"\n" for row in rows))
    return list(files)


async def feed(configuration: Configuration, lines: Sequence[Line]) -> int:
    """Send each line to its stream's topic when it is due. Returns how many were sent, fewer if it was stopped.

    Raises OperatorError where the project has none of the streams, or Kafka or a topic is not there.
    """
    topics = topics_of(configuration.project).raw
    ours = [line for line in lines if line.stream in topics]
    if not ours:
        known = ", ".join(sorted({line.stream for line in lines}))
        raise OperatorError(f"this project has none of the simulated company's streams ({known}): see beforehand init")
    options = connection(configuration.project.kafka, configuration.folder)
    await _all_there(options, {topics[line.stream] for line in ours})
    producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True, linger_ms=5)
    try:
        await producer.start()
        return await _send(producer, topics, ours)
    except KafkaError as error:
        raise OperatorError(f"Kafka did not take the rows: {await why_unreachable(options) or error}") from error
    finally:
        await producer.stop()


async def _all_there(options: dict[str, Any], wanted: set[str]) -> None:
    async with reached(options) as cluster:
        missing = [name for name, state in (await cluster.topics(wanted)).items() if state.error == NO_SUCH_TOPIC]
    if missing:
        raise OperatorError(f"not on Kafka: {', '.join(sorted(missing))} - beforehand doctor --create makes them")


async def _send(producer: AIOKafkaProducer, topics: Mapping[str, str], lines: Sequence[Line]) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    began, sent = loop.time(), 0
    for batch in _batches(lines):
        if await _stopped_before(stopping, began + batch[0].due_ms / 1000 - loop.time()):
            break
        underway = [await producer.send(topics[line.stream], line.raw, line.key) for line in batch]
        await asyncio.gather(*underway)
        sent += len(batch)
    return sent


async def _stopped_before(stopping: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until we are to stop. Says whether we are."""
    if seconds > 0 and not stopping.is_set():
        try:
            await asyncio.wait_for(stopping.wait(), seconds)
        except TimeoutError:
            return False
    return stopping.is_set()


def _batches(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Lines that are due at the same tenth of a second, in their order."""
    batch: list[Line] = []
    for line in lines:
        if batch and (line.due_ms - batch[0].due_ms >= 100 or len(batch) == UNDERWAY):
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch
