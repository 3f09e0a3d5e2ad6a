"""Two ticket systems: cases that rest, go on after their end or are passed around, found by the engine and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.real.conftest import Backtested, Ran
from tests.real.product import episodes, refused, still_open, without_closing
from tests.real.reading import DAY, Episode, Look, by, cooling, csv_rows, followed, local_ms, spans, windows

pytestmark = pytest.mark.slow


class Step(NamedTuple):
    """A step of a case."""

    at: int
    case: str
    code: str


def steps_of(path: Path, zone: str) -> list[Step]:
    """In order of time; steps of one moment in the order of the file."""
    rows = csv_rows(path)
    steps = [Step(local_ms(row["CompleteTimestamp"], zone), row["CaseID"], row["ActivityID"]) for row in rows]
    return sorted(steps, key=lambda step: step.at)


@pytest.fixture(scope="module")
def helpdesk(data: Path) -> list[Step]:
    return steps_of(data / "tickets_bpi13_helpdesk/helpdesk.csv.gz", "Europe/Rome")


@pytest.fixture(scope="module")
def incidents(data: Path) -> list[Step]:
    return steps_of(data / "tickets_bpi13_helpdesk/bpi_13_incidents.csv.gz", "Europe/Stockholm")


@pytest.fixture(scope="module")
def by_hand(helpdesk: list[Step], incidents: list[Step]) -> list[Episode]:
    end = max(step.at for step in helpdesk + incidents)
    found = [
        Episode(detector, case, *span)
        for all_steps, of_one in ((helpdesk, of_case), (incidents, of_incident))
        for case, steps in by(lambda step: step.case, all_steps).items()
        for detector, span in of_one(steps, end)
    ]
    return sorted(found)


def of_case(steps: list[Step], end: int) -> Iterator[tuple[str, tuple[int, int]]]:
    yield from (("case-stands-still", span) for span in resting(steps, {"6"}, end))
    goes_on = followed([(step.at, step.code == "6", True) for step in steps], 30 * DAY, end)
    yield from (("case-goes-on", span) for span in spans(goes_on, end))


def of_incident(steps: list[Step], end: int) -> Iterator[tuple[str, tuple[int, int]]]:
    yield from (("incident-stands-still", span) for span in resting(steps, {"5", "9"}, end))
    in_week = windows([(step.at, step) for step in steps], 7 * DAY, end)
    busy = [Look(at, len(held) >= 25, len(held) < 25, by_event) for at, held, by_event in in_week]
    yield from (("busy-incident", span) for span in spans(busy, end))


def resting(steps: list[Step], last_codes: set[str], end: int) -> Iterator[tuple[int, int]]:
    """Fourteen days after a step that cases do not end with, until the next one.

    Of the steps of one moment, which are many where the clock has no seconds, the last in the file says how it stands.
    """
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        due = step.at + 14 * DAY
        if step.code not in last_codes and due <= (following.at - 1 if following else end):
            yield due, following.at if following else 0


def test_every_row_is_taken_and_none_can_be_called_a_repeat(backtested: Backtested) -> None:
    report = backtested("tickets").report
    assert report.events == {"helpdesk": 13_710, "incidents": 65_533}
    assert report.dead_letters == {}
    assert report.noted == {"helpdesk weak_id": 13_710, "incidents weak_id": 65_533}


def test_the_same_cases_are_found_by_hand(backtested: Backtested, by_hand: list[Episode]) -> None:
    found = backtested("tickets")
    assert found.opened() == without_closing(by_hand)
    assert {name: count for name, count in found.open_at_end().items() if count} == still_open(by_hand)


def test_signals_close_when_they_should(ran: Ran, by_hand: list[Episode]) -> None:
    assert episodes(ran("tickets")) == by_hand
    assert refused(ran("tickets")) == {}


def test_a_busy_incident_is_brought_up_once_in_four_weeks(backtested: Backtested, by_hand: list[Episode]) -> None:
    gates = backtested("tickets").gates()
    assert gates["busy-incident", "cooldown"] == cooling(by_hand, "busy-incident", 28 * DAY) == 26


def test_the_codes_that_end_cases_are_those_in_the_log(helpdesk: list[Step], incidents: list[Step]) -> None:
    last_of_cases = [steps[-1].code for steps in by(lambda step: step.case, helpdesk).values()]
    last_of_incidents = [steps[-1].code for steps in by(lambda step: step.case, incidents).values()]
    assert (len(last_of_cases), last_of_cases.count("6")) == (3_804, 3_804)
    assert (len(last_of_incidents), sum(code in "59" for code in last_of_incidents)) == (7_554, 7_455)


def test_an_incident_may_rest_for_longer_than_is_remembered_by_default(incidents: list[Step]) -> None:
    longest = max(
        after.at - before.at
        for steps in by(lambda step: step.case, incidents).values()
        for before, after in pairwise(steps)
    )
    assert longest // DAY == 722
