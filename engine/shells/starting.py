"""`init`: a project to begin with, copied from the catalog that is shipped. And what else a command begins with."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

import engine
from engine.errors import OperatorError
from engine.model import Json
from engine.shells.company import simulate, write
from engine.shells.mark import NAME as MARK
from engine.shells.store import FILE, read_only

SEED = 7


def catalog() -> Path:
    """The shipped configuration: inside the installed package, or `config/` of a checkout."""
    installed = Path(engine.__file__).parent / "catalog"
    return installed if installed.is_dir() else Path(engine.__file__).parents[1] / "config"


def init(folder: Path) -> list[Path]:
    """Write a project into a folder that has none yet. Returns what was made. Raises OperatorError."""
    config, data = folder / "config", folder / "data"
    for path in (config, data):
        if path.exists():
            raise OperatorError(f"{path} exists already; nothing was changed. Name a new folder: beforehand init NAME")
    shutil.copytree(catalog(), config)
    write(simulate(SEED), data)
    return [config, data]


@contextmanager
def copy_of_state(state: Path) -> Iterator[Path]:
    """A folder with a copy of what is remembered, gone at the end, so that a dry run leaves no trace."""
    with TemporaryDirectory(prefix="beforehand-") as name:
        folder = Path(name)
        if (state / FILE).exists():
            with closing(read_only(state).db) as there, closing(sqlite3.connect(folder / FILE)) as here:
                there.backup(here)
        if (state / MARK).exists():
            shutil.copy(state / MARK, folder)
        yield folder


def write_schemas(folder: Path, schemas: dict[str, dict[str, Json]]) -> list[Path]:
    """One JSON Schema file each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, schema in schemas.items():
        path = folder / f"{name}.schema.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n")
        paths.append(path)
    return paths
