"""`beforehand models`: what learns, and what was learned beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.shells.learning import as_text
from engine.shells.learning import learn_text as learned

models = typer.Typer(name="models", help="What learns, and what was learned beforehand.", no_args_is_help=True)


@models.command("learn-text")
def learn_text(
    from_: Annotated[Path, typer.Option("--from", help="The judged texts: JSON lines, or a .csv with a header.")],
    text: Annotated[list[str], typer.Option(help="The field with the text; several times for several fields.")],
    to: Annotated[Path, typer.Option(help="The file to write, in the configuration's folder.")],
    score: Annotated[str, typer.Option(help="The field with the judgement, from -1 to 1.")] = "score",
) -> None:
    """Learn from texts that you have judged how to score others, for `text` of a stream."""
    typer.echo(as_text(learned(from_, text, score, to), to))
