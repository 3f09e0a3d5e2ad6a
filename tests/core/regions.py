"""A region in trouble, on disk: ten thousand members, some who join late, some whose date changes, and an end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

START = 1_767_571_200_000
MINUTE_MS = 60_000
PROJECT = """
project: parcels
entities: {region: region, customer: customer, account: account, order: order}
streams:
  scans: {from: scans.jsonl, events: [parcel.scanned]}
  approvals: {from: approvals.jsonl, events: [fanout.approved, fanout.declined]}
sinks: {log: {kind: file, path: actions.jsonl}}
channels: {email: log, desk: log}
human: {by: reply, say: "Reply, and a person answers."}
"""
# With 60 members at the beginning, a person is asked.
GUARD = "fan_out: {ask_above: 55, ask: may-we-tell-them}\n"
DETECTORS = """
detector: regional-delivery-trouble
owner: logistics-desk
reason: late-delivery
per: region
watch: {late: {count: parcel.scanned, where: {status: late}, over: 2h}}
when: {late: {at_least: 50}}
for: 30m
then:
  - {play: warn-logistics-desk}
  - for_each: customer
    seen_in: {event: parcel.scanned, where: {status: late}, over: 2h}
    play: apologise-for-delay
    with: [new_date]
    update_on: [new_date]
    all_clear: on-time-again
why: "{{ late }} parcels are late in {{ region.id }}."
"""
PLAYS = """
{play: warn-logistics-desk, to: owner, channel: desk, class: service, owner: logistics-desk, text: "{{ why }}"}
---
{play: apologise-for-delay, channel: email, class: service, owner: care, text: "{{ order.id }}: {{ new_date }}."}
---
{play: on-time-again, channel: email, class: service, owner: care, text: "{{ order.id }} is on its way again."}
---
{play: may-we-tell-them, to: owner, channel: desk, class: service, owner: care, text: "{{ members }}: {{ incident }}"}
"""


def write(folder: Path, project: str = PROJECT, detectors: str = DETECTORS) -> Path:
    """The configuration. Returns its folder."""
    for name, text in (("beforehand", project), ("detectors/d", detectors), ("playbooks/p", PLAYS)):
        path = folder / "config" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "config"


def scans(members: int, joiners: int, updates: int) -> list[bytes]:
    """All are late within 20 minutes and fire at half an hour; the last scan, hours later, lets time go on."""
    rows = [_scan(number, number * 20 * MINUTE_MS // members, number, "Friday") for number in range(members)]
    for number in range(members, members + joiners):
        at = 40 * MINUTE_MS + (number - members) * 10 * MINUTE_MS // joiners
        rows.append(_scan(number, at, number, "Friday"))
    for number in range(updates):
        at = 60 * MINUTE_MS + number * 10 * MINUTE_MS // updates
        rows.append(_scan(members + joiners + number, at, number, "Monday"))
    return [*rows, _scan("last", 8 * 60 * MINUTE_MS, "nobody", "Friday", "fine")]


def _scan(name: int | str, after_ms: int, who: int | str, new_date: str, status: str = "late") -> bytes:
    fields = {"id": f"e{name}", "event": "parcel.scanned", "at": START + after_ms, "region": "north"}
    fields |= {"customer": f"c{who}", "order": f"o{who}", "new_date": new_date, "status": status}
    if isinstance(who, int) and who % 2:
        fields["account"] = f"a{who % 1_000}"
    return json.dumps(fields).encode()


def faults(members: int, joiners: int, updates: int, told: Iterable[tuple[str, str, str]]) -> list[str]:
    """What is wrong with (play, step, recipient) of all that was chosen: each once per state, and no one else."""
    found = Counter(told)
    everybody = {f"customer:c{number}" for number in range(members + joiners)}
    wanted = {("warn-logistics-desk", "first", "owner:logistics-desk")}
    wanted |= {("apologise-for-delay", "first", who) for who in everybody}
    wanted |= {("apologise-for-delay", "update:1", f"customer:c{number}") for number in range(updates)}
    wanted |= {("on-time-again", "all-clear", who) for who in everybody}
    wrong = [f"{count} times: {each}" for each, count in found.items() if count != 1 or each not in wanted]
    return wrong + [f"never: {each}" for each in sorted(wanted - found.keys())]
