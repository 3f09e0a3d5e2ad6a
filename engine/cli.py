"""The commands. Each does one job, says in words what it did, and ends with 0 (fine), 1 (findings) or 2 (wrong use)."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console

from engine.commands.approve import approve
from engine.commands.explain import explain
from engine.commands.models import models
from engine.commands.options import CONFIG, DATA, STATE, ConfigOption, DataOption, StateOption, time_of
from engine.commands.snooze import snooze
from engine.errors import OperatorError, Problem, SpecError
from engine.model import HOUR_MS
from engine.shells import backtest as backtesting
from engine.shells import company, erasing, exporting, local, logs, replaying, starting, trials, wiring
from engine.shells import demo as demonstration
from engine.shells.kafka import erase as kafka_erase
from engine.shells.kafka import export as kafka_export
from engine.shells.kafka import generate as generating
from engine.shells.kafka import lag as lags
from engine.shells.kafka import replay as kafka_replay
from engine.shells.kafka.doctor import examine
from engine.shells.kafka.settings import connection
from engine.shells.preview import sampled
from engine.shells.summary import Summary, counted
from engine.shells.times import wall_ms

app = typer.Typer(
    name="beforehand",
    help="Sees trouble coming for a customer, and acts on it before they have to write in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(explain)
app.command()(snooze)
app.command()(approve)
app.add_typer(models)


def main() -> None:
    """The entry point: faults of the author or operator become one line and exit code 1, never a traceback."""
    try:
        app()
    except SpecError as wrong:
        _say_problems(wrong.problems)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    except OperatorError as wrong:
        typer.echo(f"beforehand: {wrong}", err=True)
        sys.exit(1)
    except MemoryError:  # a stop in order may itself find no memory any more
        os.write(2, b"beforehand: out of memory; nothing is lost\n")
        sys.exit(1)
    except OSError as wrong:  # a file that is not there, or may not be written
        typer.echo(
            f"beforehand: {wrong.filename}: {wrong.strerror}" if wrong.filename else f"beforehand: {wrong}", err=True
        )
        sys.exit(1)


def _say_problems(problems: list[Problem]) -> None:
    for problem in problems:
        typer.echo(str(problem), err=True)
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        typer.echo(counted(errors, "error"), err=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its files; made anew each time.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = starting.SEED,
) -> None:
    """Watch a simulated week of a small company, with its planted troubles found."""
    logs.set_up(least=logging.ERROR)
    if not demonstration.demo(folder, seed, Console()):
        raise typer.Exit(1)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="The folder to make the project in.")] = Path()) -> None:
    """Begin a project: a configuration to change, with a simulated week to try it on."""
    for path in starting.init(folder):
        typer.echo(f"made {path}")
    there = "" if folder == Path() else f"cd {folder} && "
    typer.echo(f"next: {there}beforehand check && beforehand backtest")


@app.command()
def simulate(
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    kafka: Annotated[bool, typer.Option("--kafka", help="Send the events to Kafka instead of writing files.")] = False,
    speed: Annotated[
        float, typer.Option(help="With --kafka: 1 = as it happens, 60 = an hour each minute, 0 = at once.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = starting.SEED,
) -> None:
    """Make the events of a small company's week that ends now: as files, or on Kafka."""
    if (speed and not kafka) or speed < 0 or 0 < speed < 1:
        raise typer.BadParameter("--speed is 0, or 1 or more, and goes with --kafka")
    lines = generating.lines_of(company.simulate(seed), wall_ms(), speed)
    if not kafka:
        for path in generating.save(lines, data):
            typer.echo(f"made {path}")
        return
    configuration = wiring.load_configuration(config)
    hours = lines[-1].due_ms / HOUR_MS
    typer.echo(f"sending {len(lines):,} rows" + (f" in {hours:,.1f} hours" if speed else ""), err=True)
    typer.echo(f"sent {asyncio.run(generating.feed(configuration, lines)):,} rows")


@app.command()
def check(
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    sample: Annotated[int, typer.Option(help="Also show so many rows of each stream beside what they become.")] = 0,
) -> None:
    """Say everything that is wrong with the configuration, with file, line, column and a hint."""
    is_shipped = config == CONFIG and not config.exists()
    folder = starting.catalog() if is_shipped else config
    configuration, problems = wiring.check_configuration(folder)
    _say_problems(problems)
    if configuration is None:
        raise typer.Exit(1)
    name = "no config folder here; the catalog that comes with beforehand" if is_shipped else str(folder)
    found = f"{counted(len(configuration.detectors), 'detector')}, {counted(len(configuration.plays), 'play')}"
    typer.echo(f"{name}: {found}, all sound")
    if sample:
        for stream in configuration.project.streams:
            typer.echo(f"\n{stream.name}:\n{sampled(configuration, stream, data, sample)}")


