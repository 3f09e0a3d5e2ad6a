"""`init`: a project to begin with, copied from the catalog that is shipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

import engine
from engine.errors import OperatorError
from engine.model import Json
from engine.shells.company import simulate, write

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


def write_schemas(folder: Path, schemas: dict[str, dict[str, Json]]) -> list[Path]:
    """One JSON Schema file each."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, schema in schemas.items():
        path = folder / f"{name}.schema.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n")
        paths.append(path)
    return paths
