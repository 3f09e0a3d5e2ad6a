"""`explain` answers for one detector and one entity: fires, does not, not yet, not known, and at an earlier time."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from engine.errors import OperatorError
from engine.model import Reading
from engine.shells.explain import explain, told
from engine.shells.histories import StoreHistory
from engine.shells.partition import Partition
from engine.shells.sources import read_all
from engine.shells.store import Store, read_only
from engine.shells.times import from_text
from engine.shells.wiring import load_configuration, plan_of
from tests.cli.conftest import PLAY, PROJECT

DETECTORS = """\
detector: busy
owner: front-desk
reason: growth
per: customer
watch: {visits: {count: visit, over: 1d}}
when: {visits: {at_least: 3}}
for: 2h
then: [{play: ring-them}]
why: "{{ visits }} visits in a day."
---
detector: rarely
owner: front-desk
reason: disengaging
per: customer
watch: {visits: {count: visit, over: 30d}}
when: {visits: {below: 2}}
---
detector: hurried
owner: front-desk
reason: growth
per: customer
when: {sequence: {steps: [{event: visit, times: {at_least: 3}}], within: 1h}}
"""


def visit(member: str, at: str) -> bytes:
    return orjson.dumps({"event": "visit", "at": f"2026-03-02T{at}:00Z", "member": member}) + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ada came four times and stayed busy for two hours; ben is on the way there; cleo came once."""
    for name, text in {"beforehand.yml": PROJECT, "detectors/all.yml": DETECTORS, "playbooks/desk.yml": PLAY}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    rows = [visit("ada", f"08:{minute:02}") for minute in range(4)] + [visit("cleo", "09:00")]
    rows += [visit("ben", f"10:{minute:02}") for minute in range(30, 33)]
    (tmp_path / "visits.jsonl").write_bytes(b"".join(rows))
    partition = Partition(Store(tmp_path), plan_of(load_configuration(tmp_path)))
    reading = read_all(partition.plan.configuration.project, tmp_path, partition.router)
    partition.take(list(reading), reading.positions(), 0)
    partition.take_records(partition.router.end(from_text("2026-03-02T10:40:00Z")), 0)
    partition.store.close()
    return tmp_path


def explained(folder: Path, detector: str, key: str, at: str = "") -> str:
    plan = plan_of(load_configuration(folder))
    return explain(StoreHistory(read_only(folder), plan), plan, detector, key, from_text(at) if at else None)


def test_one_that_fires_is_told_with_readings_events_and_decision(folder: Path) -> None:
    text = explained(folder, "busy", "ada")
    assert "  visits is 4, at least 3: yes\n  It has been firing since 2026-03-02 08:02:00." in text
    assert "2026-03-02 10:02:00  fired [watch], detector version " in text
    assert "  ring-them for owner:front-desk: chosen, action " in text
    assert text.endswith("  4 visits in a day.")


def test_one_that_waits_says_for_what(folder: Path) -> None:
    text = explained(folder, "busy", "ben")
    assert "  True since 2026-03-02 10:32:00; fires if it stays so for 2h." in text
    assert "  Next look without an event: 2026-03-02 12:32:00." in text
    assert text.endswith("It has not fired yet.")


def test_one_that_does_not_fire_says_what_is_missing(folder: Path) -> None:
    assert "  visits is 1, at least 3: no\n  It does not fire." in explained(folder, "busy", "cleo")


def test_what_cannot_be_known_yet_is_said_to_be_so(folder: Path) -> None:
    assert "It does not fire, because something it needs is not known yet." in explained(folder, "rarely", "cleo")


def test_a_sequence_says_how_long_ago_it_began(folder: Path) -> None:
    assert "  3x visit: began 10m ago, at most 1h: yes" in explained(folder, "hurried", "ben")
    assert "  3x visit: has not come, at most 1h: no" in explained(folder, "hurried", "cleo")


def test_at_an_earlier_time_only_what_had_happened_counts(folder: Path) -> None:
    early = explained(folder, "busy", "ada", at="2026-03-02T09:00:00Z")
    assert early == "busy, customer ada\n\nIt had not fired by 2026-03-02 09:00:00."
    assert "fired [watch]" in explained(folder, "busy", "ada", at="2026-03-02T10:30:00Z")


