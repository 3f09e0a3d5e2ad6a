"""`models learn-text` learns from judged texts, says how good it was, and writes what `text` of a stream reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import OperatorError
from engine.shells.learning import learn_text
from engine.spec.texts import weights_in
from tests.cli.conftest import Beforehand

GOOD, BAD = "thank you, parcel {} came early, wonderful", "this is terrible, parcel {} is lost again"


def judged(folder: Path, count: int = 30) -> Path:
    rows: list[dict[str, object]] = []
    for number in range(count):
        rows += [
            {"body": GOOD.format(number), "score": 1},
            {"body": BAD.format(number), "score": -0.8},
            {"body": f"parcel {number}", "score": 0},
            {"body": f"nobody has judged {number}"},
        ]
    path = folder / "judged.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_is_learned_scores_the_texts_of_a_stream(beforehand: Beforehand, tmp_path: Path) -> None:
    path = judged(tmp_path)
    config = tmp_path / "config"
    (config / "detectors").mkdir(parents=True)
    done = beforehand("models", "learn-text", "--from", path, "--text", "body", "--to", config / "moods.json")
    assert done.returncode == 0, done.stderr
    assert "learned from 90 texts, 30 rows without a text or a score were left out" in done.stdout
    (config / "beforehand.yml").write_text(
        "project: gym\nentities: {customer: member}\nsinks: {console: {kind: stdout}}\n"
        "streams: {chat: {from: chat.jsonl, text: {field: body, model: moods.json}}}\n"
    )
    (config / "detectors" / "mood.yml").write_text(
        "detector: sour\nowner: desk\nreason: mood\nper: customer\n"
        "watch: {mood: {average: said, field: score, over: 1d}}\nwhen: {mood: {below: -0.3}}\n"
        "tests:\n"
        "  - name: an angry one\n"
        "    given: [{event: said, customer: ada, body: 'terrible, my parcel is lost'}]\n"
        "    expect: [{fired: ada}]\n"
        "  - name: a warm one\n"
        "    given: [{event: said, customer: ada, body: 'thank you, it came early'}]\n"
        "    expect: nothing\n"
    )
    tested = beforehand("test", "--config", config)
    assert tested.stdout == "2 passed, 0 failed\n", tested.stdout + tested.stderr


def test_the_same_texts_give_the_same_file(tmp_path: Path) -> None:
    path = judged(tmp_path)
    written = []
    for _ in range(2):
        learn_text(path, ["body"], "score", tmp_path / "moods.json")
        written.append((tmp_path / "moods.json").read_bytes())
    assert written[0] == written[1]
    assert weights_in(tmp_path, "moods.json").texts == 90


def test_a_csv_with_a_header_will_do(tmp_path: Path) -> None:
    lines = ["subject,body,stars"]
    lines += [f'"{GOOD.format(n)}",Hello,1\n"{BAD.format(n)}",Hello,-1' for n in range(25)]
    (tmp_path / "judged.csv").write_text("\n".join(lines) + "\n")
    found = learn_text(tmp_path / "judged.csv", ["subject", "body"], "stars", tmp_path / "moods.json")
    assert (found.texts, found.asked, found.always) == (50, 50, 25)
    assert found.right > 40


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ('{"body": "bad", "score": 5}\n', "judged.jsonl:1: 5 is no score - it goes from -1, furious, to 1, delighted"),
        ('\n{"body": "bad", "score": "low"}\n', "judged.jsonl:2: 'low' is no score"),
        ('{"body": "bad", "score": true}\n', "judged.jsonl:1: True is no score"),
        ('{"body": "bad"', "judged.jsonl cannot be read as rows"),
        ('["bad"]\n', "judged.jsonl cannot be read as rows"),
        ('{"body": "bad", "score": -1}\n', "has 0 texts with a score above 0 and 1 below it - it takes 20 of each"),
    ],
)
def test_what_cannot_be_learned_from_is_told(rows: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "judged.jsonl").write_text(rows)
    with pytest.raises(OperatorError) as raised:
        learn_text(tmp_path / "judged.jsonl", ["body"], "score", tmp_path / "moods.json")
    assert told in str(raised.value)
    assert not (tmp_path / "moods.json").exists()
