"""`beforehand models`: what learns, and what was learned beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from engine.commands.options import CONFIG, STATE, ConfigOption, StateOption
from engine.shells import wiring
from engine.shells.learning import as_text
from engine.shells.learning import learn_text as learned
from engine.shells.model_state import kept_models
from engine.shells.modelling import as_text as told
from engine.shells.modelling import reports
from engine.shells.store import read_only

models = typer.Typer(name="models", invoke_without_command=True)


@models.callback()
def show(
    context: typer.Context,
    config: ConfigOption = CONFIG,
    state: StateOption = STATE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each model, in a list.")] = False,
) -> None:
    """Say what the models have learned, and how good each learner has been on answers that it did not know."""
    if context.invoked_subcommand:
        return
    plan = wiring.plan_of(wiring.load_configuration(config))
    known, _waiting = kept_models(read_only(state))
    found = reports(plan, known)
    typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() if as_json else told(found))


@models.command("learn-text")
def learn_text(
    from_: Annotated[Path, typer.Option("--from", help="The judged texts: JSON lines, or a .csv with a header.")],
    text: Annotated[list[str], typer.Option(help="The field with the text; several times for several fields.")],
    to: Annotated[Path, typer.Option(help="The file to write, in the configuration's folder.")],
    score: Annotated[str, typer.Option(help="The field with the judgement, from -1 to 1.")] = "score",
) -> None:
    """Learn from texts that you have judged how to score others, for `text` of a stream."""
    typer.echo(as_text(learned(from_, text, score, to), to))
