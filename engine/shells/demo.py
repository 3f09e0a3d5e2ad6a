"""`demo`: the main job on a simulated week, shown as it goes, and held against the stories planted in it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import sinks
from engine.core.effects import Effects
from engine.errors import OperatorError
from engine.model import DAY_MS, RESULTS, Action, Decision, Outcome, Signal
from engine.shells import local, told
from engine.shells.company import Company, NearMiss, Story, simulate, write
from engine.shells.starting import catalog
from engine.shells.store import Store, read_only
from engine.shells.times import iso, moment
from engine.shells.wiring import load_configuration
from engine.spec.types import Configuration, SinkSpec

ACTIONS = "actions.jsonl"
MARK = ".beforehand-demo"
_WEEKDAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")
_COLOURS = {"urgent": "bold red", "watch": "yellow", "info": "cyan"}


def demo(folder: Path, seed: int, console: Console) -> bool:
    """Simulate, run, show. Returns whether every planted story was found and every near miss left alone."""
    company = _prepare(folder, seed)
    configuration = _quiet_sinks(load_configuration(folder / "config"))
    rows = sum(len(rows) for rows in company.streams.values())
    console.print(
        f"A week at Northwind Parcels: {len(company.accounts)} accounts, {len(company.customers)} people, "
        f"{rows:,} events in {len(company.streams)} streams.\n"
    )
    shown = _Shown(console)
    options = local.RunOptions(config=folder / "config", data=folder / "data", state=folder / "state", event_clock=True)
    local.run(configuration, options, shown.watch)
    console.print()
    _summary(read_only(folder / "state"), console)
    for line in told.accounts_of(shown.decisions, shown.actions):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    good = _against_the_plot(company, shown, console)
    _where_to_look(folder, console)
    return good


def _prepare(folder: Path, seed: int) -> Company:
    """A folder of the demo's own, made anew. Raises OperatorError rather than touch anybody else's."""
    if folder.exists():
        if not (folder / MARK).exists():
            raise OperatorError(f"{folder} exists and is not a demo's; name another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    company = simulate(seed)
    write(company, folder / "data")
    shutil.copytree(catalog(), folder / "config")
    return company


def _quiet_sinks(configuration: Configuration) -> Configuration:
    """Every action goes to one file, so that the screen is left to the story."""
    project = configuration.project
    log = sinks.load("file").Options(path=ACTIONS)
    quiet = tuple(SinkSpec(name=spec.name, kind="file", options=log) for spec in project.sinks[:1])
    channels = dict.fromkeys(project.channels, quiet[0].name)
    changed = msgspec.structs.replace(project, sinks=quiet, channels=channels)
    return msgspec.structs.replace(configuration, project=changed)


class _Shown:
    """Tells each decision as it is made, a headline per day."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._day = -1
        self.signals: list[Signal] = []
        self.decisions: list[Decision] = []
        self.actions: list[Action] = []
        self.letters = 0
        self._passed_on: set[tuple[str, str]] = set()

    def watch(self, effects: Effects) -> None:
        self.signals += effects.signals
        self.actions += effects.actions
        self.letters += len(effects.dead_letters)
        # What is said of a group comes before what is passed on to its members.
        for decision in sorted(effects.decisions, key=lambda one: (one.at, bool(one.incident), one.id)):
            self.decisions.append(decision)
            if self._is_news(decision):
                self._tell(decision)

    def _is_news(self, decision: Decision) -> bool:
        """Of what goes to many members alike, the first is shown here; the others are counted in the end."""
        alike = (decision.incident, decision.play)
        if decision.outcome is not Outcome.CHOSEN or not decision.incident:
            return True
        is_first = alike not in self._passed_on
        self._passed_on.add(alike)
        return is_first

    def _tell(self, decision: Decision) -> None:
        day = decision.at // DAY_MS
        if day != self._day:
            self._day = day
            self._console.print(f"[bold]{_WEEKDAYS[day % 7]} {iso(decision.at)[:10]}[/bold]")
        done = f"-> {decision.play}" if decision.outcome is Outcome.CHOSEN else f"(not sent, {decision.detail})"
        if decision.incident and decision.outcome is Outcome.CHOSEN:
            done = f"=> {decision.play}, to each one concerned"
        if decision.outcome in RESULTS:
            done = f"({decision.play} {decision.outcome.value}: {decision.detail})"
        colour = _COLOURS[decision.severity.value]
        self._console.print(
            f"  {iso(decision.at)[11:16]}  [{colour}]{escape(decision.why or decision.detector)}[/{colour}] {done}",
            highlight=False,
            soft_wrap=True,
        )