@app.command("test")
def run_tests(config: ConfigOption = CONFIG) -> None:
    """Run the tests inside the detector files, on a virtual clock."""
    configuration = wiring.load_configuration(config)
    results = trials.run_tests(configuration, wiring.plugins())
    for trial in results:
        if trial.failures:
            typer.echo(f"FAILED {trial.detector}: {trial.name}")
            for failure in trial.failures:
                typer.echo(f"  {failure}")
    failed = sum(bool(trial.failures) for trial in results)
    untested = [spec.name for spec in configuration.detectors if not spec.tests]
    if untested:
        typer.echo(f"without tests: {', '.join(untested)}")
    typer.echo(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


@app.command()
def backtest(
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="For a person, or for a program.")] = "text",
    decisions: Annotated[Path | None, typer.Option(help="Also write every decision here, one JSON line each.")] = None,
    until: Annotated[str, typer.Option(help="Let time go on to here after the last event (ISO 8601).")] = "",
) -> None:
    """Run recorded events through the detectors and report what would have been noticed. Nothing is sent."""
    run = backtesting.Backtest(wiring.plan_of(wiring.load_configuration(config)), data)
    wiring.patient_collector()
    report = run.run(time_of(until))
    if decisions:
        decisions.write_bytes(b"".join(line + b"\n" for line in backtesting.decision_lines(run.decisions)))
    if form == "json":
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        typer.echo(backtesting.as_text(report))


@app.command()
def run(
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    state: StateOption = STATE,
    follow: Annotated[bool, typer.Option("--follow", help="Keep reading as the files grow.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print actions instead of sending them, and remember nothing.")
    ] = False,
    until: Annotated[str, typer.Option(help="Let time go on to here after the last event (ISO 8601).")] = "",
    event_clock: Annotated[
        bool, typer.Option("--event-clock", help="Expire actions by event time: for history.")
    ] = False,
    metrics_port: Annotated[int | None, typer.Option(help="Serve /metrics, /livez and /readyz on this port.")] = None,
    metrics_host: Annotated[str, typer.Option(help="The address to serve them on.")] = "127.0.0.1",
    ledger_epoch: Annotated[str, typer.Option(help="After restoring a backup: hold actions decided before this.")] = "",
    log_format: Annotated[Literal["text", "json"], typer.Option(help="How log lines are written.")] = "text",
) -> None:
    """Read events, decide and act, in this one process, remembering everything in the state folder."""
    logs.set_up(log_format)
    options = local.RunOptions(
        config=config,
        data=data,
        state=state,
        follow=follow,
        dry_run=dry_run,
        event_clock=event_clock,
        until=time_of(until),
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        ledger_epoch_ms=time_of(ledger_epoch),
    )
    if not dry_run:
        _run(options, log_format)
        return
    with starting.copy_of_state(state) as folder:
        _run(msgspec.structs.replace(options, state=folder), log_format)


def _run(options: local.RunOptions, log_format: Literal["text", "json"]) -> None:
    summary = Summary()
    configuration = wiring.load_configuration(options.config)
    wiring.patient_collector()
    shell = local.run(configuration, options, summary.watch)
    summary.tell(shell.metrics, options.state, log_format)
    if summary.broken:
        raise typer.Exit(1)


@app.command()
def worker(
    config: ConfigOption = CONFIG,
    state: Annotated[Path, typer.Option("--state", help="A folder of this worker's own, to start quickly.")] = STATE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent instead of sending it.")] = False,
    event_clock: Annotated[
        bool, typer.Option("--event-clock", help="For recorded history: time follows the events alone.")
    ] = False,
    metrics_host: Annotated[str, typer.Option(help="The address that metrics and health are served at.")] = "127.0.0.1",
    metrics_port: Annotated[int | None, typer.Option(help="Serve /metrics, /livez and /readyz on this port.")] = None,
) -> None:
    """Do on Kafka what `run` does on one machine: start as many as there is work for, they share it."""
    from engine.shells.kafka import worker as kafka_worker

    logs.set_up()
    configuration = wiring.load_configuration(config)
    wiring.patient_collector()
    options = kafka_worker.WorkerOptions(
        config=config,
        state=state,
        dry_run=dry_run,
        event_clock=event_clock,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
    )
    kafka_worker.run(configuration, options)


