"""`beforehand explain`: why something was done, why it was not, and a test made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.commands.options import CONFIG, DATA, STATE, ConfigOption, DataOption, StateOption, time_of
from engine.core.plan import Plan
from engine.shells import about as telling
from engine.shells import wiring
from engine.shells.as_test import Origin, as_test
from engine.shells.explain import explain as explained
from engine.shells.store import read_only


def explain(
    detector: Annotated[str, typer.Argument(help="A detector's name; or customer:c7 for all that was decided.")],
    entity: Annotated[str, typer.Argument(help="With a detector: the id of the customer, account, order ...")] = "",
    config: ConfigOption = CONFIG,
    state: StateOption = STATE,
    data: DataOption = DATA,
    at: Annotated[str, typer.Option(help="Only what had happened by then (ISO 8601).")] = "",
    since: Annotated[str, typer.Option(help="Without a detector: only what was decided since then (ISO 8601).")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Without a detector: one JSON document.")] = False,
    makes_test: Annotated[bool, typer.Option("--as-test", help="Write the last firing as a test.")] = False,
    events: Annotated[Path | None, typer.Option(help="With --as-test: a file of events instead of the data.")] = None,
) -> None:
    """Say why a detector fired for somebody, or why it did not: values, thresholds, events, decisions."""
    plan = wiring.plan_of(wiring.load_configuration(config))
    if not entity:
        _about(plan, detector, time_of(since), time_of(at), state, as_json=as_json, makes_test=makes_test)
        return
    if as_json or since:
        raise typer.BadParameter("--since and --json go without a detector, as in: explain customer:c7 --json")
    if makes_test:
        origin = Origin(data=data, events=events)
        typer.echo(as_test(read_only(state), plan, wiring.plugins(), detector, entity, time_of(at), origin))
        return
    typer.echo(explained(read_only(state), plan, detector, entity, time_of(at)))


def _about(
    plan: Plan, name: str, since: int | None, until: int | None, state: Path, *, as_json: bool, makes_test: bool
) -> None:
    if ":" not in name or makes_test:
        raise typer.BadParameter("say whom: explain DETECTOR ENTITY, or customer:c7 alone for all that was decided")
    found = telling.about(read_only(state), plan, name, since, until)
    typer.echo(telling.as_json(found) if as_json else telling.as_text(found))
