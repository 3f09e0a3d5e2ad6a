"""Whatever a user can type is explained on its page, and every example on a page is sound.

The tables are filled from the code itself, so a new command or key is asked for here by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import detectors
import sinks
from engine import cli
from engine.spec import (
    capacity,
    choices,
    consent,
    courses,
    deciding,
    experiments,
    fanout,
    filters,
    handoff,
    happened,
    holdout,
    kafka,
    learners,
    models,
    peers,
    play_parts,
    plays,
    priority,
    project,
    project_messages,
    quiet,
    reactions,
    review,
    snoozes,
    streams,
    suppress,
    texts,
    usual,
)
from engine.spec import detectors as detector_page
from engine.spec import tests as test_page
from engine.spec.reading import options_of
from engine.spec.report import LATER

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

# What is written in YAML, and the page that explains it.
WRITTEN = {
    "what is usual": (usual.UsualDocument, "unusual.md"),
    "who is alike": (peers.PeersDocument, "unusual.md"),
    "detector": (detector_page.DetectorDocument, "detectors.md"),
    "an entry of then": (choices.PlayChoice, "detectors.md"),
    "an entry with several plays": (choices.FirstOf, "detectors.md"),
    "step of a sequence": (filters.StepDocument, "detectors.md"),
    "times of a step": (filters.Times, "detectors.md"),
    "test": (test_page.TestDocument, "detectors.md"),
    "expectation": (test_page.ExpectDocument, "detectors.md"),
    "play": (plays.PlayDocument, "plays.md"),
    "resource": (play_parts.ResourceDocument, "messages.md"),
    "link of a play": (play_parts.LinkDocument, "messages.md"),
    "assignee": (play_parts.AssignDocument, "messages.md"),
    "assignee otherwise": (play_parts.ElseDocument, "messages.md"),
    "way to a person": (project_messages.HumanDocument, "messages.md"),
    "links": (project_messages.LinksDocument, "messages.md"),
    "preferences": (project_messages.PreferencesDocument, "messages.md"),
    "team": (project_messages.TeamDocument, "messages.md"),
    "experiment": (experiments.ExperimentDocument, "experiments.md"),
    "arm": (experiments.ArmDocument, "experiments.md"),
    "another play": (experiments.UseDocument, "experiments.md"),
    "models": (models.ModelsDocument, "models.md"),
    "learner of River": (learners.LearnerDocument, "river.md"),
    "project": (project.ProjectDocument, "architecture.md"),
    "entity": (project.EntityDocument, "events.md"),
    "limit": (deciding.LimitDocument, "deciding.md"),
    "quiet hours": (quiet.QuietDocument, "deciding.md"),
    "consent": (consent.ConsentDocument, "deciding.md"),
    "answers that close a channel": (consent.StopDocument, "deciding.md"),
    "arbitration": (deciding.ArbitrationDocument, "deciding.md"),
    "what happened": (happened.HappenedDocument, "detectors.md"),
    "reactions": (reactions.ReactionsDocument, "reactions.md"),
    "goal": (courses.GoalDocument, "reactions.md"),
    "step of a course": (courses.CourseStepDocument, "reactions.md"),
    "suppress": (suppress.SuppressDocument, "reactions.md"),
    "hand-off": (handoff.HandOffDocument, "reactions.md"),
    "business hours": (handoff.HoursDocument, "reactions.md"),
    "chance": (priority.ChanceDocument, "deciding.md"),
    "entry of context": (priority.ContextDocument, "deciding.md"),
    "entry of inhibits": (deciding.InhibitDocument, "deciding.md"),
    "entry of capacity": (capacity.CapacityDocument, "deciding.md"),
    "review": (review.ReviewDocument, "deciding.md"),
    "snooze": (snoozes.SnoozeDocument, "deciding.md"),
    "holdout": (holdout.HoldoutDocument, "deciding.md"),
    "entry of then for each member": (fanout.ForEachDocument, "fan-out.md"),
    "who is a member": (fanout.SeenInDocument, "fan-out.md"),
    "flood guard": (fanout.FanOutDocument, "fan-out.md"),
    "retention": (project.RetentionDocument, "architecture.md"),
    "bounds": (project.BoundsDocument, "architecture.md"),
    "stream": (streams.StreamDocument, "architecture.md"),
    "text of a stream": (texts.TextDocument, "text.md"),
    "map": (streams.MapDocument, "events.md"),
    "mapped value": (streams.ValueDocument, "events.md"),
    "mapped time": (streams.TimeDocument, "events.md"),
    "kafka": (kafka.KafkaDocument, "kafka.md"),
    "names of topics": (kafka.TopicsDocument, "kafka.md"),
}
OTHER_WORDS = {
    "row of a test": (test_page._ROW_WORDS, "detectors.md"),
    "comparator": (filters.COMPARATORS, "detectors.md"),
    "comparison with what is usual": (usual.BY_USUAL, "unusual.md"),
    "comparison with peers": (peers.BY_PEERS, "unusual.md"),
    "word for later": (LATER, "detectors.md"),
    "part of a condition": (("any_of", "in_a_row", "formula", "firing", "happened"), "detectors.md"),
}


@cache
def page(name: str) -> str:
    return (DOCS / name).read_text()


def keys() -> Iterator[tuple[str, str, str]]:
    """(page, what it belongs to, key) of everything in the tables and in the plugins."""
    for what, (document, name) in WRITTEN.items():
        yield from ((name, what, option.key) for option in options_of(document))
    for what, (words, name) in OTHER_WORDS.items():
        yield from ((name, what, word) for word in words)
    for word, kind in detectors.load().items():
        # The first option of a measure, what it measures, is written under the word itself.
        first = {"event"} if hasattr(kind, "share_key") else {"of", "event"} if hasattr(kind, "learner") else set()
        page = "models.md" if word == "chance_of" else "unusual.md" if hasattr(kind, "learner") else "detectors.md"
        yield "detectors.md", "a word of the catalog", word
        yield from ((page, word, o.key) for o in options_of(kind.options) if o.key not in first)
    for name in sinks.kinds():
        options = sinks.options_of(name)
        assert options is not None
        yield from (("sinks.md", f"sink {name}", key) for key in (name, *(o.key for o in options_of(options))))


def is_explained(key: str, text: str) -> bool:
    """In code: as `key`, as `key: value` in YAML of either style, or under a heading of its own."""
    word = re.escape(key)
    return re.search(rf"(`{word}\b|(^|[{{,\s-]){word}:|^### {word}$)", text, re.MULTILINE) is not None


@pytest.mark.parametrize(("name", "what", "key"), sorted(set(keys())))
def test_everything_that_can_be_written_is_explained_on_its_page(name: str, what: str, key: str) -> None:
    assert is_explained(key, page(name)), f"docs/{name} does not explain {key!r} ({what})"


# ---- commands


def options() -> Iterator[tuple[str, str]]:
    for command, found in get_command(cli.app).commands.items():  # type: ignore[attr-defined]
        yield command, f"beforehand {command}"
        yield from ((command, typed) for typed in typed_for(found))
        for name, part in getattr(found, "commands", {}).items():
            yield command, f"beforehand {command} {name}"
            yield from ((command, typed) for typed in typed_for(part))


def typed_for(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.name != "help":
            yield parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()


@pytest.mark.parametrize(("command", "typed"), sorted(options()))
def test_every_command_and_option_is_explained(command: str, typed: str) -> None:
    """Each command has a section of its own, which names all it takes."""
    section = re.search(rf"^## {command}$(.*?)(?=^## |\Z)", page("commands.md"), re.MULTILINE | re.DOTALL)
    assert section, f"docs/commands.md has no section on {command}"
    assert typed in section[1], f"docs/commands.md does not explain {typed} of {command}"


# ---- links

LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(#[^)\s]+)?\)")
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    without_code = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", without_code, re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(path: Path) -> None:
    for link, anchor in LINK.findall(path.read_text()):
        there = path.parent / link if link else path
        assert there.exists(), f"{path.name} links to {link}, which is not there"
        assert not anchor or anchor in anchors(there), f"{path.name} links to {link}{anchor}, which is no heading"


def test_every_page_is_listed_in_the_index() -> None:
    listed = {link for link, _anchor in LINK.findall(page("index.md"))}
    missing = [path.name for path in DOCS.glob("*.md") if path.name not in listed | {"index.md"}]
    assert not missing


def test_the_readme_names_targets_that_make_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {one or other for one, other in named} <= targets
