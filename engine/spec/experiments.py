"""`experiments:` - what is tried out, on whom, and what each arm changes.

What an arm makes of a play or detector is read as if it had been written out: the document with the arm's keys in place
of its own. So it is checked like any other.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.nodes import MappingNode, Node, ScalarNode
from engine.spec.reading import RAW, Written
from engine.spec.report import Report
from engine.spec.values import NOWHERE, Scope

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)\s*%")
PLACES = 10_000


class ExperimentDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment as it is written."""

    arms: Annotated[Node, RAW, "what is tried out, each with a name"]
    share: Annotated[str, As.TEXT, "how many take part, as in 20%; all if left out"] = "100%"
    salt: Annotated[str, As.TEXT, "a name for this draw; the experiment's own if left out"] = ""
    contact: Annotated[str, As.FIELD, "the attribute with the address that tells customers apart"] = ""


class ArmDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One arm."""

    parts: Annotated[int, As.COUNT, "how many of those who take part, beside the parts of the other arms"] = 1
    plays: Annotated[Node | None, RAW, "what is other than usual in plays, by their names"] = None
    detectors: Annotated[Node | None, RAW, "what is other than usual in detectors, by their names"] = None


class UseDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Another play in place of one."""

    use: Annotated[str, As.TEXT, "the play that is done instead"]


def arms_in(node: Node | None) -> dict[str, tuple[str, ...]]:
    """The names of experiments and their arms, also of those that turn out unsound."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.text: _names(value.get("arms") if isinstance(value, MappingNode) else None) for key, value in node}


def _names(node: Node | None) -> tuple[str, ...]:
    return tuple(key.text for key, _value in node) if isinstance(node, MappingNode) else ()


def judge_name(key: ScalarNode, what: str, report: Report) -> None:
    """Names go into decisions and labels, so they are plain."""
    if not _NAME.fullmatch(key.text):
        report.error(key, "bad-name", f"'{key.text}' is no name for {what} - use letters, digits and -, as in as-now")


def places_of(written: Written[ExperimentDocument], scope: Scope) -> int:
    """How many of 10,000 take part."""
    share = written.value.share
    found = _PERCENT.fullmatch(share)
    places = round(float(found[1]) * 100) if found else 0
    if not 0 < places <= PLACES:
        message = f"'{share}' is not a share - write one above 0% and up to 100%, as in 20%"
        scope.report.error(written.nodes.get("share", NOWHERE), "bad-share", message)
    return places
