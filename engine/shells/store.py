"""The local shell's one file: positions, entities, units, signals, decisions, dead letters and the ledger in SQLite.

One writer, one transaction per batch, on the disk when it returns (WAL, synchronous=FULL). A second process on the
same folder is refused.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec

from engine.core.erasure import masked
from engine.core.state import DamagedRecord, Layout
from engine.errors import OperatorError
from engine.model import DeadLetter, Decision, Signal
from engine.ports import NEVER
from engine.shells import journal
from engine.shells.faults import fault_point
from engine.shells.journal import EntityRow, UnitRow
from engine.shells.ledger import Ledger
from engine.shells.mark import Mark

FILE = "state.db"
LOCK = "lock"
ERASED = "erased"
# Grows with every change of the tables; an older engine refuses a newer file.
SCHEMA_VERSION = 4
CHECK_BYTES = 4
# A file up to this size is checked page by page at every start, in a second or two.
CHECKED_AT_START_BYTES = 512 * 1024 * 1024

_TABLES = (
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS layouts (name TEXT PRIMARY KEY, layout BLOB NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS entities (
        kind TEXT NOT NULL, key TEXT NOT NULL, wake INTEGER NOT NULL, seen_at INTEGER NOT NULL, record BLOB NOT NULL,
        PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS units (
        unit TEXT PRIMARY KEY, waiting INTEGER NOT NULL, record BLOB NOT NULL) STRICT, WITHOUT ROWID""",
    journal.TABLE,
    """CREATE TABLE IF NOT EXISTS aliases (
        kind TEXT NOT NULL, alias TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (kind, alias)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS signals (
        id TEXT NOT NULL, state TEXT NOT NULL, at INTEGER NOT NULL, detector TEXT NOT NULL, entity TEXT NOT NULL,
        key TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (id, state)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS decisions (
        id TEXT PRIMARY KEY, at INTEGER NOT NULL, detector TEXT NOT NULL, entity TEXT NOT NULL, key TEXT NOT NULL,
        unit TEXT NOT NULL, record BLOB NOT NULL) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS dead_letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, stream TEXT NOT NULL, stored_at INTEGER NOT NULL,
        record BLOB NOT NULL) STRICT""",
    "CREATE TABLE IF NOT EXISTS answers (seq INTEGER PRIMARY KEY AUTOINCREMENT, record BLOB NOT NULL) STRICT",
    "CREATE INDEX IF NOT EXISTS signals_of ON signals (detector, key, at)",
    "CREATE INDEX IF NOT EXISTS decisions_of ON decisions (detector, key, at)",
    "CREATE INDEX IF NOT EXISTS decisions_at ON decisions (at)",
)


