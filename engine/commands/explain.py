"""`beforehand explain`: why something was done, why it was not, and a test made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from engine.commands.options import CONFIG, DATA, STATE, ConfigOption, DataOption, StateOption, time_of
from engine.core.plan import Plan
from engine.shells import about as telling
from engine.shells import wiring
from engine.shells.as_test import Origin, as_test
from engine.shells.explain import explain as explained
from engine.shells.histories import History, StoreHistory
from engine.shells.kafka import explain as kafka_explain
from engine.shells.kafka.settings import connection
from engine.shells.store import read_only


def explain(
    detector: Annotated[str, typer.Argument(help="A detector's name; or customer:c7 for all that was decided.")],
    entity: Annotated[str, typer.Argument(help="With a detector: the id of the customer, account, order ...")] = "",
    config: ConfigOption = CONFIG,
    state: StateOption = STATE,
    data: DataOption = DATA,
    kafka: Annotated[bool, typer.Option("--kafka", help="What the workers decided, instead of a `run`.")] = False,
    at: Annotated[str, typer.Option(help="Only what had happened by then (ISO 8601).")] = "",
    since: Annotated[str, typer.Option(help="Without a detector: only what was decided since then (ISO 8601).")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Without a detector: one JSON document.")] = False,
    makes_test: Annotated[bool, typer.Option("--as-test", help="Write the last firing as a test.")] = False,
    events: Annotated[Path | None, typer.Option(help="With --as-test: a file of events instead of the data.")] = None,
) -> None:
    """Say why a detector fired for somebody, or why it did not: values, thresholds, events, decisions."""
    plan = wiring.plan_of(wiring.load_configuration(config))
    begin, end = time_of(since), time_of(at)
    _refuse(detector, entity, narrowed=as_json or bool(since), makes_test=makes_test, kafka=kafka)
    if makes_test:
        origin = Origin(data=data, events=events)
        typer.echo(as_test(read_only(state), plan, wiring.plugins(), detector, entity, end, origin))
    elif entity:
        history = _told(plan, kafka_explain.asked_of(plan, detector, entity, end)) if kafka else _kept(plan, state)
        typer.echo(explained(history, plan, detector, entity, end))
    else:
        history = _told(plan, kafka_explain.asked_about(plan, detector, begin)) if kafka else _kept(plan, state)
        found = telling.about(history, plan, detector, begin, end)
        typer.echo(telling.as_json(found) if as_json else telling.as_text(found))


def _refuse(detector: str, entity: str, *, narrowed: bool, makes_test: bool, kafka: bool) -> None:
    """Raises BadParameter for what does not go together."""
    if not entity and (":" not in detector or makes_test):
        raise typer.BadParameter("say whom: explain DETECTOR ENTITY, or customer:c7 alone for all that was decided")
    if entity and narrowed:
        raise typer.BadParameter("--since and --json go without a detector, as in: explain customer:c7 --json")
    if makes_test and kafka:
        raise typer.BadParameter(
            "--as-test goes without --kafka, as the topics do not hold all events in their order; "
            "put the rows of that time into files, `beforehand run` them, and ask its state folder"
        )


def _kept(plan: Plan, state: Path) -> History:
    return StoreHistory(read_only(state), plan)


def _told(plan: Plan, asked: kafka_explain.Asked) -> History:
    configuration = plan.configuration
    link = connection(configuration.project.kafka, configuration.folder)
    with _progress() as told:
        return asyncio.run(kafka_explain.gather(configuration.project, link, asked, told))


@contextmanager
def _progress() -> Iterator[kafka_explain.Told]:
    """Shows on a terminal how far each topic is read; it is gone when the answer comes."""
    console = Console(stderr=True)
    columns = TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        shown: dict[str, TaskID] = {}

        def told(topic: str, done: int, of: int) -> None:
            if topic not in shown:
                shown[topic] = bars.add_task(topic)
            bars.update(shown[topic], completed=done, total=of)

        yield told
