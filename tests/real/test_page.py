"""What docs/real-data.md says: signals, files, what was taken. The page itself is read, so it cannot fall behind."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

from tests.real.conftest import Backtested

PAGE = (Path(__file__).parents[2] / "docs" / "real-data.md").read_text()
ROW = re.compile(r"^\| `([a-z-]+)` \| .+ \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)
FILE = re.compile(r"^- `DIR/(\S+\.gz)`: `([0-9a-f]{64})`$", re.MULTILINE)
LOGS = ["music", pytest.param("tickets", marks=pytest.mark.slow), "tweets", "orders"]


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize("log", LOGS)
def test_each_detector_fires_as_often_as_the_page_says(log: str, backtested: Backtested) -> None:
    said = {name: (number(fired), number(entities)) for name, fired, entities in ROW.findall(PAGE)}
    detectors = backtested(log).report.detectors
    assert {one.detector: (one.fired, one.entities) for one in detectors} == {
        one.detector: said.get(one.detector) for one in detectors
    }


@pytest.mark.parametrize("log", LOGS)
def test_as_much_was_taken_and_set_aside_as_the_page_says(log: str, backtested: Backtested) -> None:
    report = backtested(log).report
    section = PAGE.partition(f"--config tests/real/{log}/config --data DIR`")[2].partition("| Detector |")[0]
    said = {number(text) for text in re.findall(r"\b\d[\d,]*\b", section)}
    assert {*report.events.values(), *report.dead_letters.values()} <= said


def test_these_are_the_files_that_the_page_names(data: Path) -> None:
    named = FILE.findall(PAGE)
    assert len(named) == 6
    for name, digest in named:
        assert hashlib.sha256(gzip.decompress((data / name).read_bytes())).hexdigest() == digest, name
