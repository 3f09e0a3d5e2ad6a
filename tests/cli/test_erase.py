"""`erase` on a state folder: afterwards no file in it holds the person, and nothing about them is taken any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.shells.store import read_only
from tests.cli.conftest import PROJECT, Beforehand

CANARY = "canary-7f3a"
ROW = '{{"id": "{id}", "event": "visit", "at": "{at}", "member": "{who}", "club": "n", "mail": "{who}@x.org"}}\n'


@pytest.fixture
def club(gym: Path) -> Path:
    """Ada and the canary belong to one club; both have a second name; the canary stays away and is spoken of."""
    project = PROJECT.replace("{customer: member}", "{customer: {id: member, also_known_as: [mail]}, account: club}")
    (gym / "config/beforehand.yml").write_text("unit: [account, customer]\n" + project)
    (gym / "config/detectors/clubs.yml").write_text(
        "detector: quiet-club\nowner: front-desk\nreason: disengaging\nper: account\n"
        "when: {absent: {event: visit, within: 30d}}\nthen: [{play: ring-them}]\nwhy: nobody comes\n"
    )
    visits = [("a1", "2026-03-01", "ada"), ("c1", "2026-03-02", CANARY), ("a2", "2026-03-20", "ada")]
    rows = [ROW.format(id=name, at=f"{day}T10:00:00Z", who=who) for name, day, who in visits]
    rows.append(f'{{"id": "bad", "event": "visit", "at": "never", "member": "{CANARY}"}}\n')
    (gym / "data/visits.jsonl").write_text("".join(rows))
    return gym


def holding(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_no_file_of_the_state_holds_the_person_any_more(club: Path, beforehand: Beforehand) -> None:
    beforehand("run", "--event-clock")
    assert holding(club / "state", CANARY)
    dry = beforehand("erase", f"customer:{CANARY}", "--dry-run").stdout
    assert dry.startswith(f"would erase customer:{CANARY}, also known as mail:{CANARY}@x.org: ")
    assert holding(club / "state", CANARY)
    said = beforehand("erase", f"customer:{CANARY}")
    assert said.returncode == 0, said.stderr
    for part in (
        "1 of entities",
        "1 of signals",
        "1 of decisions",
        "1 of actions",
        "1 of dead_letters",
        "1 of aliases",
    ):
        assert part in said.stdout
    assert holding(club / "state", CANARY) == []
    assert holding(club / "state", "ada")


def test_what_still_comes_about_them_is_not_taken(club: Path, beforehand: Beforehand) -> None:
    beforehand("run", "--event-clock")
    beforehand("erase", f"customer:{CANARY}")
    with (club / "data/visits.jsonl").open("a") as visits:
        visits.write(ROW.format(id="c2", at="2026-03-25T10:00:00Z", who=CANARY))
        visits.write(f'{{"id": "c3", "event": "visit", "at": "2026-03-26T10:00:00Z", "mail": "{CANARY}@x.org"}}\n')
        visits.write(ROW.format(id="a3", at="2026-05-26T10:00:00Z", who="ada"))
    said = beforehand("run", "--event-clock")
    assert said.returncode == 0, said.stderr
    assert CANARY not in said.stdout
    assert holding(club / "state", CANARY) == []
    assert "fired [watch]" in beforehand("explain", "stayed-away", "ada").stdout


def test_an_action_on_its_way_is_not_sent(club: Path, beforehand: Beforehand) -> None:
    project = club / "config/beforehand.yml"
    unreachable = "gone: {kind: webhook, url: 'https://127.0.0.1:9/'}, console"
    project.write_text(
        project.read_text().replace("{console", "{" + unreachable).replace("desk: console", "desk: gone")
    )
    beforehand("run", "--event-clock")
    store = read_only(club / "state")
    assert store.db.execute("SELECT state FROM actions WHERE instr(payload, ?)", (CANARY.encode(),)).fetchall()
    store.db.close()
    beforehand("erase", f"customer:{CANARY}")
    store = read_only(club / "state")
    assert ("expired", "erased") in store.db.execute("SELECT state, why FROM actions").fetchall()


def test_who_is_meant_has_to_be_said(gym: Path, beforehand: Beforehand) -> None:
    beforehand("run", "--event-clock")
    assert "is not KIND:KEY - write customer:c7" in beforehand("erase", "ada").stderr
    assert "there is no entity 'kustomer'" in beforehand("erase", "kustomer:ada").stderr


def test_that_nobody_is_known_is_said_with_how_long_the_name_is_blocked(gym: Path, beforehand: Beforehand) -> None:
    beforehand("run", "--event-clock")
    said = "customer:zoe: nobody of that name is known here; what may still come under it"
    assert beforehand("erase", "customer:zoe", "--dry-run").stdout.startswith(f"{said} would be blocked until 20")
    assert beforehand("erase", "customer:zoe").stdout.startswith(f"{said} is blocked until 20")


def test_who_is_only_spoken_of_by_others_is_erased_as_well(gym: Path, beforehand: Beforehand) -> None:
    """No detector watches accounts here, so a club is known from its members alone."""
    project = PROJECT.replace("{customer: member}", "{customer: member, account: club}")
    (gym / "config/beforehand.yml").write_text("unit: [customer]\n" + project)
    (gym / "data/visits.jsonl").write_text(ROW.format(id="a1", at="2026-03-01T10:00:00Z", who="ada"))
    beforehand("run", "--event-clock")
    said = beforehand("erase", "account:n").stdout
    assert said == "erased account:n: nothing but what others' records said of it\n"
