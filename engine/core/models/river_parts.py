"""What a model of River may be made of, once it is taken apart: see river_state.py.

Only classes of River may be parts, and only of the packages below; the few things besides that its models hold
(generators, factories of missing values) are a closed list.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Literal, TypeAlias, get_args

import msgspec

# More than this is not kept: it has to fit into one record of Kafka, beside others.
MOST_BYTES = 256 * 1024
# Of tuples in one another.
DEEPEST = 20
# The packages of River whose classes may be parts of a model. None of them reads a file or asks a network.
PACKAGES = frozenset(
    (
        "base", "covariance", "drift", "dummy", "ensemble", "forest", "linear_model", "metrics", "multiclass",
        "naive_bayes", "neighbors", "optim", "preprocessing", "proba", "rules", "stats", "tree", "utils",
    )
)  # fmt: skip
MAKES: Mapping[str, Callable[..., object]] = {
    "float": float,
    "int": int,
    "dict": dict,
    "list": list,
    "set": set,
    "Counter": Counter,
}
# Methods that a model keeps as an attribute.
METHODS = frozenset(("_calc_tau_1", "_calc_tau_2", "_test_increase", "_test_decrease", "_test_both"))

# A place among the parts is a list of one number.
Value: TypeAlias = bool | int | float | str | list[int] | None
Filled: TypeAlias = Literal["object", "dict", "ordered", "counter", "default", "list", "set", "deque", "generator"]
Whole: TypeAlias = Literal["tuple", "frozenset", "vector", "makes", "gaussian", "defaultdict", "copies", "method"]
FILLED: frozenset[str] = frozenset(get_args(Filled))
EMPTY: Mapping[Filled, type] = {
    "dict": dict,
    "ordered": OrderedDict,
    "counter": Counter,
    "default": defaultdict,
    "list": list,
    "set": set,
    "deque": deque,
    "generator": random.Random,
}
KINDS: Mapping[type, Filled] = {kind: name for name, kind in EMPTY.items()}


class NotKept(Exception):
    """A model cannot be taken apart. The text says what it holds."""


class Refused(Exception):
    """These bytes are not a model that was taken apart here."""


class Part(msgspec.Struct, array_like=True):
    """One of the parts. `name` is that of a method or a factory, or how much a queue may hold.

    Of what has keys, `items` holds each before its value; of an object, the number of its shape and then its values.
    """

    kind: Filled | Whole
    name: str = ""
    items: list[Value] = []


class Content(msgspec.Struct, array_like=True):
    """The first part is the whole. A shape is the name of a class and those of the attributes."""

    shapes: list[tuple[str, ...]]
    parts: list[Part]


def class_of(name: str) -> type:
    """A class of River that may be a part, among what is imported. Raises Refused."""
    module, _dot, word = name.rpartition(".")
    found = vars(_loaded(module)).get(word)
    if not isinstance(found, type) or f"{found.__module__}.{found.__qualname__}" != name:
        raise Refused(f"'{name}' is no part of a model")
    return found


def _loaded(module: str) -> object:
    """Of the packages above, which alone are imported."""
    first, *others = module.split(".")
    if first == "river" and others and others[0] in PACKAGES:
        _river(others[0])
        found = sys.modules.get(module)
        if found is not None:
            return found
    raise Refused(f"'{module}' is no part of a model")


@cache
def slots_of(kind: Any) -> tuple[str, ...]:
    found = [vars(each).get("__slots__", ()) for each in kind.__mro__]
    names = [name for each in found for name in ((each,) if isinstance(each, str) else each)]
    return tuple(name for name in names if not name.startswith("__"))


@cache
def _river(module: str) -> Any:
    """River takes seconds to import, so it is only where it is used."""
    return import_module(f"river.{module}")


def vector() -> Any:
    return _river("utils").VectorDict


def distribution() -> Any:
    return _river("proba").base.Distribution


def make_gaussian() -> Any:
    return _river("naive_bayes").GaussianNB._make_gaussian  # noqa: SLF001  what it makes of a missing one
