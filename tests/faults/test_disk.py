"""A disk that is full: nothing is half done, and once there is room it goes on as if nothing had been."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.kill.process import Run, desk, verify
from tests.kill.project import make, write_events
from tests.kill.test_kill import RECORDED, finished


@pytest.mark.parametrize("limit_kib", [120, 300])
def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(tmp_path: Path, limit_kib: int) -> None:
    with desk(tmp_path / "desk.jsonl") as port:
        write_events(make(tmp_path, port, batch=50), seed=8, count=2_000)
        run = Run(tmp_path, RECORDED, limits=f"-f {limit_kib}")
        assert run.end() == 1, run.said()
        last = run.lines[-1]
        assert last.startswith("beforehand: state/state.db cannot be read or written (")
        assert "Nothing is lost" in last
        assert "Traceback" not in run.said()
        with closing(sqlite3.connect(tmp_path / "state" / "state.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        verify(tmp_path, finished(tmp_path))


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_events(make(tmp_path), seed=8, count=10)
    (tmp_path / "state").write_text("a file where the folder should be")
    run = Run(tmp_path)
    assert run.end() == 1
    assert run.said().startswith("beforehand: ")
    assert run.said().count("\n") == 1
