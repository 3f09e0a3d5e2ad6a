"""Puts one broken file into a small sound configuration and tells what the loader says of it."""

from __future__ import annotations

from pathlib import Path

import detectors
import sinks
from engine.errors import Problem
from engine.spec.load import load_all

EXPECT = "# expect: "
PROJECT = """
project: meadow
entities: {customer: customer, account: account}
streams: {app: {events: [app.opened, app.exported, app.export_failed, case.opened]}, people: {family: profile,
  format: csv, describes: customer, events: [app.opened], map: {attributes: {size: size, seats: {from: s, as: whole}}}}}
sinks: {log: {kind: stdout}}
channels: {email: log}
human: {by: reply, say: Reply to reach a person.}
"""
PLAY = 'play: call\nchannel: email\nclass: service\nowner: care\ntext: "Call {{ account.name }}: {{ why }}"\n'
DETECTOR = """
detector: calm
owner: care
reason: errors
per: account
watch: {visits: {count: app.opened, over: 7d}}
when: {visits: {at_least: 5}}
then: [{play: call}]
tests: [{name: quiet, given: [{event: app.opened, account: acme}], expect: nothing}]
"""
SNOOZE = "snooze: all\nuntil: 2026-01-05T09:00:00Z\nbecause: it is a test\n"


def write(folder: Path, kind: str, raw: bytes) -> None:
    """A configuration in which the file of `kind` (detector, play, project) is the given one."""
    places = {
        "snooze": "snoozes.yml",
        "project": "beforehand.yml",
        "play": "playbooks/bad.yml",
        "detector": "detectors/bad.yml",
    }
    sound = {"project": PROJECT, "play": PLAY, "detector": DETECTOR, "snooze": SNOOZE}
    # A project under test stands alone, so that its faults do not show up again as unknown names elsewhere.
    wanted = ("project",) if kind == "project" else ("project", "play", "detector", "snooze")
    for name in wanted:
        path = folder / places[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw if name == kind else sound[name].encode())
    if kind == "detector":
        (folder / "detectors/bad.yml").write_bytes(raw)


def said_of(folder: Path) -> list[str]:
    """Every problem as a user sees it, without the folder."""
    return [str(problem).replace(f"{folder}/", "") for problem in problems_of(folder)]


def problems_of(folder: Path) -> list[Problem]:
    return load_all(folder, detectors.load(), sinks.options_of, sinks.kinds())[1]
