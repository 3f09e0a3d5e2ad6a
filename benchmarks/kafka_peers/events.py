"""Our configuration for the job, and the events of the benchmark as our route writes them for the next stage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import sinks
from engine.core.plan import Plan, compile_plan
from engine.core.route import Router, Row
from engine.model import Routed
from engine.shells.kafka import wire
from engine.shells.wiring import plugins
from engine.spec.load import load

CHUNK = 2_000

PROJECT = """\
project: benchmark
entities: {customer: customer}
streams:
  usage:
    family: usage
    topic: %(topic)s
%(map)ssinks: {log: {kind: file, path: actions.jsonl}}
channels: {console: log}
"""
# Leaves out of an event what it says already, so that it is about as long as the rows that others are measured with.
MAP = """\
    map:
      event: {from: event}
      at: {from: at, unit: ms}
      entities: {customer: customer}
      attributes: {value: value, channel: channel}
"""
PLAY = """\
play: tell
to: system
channel: console
class: service
tier: 3
owner: bench
title: "{{ customer.id }}"
text: "Look at {{ customer.id }}: {{ why }}"
"""
DETECTOR = """\
detector: stands-out
owner: bench
reason: benchmark
per: customer
watch:
  readings: {count: usage.metered, over: 1h, panes: 6}
  mean: {average: usage.metered, field: value, over: 1h, panes: 6}
when:
  any_of:
    - {readings: {at_least: 5}, mean: {above: 78}}
    - {readings: {at_least: 5}, mean: {below: 22}}
    - {readings: {at_least: 20000}}
then: [{play: tell}]
why: "mean {{ mean }} of {{ readings }}"
"""


def write_project(folder: Path, topic: str, more: str = "", mapped: str = "") -> None:
    """The configuration that does the job on this raw topic, with further lines for its project file."""
    files = {
        "beforehand.yml": PROJECT % {"topic": topic, "map": mapped} + more,
        "playbooks/tell.yml": PLAY,
        "detectors/stands-out.yml": DETECTOR,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def plan_of(folder: Path) -> Plan:
    return compile_plan(load(folder, plugins(), sinks.options_of, sinks.kinds()), plugins())


def routed(folder: Path, raws: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each event, as they stand on the topic that detect reads. `folder` is for a project."""
    write_project(folder, "unread", mapped=MAP)
    plan = plan_of(folder)
    router = Router(plan.configuration.project, plan.watched)
    rows = (Row("usage", "usage/0", number, raw) for number, raw in enumerate(raws))
    while batch := list(islice(rows, CHUNK)):
        for record in router.route_all(batch, []):
            if isinstance(record, Routed):
                yield wire.key_of(record), wire.encode(wire.addressed(record))


def write_lines(path: Path, records: Iterator[tuple[bytes, bytes]]) -> tuple[int, float]:
    """How many there were, and how many bytes an event has on average. JSON holds no bare tab or newline."""
    count = size = 0
    with path.open("wb") as lines:
        for key, value in records:
            lines.write(key + b"\t" + value + b"\n")
            count, size = count + 1, size + len(value)
    return count, size / max(1, count)
