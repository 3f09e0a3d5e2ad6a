"""A small project on disk with a seeded input, to run and kill: two webhooks on loopback and a file to send to."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

START = 1_767_571_200_000  # Monday 2026-01-05 00:00 UTC
MINUTE_MS = 60_000

PROJECT = """
project: killed
unit: [customer]
entities:
  customer: {{id: customer}}
streams:
  usage: {{family: usage, from: "usage*.jsonl", lateness: 5s}}
  tickets: {{family: ticket, from: tickets.jsonl, lateness: 1m}}
sinks:
  desk: {{kind: webhook, url: "http://127.0.0.1:{port}/desk", allow_private: true, idempotent_for: 400d}}
  sms: {{kind: webhook, url: "http://127.0.0.1:{port}/sms", allow_private: true, idempotent: false}}
  log: {{kind: file, path: actions.jsonl}}
channels: {{desk: desk, sms: sms, log: log}}
human: {{by: reply, say: Reply to reach a person.}}
wait: 2s
dedup_for: 30d
bounds: {{events_per_batch: {batch}, record_bytes: {record_bytes}, send_attempts: 50}}
"""
DETECTORS = """
detector: break-in
owner: fraud-desk
reason: fraud
per: customer
severity: urgent
watch: {fails: {count: login.failed, over: 1h}}
when: {fails: {at_least: 3}}
then: [{play: warn}]
why: "{{ fails }} failed logins in an hour."
---
detector: gone-quiet
owner: success
reason: silence
per: customer
when: {absent: {event: [login, login.failed], within: 2d}}
then: [{play: call}]
why: "No login for two days."
---
detector: unhappy
owner: support
reason: tickets
per: customer
watch: {tickets: {count: ticket.opened, over: 1d}}
when: {tickets: {at_least: 2}}
for: 10m
then: [{play: note}]
why: "{{ tickets }} tickets in a day."
"""
PLAYS = """
{play: warn, to: customer, channel: sms, class: service, owner: fraud-desk, text: "Was this you? {{ why }}"}
---
{play: call, to: owner, channel: desk, class: service, owner: success, title: Call them, text: "{{ why }}"}
---
{play: note, to: customer, channel: log, class: service, owner: support, text: "{{ why }}"}
"""

# A chance to learn, over a horizon that passes often.
LEAVING = """
---
detector: will-write
owner: support
reason: tickets
per: customer
watch:
  logins: {count: [login, login.failed], over: 12h}
  writes: {chance_of: ticket.opened, within: 12h, from: [logins], needs: 10, step: 3h, challenger: naive_bayes}
when: {writes: {at_least: 20%}}
then: [{play: note}]
why: "{{ writes }}: {{ why_writes }}"
"""

# More for colleagues than they have room for.
CAPACITY = """
capacity: [{at_most: 2, time_zone: Europe/Rome}, {of: night-shift, at_most: 1, waiting: 3}]
"""
TASKS = """
{play: visit, to: owner, channel: desk, class: service, owner: success, value: 5, when_full: file,
 text: "{{ why }}"}
---
{play: watch-over, to: owner, desk: night-shift, channel: log, class: service, owner: success, text: "{{ why }}"}
---
{play: file, to: system, channel: log, class: service, owner: success, text: "{{ why }}"}
"""


def make(folder: Path, port: int = 9, batch: int = 10, detectors: str = "", record_bytes: int = 1_048_576) -> Path:
    """Write the configuration and an empty data folder. Returns `folder`."""
    texts = {
        "beforehand": PROJECT.format(port=port, batch=batch, record_bytes=record_bytes),
        "detectors/all": DETECTORS + detectors,
        "playbooks/all": PLAYS,
    }
    for name, text in texts.items():
        path = folder / "config" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "data").mkdir(exist_ok=True)
    return folder


def add_tasks(config: Path) -> None:
    """Let the detectors raise tasks for colleagues besides, who can do only so many."""
    (config / "beforehand.yml").write_text((config / "beforehand.yml").read_text() + CAPACITY)
    detectors = (config / "detectors/all.yml").read_text().replace("{play: warn}", "{play: warn}, {play: visit}")
    (config / "detectors/all.yml").write_text(detectors.replace("{play: note}", "{play: note}, {play: watch-over}"))
    (config / "playbooks/tasks.yml").write_text(TASKS)


def put_in_order(data: Path) -> None:
    """Which of several customers an owner hears of first is told by the whole file alone, if rows come late in it."""
    for path in data.glob("*.jsonl"):
        rows = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("}\n")]
        path.write_text("".join(sorted(rows, key=lambda line: json.loads(line)["at"])))


def event(number: int | str, kind: str, at: int, customer: str, **more: object) -> str:
    return json.dumps({"id": f"e{number}", "event": kind, "at": at, "customer": customer, **more}) + "\n"


def write_events(folder: Path, seed: int, count: int, customers: int = 60) -> None:
    """Two files of events over some weeks, with repeats, latecomers and broken lines among them."""
    random, at = Random(seed), START
    lines: dict[str, list[str]] = {"usage": [], "tickets": []}
    for number in range(count):
        at += random.randint(0, 20) * MINUTE_MS
        kind = random.choice(("login", "login.failed", "login.failed", "login.failed", "ticket.opened"))
        stream = "tickets" if kind == "ticket.opened" else "usage"
        # A few people at a time are busy, so that things happen to them.
        customer = f"c{(number // 50 + random.randint(0, 4)) % customers}"
        moved = random.choice((0,) * 30 + (4_000, 3_600_000))
        lines[stream].append(event(number, kind, at - moved, customer))
        if random.random() < 0.03:
            lines[stream].append(random.choice(lines[stream]))
        if random.random() < 0.02:
            lines[stream].append('{"id": "cut off", "eve\n')
    for stream, written in lines.items():
        (folder / "data" / f"{stream}.jsonl").write_text("".join(written))
