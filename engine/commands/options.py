"""What most commands take: the folders of a project, and times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.shells.times import from_text

ConfigOption = Annotated[Path, typer.Option("--config", help="The folder with beforehand.yml, detectors/, playbooks/.")]
DataOption = Annotated[Path, typer.Option("--data", help="The folder in which the streams' files are looked for.")]
StateOption = Annotated[Path, typer.Option("--state", help="The folder that holds what is remembered between runs.")]
CONFIG, DATA, STATE = Path("config"), Path("data"), Path("state")


def time_of(text: str) -> int | None:
    """Milliseconds of what was typed, None where nothing was. Raises BadParameter."""
    try:
        return from_text(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time - write 2026-03-02 or 2026-03-02T09:30:00Z") from None
