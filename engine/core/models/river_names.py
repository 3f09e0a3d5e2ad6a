"""From the name of a learner of River to a new one of it: `river linear_model.LogisticRegression(l2=0.01)`.

The name says all that a configuration says: the class by its package, and the parameters that were written, in order of
their names. A parameter may be a class with parameters of its own, such as an optimizer.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from engine.core.models.river_parts import PACKAGES
from engine.spec.report import listed, near

# Where a class draws at random and no seed is written.
SEED = 1


class Unfit(Exception):
    """River has no such learner, or it cannot be used here. The text says why."""


def build(name: str) -> Any:
    """A new learner that has seen nothing. Raises Unfit."""
    call = ast.parse(name.partition(" ")[2], mode="eval").body
    made = _made(call)
    if not isinstance(made, _classifier()):
        raise Unfit(f"{_path_of(call)} is no classifier")
    return made


def classes() -> Iterator[tuple[str, Any]]:
    """The classifiers of the installed River, by the names under which they are written."""
    for package in sorted(PACKAGES):
        module = import_module(f"river.{package}")
        for word, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, _classifier()) and not inspect.isabstract(found):
                yield f"{package}.{word}", found


def _made(node: ast.expr) -> Any:
    if not isinstance(node, ast.Call | ast.Attribute):
        return ast.literal_eval(node)
    path, keywords = _path_of(node), node.keywords if isinstance(node, ast.Call) else []
    found = _found(path)
    parameters = inspect.signature(found).parameters
    given = {str(word.arg): _made(word.value) for word in keywords}
    for word in given:
        if word not in parameters:
            raise Unfit(f"{path} has no parameter '{word}'{_known(word, parameters)}")
    missing = [word for word, each in parameters.items() if _is_required(each) and word not in given]
    if missing:
        raise Unfit(f"{path} needs '{missing[0]}' - write it under 'with'")
    if "seed" in parameters:
        given.setdefault("seed", SEED)
    return found(**given)


def _found(path: str) -> Any:
    """The class of that name in River, if it is one that may be used."""
    package, _dot, word = path.rpartition(".")
    first, *others = package.split(".")
    module = import_module(f"river.{first}") if first in PACKAGES else None
    for other in others:
        module = getattr(module, other, None)
    found = getattr(module, word, None)
    if not inspect.isclass(found) or not issubclass(found, import_module("river.base").Base):
        raise Unfit(f"River has no '{path}'{_nearest(path)}")
    if inspect.isabstract(found):
        raise Unfit(f"{path} is what others are made of, and no learner itself")
    return found


def _nearest(path: str) -> str:
    package, _dot, word = path.rpartition(".")
    known = [name for name, _class in classes()]
    if package in PACKAGES:
        known += [
            f"{package}.{name}"
            for name, _class in inspect.getmembers(import_module(f"river.{package}"), inspect.isclass)
        ]
    same = [name for name in known if name.rpartition(".")[2].lower() == word.lower()]
    return f" - did you mean '{same[0]}'?" if same else near(path, known)


def _known(word: str, parameters: Mapping[str, object]) -> str:
    return near(word, parameters) or (f" - it has {listed(parameters)}" if parameters else "")


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind in (
        parameter.POSITIONAL_OR_KEYWORD,
        parameter.KEYWORD_ONLY,
    )


def _path_of(node: ast.expr) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ast.unparse(node)


@cache
def _classifier() -> Any:
    return import_module("river.base").Classifier
