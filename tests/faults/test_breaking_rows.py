"""Rows that break the engine: some raise, some kill the process, some make a record outgrow its bound.

The fault is in a detector plugin, installed as any other distribution would be: found through its entry point.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

from engine.shells.store import read_only
from tests.kill.process import Run
from tests.kill.project import START, event, make

KILLED_ITSELF = 86
BROKEN = """
---
detector: broken
owner: nobody
reason: test
per: customer
when: {breaks: {event: [login, login.failed]}}
then: [{play: note}]
why: A plugin with a fault in it
"""


def project(folder: Path, lines: list[str], record_bytes: int = 1_048_576) -> dict[str, str]:
    """Make the project and the plugin. Returns the environment in which the plugin is installed."""
    make(folder, detectors=BROKEN, record_bytes=record_bytes)
    (folder / "data" / "usage.jsonl").write_text("".join(lines))
    return installed(folder)


def installed(folder: Path) -> dict[str, str]:
    """Install the plugin into a folder of its own. Returns the environment in which it is found."""
    site = folder / "site"
    information = site / "breaking-1.0.dist-info"
    information.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("breaking.py"), site)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: breaking\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[beforehand.detectors]\nbreaks = breaking\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))}


def rows(count: int, **breaking: str) -> list[str]:
    """Logins of ten people; `n5="kills"` breaks the sixth."""
    broken = {int(name[1:]): {"breaks": how} for name, how in breaking.items()}
    return [event(n, "login", START + n * 1_000, f"c{n % 10}", **broken.get(n, {})) for n in range(count)]


def letters(folder: Path) -> Counter[tuple[str, bytes]]:
    return Counter((letter.reason, letter.raw[:12]) for _seq, letter in read_only(folder / "state").dead_letters())


def people(folder: Path) -> int:
    return read_only(folder / "state").entity_counts()["customer"]


def test_a_row_that_raises_is_set_aside_and_the_others_go_on(tmp_path: Path) -> None:
    env = project(tmp_path, rows(40, n15="raises"))
    run = Run(tmp_path, env=env)
    assert run.end() == 1, run.said()
    assert letters(tmp_path) == {("poison", b'{"id": "e15"'): 1}
    assert "40 rows read, 1 set aside (1 poison)" in run.said()
    assert people(tmp_path) == 10


def test_rows_that_kill_the_process_are_set_aside_after_three_deaths_each(tmp_path: Path) -> None:
    """Two of them in one batch, one in another: none may make the engine forget about the others."""
    env = project(tmp_path, rows(40, n12="kills", n17="kills", n33="kills"))
    deaths = 0
    while (run := Run(tmp_path, env=env)).end() == KILLED_ITSELF:
        deaths += 1
        assert deaths <= 11, "it goes on dying"
    assert run.end() == 0, run.said()
    # Once per batch without care, then three times on each row.
    assert deaths == 2 + 3 * 3
    assert set(letters(tmp_path)) == {("crash_loop", f'{{"id": "e{n}"'.encode()) for n in (12, 17, 33)}
    assert people(tmp_path) == 10


def test_an_event_that_makes_a_record_outgrow_its_bound_is_set_aside(tmp_path: Path) -> None:
    lines = [event(n, "login", START + n * 1_000, "busy") for n in range(90)]
    lines += [event(n, "login", START + n * 1_000, "calm") for n in range(90, 95)]
    env = project(tmp_path, lines, record_bytes=1_200)
    run = Run(tmp_path, env=env)
    assert run.end() == 0, run.said()
    found = Counter(reason for reason, _raw in letters(tmp_path))
    assert set(found) == {"record_too_large"}
    assert 10 < found["record_too_large"] < 85
    assert people(tmp_path) == 2
