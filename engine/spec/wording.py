"""Checks the Liquid in a document: that it compiles, and that each name in it can be known."""

from __future__ import annotations

from engine.spec.nodes import ScalarNode
from engine.spec.report import unknown
from engine.spec.text import Text, TextError, compile_text
from engine.spec.types import Place
from engine.spec.world import World

# What every text may name beside the project's entities and the detector's measures.
NAMES = (
    "why",
    "reason",
    "owner",
    "severity",
    "detector",
    "entity",
    "key",
    "at",
    "play",
    "title",
    "customer",
    "account",
    "event_ids",
)


def check_text(node: ScalarNode, measures: frozenset[str], world: World, used_by: str = "") -> None:
    """Report what is wrong in a text. `used_by` names the detector whose measures a play's text is checked against."""
    compiled = compiled_at(node, world)
    if compiled is None:
        return
    known = {*world.entities, *measures, *NAMES}
    whose = f" for detector '{used_by}'" if used_by else ""
    for use in compiled.uses:
        if use.root not in known:
            message = unknown("variable", use.root, known, whose)
            world.report.error(_place(node, use.index), "unknown-variable", message)


def compiled_at(node: ScalarNode, world: World) -> Text | None:
    """The compiled text, or None with its fault reported at its place."""
    try:
        return compile_text(node.text)
    except TextError as error:
        world.report.error(_place(node, error.index), "bad-text", str(error))
        return None


def _place(node: ScalarNode, index: int) -> Place:
    """The place in the file of a place in the text, or of the whole text where quoting or folding moved it."""
    line, column = node.body
    if index < 0 or not line:
        return node.place
    before = node.text[:index]
    return Place(node.place.path, line + before.count("\n"), column + index - (before.rfind("\n") + 1))
