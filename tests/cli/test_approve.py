"""`beforehand approve`: what waits is listed, and the answer is an event that the next run takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.shells.explain import in_turn
from engine.shells.store import read_only
from tests.cli.conftest import Beforehand
from tests.core import regions

BECAUSE = ("--because", "the depot is flooded", "--by", "lena")


class Project:
    """A region in trouble, of which a person was asked."""

    def __init__(self, folder: Path, beforehand: Beforehand, project: str = regions.PROJECT) -> None:
        self.folder = folder
        self.say = beforehand
        regions.write(folder, project + regions.GUARD)
        scans = folder / "data" / "scans.jsonl"
        scans.parent.mkdir()
        scans.write_bytes(b"".join(row + b"\n" for row in regions.scans(60, 5, 0)[:-1]))

    def run(self) -> None:
        done = self.say("run", "--event-clock")
        assert done.returncode == 0, done.stderr

    def approve(self, *options: str) -> str:
        done = self.say("approve", *options, *BECAUSE)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def waiting(self) -> str:
        return self.say("approve").stdout

    def outcomes(self) -> dict[str, set[str]]:
        """For each play, what became of it."""
        store = read_only(self.folder / "state")
        found: dict[str, set[str]] = {}
        for one in store.decisions():
            found.setdefault(one.play, set()).add(one.gate or one.outcome.value)
        store.db.close()
        return found


@pytest.fixture
def project(tmp_path: Path, beforehand: Beforehand) -> Project:
    made = Project(tmp_path, beforehand)
    made.run()
    return made


def test_what_waits_is_listed_and_told_once_it_is_approved(project: Project) -> None:
    assert project.outcomes()["apologise-for-delay"] == {"approval"}
    waiting = project.waiting
    assert waiting.endswith("apologise-for-delay for 65 members of region north, since 2026-01-05 00:16:20\n")
    assert "approved as of 2026-01-05T00:48:00.000Z" in project.approve(waiting[:6])
    project.run()
    assert project.outcomes()["apologise-for-delay"] == {"approval", "chosen"}
    assert project.waiting == "nothing waits for an approval\n"


def test_what_is_declined_is_dropped_and_says_by_whom(project: Project) -> None:
    incident = project.waiting.split()[0]
    project.approve(incident, "--decline")
    project.run()
    of_the_member = project.say("explain", "regional-delivery-trouble", "c7").stdout
    assert "dropped at approval: declined by lena: the depot is flooded" in of_the_member
    of_the_region = project.say("explain", "regional-delivery-trouble", "north").stdout
    assert f"incident {incident}: passed on to 65, declined by lena" in of_the_region


def test_a_dry_run_prints_the_event_and_writes_nothing(project: Project) -> None:
    incident = project.waiting.split()[0]
    event = json.loads(project.approve(incident, "--dry-run", "--at", "2026-01-05T02:00:00Z"))
    assert event.pop("id")
    assert event == {
        "event": "fanout.approved",
        "at": "2026-01-05T02:00:00.000Z",
        "region": "north",
        "incident": incident,
        "by": "lena",
        "because": "the depot is flooded",
    }
    assert not (project.folder / "data" / "approvals.jsonl").exists()


def test_a_reason_and_a_known_incident_are_needed(project: Project) -> None:
    incident = project.waiting.split()[0]
    assert "say why" in project.say("approve", incident).stderr
    wrong = project.say("approve", "xyz", *BECAUSE).stderr
    assert "no incident that anybody was asked about begins with 'xyz'" in wrong


def test_a_line_without_an_end_is_ended_first(project: Project) -> None:
    approvals = project.folder / "data" / "approvals.jsonl"
    approvals.write_text('{"id": "a", "event": "fanout.approved", "at": 1, "region": "elsewhere"}')
    project.approve(project.waiting.split()[0])
    lines = approvals.read_text().splitlines()
    assert [json.loads(line)["region"] for line in lines] == ["elsewhere", "north"]


def test_a_stream_that_is_no_file_gets_the_event_from_you(tmp_path: Path, beforehand: Beforehand) -> None:
    made = Project(tmp_path, beforehand, regions.PROJECT.replace("approvals.jsonl", "approvals.jsonl.gz"))
    made.run()
    wrong = made.say("approve", made.waiting.split()[0], *BECAUSE).stderr
    assert "reads 'approvals.jsonl.gz'; hand it this event yourself: {" in wrong


def test_somebody_erased_is_no_member_any_more(project: Project) -> None:
    incident = project.waiting.split()[0]
    assert project.say("erase", "customer:c7").returncode == 0
    project.approve(incident)
    project.run()
    store = read_only(project.folder / "state")
    told = {one.recipient for one in store.decisions() if one.play == "apologise-for-delay"}
    held = [record for (record,) in store.db.execute("SELECT record FROM entities") if b"\xa2c7" in record]
    store.db.close()
    assert len(told) == 64
    assert "customer:c7" not in told
    assert not held


def test_an_export_says_which_groups_know_somebody(project: Project) -> None:
    [found] = json.loads(project.say("export", "customer:c7").stdout)["member_of"]
    assert found == {
        "group": "region:north",
        "play": "apologise-for-delay",
        "last_seen": "2026-01-05T00:02:20.000Z",
        "event_id": "e7",
        "seen_with": {"account": "a7", "order": "o7"},
        "facts": {"new_date": "Friday"},
    }


def test_that_somebody_was_asked_is_no_firing_to_make_a_test_of(project: Project) -> None:
    made = project.say("explain", "regional-delivery-trouble", "north", "--as-test")
    assert "fired: north" in made.stdout, made.stderr


def test_of_one_moment_it_is_told_first_that_it_was_held(project: Project) -> None:
    project.approve(project.waiting[:6])
    project.run()
    store = read_only(project.folder / "state")
    held, chosen = (one for one in store.decisions() if one.recipient == "customer:c60")
    store.db.close()
    assert in_turn([chosen, held]) == [held, chosen]
