"""`explain --as-test`: what fired in the demo's week becomes a test that passes, for every detector that is shipped."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from engine.errors import OperatorError
from engine.shells import wiring
from engine.shells.about import about, as_json, as_text
from engine.shells.as_test import Origin, as_test
from engine.shells.histories import StoreHistory
from engine.shells.local import RunOptions, run
from engine.shells.starting import init
from engine.shells.store import Store, read_only
from engine.shells.trials import run_tests


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated week, lived through."""
    folder = tmp_path_factory.mktemp("northwind")
    config, data = init(folder)
    run(
        wiring.load_configuration(config),
        RunOptions(config=config, data=data, state=folder / "state", event_clock=True),
    )
    return folder


def written(folder: Path, detector: str, key: str, events: Path | None = None) -> str:
    plan = wiring.plan_of(wiring.load_configuration(folder / "config"))
    origin = Origin(data=folder / "data", events=events)
    return as_test(read_only(folder / "state"), plan, wiring.plugins(), detector, key, None, origin)


def fired(store: Store) -> dict[str, str]:
    return {decision.detector: decision.key for decision in store.decisions() if not decision.incident}


def test_every_detector_that_fired_gives_a_test_that_passes(project: Path, tmp_path: Path) -> None:
    keys = fired(read_only(project / "state"))
    assert len(keys) == 17
    shutil.copytree(project / "config", tmp_path / "config")
    for path in (tmp_path / "config" / "detectors").glob("*.yml"):
        documents = path.read_text().split("\n---\n")
        for place, document in enumerate(documents):
            name = document.partition("detector: ")[2].partition("\n")[0]
            head = document.partition("\ntests:\n")[0]
            documents[place] = f"{head}\ntests:\n{written(project, name, keys[name])}\n"
        path.write_text("---\n".join(documents))
    trials = run_tests(wiring.load_configuration(tmp_path / "config"), wiring.plugins())
    assert len(trials) == 17
    assert [trial.failures for trial in trials if trial.failures] == []


def test_what_was_passed_on_to_a_member_is_made_into_a_test_of_the_group(project: Path) -> None:
    said = (
        "fired for region 'north', and was passed on to 'c084'; .*: beforehand explain regional-delivery-trouble north"
    )
    with pytest.raises(OperatorError, match=said):
        written(project, "regional-delivery-trouble", "c084")


def test_it_holds_the_events_the_profile_and_what_was_expected(project: Path) -> None:
    text = written(project, "login-trouble", "c032")
    assert text.splitlines()[1:] == [
        "    start: 2026-03-03T08:08:00Z",
        "    given:",
        "      - {event: password.reset_requested, at: 0d, customer: c032, account: olive-grove}",
        "      - {event: password.reset_requested, at: 9m, customer: c032, account: olive-grove}",
        "      - {event: password.reset_requested, at: 21m, customer: c032, account: olive-grove}",
        "    expect:",
        "      - {at: 21m, fired: c032, play: offer-login-help}",
    ]


def test_events_may_come_from_a_file(project: Path, tmp_path: Path) -> None:
    row = '{{"id": "{n}", "event": "password.reset_requested", "at": "2026-03-03T08:0{n}:00Z", "customer": "c032"}}\n'
    (tmp_path / "few.jsonl").write_text("".join(row.format(n=n) for n in range(3)))
    with pytest.raises(OperatorError, match="do not make login-trouble fire by themselves"):
        written(project, "login-trouble", "c032", tmp_path / "few.jsonl")
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(OperatorError, match="name a file with --events"):
        written(project, "login-trouble", "c032", tmp_path / "none.jsonl")


def test_who_has_not_fired_gives_none(project: Path) -> None:
    with pytest.raises(OperatorError, match="login-trouble has not fired for customer 'c001'"):
        written(project, "login-trouble", "c001")


# ---- all that was decided about somebody


def told(folder: Path, name: str, since: int | None = None, until: int | None = None) -> str:
    plan = wiring.plan_of(wiring.load_configuration(folder / "config"))
    return as_text(about(StoreHistory(read_only(folder / "state"), plan), plan, name, since, until))


def test_a_customer_alone_gets_every_decision_with_its_versions_and_how_it_stands_now(project: Path) -> None:
    text = told(project, "customer:c032")
    assert "2026-03-03 08:29:00\n  offer-login-help for customer:c032: chosen, action " in text
    assert "    resets is 3, at least 3: yes; failures is 0, at least 2: no\n    decided under detector " in text
    assert "How it stands with each detector now:\n  autopay-flip-flop: " in text


def test_nothing_found_is_said_in_words(project: Path) -> None:
    later = 1_800_000_000_000
    assert told(project, "customer:c032", since=later).startswith(
        "Nothing was decided about customer:c032 from 2027-01-15 08:00:00: no signal that leads to a play has opened."
    )
    with pytest.raises(OperatorError, match="nothing is known of customer 'nobody'"):
        told(project, "customer:nobody")
    with pytest.raises(OperatorError, match="there is no kind of entity 'costumer'; there are: "):
        told(project, "costumer:c032")


def test_the_same_is_there_for_a_program(project: Path) -> None:
    plan = wiring.plan_of(wiring.load_configuration(project / "config"))
    found = msgspec.json.decode(
        as_json(about(StoreHistory(read_only(project / "state"), plan), plan, "customer:c032", None, None))
    )
    (decision,) = found["decisions"]
    assert (decision["play"], decision["outcome"]) == ("offer-login-help", "chosen")
    assert set(decision["versions"]) == {"detector", "play", "configuration"}
