"""What comes back of actions in a process of its own, with a receiver that refuses, mends and is away."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.shells.store import read_only
from tests.kill.answering import Answers, answering, happens, write_project
from tests.kill.process import Run


class Lives:
    """A folder in which `run --follow` lives, and dies."""

    def __init__(self, folder: Path, answers: Answers) -> None:
        self.folder = folder
        self.answers = answers
        self.runs: list[Run] = []

    def start(self, **env: str) -> Run:
        run = Run(self.folder, "--follow", env=env)
        self.runs.append(run)
        if not env:
            run.until_ready()
        return run

    def happens(self, kind: str, customer: str, stream: str = "usage", **more: object) -> None:
        with (self.folder / "data" / f"{stream}.jsonl").open("a") as file:
            file.write(happens(kind, customer, **more))

    def until(self, holds: Callable[[], bool], within_s: float = 30) -> None:
        end = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < end, f"{self.answers.got}\n{''.join(run.said() for run in self.runs)}"
            time.sleep(0.05)

    def decided(self, customer: str) -> list[tuple[str, str, str]]:
        """(play, what was decided, after what) of each decision; what followed something comes last."""
        found = sorted(read_only(self.folder / "state").decisions(), key=lambda one: (one.at, one.after))
        return [(d.play, d.gate or d.outcome.value, d.after) for d in found if d.key == customer]


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    with answering() as (answers, port):
        write_project(tmp_path, port)
        for stream in ("usage", "people"):
            (tmp_path / "data" / f"{stream}.jsonl").touch()
        lives = Lives(tmp_path, answers)
        yield lives
        for run in lives.runs:
            run.process.kill()
            run.process.wait()


def test_what_is_refused_goes_another_way_and_a_remedy_leads_on(lives: Lives) -> None:
    run = lives.start()
    lives.happens("parcel.late", "ada")
    lives.happens("sync.broken", "ben")
    lives.happens("sync.broken", "max")
    wanted = {
        *(("mail", "ada", "sorry"), ("sms", "ada", "sorry")),
        *(("robot", "ben", "mend"), ("sms", "ben", "mended")),
        *(("robot", "max", "mend"), ("desk", "max", "ring")),
    }
    lives.until(lambda: set(lives.answers.got) >= wanted)
    assert run.stop() == 0, run.said()
    assert sorted(lives.answers.got) == sorted(wanted)
    assert lives.decided("ada") == [("sorry", "chosen", ""), ("sorry", "chosen", "email rejected")]
    assert lives.decided("ben") == [("mend", "chosen", ""), ("mended", "chosen", "mend worked")]
    assert lives.decided("max") == [("mend", "chosen", ""), ("ring", "chosen", "mend rejected")]
    assert "no such address" not in run.said()


# The result is written; what it led to is about to be, and is. What dies sooner leaves a doubt, and is for a person.
@pytest.mark.parametrize("point", ["D5:1", "E1:2", "E2:2", "E1:3", "E2:3"])
def test_whatever_dies_it_goes_the_other_way_once(point: str, lives: Lives) -> None:
    lives.happens("parcel.late", "ada")
    lives.happens("sync.broken", "max")
    dying = lives.start(FAULT_AT=point)
    wanted = {("mail", "ada", "sorry"), ("sms", "ada", "sorry"), ("robot", "max", "mend"), ("desk", "max", "ring")}
    lives.until(lambda: dying.process.poll() is not None or set(lives.answers.got) >= wanted)
    if dying.process.poll() is None:
        pytest.fail(f"it never came to {point}")
    assert dying.end() == -signal.SIGKILL
    run = lives.start()
    lives.until(lambda: set(lives.answers.got) >= wanted)
    assert run.stop() == 0, run.said()
    assert sorted(lives.answers.got) == sorted(wanted)
    assert len(lives.decided("ada")) == len(lives.decided("max")) == 2


def test_who_says_no_while_the_channel_is_down_hears_nothing(lives: Lives) -> None:
    lives.answers.is_down = True
    run = lives.start()
    lives.happens("order.placed", "ada")
    lives.happens("order.placed", "ben")
    run.until_it_says("action retry")
    lives.happens("consent.withdrawn", "ada", stream="people")
    run.until_it_says("action recalled")
    lives.answers.is_down = False
    lives.until(lambda: ("chat", "ben", "thanks") in lives.answers.got)
    assert run.stop() == 0, run.said()
    assert lives.answers.got == [("chat", "ben", "thanks")]
