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
