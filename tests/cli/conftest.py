"""The command as a user has it: in a folder of its own, with standard output and standard error in pipes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from engine.cli import main

Beforehand: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
MAIN = "import sys; from engine.cli import main; sys.argv[0] = 'beforehand'; main()"

PROJECT = """\
project: gym
entities: {customer: member}
streams: {visits: {from: visits.jsonl, events: [visit]}}
sinks: {console: {kind: stdout}}
channels: {desk: console}
"""
DETECTOR = """\
detector: stayed-away
owner: front-desk
reason: disengaging
per: customer
when: {absent: {event: visit, within: 14d}}
then: [{play: ring-them}]
why: "{{ customer.name }} has not come for two weeks."
tests:
  - name: two weeks after the last visit
    given: [{event: visit, customer: ada, at: 3d}]
    expect: [{at: 16d, nothing: true}, {at: 17d, fired: ada, play: ring-them}]
"""
PLAY = """\
play: ring-them
to: owner
channel: desk
class: service
owner: front-desk
title: "{{ customer.name }} stays away"
text: "{{ why }} Ring them."
expires: 3d
"""
VISITS = """\
{"id": "v1", "event": "visit", "at": "2026-03-02T18:00:00Z", "member": "ada"}
{"id": "v2", "event": "visit", "at": "2026-03-02T19:00:00Z", "member": "ben"}
{"id": "v3", "event": "visit", "at": "2026-03-16T18:00:00Z", "member": "ada"}
{"id": "v3", "event": "visit", "at": "2026-03-16T18:00:00Z", "member": "ada"}
not json
{"id": "v4", "event": "visit", "at": "2026-03-20T18:00:00Z", "member": "ada"}
"""


@pytest.fixture
def gym(tmp_path: Path) -> Path:
    """A small project: ada keeps coming, ben does not."""
    for name, text in {
        "config/beforehand.yml": PROJECT,
        "config/detectors/members.yml": DETECTOR,
        "config/playbooks/desk.yml": PLAY,
        "data/visits.jsonl": VISITS,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def beforehand(tmp_path: Path) -> Beforehand:
    """Runs `beforehand` with these arguments as a process in the test's folder."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", MAIN, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Beforehand:
    """The same inside this process: for commands that set up no logging."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["beforehand", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return run
