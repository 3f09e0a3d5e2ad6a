"""The configuration in good/ uses every part of the language that loads today."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

import detectors
import sinks
from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Mode, Severity
from engine.ports import FieldTest, Step
from engine.spec.formula import Formula
from engine.spec.load import load, load_all
from engine.spec.policies import (
    ArbitrationSpec,
    Chance,
    ConsentSpec,
    HoldoutSpec,
    InhibitSpec,
    LimitSpec,
    QuietHours,
    StopWords,
)
from engine.spec.tests import START_MS
from engine.spec.trials import TestExpect, TestGiven
from engine.spec.types import (
    AllOf,
    AnyOf,
    AttributeTest,
    Compare,
    Configuration,
    Context,
    DetectorSpec,
    EntitySpec,
    EventMap,
    Firing,
    Kept,
    TimeFrom,
    ValueFrom,
)

GOOD = Path(__file__).parent / "good"


def loaded(folder: Path) -> Configuration:
    return load(folder, detectors.load(), sinks.options_of, sinks.kinds())


@pytest.fixture(scope="module")
def good() -> Configuration:
    return loaded(GOOD)


def detector(configuration: Configuration, name: str) -> DetectorSpec:
    return next(found for found in configuration.detectors if found.name == name)


def test_nothing_is_said_of_it() -> None:
    assert load_all(GOOD, detectors.load(), sinks.options_of)[1] == []


# ---- detectors


def test_a_threshold_over_a_window(good: Configuration) -> None:
    found = detector(good, "many-hard-cases")
    assert (found.per, found.severity, found.mode, found.plays) == (
        "account",
        Severity.URGENT,
        Mode.LIVE,
        ("call-them",),
    )
    assert found.when == Compare(measure="cases", comparator="at_least", limit=4)
    assert found.resolve_when == Compare(measure="cases", comparator="below", limit=2)
    assert found.cooldown_ms == 10 * DAY_MS
    assert found.events == ("case.opened",)
    (cases,) = found.watch
    assert (cases.name, cases.word, cases.options.over) == ("cases", "count", 7 * DAY_MS)
    assert cases.options.where == (FieldTest("priority", "is", ("high", "urgent")),)


def test_limits_that_are_measures(good: Configuration) -> None:
    found = detector(good, "more-than-agreed")
    assert isinstance(found.when, AllOf)
    assert found.when.parts == (
        Compare(measure="opened", comparator="above", limit=None, in_a_row=2, limit_of="closed"),
        Compare(measure="over", comparator="above", limit=3),
        Compare(measure="plan", comparator="is_not", limit=None, limit_of="asked_for"),
    )
    assert found.resolve_when == Compare(measure="coming", comparator="at_most", limit=None, limit_of="agreed")
    watched = {each.name: each for each in found.watch}
    assert (watched["agreed"].word, watched["agreed"].options.field) == ("profile", "agreed.cases")
    assert (watched["over"].inputs, watched["over"].period) == (("coming", "agreed"), "")


def test_low_periods_in_a_row(good: Configuration) -> None:
    found = detector(good, "two-slow-weeks")
    assert found.when == Compare(measure="visits", comparator="below", limit=3, in_a_row=2)
    assert found.watch[0].options.every == "1w"


def test_silence_of_those_who_are_live(good: Configuration) -> None:
    found = detector(good, "not-seen")
    assert isinstance(found.when, Kept)
    assert (found.when.word, found.when.options.within) == ("absent", 10 * DAY_MS)
    assert found.only_if == (AttributeTest("account", FieldTest("stage", "is", "live")),)
    assert found.unless == (Firing("two-slow-weeks"),)


def test_what_should_have_followed(good: Configuration) -> None:
    found = detector(good, "form-left-alone")
    assert isinstance(found.when, Kept)
    assert found.when.options.event == ("form.step", "form.sent")
    assert found.events == ("form.sent", "form.step")


def test_a_sequence_with_times_and_a_negation(good: Configuration) -> None:
    found = detector(good, "stolen-card")
    assert isinstance(found.when, Kept)
    amount = (FieldTest("amount", "above", 300), FieldTest("amount", "at_most", 100000))
    assert found.when.options.steps == (
        Step(events=("card.refused",), at_least=3, strict=True),
        Step(events=("case.opened",), negated=True),
        Step(events=("card.accepted",), where=amount),
    )
    assert found.events == ("card.accepted", "card.refused", "case.opened")


def test_either_of_two_and_a_range(good: Configuration) -> None:
    found = detector(good, "locked-out")
    refused = AllOf(
        (
            Compare(measure="refused", comparator="above", limit=2),
            Compare(measure="refused", comparator="at_most", limit=100),
        )
    )
    assert found.when == AnyOf((Compare(measure="forgotten", comparator="at_least", limit=3), refused))
    assert (found.mode, found.for_ms, found.keep_firing_for_ms) == (Mode.SHADOW, 5 * MINUTE_MS, 10 * MINUTE_MS)


def test_a_formula_and_percentages(good: Configuration) -> None:
    found = detector(good, "exports-fail")
    formula = found.watch[2].options
    assert isinstance(formula, Formula)
    assert formula.names == ("failed", "done")
    assert formula.evaluate((1, 3)) == 0.25
    assert isinstance(found.when, AllOf)
    assert [part.limit for part in found.when.parts if isinstance(part, Compare)] == [0.3, 0.125, 5]


# ---- the tests inside them


def test_rows_and_expectations_have_absolute_times(good: Configuration) -> None:
    (test,) = detector(good, "many-hard-cases").tests
    assert test.start == START_MS
    fields = {"account": "acme", "priority": "high"}
    assert test.given == (TestGiven(events=("case.opened",), fields=fields, times=5, every_ms=DAY_MS),)
    expected = [msgspec.structs.replace(line, place=TestExpect().place) for line in test.expect]
    assert expected == [
        TestExpect(at=START_MS + 2 * DAY_MS, nothing=True),
        TestExpect(at=START_MS + 3 * DAY_MS, fired="acme", play="call-them"),
        TestExpect(at=START_MS + 4 * DAY_MS, fired_in_total=1),
    ]


def test_times_may_be_instants_and_the_start_any_day(good: Configuration) -> None:
    (test,) = detector(good, "not-seen").tests
    assert test.start == START_MS + 27 * DAY_MS
    assert test.profile == {"account": "acme", "account.stage": "live"}
    assert test.given[0].at_ms == 2 * DAY_MS
    assert [line.at - test.start for line in test.expect] == [11 * DAY_MS, 12 * DAY_MS]


def test_several_events_in_a_row_come_once_each_unless_told(good: Configuration) -> None:
    (test,) = detector(good, "cannot-decide").tests
    assert test.given[0].events == ("plan.paused", "plan.resumed", "plan.paused")
    assert test.given[0].times == 3


def test_the_word_nothing_and_a_rate_per_day(good: Configuration) -> None:
    quiet = detector(good, "locked-out").tests[1]
    assert (quiet.expect[0].nothing, quiet.expect[0].at) == (True, -1)
    row = quiet.given[0]
    assert (row.per_day, row.days, row.lasting_ms) == (1, "weekdays", 14 * DAY_MS)


# ---- plays and the project


def test_plays(good: Configuration) -> None:
    call, card = good.plays["call-them"], good.plays["stop-the-card"]
    assert (call.to, call.desk, call.channel, call.purpose, call.tier) == ("owner", "care", "desk", "service", 3)
    assert call.expires_ms == 2 * DAY_MS
    assert (card.purpose, card.class_reason) == ("critical", "money is being taken at this moment")
    write = good.plays["write-them"]
    assert (write.to, write.offer, write.tags, write.counts) == ("customer", True, ("letter", "help"), False)
    assert write.only_if == (AttributeTest("account", FieldTest("stage", "is", "live")),)
    assert (write.value, write.lever) == (40, -20)
    assert write.chance == Chance(guess=0.125, worth=40, sent=10, worked=3)
    trial = AttributeTest("account", FieldTest("stage", "is", "trial"))
    assert write.context == (Context((trial, Firing("many-hard-cases")), 50),)
    assert write.unless == (Firing("many-hard-cases"),)


def test_rules_for_deciding(good: Configuration) -> None:
    assert good.project.policies.limits == (
        LimitSpec(at_most=4, over_ms=7 * DAY_MS, per="account", reserve=1),
        LimitSpec(
            at_most=1, over_ms=30 * DAY_MS, classes=("marketing",), channels=("email", "console"), tags=("letter",)
        ),
    )
    assert good.project.policies.quiet_hours == QuietHours(
        from_minute=20 * 60 + 30,
        to_minute=8 * 60,
        unknown_zone=("Europe/Berlin", "Europe/Lisbon"),
        days=(6,),
        holidays=("2026-12-25",),
    )
    assert good.project.policies.arbitration == ArbitrationSpec(per="unit", again_after_ms=2 * HOUR_MS)
    assert good.project.policies.inhibits == (
        InhibitSpec(firing="many-hard-cases", mutes=("write-them", "chat-now"), equal=("account",)),
    )
    assert good.project.policies.holdout == HoldoutSpec(
        salt="spring", places=500, places_by_class={"marketing": 1250}, contact="email"
    )
    assert good.project.policies.consent == ConsentSpec(
        given=("agreed",),
        withdrawn=("left", "bounced"),
        stop=StopWords(event="answered", channel="email", field="body", words=("no",)),
        attributes={"email": "letter"},
    )


def test_entities(good: Configuration) -> None:
    assert good.project.unit == ("account", "customer")
    assert good.project.entities[3:] == (
        EntitySpec(kind="order", fields=("order_no",), normalise="nfc"),
        EntitySpec(kind="cart", fields=("customer", "cart")),
        EntitySpec(kind="person", fields=("person_id",), also_known_as=("crm_id", "email")),
    )


def test_streams_and_their_maps(good: Configuration) -> None:
    usage, money, tickets, orders, _wishes, crm = good.project.streams
    assert (usage.source, usage.lateness_ms, usage.stalled_after_ms) == ("usage/*.jsonl.gz", 5 * SECOND_MS, HOUR_MS)
    assert (money.source, money.strict_json, crm.describes) == ("-", True, "account")
    assert (tickets.format, tickets.delimiter, tickets.sort) == ("csv", ";", True)
    values = {"1": "case.opened", "9": "case.closed"}
    assert tickets.maps == (
        EventMap(
            event=ValueFrom(field="Activity", values=values, only_listed=True),
            at=TimeFrom(field="Completed", format="%Y-%m-%d %H:%M:%S", zone="Europe/Rome"),
            id=("CaseID", "Step"),
            entities={
                "cart": (ValueFrom(field="CustomerID"), ValueFrom(field="CartID")),
                "account": ValueFrom(constant="acme"),
            },
            attributes={"priority": ValueFrom(field="Priority"), "amount": ValueFrom(field="Amount", as_="number")},
        ),
    )
    assert [found.event.constant for found in orders.maps] == ["order.placed", "order.delivered"]
    assert [found.at for found in orders.maps] == [TimeFrom(field="purchased", unit="ms"), TimeFrom(field="delivered")]


def test_sinks_channels_and_bounds(good: Configuration) -> None:
    project = good.project
    assert [(sink.name, sink.kind) for sink in project.sinks] == [
        ("console", "stdout"),
        ("log", "file"),
        ("desk", "webhook"),
    ]
    assert project.sinks[2].options.secret == "env:DESK_SECRET"
    assert project.channels == {"email": "log", "desk": "desk", "console": "console"}
    assert (project.retention.decisions_ms, project.retention.ledger_ms) == (1200 * DAY_MS, 400 * DAY_MS)
    assert (project.bounds.event_bytes, project.bounds.send_timeout_ms) == (131072, 4 * SECOND_MS)
    assert (project.max_ahead_ms, project.wait_ms) == (5 * MINUTE_MS, 0)


# ---- versions


def edited(tmp_path: Path, file: str, old: str, new: str) -> Configuration:
    folder = tmp_path / "edited"
    shutil.copytree(GOOD, folder)
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    return loaded(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Seven", "# Some, say seven,"),
        ("owner: care\nreason: repeat-contact\n", 'reason: "repeat-contact"\nowner: care # us\n'),
        ("cases: {count: case.opened, where:", "cases:\n    {count: case.opened,\n     where:"),
        ("the fourth case, and not again", "four cases, and never again"),
    ],
    ids=["comment", "order and quotes", "layout", "tests"],
)
def test_what_does_not_change_the_meaning_keeps_the_version(
    old: str, new: str, good: Configuration, tmp_path: Path
) -> None:
    other = edited(tmp_path, "detectors/rules.yml", old, new)
    assert other.version == good.version
    assert [found.version for found in other.detectors] == [found.version for found in good.detectors]


def test_another_limit_is_another_version_of_that_detector_and_of_the_whole(
    good: Configuration, tmp_path: Path
) -> None:
    other = edited(tmp_path, "detectors/rules.yml", "{at_least: 4}", "{at_least: 5}")
    changed = {a.name for a, b in zip(other.detectors, good.detectors, strict=True) if a.version != b.version}
    assert changed == {"many-hard-cases"}
    assert other.version != good.version


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("beforehand.yml", "max_ahead: 5m", "max_ahead: 6m"), ("playbooks/plays.yml", "expires: 2d", "expires: 3d")],
)
def test_the_project_and_the_plays_count_too(
    file: str, old: str, new: str, good: Configuration, tmp_path: Path
) -> None:
    assert edited(tmp_path, file, old, new).version != good.version


def test_versions_are_twelve_hex_digits_and_places_differ(good: Configuration, tmp_path: Path) -> None:
    versions = [good.version, *(found.version for found in good.detectors), *(p.version for p in good.plays.values())]
    assert all(len(version) == 12 and int(version, 16) >= 0 for version in versions)
    assert len(set(versions)) == len(versions)
    moved = edited(tmp_path, "detectors/rules.yml", "# Seven", "\n\n# Seven")
    assert moved.version == good.version
    assert moved.detectors[1].place != good.detectors[1].place
