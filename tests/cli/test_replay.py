"""`replay` on a state folder: after a fix the letters are taken, once, and what cannot be taken stays."""

from __future__ import annotations

from pathlib import Path

from engine.shells.store import read_only
from tests.cli.conftest import Beforehand

LATER = '{"id": "v9", "event": "visit", "at": "the 21st", "when": "2026-03-21T18:00:00Z", "member": "ada"}\n'


def letters(gym: Path) -> list[str]:
    store = read_only(gym / "state")
    found = [letter.reason for _, letter in store.dead_letters()]
    store.db.close()
    return found


def broken(gym: Path) -> None:
    with (gym / "data/visits.jsonl").open("a") as visits:
        visits.write(LATER)


def fix(gym: Path) -> None:
    """From now on the time is read from where it really stands."""
    project = gym / "config/beforehand.yml"
    text = project.read_text()
    mapped = "map: {id: id, event: {from: event}, at: {from: when}, entities: {customer: member}}"
    project.write_text(text.replace("events: [visit]}", "events: [visit], " + mapped + "}"))


def test_after_a_fix_the_letters_are_taken_and_gone(gym: Path, beforehand: Beforehand) -> None:
    broken(gym)
    beforehand("run", "--event-clock")
    assert sorted(letters(gym)) == ["bad_json", "bad_time"]
    fix(gym)
    dry = beforehand("replay", "--reason", "bad_time", "--dry-run")
    assert dry.stdout == "1 would go back into stream visits\n"
    assert len(letters(gym)) == 2
    assert beforehand("replay", "--reason", "bad_time").stdout == "1 put back into stream visits\n"
    assert letters(gym) == ["bad_json"]
    assert beforehand("replay", "--reason", "bad_time").stdout == "no dead letters of that kind\n"
    assert "2026-03-21" in beforehand("explain", "stayed-away", "ada").stdout


def test_what_is_still_wrong_comes_back_as_a_letter(gym: Path, beforehand: Beforehand) -> None:
    beforehand("run", "--event-clock")
    assert beforehand("replay").stdout == "1 put back into stream visits\n"
    assert letters(gym) == ["bad_json"]


def test_old_events_that_were_put_back_do_not_hold_time_up(gym: Path, beforehand: Beforehand) -> None:
    broken(gym)
    beforehand("run", "--event-clock")
    fix(gym)
    beforehand("replay", "--reason", "bad_time")
    with (gym / "data/visits.jsonl").open("a") as visits:
        visits.write('{"id": "v10", "event": "visit", "when": "2026-04-20T18:00:00Z", "member": "cleo"}\n')
    assert "It has not fired yet" in beforehand("explain", "stayed-away", "ada").stdout
    beforehand("run", "--event-clock")
    assert "fired [watch]" in beforehand("explain", "stayed-away", "ada").stdout


def test_a_folder_without_state_is_refused_and_left_alone(gym: Path, beforehand: Beforehand) -> None:
    found = beforehand("replay")
    assert found.returncode == 1
    assert "holds no state.db" in found.stderr
    assert not (gym / "state").exists()


def test_the_state_folder_of_a_worker_is_told_from_that_of_a_run(gym: Path, beforehand: Beforehand) -> None:
    (gym / "state" / "decide").mkdir(parents=True)
    assert "state belongs to a `beforehand worker`" in beforehand("explain", "stayed-away", "ada").stderr
