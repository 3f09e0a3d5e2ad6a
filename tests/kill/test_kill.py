"""The real process, killed again and again, and judged by another one. `KILLS` says how often in all."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from random import Random

import httpx
import msgspec
import pytest

from engine.model import HOUR_MS
from engine.shells.faults import POINTS
from engine.shells.files import FilePlace
from engine.shells.store import read_only
from engine.shells.times import from_text, iso
from tests.kill.process import Run, command, desk, verify
from tests.kill.project import LEAVING, event, make, write_events

KILLS = int(os.environ.get("KILLS", "70"))
PARTS = 2
UNTIL = "2026-06-01"
RECORDED = "--event-clock"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_moment_it_loses_nothing_and_repeats_nothing(part: int, tmp_path: Path) -> None:
    random, kills, world = Random(part), 0, 0
    while kills < KILLS // PARTS:
        folder, world = tmp_path / str(world), world + 1
        folder.mkdir()
        with desk(folder / "desk.jsonl", slow_s=0.01) as port:
            write_events(make(folder, port), seed=random.getrandbits(32), count=4_000)
            kills += killed_until_done(folder, random, KILLS // PARTS - kills)
            verify(folder, finished(folder))


def test_killed_while_it_learns_it_learns_the_same(tmp_path: Path) -> None:
    with desk(tmp_path / "desk.jsonl") as port:
        write_events(make(tmp_path, port, batch=40, detectors=LEAVING), seed=5, count=3_000)
        assert killed_until_done(tmp_path, Random(7), 15) > 3
        verify(tmp_path, finished(tmp_path))
    decided = [decision.versions for decision in read_only(tmp_path / "state").decisions()]
    assert len({versions.get("model of writes", "") for versions in decided}) > 2


def killed_until_done(folder: Path, random: Random, most: int) -> int:
    """Start and kill, until the run comes to its end alive. Returns how often it was killed."""
    for kills in range(most):
        run = Run(folder, RECORDED)
        if kills % 10 == 9:
            time.sleep(random.uniform(0, 1))  # perhaps before it has read anything
        else:
            run.until_ready()
            # Every second life gets some way: a row on which it dies three times is set aside, as it should be.
            time.sleep(random.uniform(0.06, 0.2) if kills % 2 else random.uniform(0, 0.15))
        if not run.kill():
            return kills
    return most


def finished(folder: Path) -> str:
    """Run to the end, and on until everything has been sent. Returns the time that it came to."""
    until = from_text(UNTIL)
    for _ in range(20):
        run = Run(folder, RECORDED, "--until", iso(until))
        assert run.end() == 0, run.said()
        if not states(folder) & {"pending", "retry", "intent"}:
            return iso(until)
        until += HOUR_MS
    raise AssertionError(f"actions still wait: {states(folder)}")


def states(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "state" / "state.db")) as db:
        return {state for (state,) in db.execute("SELECT DISTINCT state FROM actions")}


def test_killed_at_each_named_point_it_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    with desk(tmp_path / "desk.jsonl") as port:
        write_events(make(tmp_path, port, batch=40), seed=5, count=4_000)
        for count in (1, 3):
            for point in POINTS:
                run = Run(tmp_path, RECORDED, env={"FAULT_AT": f"{point}:{count}"})
                assert run.end() == -9, f"{point}:{count} was not reached: {run.said()}"
        verify(tmp_path, finished(tmp_path))


def test_killed_while_it_follows_a_growing_file(tmp_path: Path) -> None:
    """Events of now, as they come; what is written while nothing runs is read later."""
    random, kills = Random(11), 0
    with desk(tmp_path / "desk.jsonl") as port:
        file = make(tmp_path, port) / "data" / "usage.jsonl"
        only_counting(tmp_path)
        file.touch()
        for number in range(12):
            run = Run(tmp_path, "--follow")
            run.until_ready()
            for _ in range(8):
                grow(file, random)
                time.sleep(random.uniform(0, 0.05))
            if number < 11:
                kills += run.kill()
        wait_until_read(tmp_path, file)
        assert run.stop() == 0, run.said()
        assert kills == 11
        verify(tmp_path, settled_live(tmp_path))


def only_counting(folder: Path) -> None:
    """Silence is judged by the clock on the wall when live; counting is not, so the backtest must agree to the byte."""
    path = folder / "config" / "detectors" / "all.yml"
    path.write_text(path.read_text().split("---")[0])


def grow(file: Path, random: Random) -> None:
    now, number = time.time_ns() // 1_000_000, random.getrandbits(40)
    rows = [event(number + n, "login.failed", now + n, f"c{random.randrange(60)}") for n in range(20)]
    text = "".join(rows)
    cut = random.randrange(len(text))  # writers do not stop at the end of a line
    for part in (text[:cut], text[cut:]):
        with file.open("a") as growing:
            growing.write(part)


def wait_until_read(folder: Path, file: Path) -> None:
    """Until nothing of the file is left to read and nothing waits to be decided."""
    end = time.monotonic() + 20
    while read_up_to(folder) < file.stat().st_size or read_only(folder / "state").waiting_units():
        assert time.monotonic() < end, f"it does not come to the end of the file: {read_up_to(folder)}"
        time.sleep(0.1)


def read_up_to(folder: Path) -> int:
    places = read_only(folder / "state").fact("places")
    known = msgspec.msgpack.decode(places, type=dict[str, FilePlace]) if places else {}
    return max((place.offset for place in known.values()), default=0)


def settled_live(folder: Path) -> str:
    """What was in doubt is tried again after five seconds, by the clock on the wall."""
    for _ in range(12):
        if not states(folder) & {"pending", "retry", "intent"}:
            break
        time.sleep(3)
        run = Run(folder)
        assert run.end() == 0, run.said()
    # Not a moment further: an hour on, the first of the counts would have left their windows in the backtest alone.
    return iso(time.time_ns() // 1_000_000)


# ---- asked to stop


def test_a_stop_drains_within_ten_seconds_and_leaves_no_intent(tmp_path: Path) -> None:
    with desk(tmp_path / "desk.jsonl", slow_s=2) as port:
        write_events(make(tmp_path, port, batch=500), seed=5, count=2_000)
        run = Run(tmp_path, RECORDED)
        until_it_sends(tmp_path)
        began = time.monotonic()
        assert run.stop() == 0, run.said()
        assert time.monotonic() - began < 10
        assert states(tmp_path) <= {"delivered", "pending"}


def test_a_stop_does_not_wait_for_a_receiver_that_never_answers(tmp_path: Path) -> None:
    with desk(tmp_path / "desk.jsonl", slow_s=1_000_000) as port:
        write_events(make(tmp_path, port, batch=500), seed=5, count=2_000)
        run = Run(tmp_path, RECORDED)
        until_it_sends(tmp_path)
        began = time.monotonic()
        assert run.stop() == 0, run.said()
        assert time.monotonic() - began < 10
        assert "intent" not in states(tmp_path)


def until_it_sends(folder: Path) -> None:
    end = time.monotonic() + 20
    while not (folder / "desk.jsonl").exists() or not (folder / "desk.jsonl").read_text():
        assert time.monotonic() < end, "it sends nothing"
        time.sleep(0.02)


def test_a_second_process_on_the_same_state_is_refused_in_one_line(tmp_path: Path) -> None:
    write_events(make(tmp_path), seed=5, count=50)
    first = Run(tmp_path, "--follow")
    first.until_ready()
    second = command(tmp_path, "run")
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"in use by another beforehand (process {first.process.pid})" in second.stderr
    assert first.stop() == 0


def test_the_desk_logs_what_it_takes_and_drops_repeats(tmp_path: Path) -> None:
    """The ground truth of all the above, looked at by itself."""
    with desk(tmp_path / "desk.jsonl") as port:
        for channel in ("desk", "desk", "sms", "sms"):
            action = {"id": "a1", "data": {"decision_id": "d1"}}
            httpx.post(f"http://127.0.0.1:{port}/{channel}", json=action, headers={"webhook-id": "a1"}, trust_env=False)
    lines = [json.loads(line) for line in (tmp_path / "desk.jsonl").read_text().splitlines()]
    assert [(line["channel"], line["effect"]) for line in lines] == [
        ("desk", True),
        ("desk", False),
        ("sms", True),
        ("sms", True),
    ]
