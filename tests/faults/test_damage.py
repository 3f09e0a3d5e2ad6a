"""A state database with flipped bits: refused with one line that says what to do, and never guessed at."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from engine.errors import OperatorError
from engine.shells.backtest import decision_lines
from engine.shells.memory import Memory
from engine.shells.partition import Partition
from engine.shells.store import Store, read_only
from engine.shells.wiring import load_configuration, plan_of
from tests.kill.process import Run, desk
from tests.kill.project import make, write_events
from tests.kill.test_kill import RECORDED

FLIPS = 60


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose state was written and left in good order."""
    folder = tmp_path_factory.mktemp("sound")
    with desk(folder / "desk.jsonl") as port:
        write_events(make(folder, port, batch=200), seed=4, count=600)
        run = Run(folder, RECORDED)
        assert run.end() == 0, run.said()
    return folder


@pytest.fixture
def copied(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "copy"))


def opened(folder: Path) -> None:
    """All that a start reads, and each record behind it."""
    with closing(Store(folder / "state")) as store:
        partition = Partition(store, plan_of(load_configuration(folder / "config")))
        read_everything(store, partition)


def read_everything(store: Store, partition: Partition) -> None:
    memory: Memory = partition._memory
    for kind in partition.plan.kinds:
        for key in store.entity_keys(kind):
            memory.entities.get(kind, key)
    for (unit,) in store.db.execute("SELECT unit FROM units").fetchall():
        memory.units.get(unit)


def test_a_flipped_bit_is_refused_or_makes_no_difference(copied: Path) -> None:
    path, random = copied / "state" / "state.db", Random(5)
    whole, before = path.read_bytes(), remembered(copied)
    refused = 0
    for _ in range(FLIPS):
        at, bit = random.randrange(len(whole)), 1 << random.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        try:
            opened(copied)
        except OperatorError:
            refused += 1
        else:
            assert remembered(copied) == before, f"bit {bit} of byte {at} changed what is remembered, unnoticed"
    assert refused > FLIPS // 10


def remembered(folder: Path) -> object:
    """What the engine goes on from. The keys of entities are outside of their checksums, so they are left out here."""
    with closing(sqlite3.connect(folder / "state" / "state.db")) as db:
        entities = sorted(record for (record,) in db.execute("SELECT record FROM entities"))
        units = db.execute("SELECT unit, record FROM units ORDER BY unit").fetchall()
        facts = db.execute("SELECT name, value FROM facts ORDER BY name").fetchall()
    return entities, units, facts


RECORDS = {
    "the stored record of one customer is damaged: its checksum does not match": (
        "SELECT record, key FROM entities",
        "UPDATE entities SET record = ? WHERE key = ?",
    ),
    "the stored record of one unit is damaged": (
        "SELECT record, unit FROM units",
        "UPDATE units SET record = ? WHERE unit = ?",
    ),
    "the stored fact 'router' is damaged": (
        "SELECT value, name FROM facts WHERE name = 'router'",
        "UPDATE facts SET value = ? WHERE name = ?",
    ),
}


@pytest.mark.parametrize("what", RECORDS)
def test_a_flipped_bit_in_a_record_is_named(copied: Path, what: str) -> None:
    select, update = RECORDS[what]
    with closing(sqlite3.connect(copied / "state" / "state.db", isolation_level=None)) as db:
        for content, key in db.execute(select).fetchall():
            middle = len(content) // 2
            flipped = content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]
            db.execute(update, (flipped, key))
    with pytest.raises(OperatorError) as refused:
        opened(copied)
    assert what in str(refused.value)
    assert "Restore a backup as docs/operations.md describes" in str(refused.value)


def test_the_command_says_it_in_one_line(copied: Path) -> None:
    path = copied / "state" / "state.db"
    path.write_bytes(path.read_bytes()[:5_000] + b"\xff" * 5_000 + path.read_bytes()[10_000:])
    run = Run(copied, RECORDED)
    assert run.end() == 1
    assert run.said().count("\n") == 1
    assert run.said().startswith("beforehand: state/state.db cannot be used (")


def test_what_was_decided_can_still_be_read_beside_a_damaged_record(copied: Path) -> None:
    with closing(sqlite3.connect(copied / "state" / "state.db", isolation_level=None)) as db:
        db.execute("UPDATE facts SET value = x'00'")
    assert decision_lines(read_only(copied / "state").decisions())
