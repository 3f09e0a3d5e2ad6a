"""A colleague with more tasks than fit into a day, as a user sees it: run, explain, export, erase."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Beforehand

PROJECT = """
project: office
time_zone: Europe/Rome
entities: {account: account, customer: customer}
streams:
  tickets: {from: tickets.jsonl, events: [ticket.opened]}
  crm: {family: profile, from: crm.jsonl, describes: account}
sinks: {log: {kind: file, path: actions.jsonl}}
channels: {desk: log}
human: {by: reply, say: "Reply, and a person answers."}
capacity: [{at_most: 1}]
"""
DETECTOR = """
detector: in-trouble
owner: support
reason: tickets
per: customer
watch: {level: {latest: ticket.opened, field: level, over: 30d}}
when: {level: {at_least: 1}}
then: [{play: call-them}]
why: "{{ customer.name }} is at level {{ level }}."
tests: [{name: quiet, given: [{event: ticket.opened, customer: ada}], expect: nothing}]
"""
PLAY = """
play: call-them
to: owner
channel: desk
class: service
value: 10
context: [{when: {account.plan: enterprise}, add: 200}]
owner: support
text: "{{ why }} Call them."
"""
OPENED = ("ann larch 8", "ben larch 9", "eve larch 10", "dan oak 11", "zoe larch 12")


@pytest.fixture
def office(tmp_path: Path) -> Path:
    files = {"beforehand": PROJECT, "detectors/d": DETECTOR, "playbooks/p": PLAY}
    for name, text in files.items():
        path = tmp_path / "config" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "data").mkdir()
    accounts = [profile("larch", "team"), profile("oak", "enterprise")]
    (tmp_path / "data/crm.jsonl").write_text("".join(accounts))
    (tmp_path / "data/tickets.jsonl").write_text("".join(ticket(*each.split()) for each in OPENED))
    return tmp_path


def profile(account: str, plan: str) -> str:
    fields = {"id": account, "event": "profile", "account": account, "owner": "ida", "plan": plan}
    return json.dumps({**fields, "at": "2026-03-02T06:00:00Z"}) + "\n"


def ticket(customer: str, account: str, hour: str, day: int = 2) -> str:
    level = 0 if customer == "zoe" else 2
    fields = {"id": f"{customer}-{day}", "event": "ticket.opened", "customer": customer, "account": account}
    return json.dumps({**fields, "level": level, "at": f"2026-03-0{day}T{hour:0>2}:00:00Z"}) + "\n"


def time_goes_on(office: Path, beforehand: Beforehand, day: int) -> None:
    with (office / "data/tickets.jsonl").open("a") as file:
        file.write(ticket("zoe", "larch", "8", day))
    assert beforehand("run", "--event-clock").returncode == 0


def done(office: Path) -> list[str]:
    lines = (office / "state/actions.jsonl").read_text().splitlines()
    return [json.loads(line)["data"]["text"].split()[0] for line in lines]


def test_the_best_goes_first_and_the_rest_waits_over_restarts(office: Path, beforehand: Beforehand) -> None:
    assert beforehand("check").returncode == 0
    assert beforehand("run", "--event-clock").returncode == 0
    assert done(office) == ["ann"]
    for day in (3, 4, 5):
        time_goes_on(office, beforehand, day)
    assert done(office) == ["ann", "dan", "ben", "eve"]
    told = beforehand("explain", "in-trouble", "ben").stdout
    held = "held at capacity: ida has no room: at most 1 a day; decided again at 2026-03-02 23:00 UTC"
    assert f"2026-03-02 09:00:01  call-them for owner:ida: {held}" in told
    assert "priority 10 = chance 1 x context 1 x value 10 x lever 1" in told
    assert "2026-03-03 23:00:00  call-them for owner:ida: chosen, action" in told


def test_what_waits_is_told_to_whom_it_is_about_and_forgotten_with_them(office: Path, beforehand: Beforehand) -> None:
    assert beforehand("run", "--event-clock").returncode == 0
    (task,) = json.loads(beforehand("export", "customer:eve").stdout)["tasks"]
    assert task["action"]["text"] == "eve is at level 2. Call them."
    assert beforehand("erase", "customer:eve").returncode == 0
    assert b"eve is at level" not in (office / "state/state.db").read_bytes()
    for day in (3, 4, 5):
        time_goes_on(office, beforehand, day)
    assert done(office) == ["ann", "dan", "ben"]
