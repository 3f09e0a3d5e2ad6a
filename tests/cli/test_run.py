"""`run` in a process of its own: what it prints, remembers, and does not do twice."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import MAIN, VISITS, Beforehand

SENT = "ring-them -> owner:front-desk (desk): ben stays away | ben has not come for two weeks. Ring them."


def told(said: str) -> list[str]:
    """Standard error without log lines."""
    return [line for line in said.splitlines() if not line.startswith("20")]


def delivered(state: Path) -> int:
    with sqlite3.connect(state / "state.db") as db:
        return int(db.execute("SELECT count(*) FROM actions WHERE state = 'delivered'").fetchone()[0])


def test_a_run_sends_and_says_what_it_did(gym: Path, beforehand: Beforehand) -> None:
    done = beforehand("run", "--event-clock")
    assert done.returncode == 0
    assert [line.split(" ", 2)[2] for line in done.stdout.splitlines()] == [SENT]
    assert told(done.stderr) == [
        "6 rows read, 1 set aside (1 bad_json); 1 signal opened",
        "actions: 1 delivered",
    ]
    assert (done.stdout + done.stderr).isascii()
    assert "\x1b" not in done.stdout + done.stderr


def test_a_second_run_goes_on_and_sends_nothing_twice(gym: Path, beforehand: Beforehand) -> None:
    beforehand("run", "--event-clock")
    again = beforehand("run", "--event-clock")
    assert (again.returncode, again.stdout) == (0, "")
    assert told(again.stderr) == ["nothing new to read; 0 signals opened"]
    more = '{"id": "v5", "event": "visit", "at": "2026-04-04T18:00:00Z", "member": "ben"}\n'
    (gym / "data" / "visits.jsonl").write_text(VISITS + more)
    third = beforehand("run", "--event-clock")
    assert told(third.stderr)[0] == "1 row read; 1 signal opened"  # ada, meanwhile silent for two weeks
    assert "ada stays away" in third.stdout
    assert "ben" not in third.stdout
    assert delivered(gym / "state") == 2


def test_old_events_by_todays_clock_expire_and_it_says_why(gym: Path, beforehand: Beforehand) -> None:
    done = beforehand("run")
    assert done.stdout == ""
    assert told(done.stderr)[1:] == [
        "actions: 1 expired",
        "  expired: too old to be sent, as for recorded events; --event-clock sends as if it were then",
    ]
    assert "action expired" not in done.stderr


def test_a_dry_run_prints_and_leaves_no_trace(gym: Path, beforehand: Beforehand) -> None:
    project = gym / "config" / "beforehand.yml"
    project.write_text(project.read_text().replace("kind: stdout", "kind: file, path: actions.jsonl"))
    dry = beforehand("run", "--dry-run", "--event-clock")
    assert SENT in dry.stdout
    assert not (gym / "state").exists()
    beforehand("run", "--event-clock")
    assert len((gym / "state" / "actions.jsonl").read_text().splitlines()) == 1
    before = sorted((path.name, path.read_bytes()) for path in (gym / "state").iterdir() if path.suffix != ".db")
    assert beforehand("run", "--dry-run", "--event-clock").stdout == ""
    after = sorted((path.name, path.read_bytes()) for path in (gym / "state").iterdir() if path.suffix != ".db")
    assert [one for one in after if "state.db" not in one[0]] == [one for one in before if "state.db" not in one[0]]


def test_until_lets_time_go_on(gym: Path, beforehand: Beforehand) -> None:
    done = beforehand("run", "--event-clock", "--until", "2026-04-10")
    assert "ada stays away" in done.stdout


def test_log_lines_as_json_and_nothing_else(gym: Path, beforehand: Beforehand) -> None:
    lines = [json.loads(line) for line in beforehand("run", "--log-format", "json").stderr.splitlines()]
    assert lines[-1]["event"] == "run ended"
    assert (lines[-1]["rows"], lines[-1]["set_aside"], lines[-1]["signals"], lines[-1]["expired"]) == (6, 1, 1, 1)


def test_the_demo_finds_what_was_planted_and_can_be_run_again(tmp_path: Path, beforehand: Beforehand) -> None:
    done = beforehand("demo")
    assert done.returncode == 0
    assert "20 of 20 planted troubles found, 16 of 16 near misses rightly left alone" in " ".join(done.stdout.split())
    assert "told of it: all of them, nobody else and nobody twice." in " ".join(done.stdout.split())
    assert "say-that-it-is-late: 50 people, 2026-03-05 10:47 to 12:57. customer:c084 reads:" in done.stdout
    assert "It comes on Saturday, 07 March. Reply to this message" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    sent = (tmp_path / "demo" / "state" / "actions.jsonl").read_text().splitlines()
    to_members = [line for line in sent if json.loads(line)["data"]["play"].startswith("say-that-it-")]
    assert len(to_members) == 2 * 50
    assert len(sent) - len(to_members) == done.stdout.count("-> ")
    assert beforehand("demo").stdout == done.stdout


def test_the_demo_touches_nobody_elses_folder(tmp_path: Path, beforehand: Beforehand) -> None:
    (tmp_path / "mine").mkdir()
    refused = beforehand("demo", "--folder", "mine")
    assert refused.returncode == 1
    assert refused.stderr == "beforehand: mine exists and is not a demo's; name another with --folder\n"
    assert not list((tmp_path / "mine").iterdir())


def test_events_can_come_from_standard_input(gym: Path) -> None:
    project = gym / "config" / "beforehand.yml"
    project.write_text(project.read_text().replace("from: visits.jsonl", 'from: "-"'))
    command = [sys.executable, "-c", MAIN, "run", "--event-clock"]
    done = subprocess.run(command, cwd=gym, input=VISITS, capture_output=True, text=True, timeout=60)
    assert SENT in done.stdout
    assert told(done.stderr)[-1] == "actions: 1 delivered"