def _summary(store: Store, console: Console) -> None:
    """One row per detector: what it noticed, for whom, what was done. The why of each stands above."""
    title = "What was noticed, for whom, and what was done"
    # Narrow margins, so that the longest names fit into 80 columns.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("noticed", "for", "done"):
        table.add_column(column, no_wrap=True)
    decisions = list(store.decisions())
    for detector in dict.fromkeys(d.detector for d in decisions):
        own = [d for d in decisions if d.detector == detector and d.outcome not in RESULTS]
        single = [d for d in own if not d.incident]
        many = Counter((d.entity, _done(d)) for d in own if d.incident)
        who = [f"{d.entity} {d.key}" for d in single] + [f"{count} x {entity}" for (entity, _), count in many.items()]
        done = [_done(d) for d in single] + [done for _, done in many]
        table.add_row(detector, "\n".join(who), "\n".join(done))
    console.print(table)


def _done(decision: Decision) -> str:
    return decision.play if decision.outcome is Outcome.CHOSEN else f"held back: {decision.gate}"


def _against_the_plot(company: Company, shown: _Shown, console: Console) -> bool:
    """Hold what was found against what was planted."""
    missed = [story for story in company.stories if not _found(story, shown.signals)]
    disturbed = [miss for miss in company.near_misses if _disturbed(miss, shown.decisions)]
    concerned, mistakes = told.mistakes(company, shown.signals, shown.decisions)
    found, quiet = len(company.stories) - len(missed), len(company.near_misses) - len(disturbed)
    console.print(
        f"\n{found} of {len(company.stories)} planted troubles found, "
        f"{quiet} of {len(company.near_misses)} near misses rightly left alone, "
        f"{shown.letters} broken lines set aside with their reason."
    )
    right = "all of them, nobody else and nobody twice" if not mistakes else f"with {len(mistakes)} mistakes"
    console.print(f"{concerned} people were concerned by the trouble in their region, and told of it: {right}.")
    for mistake in mistakes:
        console.print(f"  {mistake}")
    for story in missed:
        console.print(f"  not found: {story.name} ({story.detector} for {story.entity} {story.key})")
    for miss in disturbed:
        console.print(f"  disturbed: {miss.name} ({miss.detector} for {miss.entity} {miss.key})")
    return not missed and not disturbed and not mistakes


def _found(story: Story, signals: Iterable[Signal]) -> bool:
    return any(
        s.state == "firing" and (s.detector, s.key) == (story.detector, story.key) and story.at <= s.at <= story.by
        for s in signals
    )


def _disturbed(miss: NearMiss, decisions: Iterable[Decision]) -> bool:
    return any((d.detector, d.key) == (miss.detector, miss.key) and d.outcome is Outcome.CHOSEN for d in decisions)


def _where_to_look(folder: Path, console: Console) -> None:
    store = read_only(folder / "state")
    first = next(iter(store.decisions()), None)
    console.print("\nWhere to look:", highlight=False)
    lines = [
        (f"{folder}/config", "the detectors and plays behind this; change a number, then do the backtest below"),
        (f"{folder}/state/{ACTIONS}", "every message, as a receiver would get it"),
    ]
    if first:
        config, state = f"--config {folder}/config", f"--state {folder}/state"
        lines.append(
            (f"beforehand explain {first.detector} {first.key} {config} {state}", f"why, {moment(iso(first.at))}")
        )
    lines.append((f"beforehand backtest --config {folder}/config --data {folder}/data", "the same again, nothing sent"))
    for what, why in lines:
        console.print(f"  {what}\n      {why}", highlight=False, soft_wrap=True)
