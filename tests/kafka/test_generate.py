"""The simulated company on a real Kafka, and when its rows are due."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer

from engine.errors import OperatorError
from engine.model import DAY_MS, HOUR_MS, SECOND_MS
from engine.shells.company import LATE_LINES, MALFORMED_LINES, REPEATED_LINES, simulate
from engine.shells.kafka.cluster import reached
from engine.shells.kafka.generate import Line, feed, lines_of, save
from engine.shells.kafka.settings import connection
from engine.shells.kafka.topics import topics_of
from engine.shells.times import from_text
from engine.shells.wiring import load_configuration
from engine.spec.types import Configuration, KafkaSpec

CATALOG = Path(__file__).parents[2] / "config"
NOW = 1_790_000_000_000
COMPANY = simulate(7)


def times(lines: list[Line]) -> list[int]:
    """Event times of the lines that have one, in the order in which they are sent."""
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line.raw)["at"])
        except (ValueError, TypeError):
            continue
    return [at for at in rows if isinstance(at, int)]


def test_the_week_ends_now_and_is_due_at_once() -> None:
    lines = lines_of(COMPANY, NOW)
    assert {line.due_ms for line in lines} == {0}
    assert NOW - DAY_MS < max(times(lines)) < NOW


def test_all_rows_of_the_week_are_there_with_their_flaws() -> None:
    lines = lines_of(COMPANY, NOW)
    rows = sum(len(rows) for rows in COMPANY.streams.values())
    assert len(lines) == rows + REPEATED_LINES + MALFORMED_LINES
    assert len(times(lines)) == rows + REPEATED_LINES
    late = [(one, other) for one, other in zip(times(lines), times(lines)[1:], strict=False) if other < one]
    assert LATE_LINES <= len(late) <= LATE_LINES + MALFORMED_LINES


@pytest.mark.parametrize("speed", [1, 60, 10_000])
def test_no_row_is_ahead_of_the_clock_and_the_last_one_is_at_it(speed: float) -> None:
    lines = lines_of(COMPANY, NOW, speed)
    sent = [(NOW + line.due_ms, at) for line in lines for at in times([line])]
    assert all(at <= clock + SECOND_MS for clock, at in sent)
    takes_ms = 7 * DAY_MS / speed
    assert takes_ms * 0.9 < lines[-1].due_ms <= takes_ms
    assert sent[-1][0] - sent[-1][1] < DAY_MS / 10


def test_at_its_own_speed_a_row_is_sent_when_it_happens() -> None:
    lines = lines_of(COMPANY, NOW, 1)
    in_time = [abs(NOW + line.due_ms - at) <= 5 * SECOND_MS for line in lines if line.due_ms for at in times([line])]
    assert all(in_time)


def test_the_past_that_the_company_remembers_comes_first_and_at_once() -> None:
    lines = lines_of(COMPANY, NOW, 1)
    past = [line for line in lines for at in times([line]) if at < NOW - SECOND_MS]
    assert past
    assert {line.due_ms for line in past} == {0}


def test_a_second_week_is_no_repeat_of_the_first() -> None:
    first, second = (
        {row["id"] for line in lines_of(COMPANY, now) if (row := parsed(line))} for now in (NOW, NOW + DAY_MS)
    )
    assert not first & second
    assert lines_of(COMPANY, NOW) == lines_of(COMPANY, NOW)


def test_a_late_parcel_still_comes_one_or_two_days_after_its_scan() -> None:
    scans = [row for line in lines_of(COMPANY, NOW + 5 * HOUR_MS) if (row := parsed(line)) and "new_date" in row]
    days = {from_text(str(scan["new_date"])) // DAY_MS - int(str(scan["at"])) // DAY_MS for scan in scans}
    assert days == {1, 2}


def parsed(line: Line) -> dict[str, object] | None:
    """The row, unless it is broken on purpose."""
    return json.loads(line.raw) if times([line]) else None


def test_as_files_it_is_a_week_that_just_ended(tmp_path: Path) -> None:
    lines = lines_of(COMPANY, NOW)
    made = save(lines, tmp_path / "data")
    assert {path.stem for path in made} == COMPANY.streams.keys()
    assert sum(len(path.read_bytes().splitlines()) for path in made) == len(lines)
    with pytest.raises(OperatorError, match="exists already"):
        save(lines, tmp_path / "data")


# ---- on Kafka


def northwind(kafka: KafkaSpec) -> Configuration:
    configuration = load_configuration(CATALOG)
    return msgspec.structs.replace(configuration, project=msgspec.structs.replace(configuration.project, kafka=kafka))


async def make_topics(configuration: Configuration) -> None:
    kafka = configuration.project.kafka
    async with reached(connection(kafka, configuration.folder)) as cluster:
        specs = [spec for spec in topics_of(configuration.project).all() if spec.is_raw]
        assert not any((await cluster.create(specs, 1)).values())


async def everything_on(configuration: Configuration, count: int) -> list[tuple[str, int, bytes]]:
    topics = topics_of(configuration.project).raw
    consumer = AIOKafkaConsumer(
        *topics.values(), **connection(configuration.project.kafka, "."), auto_offset_reset="earliest"
    )
    await consumer.start()
    found: list[tuple[str, int, bytes]] = []
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                for place, records in (await consumer.getmany(timeout_ms=500)).items():
                    found += [(place.topic, place.partition, record.value) for record in records]
    finally:
        await consumer.stop()
    return found


async def test_every_row_is_on_its_streams_topic_in_the_order_of_its_account(kafka: KafkaSpec) -> None:
    configuration = northwind(kafka)
    await make_topics(configuration)
    lines = lines_of(COMPANY, NOW)
    assert await feed(configuration, lines) == len(lines)
    found = await everything_on(configuration, len(lines))
    topics = topics_of(configuration.project).raw
    assert Counter(topic for topic, _, _ in found) == Counter(topics[line.stream] for line in lines)
    for account in COMPANY.accounts[:5]:
        key = account.id.encode()
        sent = [line.raw for line in lines if line.key == key and line.stream == "usage"]
        ours = [(part, raw) for topic, part, raw in found if topic == topics["usage"] and raw in set(sent)]
        assert [raw for _, raw in ours] == sent
        assert len({part for part, _ in ours}) == 1


async def test_rows_are_sent_when_they_are_due(kafka: KafkaSpec) -> None:
    configuration = northwind(kafka)
    await make_topics(configuration)
    lines = [Line(stream="usage", raw=b"{}", key=None, due_ms=due) for due in (0, 300, 900)]
    began = asyncio.get_running_loop().time()
    assert await feed(configuration, lines) == 3
    assert asyncio.get_running_loop().time() - began >= 0.9


async def test_topics_that_are_not_there_are_named_with_the_way_to_make_them(kafka: KafkaSpec) -> None:
    configuration = northwind(kafka)
    with pytest.raises(OperatorError, match=rf"not on Kafka: {kafka.prefix}raw.usage - beforehand doctor --create"):
        await feed(configuration, [Line(stream="usage", raw=b"{}", key=None, due_ms=0)])


async def test_another_companys_project_is_refused() -> None:
    configuration = northwind(KafkaSpec())
    with pytest.raises(OperatorError, match="none of the simulated company's streams"):
        await feed(configuration, [Line(stream="visits", raw=b"{}", key=None, due_ms=0)])


async def test_no_broker_is_said_in_words() -> None:
    configuration = northwind(KafkaSpec(servers=("127.0.0.1:9",)))
    with pytest.raises(OperatorError, match="nothing listens there"):
        await feed(configuration, [Line(stream="usage", raw=b"{}", key=None, due_ms=0)])


async def test_the_command_feeds_a_project_and_says_how_much(kafka: KafkaSpec, tmp_path: Path) -> None:
    shutil.copytree(CATALOG, tmp_path / "config")
    with (tmp_path / "config" / "beforehand.yml").open("a") as project:
        project.write(f"kafka: {{servers: [{kafka.servers[0]}], prefix: {kafka.prefix}}}\n")
    await make_topics(northwind(kafka))
    command = [sys.executable, "-m", "engine.cli", "simulate", "--kafka", "--speed", "1000000"]
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, "--config", str(tmp_path / "config")],
        cwd=CATALOG.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"sent {len(lines_of(COMPANY, NOW)):,} rows\n"
    assert "Traceback" not in done.stderr


async def test_it_can_be_ended_early(kafka: KafkaSpec) -> None:
    configuration = northwind(kafka)
    await make_topics(configuration)
    lines = [Line(stream="usage", raw=b"{}", key=None, due_ms=due) for due in (0, 60_000)]
    asyncio.get_running_loop().call_later(1, os.kill, os.getpid(), signal.SIGTERM)
    assert await feed(configuration, lines) == 1
