"""What batches changed of entities and units, as one row per batch; the tables follow now and then.

A batch touches hundreds of entities, and in its table each of them dirties a page of its own. So a batch writes them
into the table `journal`, all as one row, an entity that had only ordinary events by its tail. When much has come
together, it is folded into the tables in their order, in a transaction that also empties the journal. Tables and
journal together hold all that was committed, whenever a crash comes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from engine.core.state import DamagedRecord, checked, packed
from engine.core.tails import Tail, TailParts, folded

# So much may wait before the tables get it, which takes about a third of a second.
WAITING_BYTES = 16 * 1024 * 1024

TABLE = "CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, changes BLOB NOT NULL) STRICT"
# The tables with what waits laid over them, under the same names, for one connection alone.
_LAID_OVER = (
    "CREATE TEMP TABLE waiting_entities (kind, key, wake, seen_at, record, PRIMARY KEY (kind, key)) WITHOUT ROWID",
    "CREATE TEMP TABLE waiting_units (unit PRIMARY KEY, waiting, record) WITHOUT ROWID",
    """CREATE TEMP VIEW entities AS SELECT * FROM waiting_entities UNION ALL SELECT * FROM main.entities AS stored
       WHERE NOT EXISTS (SELECT 1 FROM waiting_entities AS w WHERE w.kind = stored.kind AND w.key = stored.key)""",
    """CREATE TEMP VIEW units AS SELECT * FROM waiting_units UNION ALL SELECT * FROM main.units AS stored
       WHERE NOT EXISTS (SELECT 1 FROM waiting_units AS w WHERE w.unit = stored.unit)""",
)

# Kind, key, wake, seen_at and record.
EntityRow: TypeAlias = tuple[str, str, int, int, bytes]
# The unit, whether it has candidates waiting, and its record.
UnitRow: TypeAlias = tuple[str, bool, bytes]


class Changes(msgspec.Struct, array_like=True):
    """One batch's, as they are read: rows as the tables have them, and tails of rows before."""

    entities: list[EntityRow]
    tails: list[Tail]
    units: list[UnitRow]


_DECODER = msgspec.msgpack.Decoder(Changes)


def read(content: bytes) -> Changes:
    """One row of the journal. Raises DamagedRecord."""
    body = content[:-4]
    if checked(body) != content:
        raise DamagedRecord("its checksum does not match")
    return _DECODER.decode(body)


def _waiting(db: sqlite3.Connection) -> tuple[list[EntityRow], list[UnitRow]]:
    """What the tables do not have yet, in their order. Raises DamagedRecord."""
    rows, tails, units = dict[tuple[str, str], EntityRow](), dict[tuple[str, str], list[Tail]](), dict[str, UnitRow]()
    for (content,) in db.execute("SELECT changes FROM journal ORDER BY seq"):
        changes = read(content)
        for row in changes.entities:
            rows[row[0], row[1]] = row
            tails.pop((row[0], row[1]), None)
        for tail in changes.tails:
            tails.setdefault((tail.kind, tail.key), []).append(tail)
        units.update((row[0], row) for row in changes.units)
    for name, some in tails.items():
        kind, key, wake, _, record = rows.get(name) or _stored(db, name)
        rows[name] = kind, key, wake, some[-1].seen_at, folded(record, some)
    return sorted(rows.values()), sorted(units.values())


def _stored(db: sqlite3.Connection, name: tuple[str, str]) -> EntityRow:
    query = "SELECT kind, key, wake, seen_at, record FROM main.entities WHERE kind = ? AND key = ?"
    row: EntityRow | None = db.execute(query, name).fetchone()
    if row is None:
        raise DamagedRecord("it goes on from a record that is not there")
    return row


def settle(db: sqlite3.Connection) -> None:
    """Bring the tables up to date. Runs inside the caller's transaction. Raises DamagedRecord."""
    entities, units = _waiting(db)
    db.executemany(
        "INSERT OR REPLACE INTO entities (kind, key, wake, seen_at, record) VALUES (?, ?, ?, ?, ?)", entities
    )
    db.executemany("INSERT OR REPLACE INTO units (unit, waiting, record) VALUES (?, ?, ?)", units)
    db.execute("DELETE FROM journal")


def lay_over(db: sqlite3.Connection) -> None:
    """Let a connection that only reads see the tables brought up to date, as of now. Raises DamagedRecord."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'journal'").fetchone():
        return  # an earlier version wrote it
    db.execute("BEGIN")  # until it is closed, so that tables and journal are of the same moment
    for statement in _LAID_OVER:
        db.execute(statement)
    entities, units = _waiting(db)
    db.executemany("INSERT INTO waiting_entities VALUES (?, ?, ?, ?, ?)", entities)
    db.executemany("INSERT INTO waiting_units VALUES (?, ?, ?)", units)


class Journal:
    """The journal of a database that is written to. Its methods run inside the caller's transaction.

    After a rollback it no longer agrees with the disk, and a new one takes its place. `size` is in bytes.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.size = 0

    def put(self, entities: Sequence[EntityRow], tails: Sequence[TailParts], units: Sequence[UnitRow]) -> None:
        """Add what a batch changed, units as their table has them."""
        content = checked(packed((entities, tails, units)))
        self._db.execute("INSERT INTO journal (changes) VALUES (?)", (content,))
        self.size += len(content)

    def clear(self) -> None:
        """The tables have it all."""
        self._db.execute("DELETE FROM journal")
        self.size = 0
