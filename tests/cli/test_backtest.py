"""The report of a backtest: what is counted, what is listed, and how it is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson

from engine.shells.backtest import SHOWN, Backtest, BacktestReport, as_text, by_play, decision_lines, review_lines
from engine.shells.wiring import load_configuration, plan_of
from tests.cli.conftest import PLAY, PROJECT

HEAD = "owner: front-desk\nreason: growth\nper: customer\nwatch: {visits: {count: visit, over: 1d}}\n"
DETECTORS = f"""\
detector: came
{HEAD}when: {{visits: {{at_least: 1}}}}
only_if: {{customer.plan: {{is_not: gold}}}}
then: [{{play: ring-them}}]
why: "{{{{ key }}}} came."
---
detector: tried-out
{HEAD}when: {{visits: {{at_least: 2}}}}
mode: shadow
then: [{{play: ring-them}}]
---
detector: never
{HEAD}when: {{visits: {{at_least: 99}}}}
"""


def backtest(folder: Path, rows: list[dict[str, object] | bytes]) -> Backtest:
    project = PROJECT.replace(
        "streams: {", "streams: {plans: {family: profile, describes: customer, from: plans.jsonl}, "
    )
    for name, text in {
        "beforehand.yml": project,
        "detectors/all.yml": DETECTORS,
        "playbooks/desk.yml": PLAY,
        "plans.jsonl": '{"id": "p1", "at": "2026-03-02T00:00:00Z", "member": "gil", "plan": "gold"}\n',
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    lines = [row if isinstance(row, bytes) else orjson.dumps(row) for row in rows]
    (folder / "visits.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return Backtest(plan_of(load_configuration(folder)), folder)


def visit(member: str, hour: int, **more: object) -> dict[str, object]:
    return {"id": f"{member}{hour}", "event": "visit", "at": f"2026-03-02T{hour:02}:00:00Z", "member": member, **more}


def report(folder: Path, rows: list[dict[str, object] | bytes]) -> BacktestReport:
    return backtest(folder, rows).run()


def test_what_fired_and_what_held_it_back(tmp_path: Path) -> None:
    came, tried_out, never = report(tmp_path, [visit("ada", 8), visit("gil", 9), visit("ada", 10)]).detectors
    assert (came.fired, came.entities, came.chosen, came.dropped) == (2, 2, 1, {"only_if": 1})
    assert came.named == (
        ("2026-03-02T08:00:00.000Z", "ada", "ada came."),
        ("2026-03-02T09:00:00.000Z", "gil", "gil came."),
    )
    assert (tried_out.mode, tried_out.chosen, tried_out.dropped) == ("shadow", 0, {"shadow": 1})
    assert (never.fired, never.open_at_end, never.per_week) == (0, 0, 0)


def test_it_is_told_in_words(tmp_path: Path) -> None:
    lines = as_text(report(tmp_path, [visit("ada", 8), visit("gil", 9), visit("ada", 10)])).splitlines()
    assert lines[0].startswith("2026-03-02 00:00:00 to 2026-03-02 10:00:00 (")
    assert [line for line in lines if line.startswith(("came:", "tried-out", "never"))] == [
        "came: fired 2 times for 2 (33.6 a week), 2 still open at the end",
        "tried-out [shadow]: fired once (16.8 a week), 1 still open at the end",
        "never: never fired",
    ]
    assert "  held back: 1 at only_if" in lines
    assert lines[-1] == "          1 x ring-them"


def test_each_thing_is_counted_once(tmp_path: Path) -> None:
    nameless = {key: value for key, value in visit("ben", 9).items() if key != "id"}
    rows = [visit("ada", 8), visit("ada", 8), nameless, b"[]", b"{", visit("ada", 10, id="ada8")]
    found = report(tmp_path, rows)
    assert found.dead_letters == {"visits bad_json": 1, "visits id_conflict": 1, "visits not_an_object": 1}
    assert found.first_dead_letters["visits not_an_object"].startswith("visits.jsonl at byte ")
    assert found.noted == {"visits duplicate": 2, "visits weak_id": 1}
    text = as_text(found)
    assert "          2 from visits: repeats, taken once" in text
    assert "          1 from visits: without an id, so that repeats cannot be recognised" in text


def test_of_many_only_the_first_are_listed(tmp_path: Path) -> None:
    found = report(tmp_path, [visit(f"m{number}", 8) for number in range(SHOWN + 3)])
    assert "  ... and 3 more" in as_text(found)
    assert len(found.detectors[0].named) == SHOWN


def test_a_stream_without_a_file_is_named(tmp_path: Path) -> None:
    run = backtest(tmp_path, [visit("ada", 8)])
    (tmp_path / "plans.jsonl").unlink()
    found = run.run()
    assert found.streams_without_files == ("plans",)
    assert "  plans: no file found" in as_text(found)


def test_the_decision_log_does_not_depend_on_the_order_it_came_in(tmp_path: Path) -> None:
    run = backtest(tmp_path, [visit("ada", 8), visit("gil", 9), visit("ada", 10)])
    run.run()
    lines = decision_lines(reversed(run.decisions))
    assert lines == decision_lines(run.decisions)
    assert [orjson.loads(line)["at"] for line in lines] == sorted(decision.at for decision in run.decisions)


def test_reviews_are_told_by_play() -> None:
    counts = by_play(Counter({("offer", "asked"): 1, ("offer", "good"): 2, ("call", "bad"): 1}))
    assert list(review_lines(counts)) == ["review of call: 1 bad", "review of offer: 1 decision to look at; 2 good"]
