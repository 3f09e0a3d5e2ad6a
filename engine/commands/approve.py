"""`beforehand approve`: say that the members of a group may be told, or that they may not."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.options import CONFIG, DATA, STATE, ConfigOption, DataOption, StateOption, time_of
from engine.shells import approving, wiring
from engine.shells.approving import Pending, Verdict
from engine.shells.kafka import approve as kafka_approve
from engine.shells.kafka.settings import connection
from engine.shells.store import read_only
from engine.shells.times import iso, wall_ms
from engine.spec.types import Configuration


def approve(
    incident: Annotated[str, typer.Argument(help="Which incident, by its id or the beginning of it.")] = "",
    decline: Annotated[bool, typer.Option("--decline", help="Say no; also to what was approved before.")] = False,
    because: Annotated[str, typer.Option(help="Why; it stands in every decision.")] = "",
    by: Annotated[str, typer.Option(help="Who says so; you, if left out.")] = "",
    at: Annotated[str, typer.Option(help="As of when in event time (ISO 8601); now, if left out.")] = "",
    kafka: Annotated[bool, typer.Option("--kafka", help="What workers ask, instead of a `run`.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the event that would be written.")] = False,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    state: StateOption = STATE,
) -> None:
    """Approve that many members of a group are told, or decline it; without an incident, list what waits."""
    configuration = wiring.load_configuration(config)
    known, now = _known(configuration, state, kafka=kafka)
    if not incident:
        waiting = [str(each) for each in known if each.is_waiting]
        typer.echo("\n".join(waiting) or "nothing waits for an approval")
        return
    if not because.strip():
        raise typer.BadParameter('say why: --because "the depot is flooded, all of them are late"')
    about, stream = approving.chosen(incident, known), approving.stream_of(configuration.project)
    moment = time_of(at) or now
    verdict = Verdict(is_approved=not decline, by=by or getpass.getuser(), because=because.strip(), at=moment)
    event = approving.event_of(configuration.project, about, verdict)
    if dry_run:
        typer.echo(event.decode())
        return
    if kafka:
        where = asyncio.run(kafka_approve.send(configuration, about, event))
    else:
        where = str(approving.append(stream, data, event))
    typer.echo(f"{'declined' if decline else 'approved'} as of {iso(moment)}: {about}")
    typer.echo(f"written to {where}; it holds as soon as that is read", err=True)


def _known(configuration: Configuration, state: Path, *, kafka: bool) -> tuple[list[Pending], int]:
    """What was asked, and what time it is there."""
    if kafka:
        link = connection(configuration.project.kafka, configuration.folder)
        return asyncio.run(kafka_approve.pending(configuration, link)), wall_ms()
    return approving.pending(read_only(state), wiring.plan_of(configuration))
