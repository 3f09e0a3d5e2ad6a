"""The shipped catalog against the simulated company: what was planted is found in time, and nobody else is bothered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

import detectors
import sinks
from engine.core.route import Router, Row
from engine.model import DeadLetter, Decision, Outcome, Signal
from engine.shells import told
from engine.shells.company import Company, simulate

CONFIG = Path(__file__).parents[2] / "config"
SEEDS = (1, 2, 2026)


def documents(folder: str) -> dict[str, dict[str, Any]]:
    """All YAML documents of a folder by the name that stands on their first line."""
    found = [each for path in sorted((CONFIG / folder).glob("*.yml")) for each in YAML(typ="safe").load_all(path)]
    return {next(iter(each.values())): each for each in found}


DETECTORS = documents("detectors")
PLAYS = documents("playbooks")


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_has_a_test_that_fires_and_one_that_stays_quiet(name: str) -> None:
    expected = [test["expect"] for test in DETECTORS[name]["tests"]]
    fires = [any("fired" in line for line in lines) for lines in expected if lines != "nothing"]
    assert any(fires)
    assert "nothing" in expected or not all(fires)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_says_whose_it_is_and_why_it_fired(name: str) -> None:
    assert {"owner", "reason", "per", "why"} <= DETECTORS[name].keys()


def test_each_play_belongs_to_one_detector() -> None:
    entries = [then for detector in DETECTORS.values() for then in detector["then"]]
    used = [entry[key] for entry in entries for key in ("play", "all_clear") if key in entry]
    assert sorted(used) == sorted(PLAYS)


@pytest.mark.parametrize("name", [name for name, play in PLAYS.items() if play["to"] == "customer"])
def test_what_a_customer_reads_names_a_way_to_a_person(name: str) -> None:
    """`check` asks for it; the catalog shows how: in the words of that very message."""
    assert PLAYS[name]["human"]["by"] in ("reply", "chat")
    assert re.search("reply to this message|type here", PLAYS[name]["human"]["say"].lower())


def test_every_story_and_near_miss_is_about_a_detector_of_the_catalog() -> None:
    company = simulate(1)
    assert {story.detector for story in company.stories} == DETECTORS.keys()
    assert {near.detector for near in company.near_misses} <= DETECTORS.keys()


# ---- the week through the engine


@cache
def week(seed: int) -> tuple[Company, tuple[Signal, ...], tuple[Decision, ...]]:
    """The company of that seed, the signals of its week and the decisions on them."""
    load = pytest.importorskip("engine.spec.load", reason="the parser is not there yet").load
    from engine.core.chain import Chain
    from engine.core.plan import compile_plan

    plugins = detectors.load()
    plan = compile_plan(load(CONFIG, plugins, sinks.options_of), plugins)
    router = Router(plan.configuration.project, plan.watched)
    chain, company = Chain(plan), simulate(seed)
    for row in in_order(company):
        for routed in router.route(row):
            assert not isinstance(routed, DeadLetter), routed
            chain.take(routed)
        chain.take_all(router.ticks())
    chain.take_all(router.end())
    effects = chain.drain()
    return company, tuple(effects.signals), tuple(effects.decisions)


def in_order(company: Company) -> Iterator[Row]:
    placed = [(row["at"], name, nth, row) for name, rows in company.streams.items() for nth, row in enumerate(rows)]
    for _, name, nth, row in sorted(placed, key=lambda each: each[:3]):
        yield Row(stream=name, source=name, position=nth, raw=b"", fields=row, clock="files")


def acted_on(seed: int) -> dict[tuple[str, str], list[int]]:
    """When something was done, by detector and key; what was passed on to members of a group is left out."""
    _, signals, decisions = week(seed)
    chosen = {decision.signal_id for decision in decisions if decision.outcome is Outcome.CHOSEN}
    found: dict[tuple[str, str], list[int]] = {}
    for signal in signals:
        if signal.state == "firing" and signal.id in chosen and signal.member is None:
            found.setdefault((signal.detector, signal.key), []).append(signal.at)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_every_planted_story_is_found_once_and_in_time(seed: int) -> None:
    company, _, _ = week(seed)
    found = acted_on(seed)
    missed = [
        (story, times)
        for story in company.stories
        if len(times := found.get((story.detector, story.key), [])) != 1 or not story.at <= times[0] <= story.by
    ]
    assert not missed


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_told_of_what_was_not_planted(seed: int) -> None:
    company, _, _ = week(seed)
    told = {(story.detector, story.key) for story in company.stories}
    assert not acted_on(seed).keys() - told


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_concerned_by_a_regions_trouble_is_told_once_and_nobody_else(seed: int) -> None:
    company, signals, decisions = week(seed)
    assert len(next(story.concerns for story in company.stories if story.concerns)) > 30
    concerned, mistakes = told.mistakes(company, signals, decisions)
    assert concerned > 30
    assert not mistakes


def test_who_is_left_out_told_twice_or_told_for_nothing_is_named() -> None:
    company, signals, decisions = week(1)
    ones = [one for one in told.passed_on(decisions) if one.step == told.FIRST]
    first, second = ones[0], ones[1]
    stranger = msgspec.structs.replace(second, key="c999")
    _, mistakes = told.mistakes(company, signals, [*decisions, first, stranger])
    assert mistakes == [
        "told for nothing: c999",
        f"told 2 times: {first.key}",
        "not told once that it is over: c999",
    ]
    _, mistakes = told.mistakes(company, signals, [one for one in decisions if one.key != first.key])
    assert mistakes == [f"not told: {first.key}"]
