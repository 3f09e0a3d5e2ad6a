"""`snooze` holds back for a while, says so, and is lifted again, without a trace in what was decided before."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.snooze import in_force
from engine.errors import OperatorError
from engine.shells import snoozing
from engine.shells.wiring import check_configuration, load_configuration
from engine.spec.policies import SnoozeSpec
from engine.spec.types import Configuration
from tests.spec import broken

NOW = 1_772_442_000_000  # 2026-03-02 09:00 UTC
HOUR = 3_600_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    broken.write(tmp_path, "detector", broken.DETECTOR.encode())
    (tmp_path / "snoozes.yml").write_text("# who may switch off: the care team\n\n")
    return tmp_path


def loaded(folder: Path) -> Configuration:
    return load_configuration(folder)


def hold(folder: Path, what: str, begins: int = NOW, hours: int = 2) -> str:
    because = 'say "why": now'
    wanted = SnoozeSpec(what=what, from_ms=begins, until_ms=begins + hours * HOUR, because=because)
    return snoozing.add(loaded(folder), wanted, dry_run=False)


def test_what_is_added_is_read_again_with_all_that_was_there(folder: Path) -> None:
    told = 'play:call until 2026-03-02 11:00:00 (2h): say "why": now'
    assert hold(folder, "play:call") == told
    hold(folder, "customer:c 7#x")
    assert loaded(folder).project.policies.snoozes[0] == SnoozeSpec(
        what="play:call", from_ms=NOW, until_ms=NOW + 2 * HOUR, because='say "why": now'
    )
    assert [each.what for each in loaded(folder).project.policies.snoozes] == ["play:call", "customer:c 7#x"]
    assert (folder / "snoozes.yml").read_text().startswith("# who may switch off: the care team\n")
    assert snoozing.listed(loaded(folder), NOW)[0].startswith("customer:c 7#x until")
    assert in_force(loaded(folder).project.policies.snoozes, NOW) == {"all": 0, "play": 1, "detector": 0, "entity": 1}


def test_what_could_not_hold_is_refused_and_changes_nothing(folder: Path) -> None:
    before = (folder / "snoozes.yml").read_text()
    with pytest.raises(OperatorError, match="unknown play 'cal' - did you mean 'call'"):
        hold(folder, "play:cal")
    with pytest.raises(OperatorError, match="nothing to snooze"):
        hold(folder, "call")
    assert (folder / "snoozes.yml").read_text() == before


def test_lifting_ends_what_was_in_force_and_takes_out_what_had_not_begun(folder: Path) -> None:
    hold(folder, "all")
    hold(folder, "play:call")
    hold(folder, "all", begins=NOW + 24 * HOUR)
    lifted = snoozing.lift(loaded(folder), "all", NOW + HOUR, dry_run=False)
    assert len(lifted) == 2
    left = loaded(folder).project.policies.snoozes
    assert [(each.what, each.until_ms - NOW) for each in left] == [("all", HOUR), ("play:call", 2 * HOUR)]
    assert snoozing.listed(loaded(folder), NOW + HOUR) == ['play:call until 2026-03-02 11:00:00 (1h): say "why": now']
    with pytest.raises(OperatorError, match="all is not snoozed"):
        snoozing.lift(loaded(folder), "all", NOW + HOUR, dry_run=False)


def test_a_dry_run_says_the_same_and_writes_nothing(folder: Path) -> None:
    before = (folder / "snoozes.yml").read_text()
    wanted = SnoozeSpec(what="all", from_ms=NOW, until_ms=NOW + HOUR, because="x")
    assert snoozing.add(loaded(folder), wanted, dry_run=True) == "all until 2026-03-02 10:00:00 (1h): x"
    assert (folder / "snoozes.yml").read_text() == before


def test_an_end_in_quotes_and_flow_style_is_brought_forward_in_its_place(folder: Path) -> None:
    text = '{snooze: all, until: "2026-03-02T11:00:00Z", because: x}  # by hand\n'
    (folder / "snoozes.yml").write_text(text)
    snoozing.lift(loaded(folder), "all", NOW, dry_run=False)
    assert (folder / "snoozes.yml").read_text() == text.replace("11:00", "09:00")


def test_each_decision_names_a_version_of_which_the_snoozes_are_a_part(folder: Path) -> None:
    before = loaded(folder).version
    hold(folder, "all")
    assert loaded(folder).version != before
    configuration, problems = check_configuration(folder)
    assert configuration is not None
    assert problems == []
