"""Keeps what the learn step knows in the local store, in the transaction of the batch that led to it.

Answers are appended to a table as they come. What was learned from them is one fact, which is written once for each day
of event time, and then the table is left with those that still wait. Those that are kept to teach other learners from
are a fact for each block of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator

import msgspec

from engine.core.examples import Example, Models, Snapshot, UnsignedSnapshot, sealed, unsealed
from engine.core.kept import Shelf
from engine.core.learning import Learn
from engine.core.plan import Plan
from engine.core.teaching import LearnState, forget_one
from engine.shells.secrets import read_key
from engine.shells.store import Store
from engine.spec.models import MOST_EXAMPLES
from engine.spec.types import Configuration

FACT = "models"
# Before the name of each block of kept answers.
BLOCKS = "kept "


class Kept(msgspec.Struct, array_like=True):
    """What was learned, and the snapshots in force, each with its signature, oldest first."""

    state: LearnState
    snapshots: list[bytes]


def key_of(configuration: Configuration) -> bytes:
    """What snapshots are signed with; empty where the project names no key. Raises OperatorError."""
    reference = configuration.project.policies.models_key
    if not reference:
        return b""
    return read_key(reference, configuration.folder, "models").reveal().encode()


def trusted(contents: Iterable[bytes], key: bytes, asked: Collection[str]) -> Iterator[Snapshot]:
    """Those that carry our signature, of models that are `asked`. The others are not used: the next one that is learned
    takes their place, and a model that is asked again after a while begins anew.
    """
    for content in contents:
        try:
            snapshot = unsealed(content, key)
        except UnsignedSnapshot:
            continue
        if snapshot.model in asked:
            yield snapshot


def restore(store: Store, plan: Plan, models: Models) -> Learn:
    """The learn step as it was last kept, with its snapshots put into `models`. Raises OperatorError."""
    content = store.fact(FACT)
    kept = msgspec.msgpack.decode(content, type=Kept) if content else Kept(LearnState(), [])
    for snapshot in trusted(kept.snapshots, key_of(plan.configuration), plan.models):
        models.put(snapshot)
    # What is not asked any more is forgotten with the next day that is learned.
    state = msgspec.structs.replace(kept.state, models={n: m for n, m in kept.state.models.items() if n in plan.models})
    learn = Learn(plan.models, models, state, kept_shelf(store, plan))
    learn.recall(_waiting(store.db))
    return learn


def save(store: Store, learn: Learn, models: Models, key: bytes) -> None:
    """Write what has changed since the last time. Runs inside the caller's transaction."""
    rows: Iterable[Example] = learn.fresh
    if learn.has_learned:
        store.db.execute("DELETE FROM answers")
        rows = learn.waiting.values()
    encode = msgspec.msgpack.encode
    store.db.executemany("INSERT INTO answers (record) VALUES (?)", [(encode(row),) for row in rows])
    if learn.has_changed:
        store.set_fact(FACT, encode(Kept(learn.state, [sealed(each, key) for each in models.all()])))
    _put(store, learn.shelf)
    learn.saved()


def kept_shelf(store: Store, plan: Plan) -> Shelf:
    """The answers that were learned from and are kept. Raises OperatorError where they are damaged."""
    return Shelf(plan.configuration.project.policies.examples_kept, _blocks(store), plan.models)


def _blocks(store: Store) -> dict[str, bytes]:
    names = store.db.execute("SELECT name FROM facts WHERE name GLOB ? ORDER BY name", (f"{BLOCKS}*",)).fetchall()
    return {name.removeprefix(BLOCKS): store.fact(name) or b"" for (name,) in names}


def _put(store: Store, shelf: Shelf) -> None:
    for name, content in shelf.changed.items():
        if content is None:
            store.db.execute("DELETE FROM facts WHERE name = ?", (BLOCKS + name,))
        else:
            store.set_fact(BLOCKS + name, content)


def kept_models(store: Store) -> tuple[LearnState, list[Example]]:
    """What was learned, and what waits to be, to look at."""
    content = store.fact(FACT)
    state = msgspec.msgpack.decode(content, type=Kept).state if content else LearnState()
    return state, list(_waiting(store.db))


def forget(store: Store, who: int) -> int:
    """Drop the answers of somebody, and their values among peers, in the transaction at hand. Returns how many."""
    rows = store.db.execute("SELECT seq, record FROM answers").fetchall()
    gone = [(seq,) for seq, record in rows if msgspec.msgpack.decode(record, type=Example).who == who]
    store.db.executemany("DELETE FROM answers WHERE seq = ?", gone)
    content = store.fact(FACT)
    kept = msgspec.msgpack.decode(content, type=Kept) if content else Kept(LearnState(), [])
    blocks = _blocks(store)
    shelf = Shelf(MOST_EXAMPLES, blocks, {name.rpartition(" ")[0] for name in blocks})
    values = forget_one(kept.state, shelf, who)
    if values:
        store.set_fact(FACT, msgspec.msgpack.encode(kept))
        _put(store, shelf)
    return len(gone) + values


def _waiting(db: sqlite3.Connection) -> Iterator[Example]:
    # What an earlier version wrote may be looked at before this one has run on it.
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'answers'").fetchone():
        return
    for (record,) in db.execute("SELECT record FROM answers ORDER BY seq"):
        yield msgspec.msgpack.decode(record, type=Example)
