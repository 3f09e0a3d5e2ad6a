"""A course as a user sees it: checked, tried out, backtested, run, explained, exported and forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Beforehand

PROJECT = """\
project: gym
entities: {customer: member}
streams:
  visits: {from: visits.jsonl, events: [visit, complained]}
  outcomes: {family: outcome, from: outcomes.jsonl, events: [message.replied, handoff.answered]}
sinks: {log: {kind: file, path: actions.jsonl}}
channels: {email: log, sms: log, desk: log}
human: {by: reply, say: "Reply, and a person answers."}
reactions: {remember: 60d}
hand_off:
  play: answer-them
  business_hours: {from: "09:00", to: "17:00", time_zone: Europe/Rome}
"""
DETECTOR = """\
detector: stayed-away
owner: front-desk
reason: disengaging
per: customer
when: {absent: {event: visit, within: 14d}}
unless: {happened: {event: complained, within: 7d}}
then: [{play: win-back}]
why: "{{ customer.name }} has not come for two weeks."
tests:
  - name: who complained is left alone
    given: [{event: visit, customer: ada}, {event: complained, customer: ada, at: 10d}]
    expect: [{at: 14d, fired: ada, dropped: unless}]
  - name: a visit reaches the goal, and ends the course
    given: [{event: visit, customer: ada}, {event: visit, customer: ada, at: 15d}]
    expect: [{at: 14d, fired: ada, play: win-back}, {at: 15d, fired: ada, dropped: goal}]
  - name: an answer ends it, too
    given: [{event: visit, customer: ada}, {event: message.replied, customer: ada, at: 15d}]
    expect: [{at: 15d, fired: ada, dropped: replied}]
"""
PLAYS = """\
play: win-back
channel: email
class: service
owner: front-desk
title: Shall we help?
text: "We miss you. Reply, and a person answers."
goal: {event: visit, within: 10d}
recommend: Offer a free hour
steps:
  - {step: text-them, after: 3d, channel: sms, text: "Shall we call?"}
  - {step: call-them, after: 2d, to: owner, channel: desk, tier: 3, text: "{{ why }}"}
---
play: answer-them
to: owner
channel: desk
class: service
owner: front-desk
text: "{{ hand_off.said }} {{ hand_off.opens }}"
"""
ROWS = {
    "visits": [
        {"id": "v1", "event": "visit", "at": "2026-03-02T18:00:00Z", "member": "ada"},
        {"id": "v2", "event": "visit", "at": "2026-03-02T19:00:00Z", "member": "ben"},
        {"id": "v3", "event": "visit", "at": "2026-03-20T19:00:00Z", "member": "ben"},
        {"id": "v4", "event": "visit", "at": "2026-03-30T19:00:00Z", "member": "eve"},
    ],
    "outcomes": [
        {"id": "o1", "event": "message.replied", "at": "2026-03-17T20:00:00Z", "member": "ada", "text": "Call me"},
        {"id": "o2", "event": "handoff.answered", "at": "2026-03-18T08:00:00Z", "member": "ada"},
    ],
}


@pytest.fixture
def gym(tmp_path: Path) -> Path:
    files = {"config/beforehand.yml": PROJECT, "config/detectors/d.yml": DETECTOR, "config/playbooks/p.yml": PLAYS}
    files |= {f"data/{name}.jsonl": "".join(json.dumps(row) + "\n" for row in rows) for name, rows in ROWS.items()}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_course_from_its_test_to_the_colleague_who_takes_over(gym: Path, beforehand: Beforehand) -> None:
    assert beforehand("check").returncode == 0
    assert beforehand("test").stdout == "3 passed, 0 failed\n"
    assert "3 x win-back, goal reached 1 x" in beforehand("backtest").stdout
    assert beforehand("run", "--event-clock").returncode == 0
    ada, ben = beforehand("explain", "stayed-away", "ada").stdout, beforehand("explain", "stayed-away", "ben").stdout
    assert "2026-03-17 20:00:00  win-back, step text-them, for customer:ada: dropped at replied: they answered" in ada
    assert "answered: taken up by a person after 12h" in ada
    assert "2026-03-20 19:00:00  win-back, step text-them, for customer:ben: worked: visit 1d after it" in ben
    actions = [json.loads(line)["data"] for line in (gym / "state" / "actions.jsonl").read_text().splitlines()]
    handed = next(action for action in actions if action["play"] == "answer-them")
    assert handed["text"] == "Call me Wednesday 2026-03-18 09:00 Europe/Rome"
    assert handed["context"][1:3] == ["customer:ada answered: Call me", "recommended: Offer a free hour"]


def test_what_is_to_come_is_told(gym: Path, beforehand: Beforehand) -> None:
    data = gym / "data"
    (data / "outcomes.jsonl").write_text("")
    (data / "visits.jsonl").write_text((data / "visits.jsonl").read_text().replace("03-30", "03-17"))
    beforehand("run", "--event-clock")
    told = beforehand("explain", "stayed-away", "ada").stdout
    assert "To come: win-back, step call-them, at 2026-03-21 18:00:00, unless something ends it before" in told


def test_a_backtest_decides_what_a_run_decides(gym: Path, beforehand: Beforehand) -> None:
    beforehand("backtest", "--decisions", "log.jsonl")
    log = [json.loads(line) for line in (gym / "log.jsonl").read_text().splitlines()]
    beforehand("run", "--event-clock")
    export = beforehand("export", "customer:ada").stdout
    assert all(line["id"] in export for line in log if line["key"] == "ada")
    assert "Shall we help?" in export


def test_whoever_is_forgotten_is_gone_from_their_course(gym: Path, beforehand: Beforehand) -> None:
    beforehand("run", "--event-clock")
    assert beforehand("erase", "customer:ada").returncode == 0
    assert "Call me" not in beforehand("export", "customer:ada").stdout
