"""Whatever a user can type is explained somewhere: commands of the CLI, keys of the YAML, words of the plugins.

The tables below are filled from the code itself, so a new command or key is asked for here by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import detectors
import sinks
from engine.spec import types

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))

# Specifications whose fields a user writes, and the page that must be there for them to be asked for.
WRITTEN = {
    "detector": (types.DetectorSpec, "detectors.md"),
    "play": (types.PlaySpec, "plays.md"),
    "project": (types.ProjectSpec, "architecture.md"),
    "stream": (types.StreamSpec, "events.md"),
    "retention": (types.Retention, "architecture.md"),
    "bounds": (types.Bounds, "delivery.md"),
}
DETECTOR_PAGE = "detectors.md"
SINK_PAGE = "sinks.md"
# Fields under another name in YAML: units are in the value there, and some words are taken in Python.
SPELT = {
    "name": "",  # the word before it: detector, play, or the key of a mapping
    "place": "",
    "version": "",  # worked out, never written
    "purpose": "class",
    "class_reason": "reason",
    "maps": "map",
    "source": "from",
    "for_ms": "for",
    "play": "then",
}
# Fields that the parser works out of others.
WORKED_OUT = {("detector", "events")}


@cache
def all_docs() -> str:
    return "\n".join(path.read_text() for path in DOCS)


def yaml_keys() -> Iterator[tuple[str, str, str]]:
    for what, (spec, page) in WRITTEN.items():
        for field in spec.__struct_fields__:
            key = SPELT.get(field, field.removesuffix("_ms"))
            if key and (what, field) not in WORKED_OUT:
                yield page, what, key


def plugin_options() -> Iterator[tuple[str, str, str]]:
    for word, kind in detectors.load().items():
        yield from ((DETECTOR_PAGE, word, key) for key in (word, *kind.options.__struct_fields__))
    for kind_name in sinks.kinds():
        options = sinks.options_of(kind_name)
        yield from ((SINK_PAGE, kind_name, key) for key in (kind_name, *(options.__struct_fields__ if options else ())))


def skip_until_written(page: str) -> None:
    if not (ROOT / "docs" / page).exists():
        pytest.skip(f"docs/{page} is not written yet")


def is_explained(key: str) -> bool:
    """In code somewhere: as `key`, as `key: value` in YAML of either style, or as a sink's `kind: key`."""
    word = re.escape(key)
    return re.search(rf"(`{word}\b|(^|[{{,\s-]){word}:|\bkind: {word}\b)", all_docs(), re.MULTILINE) is not None


@pytest.mark.parametrize(("page", "what", "key"), sorted(set(yaml_keys())))
def test_every_key_that_can_be_written_is_explained(page: str, what: str, key: str) -> None:
    skip_until_written(page)
    assert is_explained(key), f"no page in docs/ explains {key!r} of a {what}"


@pytest.mark.parametrize(("page", "what", "key"), sorted(set(plugin_options())))
def test_every_word_and_option_of_a_plugin_is_explained(page: str, what: str, key: str) -> None:
    skip_until_written(page)
    assert is_explained(key), f"no page in docs/ explains {key!r} of {what!r}"


def test_every_command_is_explained() -> None:
    cli = pytest.importorskip("engine.cli", reason="the command line is not there yet")
    commands = [info.name or info.callback.__name__.replace("_", "-") for info in cli.app.registered_commands]
    assert commands
    unexplained = [name for name in commands if f"beforehand {name}" not in all_docs()]
    assert not unexplained, f"no page in docs/ explains these commands: {unexplained}"


LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not broken, f"{page.name} links to what is not there: {broken}"


def test_the_readme_names_targets_that_make_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)`", (ROOT / "README.md").read_text()))
    assert named <= targets
