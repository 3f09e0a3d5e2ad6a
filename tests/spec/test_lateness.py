"""What asks models is told where events may come so late that what those knew is gone by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec import broken

HEAD = "detector: bad\nowner: care\nreason: errors\nper: account\n"
TESTS = "tests: [{name: quiet, given: [{event: app.opened, account: acme}], expect: nothing}]\n"
CHANCE = (
    "watch:\n  visits: {count: app.opened, over: 7d}\n"
    "  leaving: {chance_of: case.opened, within: 20d, from: [visits]}\nwhen: {leaving: {at_least: 50%}}\n"
)
PEERS = "watch: {visits: {count: app.opened, every: 1d}}\nwhen: {visits: {below_peers_by: 50%}}\n"
KEPT = "would not be known: what a model knew is kept for a day, and 'slow' may come later than that - give that stream"
TOLD = f"{KEPT} a 'lateness' of 1d at most"


def said(folder: Path, body: str, stream: str) -> list[str]:
    broken.write(folder, "detector", (HEAD + body + TESTS).encode())
    project = broken.PROJECT.replace("streams: {", f"streams: {{slow: {stream}, ")
    (folder / "beforehand.yml").write_text(project)
    return broken.said_of(folder)


@pytest.mark.parametrize(
    ("body", "events", "expected"),
    [
        (CHANCE, "app.closed, case.opened", [f"detectors/bad.yml:7:3: error[no-effect]: 'leaving' {TOLD}"]),
        (CHANCE, "app.closed", []),
        (PEERS, "app.closed", [f"detectors/bad.yml:6:7: error[no-effect]: what is usual among peers {TOLD}"]),
    ],
    ids=["an answer that comes late", "a stream of others", "peers wait for all"],
)
def test_a_stream_that_comes_later_than_a_model_remembers(
    body: str, events: str, expected: list[str], tmp_path: Path
) -> None:
    assert said(tmp_path, body, f"{{events: [{events}], lateness: 25h}}") == expected
    assert said(tmp_path, body, f"{{events: [{events}], lateness: 1d}}") == []
