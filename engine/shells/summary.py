"""What a run did, in a few lines for the person who started it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import typer
from prometheus_client import Counter as Metric
from prometheus_client.samples import Sample

from engine.core.effects import Effects
from engine.shells.backtest import by_play, review_lines
from engine.shells.ledger import OPEN, Ledger, State
from engine.shells.logs import logger
from engine.shells.metrics import Metrics
from engine.shells.store import read_only

SETTLED = ("delivered", "expired", "rejected")
log = logger("local")


class Summary:
    """Adds up what `watch` is given, and tells it on standard error, so that standard output stays the sinks' own."""

    def __init__(self) -> None:
        self._opened = 0
        self._set_aside: Counter[str] = Counter()
        self._reviews: Counter[tuple[str, str]] = Counter()

    def watch(self, effects: Effects) -> None:
        """Take in what one batch led to."""
        self._opened += sum(signal.state == "firing" and signal.member is None for signal in effects.signals)
        self._reviews += effects.reviews
        self._set_aside.update(letter.reason for letter in effects.dead_letters)

    @property
    def broken(self) -> int:
        """On how many rows the engine itself failed; a run with any of those has not gone well."""
        return self._set_aside["poison"]

    def tell(self, metrics: Metrics, state: Path, form: Literal["text", "json"]) -> None:
        """Say it: in sentences, or as one log line where log lines are read by a program."""
        results, waiting, rows = _results(metrics), _waiting(state), _rows(metrics)
        if form == "json":
            counts = dict(results) | {what.value: count for what, count in waiting.items()}
            log.info("run ended", rows=rows, set_aside=self._set_aside.total(), signals=self._opened, **counts)
            return
        for line in self._lines(rows, results, waiting):
            typer.echo(line, err=True)

    def _lines(self, rows: int, results: Counter[str], waiting: Counter[State]) -> Iterator[str]:
        read = f"{counted(rows, 'row')} read{self._aside()}" if rows else "nothing new to read"
        yield f"{read}; {counted(self._opened, 'signal')} opened"
        if self.broken:
            yield f"  on {counted(self.broken, 'row')} the engine itself failed: see the dead letters `poison`"
        if results:
            yield "actions: " + ", ".join(f"{results[what]:,} {what}" for what in SETTLED if results[what])
        if results["expired"]:
            yield "  expired: too old to be sent, as for recorded events; --event-clock sends as if it were then"
        yield from review_lines(by_play(self._reviews))
        if going_on := sum(waiting[state] for state in OPEN):
            yield f"  {going_on:,} to be sent or tried again by the next run"
        for state, meaning in ((State.UNKNOWN, "may or may not have arrived"), (State.HELD, "held back")):
            if waiting[state]:
                yield f"  {waiting[state]:,} {meaning}: a person has to look"

    def _aside(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self._set_aside.items()))
        return f", {self._set_aside.total():,} set aside ({reasons})" if reasons else ""


def counted(count: int, what: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _rows(metrics: Metrics) -> int:
    return sum(int(sample.value) for sample in _samples(metrics.consumed))


def _results(metrics: Metrics) -> Counter[str]:
    """How many actions of this run were settled, by what became of them."""
    found: Counter[str] = Counter()
    for sample in _samples(metrics.actions):
        if sample.labels["outcome"] in SETTLED:
            found[sample.labels["outcome"]] += int(sample.value)
    return found


def _waiting(state: Path) -> Counter[State]:
    """What lies in the ledger unsettled, from this run or an earlier one."""
    found: Counter[State] = Counter()
    for (_sink, what), count in Ledger(read_only(state).db).counts().items():
        if what not in SETTLED:
            found[what] += count
    return found


def _samples(metric: Metric) -> Iterator[Sample]:
    return (sample for family in metric.collect() for sample in family.samples if sample.name.endswith("_total"))