@app.command()
def doctor(
    config: ConfigOption = CONFIG,
    create: Annotated[bool, typer.Option("--create", help="First create the topics that are missing.")] = False,
) -> None:
    """Say what is wrong with Kafka: the connection, what we may do there, and every topic of a worker."""
    configuration = wiring.load_configuration(config)
    link = connection(configuration.project.kafka, configuration.folder)
    found = asyncio.run(examine(configuration.project, link, create=create))
    for finding in found:
        typer.echo(str(finding))
    errors, warnings = (sum(each.severity == severity for each in found) for severity in ("error", "warning"))
    typer.echo(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}")
    if errors:
        raise typer.Exit(1)


@app.command()
def lag(
    config: ConfigOption = CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each partition, in a list.")] = False,
) -> None:
    """Say how far the workers are behind: what waits in each partition that they read, and since when."""
    configuration = wiring.load_configuration(config)
    link = connection(configuration.project.kafka, configuration.folder)
    found = asyncio.run(lags.look(configuration.project, link))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    elif (console := Console()).is_terminal:
        console.print(lags.as_table(found))
    else:
        typer.echo(lags.as_lines(found))
    for each in found:
        if each.lost:
            lost = f"{counted(each.lost, 'record')} expired before anybody had read them"
            typer.echo(f"{each.topic}/{each.partition}: {lost}", err=True)
    if any(each.lost for each in found):
        raise typer.Exit(1)


KafkaOption = Annotated[
    bool, typer.Option("--kafka", help="What the workers hold on Kafka, instead of what a state folder holds.")
]


@app.command()
def replay(
    config: ConfigOption = CONFIG,
    state: StateOption = STATE,
    kafka: KafkaOption = False,
    reason: Annotated[str, typer.Option(help="Only those set aside for this reason, as bad_time.")] = "",
    stream: Annotated[str, typer.Option(help="Only those of this stream.")] = "",
    since: Annotated[str, typer.Option(help="Only those set aside since then (ISO 8601).")] = "",
    limit: Annotated[int, typer.Option(min=0, help="So many at most; 0 = all.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would go where.")] = False,
) -> None:
    """Take dead letters again, after what was wrong with them has been corrected."""
    logs.set_up()
    configuration = wiring.load_configuration(config)
    wanted = replaying.Wanted(reason=reason, stream=stream, since=time_of(since) or 0, limit=limit)
    if kafka:
        link = connection(configuration.project.kafka, configuration.folder)
        found = asyncio.run(kafka_replay.replay(configuration.project, link, wanted, dry_run=dry_run))
    else:
        found = replaying.replay(configuration, state, wanted, wall_ms(), dry_run=dry_run)
    typer.echo(replaying.as_text(found, dry_run=dry_run))


EntityArgument = Annotated[str, typer.Argument(help="Whom, as customer:c7.", metavar="KIND:KEY")]


@app.command()
def erase(
    entity: EntityArgument,
    config: ConfigOption = CONFIG,
    state: StateOption = STATE,
    kafka: KafkaOption = False,
    wait: Annotated[int, typer.Option(min=0, help="With --kafka: wait so many seconds for the workers.")] = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
) -> None:
    """Forget somebody everywhere, take nothing about them any more, and say when topics have forgotten, too."""
    configuration = wiring.load_configuration(config)
    if not kafka:
        typer.echo(erasing.erase(configuration, state, entity, wall_ms(), dry_run=dry_run))
        return
    link = connection(configuration.project.kafka, configuration.folder)
    found = asyncio.run(kafka_erase.erase(configuration.project, link, entity, wait * 1000, dry_run=dry_run))
    typer.echo(kafka_erase.as_text(found, dry_run=dry_run))
    if not found.is_done:
        raise typer.Exit(1)


@app.command()
def export(
    entity: EntityArgument, config: ConfigOption = CONFIG, state: StateOption = STATE, kafka: KafkaOption = False
) -> None:
    """Print all that is held about somebody, as JSON. It only reads, also while the engine runs."""
    configuration = wiring.load_configuration(config)
    if kafka:
        link = connection(configuration.project.kafka, configuration.folder)
        found = asyncio.run(kafka_export.export(configuration, link, entity))
    else:
        found = exporting.export(configuration, state, entity)
    typer.echo(exporting.as_json(found))


@app.command()
def schema(
    folder: Annotated[Path | None, typer.Option(help="Write the schema files here instead of printing one.")] = None,
    what: Annotated[Literal["detector", "play", "project"], typer.Argument(help="Which kind of file.")] = "detector",
) -> None:
    """Print the JSON Schema that editors complete and check YAML files by."""
    schemas = wiring.schemas()
    if folder:
        for path in starting.write_schemas(folder, schemas):
            typer.echo(f"made {path}")
        return
    typer.echo(msgspec.json.format(msgspec.json.encode(schemas[what]), indent=2).decode())


if __name__ == "__main__":
    main()
