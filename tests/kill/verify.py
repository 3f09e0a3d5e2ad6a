"""The verifier: compares what lies on the disk after all those deaths with a run that was never interrupted.

`python -m tests.kill.verify FOLDER UNTIL`, where FOLDER holds config, data, state, `oracle.jsonl` (what `backtest
--decisions` wrote) and `desk.jsonl` (what the receiver wrote). It shares no process and no memory with what it judges.
Prints every promise that was broken, and ends with 1 if there was one.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from engine.core.state import decode, encode
from engine.model import Action, Outcome
from engine.shells.backtest import Backtest, decision_lines
from engine.shells.ledger import Ledger, State
from engine.shells.store import read_only
from engine.shells.times import from_text
from engine.shells.wiring import load_configuration, plan_of

SETTLED = {State.DELIVERED, State.UNKNOWN}


class Evidence:
    """All that was left behind, and the oracle worked out anew from config and data."""

    def __init__(self, folder: Path, until: str) -> None:
        self.folder = folder
        self.plan = plan_of(load_configuration(folder / "config"))
        self.oracle = Backtest(self.plan, folder / "data")
        self.report = self.oracle.run(from_text(until))
        self.store = read_only(folder / "state")
        self.desk = [json.loads(line) for line in _lines(folder / "desk.jsonl")]
        self.file = [json.loads(line) for line in _lines(folder / "state" / "actions.jsonl")]


def problems(evidence: Evidence) -> Iterator[str]:
    yield from _decisions(evidence)
    yield from _input(evidence)
    yield from _state(evidence)
    yield from _actions(evidence)


def _decisions(evidence: Evidence) -> Iterator[str]:
    ours = decision_lines(evidence.store.decisions())
    theirs = (evidence.folder / "oracle.jsonl").read_bytes().splitlines()
    if not theirs:
        yield "the oracle decided nothing, so nothing is proved"
    if ours != theirs:
        yield f"the decision logs differ: {len(ours)} here, {len(theirs)} in the backtest"


def _input(evidence: Evidence) -> Iterator[str]:
    """Every row is accepted or a dead letter, and none is either twice."""
    letters = Counter(f"{stream} {reason}" for (stream, reason), n in _letter_counts(evidence) for _ in range(n))
    if letters != Counter(evidence.report.dead_letters):
        yield f"dead letters differ: {dict(letters)} here, {dict(evidence.report.dead_letters)} in the backtest"
    rows = sum(len(_lines(path)) for path in (evidence.folder / "data").glob("*.jsonl"))
    refused = sum(count for name, count in letters.items() if "id_conflict" not in name and "late" not in name)
    accepted = sum(evidence.report.events.values())
    if rows != accepted + refused:
        yield f"{rows} rows, but {accepted} accepted and {refused} refused"


def _letter_counts(evidence: Evidence) -> list[tuple[tuple[str, str], int]]:
    return list(evidence.store.dead_letter_counts().items())


def _state(evidence: Evidence) -> Iterator[str]:
    db = evidence.store.db
    ours = {(kind, key): decode(record) for kind, key, record in db.execute("SELECT kind, key, record FROM entities")}
    theirs = {
        (kind, key): decode(encode(entity, evidence.plan.kinds[kind].wanted.layout, evidence.plan.detectors))
        for kind, known in evidence.oracle._chain.entities.by_kind.items()
        for key, entity in known.items()
    }
    if ours.keys() != theirs.keys():
        yield f"other entities are known: {sorted(ours.keys() ^ theirs.keys())[:5]}"
    for name in ours.keys() & theirs.keys():
        if ours[name] != theirs[name]:
            yield f"what is remembered of {name} differs:\n  {ours[name]}\n  {theirs[name]}"
    if (found := db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
        yield f"the database is damaged: {found}"


def _actions(evidence: Evidence) -> Iterator[str]:
    wanted = {d.action_id: d for d in evidence.oracle.decisions if d.outcome is Outcome.CHOSEN}
    rows = {row.action.id: row for row in _ledger_rows(evidence)}
    if rows.keys() != wanted.keys():
        yield f"the ledger holds {len(rows)} actions, the backtest decided on {len(wanted)}"
    effects = _effects(evidence)
    for action_id, row in rows.items():
        yield from _action(row.action, row.state, effects[row.action.decision_id])
        if row.state not in SETTLED:
            yield f"action {action_id} is {row.state}"


def _action(action: Action, state: State, effects: int) -> Iterator[str]:
    if effects > 1:
        yield f"action {action.id} took effect {effects} times on {action.channel}"
    if state is State.DELIVERED and not effects:
        yield f"action {action.id} counts as delivered on {action.channel}, and nobody has it"
    if action.channel != "sms" and state is State.UNKNOWN:
        yield f"action {action.id} is unknown on {action.channel}, which could have cleared that up"


def _effects(evidence: Evidence) -> Counter[str]:
    """By decision, not by id: a changed id must not look like another action."""
    return Counter(
        [line["decision"] for line in evidence.desk if line["effect"]]
        + [line["data"]["decision_id"] for line in evidence.file]
    )


def _ledger_rows(evidence: Evidence) -> list[Any]:
    with closing(sqlite3.connect(evidence.folder / "state" / "state.db", isolation_level=None)) as db:
        return Ledger(db)._rows("1 ORDER BY seq", ())


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    broken = list(problems(Evidence(Path(sys.argv[1]), sys.argv[2])))
    print("\n".join(broken) or "every promise holds")
    sys.exit(bool(broken))
