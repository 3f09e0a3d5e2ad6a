"""Writes the state that this version leaves behind, for later ones to go on from: `python -m tests.faults.make_state`.

Run it once per version of the tables or records, and keep what it makes under `states/` for ever.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from pathlib import Path

from engine.core import state
from engine.shells.store import SCHEMA_VERSION
from tests.kill.process import Run
from tests.kill.project import make, write_events

STATES = Path(__file__).parent / "states"
EVENTS = 300
SHARE_READ = 0.5


def make_state(into: Path) -> None:
    """A project half way through its input."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = make(Path(scratch), batch=50)
        to_files(folder)
        write_events(folder, seed=1, count=EVENTS, customers=20)
        shutil.copytree(folder / "config", into / "config")
        shutil.copytree(folder / "data", into / "data")
        for path in (folder / "data").iterdir():
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(lines[: int(len(lines) * SHARE_READ)]))
        run = Run(folder, "--event-clock")
        assert run.end() == 0, run.said()
        with gzip.GzipFile(into / "state.db.gz", "wb", mtime=0) as packed:
            packed.write((folder / "state" / "state.db").read_bytes())
        shutil.copy(folder / "state" / "actions.jsonl", into)


def to_files(folder: Path) -> None:
    """Every channel leads to one file, so that nothing has to listen anywhere."""
    project = folder / "config" / "beforehand.yml"
    kept = [line for line in project.read_text().splitlines() if "kind: webhook" not in line]
    text = "\n".join(kept).replace("desk: desk, sms: sms,", "desk: log, sms: log,")
    project.write_text(text + "\n")


if __name__ == "__main__":
    make_state(STATES / f"schema-{SCHEMA_VERSION}-record-{state.VERSION}")
