"""Schools on two plans that log in day by day, all less in the holidays and one of them less by itself: a small world
in which others tell what is news.
"""

from __future__ import annotations

import random
from pathlib import Path

import orjson

from engine.core.route import Row
from engine.model import DAY_MS, MINUTE_MS
from engine.shells.files import FilePlace
from engine.shells.partition import Partition
from tests.core import small

AT = 1_767_571_200_000
PROJECT = """
project: small
entities: {customer: customer}
streams:
  usage: {from: usage.jsonl, events: [login, order, left]}
  crm: {from: crm.jsonl, events: [profile], family: profile, describes: customer}
sinks: {console: {kind: stdout}}
channels: {desk: console}
retention: {decisions: 400d}
"""
DETECTOR = """
detector: quieter
owner: a
reason: disengaging
per: customer
watch: {logins: {count: login, every: 1d}}
peers: {same: plan, needs: 4}
when: {logins: {below_peers_by: 50%}}
then: [{play: call}]
why: "{{ peers_logins }}"
"""
ZONES = ("UTC", "America/New_York", "Asia/Tokyo", "Europe/Berlin")
HOLIDAYS = (7, 8)
# Of the first school; that of the others follows day by day.
BAD_DAY = 3
SCHOOLS, DAYS = 16, 13


def events(seed: int, schools: int, days: int) -> list[tuple[int, str, str, dict[str, str]]]:
    """(when after the start, type, who, what else), in order of time."""
    chance, found = random.Random(seed), []
    for number in range(schools):
        who, plan, zone = f"s{number}", ("basic", "pro")[number % 2], ZONES[number // 2 % len(ZONES)]
        for day in range(days):
            # Of the first nobody knows the plan. Others tell theirs each night.
            more = {"plan": plan, "time_zone": zone} if number else {"time_zone": zone}
            found.append((day * DAY_MS, "profile", who, more))
            often = chance.choice((3, 4)) if day in HOLIDAYS else chance.choice((6, 7))
            for _login in range(1 if day == BAD_DAY + number else often):
                # At a time that is of the same day in all the zones.
                at = day * DAY_MS + (600 + chance.randrange(280)) * MINUTE_MS + number
                found.append((at, "login", who, {}))
    return sorted(found, key=lambda each: each[:3])


def rows(seed: int = 1, schools: int = SCHOOLS, days: int = DAYS) -> list[Row]:
    """In the shape in which files are read."""
    places = {"usage": 0, "crm": 0}
    found = []
    for number, (at, event, who, more) in enumerate(events(seed, schools, days)):
        stream = "crm" if event == "profile" else "usage"
        raw = orjson.dumps({"id": f"e{number}", "event": event, "at": AT + at, "customer": who, **more})
        found.append(Row(stream, f"{stream}.jsonl", places[stream], raw, clock="files"))
        places[stream] += 1
    return found


def partition(folder: Path, detector: str = DETECTOR) -> Partition:
    return small.partition(folder, detector, whole=PROJECT)


def take(part: Partition, some: list[Row]) -> None:
    places = {f"{row.stream}:{row.stream}.jsonl": FilePlace(row.position + 1) for row in some}
    part.take(some, places, AT)


def finish(part: Partition) -> None:
    part.take_records(part.router.end(), AT)
