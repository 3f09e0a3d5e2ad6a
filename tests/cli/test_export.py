"""`export` on a state folder: one document with all that is held about somebody, and nothing about others."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Beforehand


def test_all_that_is_held_about_somebody_is_one_document(gym: Path, beforehand: Beforehand) -> None:
    with (gym / "data/visits.jsonl").open("a") as visits:
        visits.write('{"id": "v7", "event": "visit", "at": "never", "member": "ben"}\n')
    beforehand("run", "--event-clock")
    said = beforehand("export", "customer:ben")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert found["entity"] == "customer:ben"
    [record] = found["remembered"]
    assert record["first_seen"] == "2026-03-02T19:00:00.000Z"
    assert record["episodes"] == {"stayed-away": "firing since 2026-03-16T19:00:00.000Z"}
    assert record["detectors"]["stayed-away"][0].startswith("silence since visit is ")
    assert [signal["state"] for signal in found["signals"]] == ["firing"]
    assert [decision["outcome"] for decision in found["decisions"]] == ["chosen"]
    assert [(sent["state"], sent["action"]["about"]) for sent in found["actions"]] == [("delivered", "customer:ben")]
    assert [letter["reason"] for letter in found["dead_letters"]] == ["bad_time"]
    assert "ada" not in said.stdout


def test_of_somebody_unknown_there_is_nothing(gym: Path, beforehand: Beforehand) -> None:
    beforehand("run", "--event-clock")
    assert json.loads(beforehand("export", "customer:nobody").stdout) == {"entity": "customer:nobody"}
