"""Models as entities, as their author sees them: in explain, in its tests and in snoozes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Beforehand
from tests.core import watched_models


@pytest.fixture
def ran(tmp_path: Path, beforehand: Beforehand, monkeypatch: pytest.MonkeyPatch) -> Path:
    part = watched_models.partition(tmp_path)
    part.store.close()
    (tmp_path / "state" / "state.db").unlink()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "usage.jsonl").write_bytes(b"".join(row.raw + b"\n" for row in watched_models.rows()))
    monkeypatch.chdir(tmp_path)
    done = beforehand("run", "--event-clock")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_a_model_is_explained_snoozed_and_not_looked_for_in_files(ran: Path, beforehand: Beforehand) -> None:
    said = beforehand("explain", "surprised", "may-leave.leaving").stdout
    assert said.startswith("surprised, model may-leave.leaving\n")
    assert "  events: may-leave.leaving 2026-01-" in said
    about = beforehand("explain", "model:may-leave.leaving").stdout
    assert "surprised for model may-leave.leaving: may-leave.leaving" in about
    done = beforehand("explain", "surprised", "may-leave.leaving", "--as-test")
    assert "surprised hears of models, which is in no file; write rows of model.judged for its test" in done.stderr
    snoozed = beforehand("snooze", "model:may-leave.leaving", "--for", "2d", "--because", "known", "--dry-run")
    assert snoozed.stdout.startswith("would be snoozed: model:may-leave.leaving")
