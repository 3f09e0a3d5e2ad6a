"""State that another version wrote: an older one's is carried on, a newer one's is refused."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from engine.core import state
from engine.core.state import Stored
from engine.model import Decision
from engine.shells.backtest import Backtest
from engine.shells.store import SCHEMA_VERSION, read_only
from engine.shells.times import from_text
from engine.shells.wiring import load_configuration, plan_of
from tests.faults.make_state import STATES
from tests.kill.process import Run

UNTIL = "2026-06-01"


def unpacked(kept: Path, folder: Path) -> Path:
    for part in ("config", "data"):
        shutil.copytree(kept / part, folder / part)
    (folder / "state").mkdir()
    shutil.copy(kept / "actions.jsonl", folder / "state")
    (folder / "state" / "state.db").write_bytes(gzip.decompress((kept / "state.db.gz").read_bytes()))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return unpacked(newest(), tmp_path)


def newest() -> Path:
    return STATES / f"schema-{SCHEMA_VERSION}-record-{state.VERSION}"


def test_there_is_a_state_of_the_present_version() -> None:
    assert newest().exists(), "the tables or records have changed: run python -m tests.faults.make_state"


@pytest.mark.parametrize("kept", sorted(STATES.iterdir()), ids=lambda kept: kept.name)
def test_the_state_of_each_version_is_carried_on(kept: Path, tmp_path: Path) -> None:
    """It comes to what reading everything anew comes to. The mark is not there, so an epoch says what may be sent."""
    folder = unpacked(kept, tmp_path)
    run = Run(folder, "--event-clock", "--until", UNTIL, "--ledger-epoch", "2026-01-01")
    assert run.end() == 0, run.said()
    backtest = Backtest(plan_of(load_configuration(folder / "config")), folder / "data")
    backtest.run(from_text(UNTIL))
    ours = list(read_only(folder / "state").decisions())
    assert len(ours) > 5
    assert unversioned(ours) == unversioned(backtest.decisions)


def unversioned(decisions: list[Decision]) -> list[Decision]:
    """What was decided, leaving out the versions it was decided under and what older ones did not tell."""
    untold = {"versions": {}, "priority": 0.0, "factors": {}, "runner_up": ""}
    bare = [msgspec.structs.replace(decision, **untold) for decision in decisions]
    return sorted(bare, key=lambda decision: (decision.at, decision.id))


def test_tables_of_a_newer_version_are_refused(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "state" / "state.db")) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    run = Run(folder)
    assert run.end() == 1
    assert run.lines == [
        f"beforehand: state/state.db was written by a newer beforehand (schema {SCHEMA_VERSION + 1}, this one knows "
        f"{SCHEMA_VERSION}); upgrade, or restore a backup made by this version\n"
    ]


def test_records_of_a_newer_version_are_refused(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "state" / "state.db", isolation_level=None)) as db:
        for key, record in db.execute("SELECT key, record FROM entities").fetchall():
            stored = msgspec.msgpack.decode(record[:-4], type=Stored)
            stored.version = state.VERSION + 1
            body = msgspec.msgpack.encode(stored)
            newer = body + zlib.crc32(body).to_bytes(4, "little")
            db.execute("UPDATE entities SET record = ? WHERE key = ?", (newer, key))
    run = Run(folder, "--ledger-epoch", "2026-01-01", "--event-clock")
    assert run.end() == 1
    assert f"it was written by a newer version (record version {state.VERSION + 1})" in run.lines[-1]
    assert "Traceback" not in run.said()