def test_who_or_what_is_not_known_is_an_error_that_helps(folder: Path) -> None:
    with pytest.raises(OperatorError, match="nothing is known of customer 'dora'"):
        explained(folder, "busy", "dora")
    with pytest.raises(OperatorError, match="there is no detector 'bussy'; there are: busy, hurried, rarely"):
        explained(folder, "bussy", "ada")


@pytest.mark.parametrize(
    ("reading", "sentence"),
    [
        (Reading("late", 0.54054, "at_least", 0.3), "late is 0.5405, at least 0.3: yes"),
        (Reading("plan", "free", "is", ("free", "starter")), "plan is free, is free or starter: yes"),
        (Reading("logins", 1, "below", 2, in_a_row=3), "logins is 1, below 2 (3 periods in a row): yes"),
        (Reading("mood", None, "below", 0, met=False), "mood is not known, below 0: no"),
        (Reading("tickets", 5), "tickets is 5"),
        (Reading("coming", 52.0, "above", 40, limit_of="capacity"), "coming is 52, above capacity 40: yes"),
        (
            Reading("coming", 52, "above", None, met=False, limit_of="capacity"),
            "coming is 52, above capacity (not known): no",
        ),
        (
            Reading("coming", 52, "above", "40", met=False, limit_of="capacity"),
            "coming is 52, above capacity '40', which is a text: no",
        ),
        (Reading("plan", "pro", "is_not", "free", limit_of="agreed"), "plan is pro, is not agreed free: yes"),
        (Reading("silence since a", 90_000, "at_least", 60_000), "silence since a is 1m 30s, at least 1m: yes"),
    ],
)
def test_readings_are_told_in_words(reading: Reading, sentence: str) -> None:
    assert told(reading) == sentence


RULED = """\
quiet_hours: {from: "21:00", to: "08:00", unknown_zone: UTC}
channels: {desk: console}
human: {by: reply, say: Reply to this message to reach a person.}
"""
WELCOMES = """\
play: welcome
channel: desk
class: service
value: 3
owner: front-desk
text: "Hello"
---
play: offer
channel: desk
class: marketing
offer: true
owner: front-desk
lever: 50
text: "Hello"
"""
BOTH = """\
detector: first
owner: front-desk
reason: growth
per: customer
watch: {visits: {count: visit, over: 30d}}
when: {visits: {at_least: 1}}
then: [{play: welcome}]
why: "The first visit."
---
detector: also
owner: front-desk
reason: growth
per: customer
watch: {visits: {count: visit, over: 30d}}
when: {visits: {at_least: 1}}
then: [{play: offer}]
"""


@pytest.fixture
def ruled(tmp_path: Path) -> Path:
    """Ada came at ten in the evening, and two plays compete for her in the morning."""
    project = PROJECT.replace("channels: {desk: console}\n", RULED)
    for name, text in {"beforehand.yml": project, "detectors/all.yml": BOTH, "playbooks/desk.yml": WELCOMES}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "visits.jsonl").write_bytes(visit("ada", "22:00"))
    partition = Partition(Store(tmp_path), plan_of(load_configuration(tmp_path)))
    reading = read_all(partition.plan.configuration.project, tmp_path, partition.router)
    partition.take(list(reading), reading.positions(), 0)
    partition.take_records(partition.router.end(from_text("2026-03-03T10:00:00Z")), 0)
    partition.store.close()
    return tmp_path


def test_every_candidate_of_the_moment_is_told_with_its_gate_and_factors(ruled: Path) -> None:
    lines = explained(ruled, "first", "ada").splitlines()
    events = next(place for place, line in enumerate(lines) if line.startswith("  events"))
    told = [line.split(", action")[0] for line in lines[events + 1 :]]
    assert told == [
        "  welcome for customer:ada: held at quiet_hours: quiet in UTC until 2026-03-03 08:00 UTC",
        "  with it for customer:ada: offer for customer:ada: held at quiet_hours: "
        "quiet in UTC until 2026-03-03 08:00 UTC",
        "  2026-03-03 08:00:00  welcome for customer:ada: chosen",
        "    priority 3 = chance 1 x context 1 x value 3 x lever 1; offer would have gone instead",
        "  with it for customer:ada: offer for customer:ada: dropped at arbitration: "
        "welcome went first, with a priority of 3 to 1.5",
        "    priority 1.5 = chance 1 x context 1 x value 1 x lever 1.5",
        "  The first visit.",
    ]
