"""`beforehand models`: what has been learned, and how good it has been so far."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from engine.commands.options import CONFIG, STATE, ConfigOption, StateOption
from engine.shells import wiring
from engine.shells.learning import kept_models
from engine.shells.modelling import as_text, reports
from engine.shells.store import read_only

models = typer.Typer(invoke_without_command=True)


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
    learned, _waiting = kept_models(read_only(state))
    found = reports(plan, learned)
    typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() if as_json else as_text(found))
