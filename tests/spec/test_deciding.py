"""What spans several documents: the plays of a detector, and the project's rules for deciding."""

from __future__ import annotations

from pathlib import Path

from tests.spec import broken

SECOND = broken.PLAY.replace("call", "write")


def said(folder: Path, detector: str, plays: str) -> list[str]:
    broken.write(folder, "detector", detector.encode())
    (folder / "playbooks/bad.yml").write_text(plays)
    return broken.said_of(folder)


def test_a_signal_says_one_thing_to_each_audience(tmp_path: Path) -> None:
    detector = broken.DETECTOR.replace("[{play: call}]", "[{play: call}, {play: write}]")
    assert said(tmp_path, detector, f"{broken.PLAY}---\n{SECOND}") == [
        "detectors/bad.yml:8:29: error[same-audience]: 'write' goes to the customer like 'call' "
        "- a signal has one play for each audience"
    ]
    assert said(tmp_path, detector, f"{broken.PLAY}---\n{SECOND}to: owner\n") == []


def test_each_play_of_a_detector_is_held_against_its_measures(tmp_path: Path) -> None:
    detector = broken.DETECTOR.replace("[{play: call}]", "[{play: call}, {play: write}]")
    second = SECOND.replace("{{ why }}", "{{ visit }}") + "to: owner\n"
    (only,) = said(tmp_path, detector, f"{broken.PLAY}---\n{second}")
    assert "unknown variable 'visit' for detector 'calm' - did you mean 'visits'?" in only


# ---- capacity

TASK = SECOND + "to: owner\nwhen_full: file\n"
FILE = broken.PLAY.replace("call", "file", 1) + "to: {to}\n"
DETECTOR = broken.DETECTOR.replace("[{play: call}]", "[{play: call}, {play: write}]")


def said_with(folder: Path, capacity: str, *plays: str) -> list[str]:
    broken.write(folder, "detector", DETECTOR.encode())
    (folder / "beforehand.yml").write_text(f"{broken.PROJECT}capacity: {capacity}\n")
    (folder / "playbooks/bad.yml").write_text("---\n".join((broken.PLAY, *plays)))
    return broken.said_of(folder)


def test_what_is_done_instead_needs_no_room_of_its_own(tmp_path: Path) -> None:
    asked = "[{at_most: 8}, {of: night, at_most: 2}]"
    for to in ("system", "owner\ndesk: mail"):
        assert said_with(tmp_path, asked, TASK, FILE.replace("{to}", to)) == []
    room = "'file' needs room itself - name one to a system, or to a desk that no capacity names"
    limits = "'file' goes to a customer, whose limits are not known here - name one to a system or a desk"
    for to, why in (("owner", room), ("owner\ndesk: night", room), ("customer", limits)):
        assert said_with(tmp_path, asked, TASK, FILE.replace("{to}", to)) == [
            f"playbooks/bad.yml:13:12: error[bad-choice]: {why}"
        ]


def test_a_play_that_is_done_instead_is_there(tmp_path: Path) -> None:
    assert said_with(tmp_path, "[{at_most: 8}]", TASK) == [
        "playbooks/bad.yml:13:12: error[unknown-play]: unknown play 'file' - known here: call, write"
    ]
    (itself,) = said_with(tmp_path, "[{at_most: 8}]", TASK.replace("file", "write"))
    assert itself.endswith("'write' needs room itself - name one to a system, or to a desk that no capacity names")


def test_the_texts_of_what_is_done_instead_are_held_against_the_measures(tmp_path: Path) -> None:
    file = FILE.replace("{to}", "system").replace("{{ why }}", "{{ visit }}")
    (only,) = said_with(tmp_path, "[{at_most: 8}]", TASK, file)
    assert "unknown variable 'visit' for detector 'calm' - did you mean 'visits'?" in only


def test_there_is_always_room_for_what_is_critical(tmp_path: Path) -> None:
    task = TASK.replace("class: service", "class: critical\nreason: fire")
    (only,) = said_with(tmp_path, "[{at_most: 8}]", task, FILE.replace("{to}", "system"))
    assert only.endswith("there is always room for what is critical - take 'when_full' away")


def test_a_capacity_counts_something(tmp_path: Path) -> None:
    none = "beforehand.yml:9:11: error[no-effect]: no play goes to any of these - write 'to: owner' in one, or take "
    assert said_with(tmp_path, "[{at_most: 8}]", SECOND + "to: system\n") == [f"{none}'capacity' away"]
    assert said_with(tmp_path, "[{at_most: 8}]", SECOND + "to: owner\ndesk: mail\n") == [f"{none}'capacity' away"]
    assert said_with(tmp_path, "[{of: mail, at_most: 8}]", SECOND + "to: owner\ndesk: mail\n") == []


def test_tasks_have_a_value_where_they_are_counted(tmp_path: Path) -> None:
    assert said_with(tmp_path, "[{at_most: 8}]", SECOND + "to: owner\nvalue: 3\nlever: 10\n") == []
    (only,) = said_with(
        tmp_path, "[{at_most: 8}]", SECOND + "to: system\nvalue: 3\n---\n" + FILE.replace("{to}", "owner")
    )
    assert "'value' goes with 'to: customer'" in only
