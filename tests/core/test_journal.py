"""What waits in the journal: it is there after a crash, readers see it, and it comes to what writing anew comes to."""

from __future__ import annotations

import copy
import gzip
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest

from engine.core.route import FILES, Row
from engine.core.state import encode
from engine.errors import OperatorError
from engine.shells import journal
from engine.shells.partition import Partition
from engine.shells.store import FILE, Store, read_only
from tests.core.small import partition

DETECTORS = """
detector: busy
owner: a
reason: r
per: customer
watch:
  logins: {count: login, over: 1h, panes: 6}
  spent: {average: order, field: value, over: 1h, panes: 6}
when: {any_of: [{logins: {at_least: 8}}, {spent: {above: 1.0e+13}}]}
then: [{play: call}]
why: "{{ logins }}"
"""
OLD = Path(__file__).parent.parent / "faults" / "states" / "schema-1-record-1" / "state.db.gz"
MINUTE_MS = 60_000
START_MS = 1_790_000_000_000

Records = dict[tuple[str, str], bytes]


def batches(seed: int, count: int) -> Iterator[list[Row]]:
    """Ordinary rows for the most part, and some that are late, repeated, huge or of another type."""
    random, rows, at = Random(seed), list[Row](), START_MS
    for number in range(count * 20):
        at += random.randrange(MINUTE_MS)
        late = random.random() < 0.02
        event = {
            "id": f"e{number - (random.random() < 0.02)}",
            "event": random.choice(("login", "login", "login", "order")),
            "at": at - 40 * MINUTE_MS * late,
            "customer": f"c{int(random.paretovariate(0.7)) % 30}",
            "value": random.choice((1, 2.5, None, 1e13, 9e15)),
        }
        rows.append(Row("usage", "usage.jsonl", number, json.dumps(event).encode(), clock=FILES))
        if len(rows) >= random.randrange(1, 40):
            yield rows
            rows = []


def records(folder: Path) -> Records:
    """As somebody sees them who only reads, while the engine runs."""
    with closing(read_only(folder / "state").db) as db:
        return {(kind, key): record for kind, key, record in db.execute("SELECT kind, key, record FROM entities")}


def in_memory(ours: Partition) -> Records:
    """Written anew as a whole, from a copy, as writing leaves traces."""
    layout = ours.plan.kinds["customer"].wanted.layout
    known = ours.chain.entities.of_kind("customer")
    return {("customer", key): encode(copy.deepcopy(one), layout, ours.plan.detectors) for key, one in known.items()}


def in_tables(folder: Path) -> Records:
    with closing(sqlite3.connect(folder / "state" / FILE)) as db:
        return {(kind, key): record for kind, key, record in db.execute("SELECT kind, key, record FROM entities")}


def tails(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "state" / FILE)) as db:
        return sum(len(journal.read(content).tails) for (content,) in db.execute("SELECT changes FROM journal"))


@pytest.fixture
def ours(tmp_path: Path) -> Partition:
    return partition(tmp_path, DETECTORS)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_records_and_their_tails_come_to_what_is_remembered(tmp_path: Path, ours: Partition, seed: int) -> None:
    for rows in batches(seed, 40):
        ours.take(rows, {}, START_MS)
        assert records(tmp_path) == in_memory(ours)
    assert tails(tmp_path) > 100
    assert not in_tables(tmp_path)
    expected = in_memory(ours)
    ours.close()
    assert not tails(tmp_path)
    assert in_tables(tmp_path) == expected


def test_after_a_crash_the_tables_are_brought_up_to_date(tmp_path: Path, ours: Partition) -> None:
    for rows in batches(4, 20):
        ours.take(rows, {}, START_MS)
    expected = in_memory(ours)
    ours.store.close()
    Store(tmp_path / "state").close()
    assert in_tables(tmp_path) == expected
    assert not tails(tmp_path)


def test_the_tables_follow_when_much_waits(tmp_path: Path, ours: Partition) -> None:
    """And what came from there and was written to since has a tail again."""
    expected: Records = {}
    quick = Partition(ours.store, ours.plan, waiting_bytes=20_000)
    for rows in batches(5, 100):
        quick.take(rows, {}, START_MS)
        expected = in_memory(quick)
        assert records(tmp_path) == expected
    assert in_tables(tmp_path).keys() <= expected.keys()
    assert len(in_tables(tmp_path)) > 10
    assert tails(tmp_path)


def test_what_was_rolled_back_does_not_wait(tmp_path: Path, ours: Partition) -> None:
    before, after = list(batches(6, 20))[:2]
    ours.take(before, {}, START_MS)
    expected = in_memory(ours)
    with suppress(ZeroDivisionError), ours.store.transaction():
        ours._run(after)
        ours._memory.save()
        raise ZeroDivisionError
    ours.reload()
    assert in_tables(tmp_path) == records(tmp_path) == expected


def test_a_damaged_journal_is_noticed(tmp_path: Path, ours: Partition) -> None:
    ours.take(next(batches(7, 1)), {}, START_MS)
    with ours.store.transaction():
        (content,) = ours.store.db.execute("SELECT changes FROM journal").fetchone()
        ours.store.db.execute("UPDATE journal SET changes = ?", (content[:9] + b"?" + content[10:],))
    ours.store.close()
    for look in (Store, read_only):
        with pytest.raises(OperatorError, match="its journal is damaged: its checksum does not match"):
            look(tmp_path / "state")


def test_a_file_from_before_there_was_a_journal_can_be_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(gzip.decompress(OLD.read_bytes()))
    with closing(read_only(tmp_path).db) as db:
        assert db.execute("SELECT count(*) FROM entities").fetchone()[0]


def test_a_backup_of_a_running_engine_holds_what_waits(tmp_path: Path, ours: Partition) -> None:
    ours.take(next(batches(8, 1)), {}, START_MS)
    (tmp_path / "copy").mkdir()
    with closing(sqlite3.connect(tmp_path / "copy" / FILE)) as there:
        ours.store.db.backup(there)
    expected = in_memory(ours)
    ours.store.close()
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "copy").rename(tmp_path / "state")
    assert records(tmp_path) == expected
