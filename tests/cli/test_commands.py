"""What each command prints and how it ends: 0 fine, 1 findings or a bad configuration, 2 wrong usage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Beforehand

FILE = "config/detectors/members.yml"


def test_a_project_made_by_init_is_sound_tested_and_finds_things(tmp_path: Path, quickly: Beforehand) -> None:
    made = quickly("init", "northwind")
    assert made.stdout.endswith("next: cd northwind && beforehand check && beforehand backtest\n")
    config, data = ("--config", "northwind/config"), ("--data", "northwind/data")
    assert quickly("check", *config).stdout == "northwind/config: 17 detectors, 19 plays, all sound\n"
    tested = quickly("test", *config)
    assert (tested.returncode, tested.stdout) == (0, "39 passed, 0 failed\n")
    report = quickly("backtest", *config, *data).stdout
    assert "Nothing was sent. What would have been done:" in report
    assert "dead_letter" not in report


@pytest.mark.parametrize("there", ["config", "data"])
def test_init_overwrites_nothing(there: str, tmp_path: Path, quickly: Beforehand) -> None:
    (tmp_path / there).mkdir()
    refused = quickly("init")
    assert refused.returncode == 1
    assert (
        refused.stderr
        == f"beforehand: {there} exists already; nothing was changed. Name a new folder: beforehand init NAME\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == [there]


# ---- check


@pytest.mark.parametrize("command", ["check", "test", "backtest", "run", "explain"])
def test_a_bad_configuration_is_told_whole_and_nothing_runs(command: str, gym: Path, quickly: Beforehand) -> None:
    detector = gym / "config" / "detectors" / "members.yml"
    detector.write_text(
        detector.read_text().replace("within: 14d", "within: two weeks").replace("per: cus", "per: kus")
    )
    refused = quickly(command, *(("stayed-away", "ada") if command == "explain" else ()))
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.splitlines()[:2] == [
        f"{FILE}:4:6: error[unknown-entity]: unknown entity 'kustomer' - did you mean 'customer'?",
        f"{FILE}:5:39: error[bad-duration]: 'two weeks' is not a duration - write 90s, 15m, 6h or 2d",
    ]
    assert refused.stderr.splitlines()[2] == "2 errors"
    assert not (gym / "state").exists()


def test_warnings_are_told_and_the_configuration_is_sound(gym: Path, quickly: Beforehand) -> None:
    detector = gym / "config" / "detectors" / "members.yml"
    detector.write_text(detector.read_text().partition("tests:")[0])
    done = quickly("check")
    assert done.returncode == 0
    assert "warning[no-tests]" in done.stderr
    assert done.stdout == "config: 1 detector, 1 play, all sound\n"


def test_check_without_a_project_says_that_it_looked_at_the_catalog(tmp_path: Path, quickly: Beforehand) -> None:
    assert quickly("check").stdout.startswith("no config folder here; the catalog that comes with beforehand: 17 det")


def test_check_of_a_folder_that_is_not_there_says_so(tmp_path: Path, quickly: Beforehand) -> None:
    refused = quickly("check", "--config", "elsewhere")
    assert refused.returncode == 1
    assert "error[no-project]" in refused.stderr


def test_a_sample_shows_rows_beside_what_they_become(gym: Path, quickly: Beforehand) -> None:
    shown = quickly("check", "--sample", "5").stdout
    assert "-> visit at 2026-03-02T18:00:00.000+00:00 for customer=ada, id v1" in shown
    assert "refused: bad_json: " in shown


def test_a_sample_of_a_stream_without_a_file_says_so(gym: Path, quickly: Beforehand) -> None:
    (gym / "data" / "visits.jsonl").unlink()
    assert "  no file visits.jsonl in data" in quickly("check", "--sample", "1").stdout


# ---- test


def test_a_failing_test_says_where_and_what_happened_instead(gym: Path, quickly: Beforehand) -> None:
    detector = gym / "config" / "detectors" / "members.yml"
    detector.write_text(detector.read_text().replace("at: 17d, fired: ada", "at: 16d, fired: ada"))
    failed = quickly("test")
    assert failed.returncode == 1
    assert failed.stdout.splitlines() == [
        "FAILED stayed-away: two weeks after the last visit",
        "  config/detectors/members.yml:11:40: at 16d expected it to have fired for ada; nothing fired",
        "  config/detectors/members.yml:11:40: at 16d expected the play ring-them to be chosen; nothing fired",
        "0 passed, 1 failed",
    ]


# ---- backtest


def test_a_backtest_reports_what_would_have_been_done(gym: Path, quickly: Beforehand) -> None:
    assert quickly("backtest").stdout.splitlines() == [
        "2026-03-02 18:00:00 to 2026-03-20 18:00:00 (2.57 weeks)",
        "",
        "          5 events from visits",
        "          1 set aside: visits bad_json",
        "            visits.jsonl at byte 312: invalid literal, expected 'null': line 1 column 1 (char 0)",
        "          1 from visits: repeats, taken once",
        "",
        "stayed-away: fired once (0.39 a week), 1 still open at the end",
        "  2026-03-16 19:00:00  ben  ben has not come for two weeks.",
        "",
        "Nothing was sent. What would have been done:",
        "          1 x ring-them",
    ]


def test_a_backtest_for_programs_and_its_decision_log(gym: Path, quickly: Beforehand) -> None:
    done = quickly("backtest", "--format", "json", "--until", "2026-04-10", "--decisions", "decisions.jsonl")
    report = json.loads(done.stdout)
    assert report["ended"] == "2026-04-10T00:00:00.000Z"
    assert (report["detectors"][0]["fired"], report["plays"]) == (2, {"ring-them": 2})
    decided = [json.loads(line) for line in (gym / "decisions.jsonl").read_text().splitlines()]
    assert [(one["key"], one["outcome"]) for one in decided] == [("ben", "chosen"), ("ada", "chosen")]


def test_missing_data_is_told_in_a_line(gym: Path, quickly: Beforehand) -> None:
    refused = quickly("backtest", "--data", "nowhere")
    assert refused.returncode == 1
    assert refused.stderr == "beforehand: no stream has a file in nowhere - see `from` in the project file\n"


def test_a_file_that_cannot_be_written_is_told_in_a_line(gym: Path, quickly: Beforehand) -> None:
    refused = quickly("backtest", "--decisions", "no/such/folder.jsonl")
    assert refused.returncode == 1
    assert refused.stderr == "beforehand: no/such/folder.jsonl: No such file or directory\n"


# ---- wrong usage


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("explain",),
        ("backtest", "--until", "yesterday"),
        ("backtest", "--format", "xml"),
        ("demo", "--seed", "many"),
        ("run", "--no-such-option"),
        ("schema", "sink"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], gym: Path, quickly: Beforehand) -> None:
    refused = quickly(*arguments)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "--help" in refused.stderr
    assert "\x1b" not in refused.stderr


# ---- explain, schema


def test_explain_before_any_run_says_what_to_do(gym: Path, quickly: Beforehand) -> None:
    refused = quickly("explain", "stayed-away", "ben")
    assert refused.returncode == 1
    assert "name the state folder of a `beforehand run` with --state" in refused.stderr


def test_schemas_are_printed_or_written(tmp_path: Path, quickly: Beforehand) -> None:
    for what in ("detector", "play", "project"):
        assert json.loads(quickly("schema", what).stdout)["$schema"]
    assert quickly("schema", "--folder", "schemas").returncode == 0
    assert sorted(path.name for path in (tmp_path / "schemas").iterdir()) == [
        "detector.schema.json",
        "play.schema.json",
        "project.schema.json",
    ]
