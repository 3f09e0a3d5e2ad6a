"""`beforehand snooze`: hold something back for a while, with a reason and an end."""

from __future__ import annotations

from typing import Annotated

import typer

from engine.commands.options import CONFIG, ConfigOption, time_of
from engine.model import SECOND_MS
from engine.shells import snoozing, wiring
from engine.shells.times import wall_ms
from engine.spec.policies import SnoozeSpec
from engine.spec.types import Configuration
from engine.spec.values import milliseconds


def snooze(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="all, play:NAME, detector:NAME, or an entity as customer:c7.")
    ] = "",
    length: Annotated[str, typer.Option("--for", help="For how long, as 2h or 3d.")] = "",
    because: Annotated[str, typer.Option(help="Why; everybody who asks later will read it.")] = "",
    from_: Annotated[str, typer.Option("--from", help="When it begins (ISO 8601); now, if left out.")] = "",
    show: Annotated[bool, typer.Option("--list", help="Only say what is snoozed.")] = False,
    lift: Annotated[bool, typer.Option("--lift", help="End it now.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, only say what would hold.")] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Hold a play, a detector, somebody or everything back for a while; `snooze all` is the kill switch."""
    configuration = wiring.load_configuration(config)
    now = wall_ms() // SECOND_MS * SECOND_MS
    if show:
        typer.echo("\n".join(snoozing.listed(configuration, now)) or "nothing is snoozed")
        return
    if not what:
        raise typer.BadParameter("say what: all, play:NAME, detector:NAME or an entity, or --list")
    would = "would be " if dry_run else ""
    if lift:
        for each in snoozing.lift(configuration, what, now, dry_run=dry_run):
            typer.echo(f"{would}lifted: {each}")
        return
    wanted = _wanted(what, length, because, time_of(from_) or now)
    typer.echo(f"{would}snoozed: {snoozing.add(configuration, wanted, dry_run=dry_run)}")
    if not dry_run:
        _say_when(configuration)


def _wanted(what: str, length: str, because: str, begins: int) -> SnoozeSpec:
    lasting = milliseconds(length)
    if not lasting:
        raise typer.BadParameter(f"{length!r} is not a length of time - write --for 90m, 6h or 2d")
    if not because.strip():
        raise typer.BadParameter('say why: --because "prices are being changed"')
    return SnoozeSpec(what=what, from_ms=begins, until_ms=begins + lasting, because=because.strip())


def _say_when(configuration: Configuration) -> None:
    typer.echo(f"written to {configuration.folder}/snoozes.yml; what runs takes it within ten seconds", err=True)
