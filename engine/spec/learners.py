"""How a learner is written: a plain name, or a class of River with its parameters.

    learner: logistic_regression
    learner: {river: linear_model.LogisticRegression, with: {l2: 0.01}}
    learner: {river: linear_model.LogisticRegression, with: {optimizer: {river: optim.Adam, with: {lr: 0.05}}}}

What is read is a name in one form, `river linear_model.LogisticRegression(l2=0.01)`, which the engine makes it from.
Whether River has such a class, and whether it can be used, the measure that it is written for finds out.
"""

from __future__ import annotations

import math
import re
from typing import Annotated

import msgspec

from engine.model import Scalar
from engine.ports import As
from engine.spec import values
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode
from engine.spec.report import near
from engine.spec.values import Scope

RIVER, WITH = "river", "with"
PATH = re.compile(r"[a-z_]+(\.[a-z_]+)*\.[A-Za-z_][A-Za-z0-9_]*")
PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class LearnerDocument(msgspec.Struct, frozen=True, kw_only=True, rename={"with_": "with"}):
    """For the page and the schema; it is read below."""

    river: Annotated[str, As.TEXT, "a class of River, as in linear_model.LogisticRegression"]
    with_: Annotated[dict[str, str], As.MAPPING, "its parameters: numbers, flags, texts, or a class once more"] = {}


def learner(node: Node, scope: Scope) -> str | None:
    """A plain name as it is, or the name of a class of River with what it was given."""
    if not isinstance(node, MappingNode):
        name = values.text(node, scope)
        if name is None or not name.startswith(f"{RIVER} "):
            return name
        message = f"'{name}' is how a learner of River is shown - write {{river: linear_model.LogisticRegression}}"
        scope.report.error(node, "bad-learner", message)
        return None
    written = _call(node, scope)
    return f"{RIVER} {written}" if written else None


def learners(node: Node, scope: Scope) -> tuple[str, ...] | None:
    """One or several."""
    items = node.items if isinstance(node, ListNode) else (node,)
    found = [learner(item, scope) for item in items]
    if not found:
        scope.report.error(node, "wrong-type", "name at least one")
        return None
    return None if None in found else tuple(name for name in found if name)


def _call(node: MappingNode, scope: Scope) -> str | None:
    """As it would be written in Python, the parameters in order of their names."""
    before = scope.report.errors
    for key, _value in node:
        if key.text not in (RIVER, WITH):
            hint = near(key.text, (RIVER, WITH)) or f" - allowed here: {RIVER}, {WITH}"
            scope.report.error(key, "unknown-key", f"unknown key '{key.text}'{hint}")
    path = _path(node, scope)
    given = node.get(WITH)
    parameters = _parameters(given, scope) if given else {}
    if path is None or scope.report.errors > before:
        return None
    shown = ", ".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    return f"{path}({shown})" if shown else path


def _path(node: MappingNode, scope: Scope) -> str | None:
    place = node.get(RIVER)
    if place is None:
        scope.report.error(node, "missing-key", "missing key 'river': a class, as in linear_model.LogisticRegression")
        return None
    path = values.text(place, scope)
    if path is None or PATH.fullmatch(path):
        return path
    message = f"'{path}' is no class of River - write its package too, as in linear_model.LogisticRegression"
    scope.report.error(place, "bad-learner", message)
    return None


def _parameters(node: Node, scope: Scope) -> dict[str, str]:
    if not isinstance(node, MappingNode):
        scope.report.error(node, "wrong-type", f"write pairs like l2: 0.01 here, not a {values.shape(node)}")
        return {}
    found: dict[str, str] = {}
    for key, value in node:
        if not PARAMETER.fullmatch(key.text):
            scope.report.error(key, "bad-name", f"'{key.text}' is no name of a parameter")
        found[key.text] = _value(key, value, scope) or ""
    return found


def _value(key: ScalarNode, node: Node, scope: Scope) -> str | None:
    if isinstance(node, MappingNode):
        return _call(node, scope)
    if isinstance(node, ScalarNode) and _is_plain(node.value):
        return repr(node.value)
    message = f"'{key.text}' is a number, a flag, a text, or {{{RIVER}: ..., {WITH}: ...}}, not a {values.shape(node)}"
    scope.report.error(node, "wrong-type", message)
    return None


def _is_plain(value: Scalar) -> bool:
    return value is not None and (not isinstance(value, float) or math.isfinite(value))