class Store:
    """The tables of one data folder. Methods that write belong inside `transaction()`."""

    _erased: dict[str, int] | None = None

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """`durable` False: what is here is a copy, so a power cut may take the latest transactions away."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = _take_lock(folder)
        try:
            self.db = _open(folder / FILE, "FULL" if durable else "NORMAL")
            self.ledger = Ledger(self.db, self.transaction, Mark(folder))
            self.settle()
        except (sqlite3.Error, UnicodeError) as error:  # the latter where the table of tables itself is damaged
            raise OperatorError(in_words(folder, error)) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it is on the disk when the block ends, or nothing of it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            fault_point("E1")
            self.db.execute("COMMIT")
        finally:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")

    def close(self) -> None:
        self.db.close()
        os.close(self._lock)

    # ---- facts

    def fact(self, name: str) -> bytes | None:
        """Raises OperatorError if it is damaged, as do the other readers of what is remembered."""
        found = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else self._unsealed(found[0], name, f"fact '{name}'")

    def set_fact(self, name: str, value: bytes) -> None:
        self.db.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, _sealed(value, name)))

    @property
    def erased(self) -> Mapping[str, int]:
        """Of whom nothing may be taken any more, as masked names; each with the time (ms) until which that is known."""
        if self._erased is None:
            kept = self.fact(ERASED)
            self._erased = msgspec.msgpack.decode(kept, type=dict[str, int]) if kept else {}
        return self._erased

    def set_erased(self, erased: Mapping[str, int]) -> None:
        self.set_fact(ERASED, msgspec.msgpack.encode(erased))
        self._erased = dict(erased)

    def _unsealed(self, content: bytes, key: str, what: str) -> bytes:
        body = content[:-CHECK_BYTES]
        if _sealed(body, key) != content:
            raise OperatorError(unusable(self.folder, f"the stored {what} is damaged"))
        return body

    # ---- what is remembered

    def layouts(self) -> dict[str, Layout]:
        rows = self.db.execute("SELECT name, layout FROM layouts")
        return {name: msgspec.msgpack.decode(layout, type=Layout) for name, layout in rows}

    def add_layout(self, layout: Layout) -> None:
        content = msgspec.msgpack.encode(layout)
        self.db.execute("INSERT OR IGNORE INTO layouts (name, layout) VALUES (?, ?)", (layout.name, content))

    def entity(self, kind: str, key: str) -> bytes | None:
        found = self.db.execute("SELECT record FROM entities WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if found is None else bytes(found[0])

    def entity_row(self, kind: str, key: str) -> EntityRow | None:
        """The whole row, as `put_entities` takes it."""
        query = "SELECT kind, key, wake, seen_at, record FROM entities WHERE kind = ? AND key = ?"
        row: EntityRow | None = self.db.execute(query, (kind, key)).fetchone()
        return row

    def settle(self) -> None:
        """Bring the tables up to date with the journal, in the transaction at hand if there is one."""
        if not self.db.execute("SELECT 1 FROM journal LIMIT 1").fetchone():
            return
        with nullcontext() if self.db.in_transaction else self.transaction(), _spoken_of(self.folder):
            journal.settle(self.db)

    def put_entities(self, rows: Iterable[EntityRow]) -> None:
        # In the order of the table, in which neighbours share a page.
        self.db.executemany(
            "INSERT OR REPLACE INTO entities (kind, key, wake, seen_at, record) VALUES (?, ?, ?, ?, ?)", sorted(rows)
        )

    def alarms(self) -> list[tuple[int, str, str]]:
        return list(self.db.execute("SELECT wake, kind, key FROM entities WHERE wake < ?", (NEVER,)))

    def entity_counts(self) -> dict[str, int]:
        return dict(self.db.execute("SELECT kind, count(*) FROM entities GROUP BY kind"))

    def entity_keys(self, kind: str) -> list[str]:
        return [key for (key,) in self.db.execute("SELECT key FROM entities WHERE kind = ?", (kind,))]

    def entities_after(self, name: tuple[str, str], most: int) -> list[EntityRow]:
        """The next ones in order of (kind, key), as they were put."""
        query = """SELECT kind, key, wake, seen_at, record FROM entities WHERE (kind, key) > (?, ?)
                   ORDER BY kind, key LIMIT ?"""
        return self.db.execute(query, (*name, most)).fetchall()

    def entities_naming(self, text: str) -> list[tuple[str, str]]:
        """(kind, key) of those whose record holds a text, as a part of another one perhaps."""
        query = "SELECT kind, key FROM entities WHERE instr(record, ?)"
        return self.db.execute(query, (text.encode(),)).fetchall()

    def drop_entities(self, names: Iterable[tuple[str, str]]) -> None:
        self.db.executemany("DELETE FROM entities WHERE kind = ? AND key = ?", names)

    def entities_unseen_since(self, before: int) -> list[tuple[str, str]]:
        return self.db.execute("SELECT kind, key FROM entities WHERE seen_at < ?", (before,)).fetchall()

    def drop_entities_unseen_since(self, before: int) -> list[tuple[str, str]]:
        """Those whose time-to-live has passed, gone with this call."""
        gone = self.entities_unseen_since(before)
        self.drop_entities(gone)
        return gone

    def unit(self, unit: str) -> bytes | None:
        found = self.db.execute("SELECT record FROM units WHERE unit = ?", (unit,)).fetchone()
        return None if found is None else self._unsealed(found[0], unit, "record of one unit")

    def put_units(self, rows: Iterable[UnitRow]) -> None:
        self.db.executemany("INSERT OR REPLACE INTO units (unit, waiting, record) VALUES (?, ?, ?)", sealed_units(rows))

    def drop_units(self, units: Iterable[str]) -> None:
        self.db.executemany("DELETE FROM units WHERE unit = ?", [(unit,) for unit in units])

    def units_naming(self, text: str) -> list[str]:
        """Those whose record holds a text, as a part of another one perhaps."""
        return [unit for (unit,) in self.db.execute("SELECT unit FROM units WHERE instr(record, ?)", (text.encode(),))]

    def units_after(self, unit: str, most: int) -> list[UnitRow]:
        """The next ones in order, as they were put."""
        query = "SELECT unit, waiting, record FROM units WHERE unit > ? ORDER BY unit LIMIT ?"
        rows = self.db.execute(query, (unit, most)).fetchall()
        return [
            (name, bool(waiting), self._unsealed(record, name, "record of one unit")) for name, waiting, record in rows
        ]

    def waiting_units(self) -> set[str]:
        return {unit for (unit,) in self.db.execute("SELECT unit FROM units WHERE waiting")}

    def aliases(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for kind, alias, key in self.db.execute("SELECT kind, alias, key FROM aliases"):
            found.setdefault(kind, {})[alias] = key
        return found

    def put_aliases(self, learnt: dict[str, dict[str, str]]) -> None:
        """Those of somebody erased are not kept."""
        rows = [(kind, alias, key) for kind, names in learnt.items() for alias, key in names.items()]
        if self.erased:
            rows = [row for row in rows if masked(f"{row[0]}:{row[2]}") not in self.erased]
        self.db.executemany("INSERT OR REPLACE INTO aliases (kind, alias, key) VALUES (?, ?, ?)", rows)

    # ---- what happened

    def put_signals(self, signals: Iterable[Signal]) -> None:
        encode = msgspec.msgpack.encode
        rows = [(s.id, s.state, s.at, s.detector, s.entity, s.key, encode(s)) for s in signals]
        self.db.executemany("INSERT OR REPLACE INTO signals VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def put_decisions(self, decisions: Iterable[Decision]) -> None:
        """The first record of a decision stays: the same id always stands for the same decision."""
        encode = msgspec.msgpack.encode
        rows = [(d.id, d.at, d.detector, d.entity, d.key, d.unit, encode(d)) for d in decisions]
        self.db.executemany("INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def put_dead_letters(self, letters: Iterable[DeadLetter], now: int) -> None:
        rows = [(d.reason, d.stream, now, msgspec.msgpack.encode(d)) for d in letters]
        self.db.executemany("INSERT INTO dead_letters (reason, stream, stored_at, record) VALUES (?, ?, ?, ?)", rows)

    def signals(self, detector: str, key: str) -> list[Signal]:
        rows = self.db.execute(
            "SELECT record FROM signals WHERE detector = ? AND key = ? ORDER BY at, state", (detector, key)
        )
        return [msgspec.msgpack.decode(record, type=Signal) for (record,) in rows]

    def decisions(self, detector: str = "", key: str = "") -> Iterator[Decision]:
        """In order of (at, id): all of them, or those of one detector and entity."""
        where, values = ("WHERE detector = ? AND key = ?", (detector, key)) if detector else ("", ())
        query = f"SELECT record FROM decisions {where} ORDER BY at, id"  # noqa: S608  `where` is one of two constants
        for (record,) in self.db.execute(query, values):
            yield msgspec.msgpack.decode(record, type=Decision)

    def decided_at(self, unit: str, at: int) -> list[Decision]:
        """What was decided for a unit at one moment."""
        rows = self.db.execute("SELECT record FROM decisions WHERE at = ? AND unit = ? ORDER BY id", (at, unit))
        return [msgspec.msgpack.decode(record, type=Decision) for (record,) in rows]

    def dead_letters(self) -> Iterator[tuple[int, DeadLetter]]:
        for seq, record in self.db.execute("SELECT seq, record FROM dead_letters ORDER BY seq"):
            yield seq, msgspec.msgpack.decode(record, type=DeadLetter)

    def dead_letters_with_times(self) -> Iterator[tuple[int, int, DeadLetter]]:
        """(number, when it was set aside, letter), the oldest first."""
        for seq, stored_at, record in self.db.execute("SELECT seq, stored_at, record FROM dead_letters ORDER BY seq"):
            yield seq, stored_at, msgspec.msgpack.decode(record, type=DeadLetter)

    def drop_dead_letters(self, numbers: Iterable[int]) -> None:
        self.db.executemany("DELETE FROM dead_letters WHERE seq = ?", [(number,) for number in numbers])

    def dead_letter_counts(self) -> dict[tuple[str, str], int]:
        rows = self.db.execute("SELECT stream, reason, count(*) FROM dead_letters GROUP BY stream, reason")
        return {(stream, reason): count for stream, reason, count in rows}

    # ---- keeping house

    def clear(self) -> None:
        """Begin anew with nothing: what is here is older than what it was copied from. Runs its own transaction."""
        tables = self.db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        with self.transaction():
            for (table,) in tables.fetchall():
                self.db.execute(f"DELETE FROM {table}")  # noqa: S608  a name of ours
        self.sweep()

    def sweep(self) -> None:
        """Write the file anew, so that nothing deleted is left in it. For any thread; the file may be in use here."""
        db = sqlite3.connect(self.folder / FILE, isolation_level=None, timeout=60)
        try:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.close()

    def prune(self, table: str, before: int) -> int:
        """Delete rows of `signals`, `decisions` or `dead_letters` from before that time. Returns how many."""
        column = {"signals": "at", "decisions": "at", "dead_letters": "stored_at"}[table]
        return self.db.execute(f"DELETE FROM {table} WHERE {column} < ?", (before,)).rowcount  # noqa: S608

    def oldest(self) -> dict[str, int]:
        """The time of the oldest row of each table that has a retention."""
        tables = {"signals": "at", "decisions": "at", "dead_letters": "stored_at"}
        found = {t: self.db.execute(f"SELECT min({c}) FROM {t}").fetchone()[0] for t, c in tables.items()}  # noqa: S608
        return {table: at for table, at in found.items() if at is not None}


def read_only(folder: Path) -> Store:
    """A view for `explain` and the like: takes no lock and writes nothing, also while the engine runs."""
    if not (folder / FILE).exists():
        if (folder / "decide").is_dir():
            raise OperatorError(
                f"{folder} belongs to a `beforehand worker`, whose memory is on Kafka: "
                "add --kafka to ask for that (explain, approve, export, erase and replay take it)"
            )
        raise OperatorError(f"{folder} holds no {FILE}; name the state folder of a `beforehand run` with --state")
    store = Store.__new__(Store)
    store.folder = folder
    store.db = sqlite3.connect(f"file:{folder / FILE}?mode=ro", uri=True, isolation_level=None)
    store.ledger = Ledger(store.db, is_read_only=True)
    with _spoken_of(folder):
        journal.lay_over(store.db)
    return store


@contextmanager
def _spoken_of(folder: Path) -> Iterator[None]:
    """Damage to the journal, in words."""
    try:
        yield
    except DamagedRecord as fault:
        raise OperatorError(unusable(folder, f"its journal is damaged: {fault}")) from fault


def _take_lock(folder: Path) -> int:
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise OperatorError(
            f"{folder} is in use by another beforehand (process {holder}); stop it, or use another --state folder"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _open(path: Path, synchronous: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute("PRAGMA cache_size = -65536")
    # The same busy entities are written batch after batch; waiting longer writes them to the main file less often.
    db.execute("PRAGMA wal_autocheckpoint = 16384")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise OperatorError(
            f"{path} was written by a newer beforehand (schema {version}, this one knows {SCHEMA_VERSION}); "
            "upgrade, or restore a backup made by this version"
        )
    if path.stat().st_size < CHECKED_AT_START_BYTES and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("its pages do not fit together")
    for table in _TABLES:
        db.execute(table)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return db


def _sealed(content: bytes, key: str) -> bytes:
    """With a checksum of both behind it. Records of entities bring their own, as they travel without this store too."""
    return content + zlib.crc32(content, zlib.crc32(key.encode())).to_bytes(CHECK_BYTES, "little")


def sealed_units(rows: Iterable[UnitRow]) -> list[UnitRow]:
    """As the table has them."""
    return [(unit, waiting, _sealed(record, unit)) for unit, waiting, record in rows]


def in_words(folder: Path, error: sqlite3.Error | UnicodeError) -> str:
    """What a fault of the database means to the person who has to do something about it."""
    if not isinstance(error, sqlite3.OperationalError):
        return unusable(folder, str(error))
    return (
        f"{folder / FILE} cannot be read or written ({error}): is the disk full? Nothing is lost: "
        "what was not stored is taken again at the next start"
    )


def unusable(folder: Path, why: str) -> str:
    """What to say of a database that cannot be worked with as it is."""
    return (
        f"{folder / FILE} cannot be used ({why}); nothing was changed. "
        "Restore a backup as docs/operations.md describes, or move the folder aside to begin anew"
    )
