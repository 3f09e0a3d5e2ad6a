"""One channel per file. A sink sends and classifies the answer; it never retries and never logs.

The name of a file is the `kind` that YAML asks for. Packages add theirs by the entry point group `beforehand.sinks`.
Nothing is imported before it is asked for, so a channel's own library is needed only where that channel is used.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

import msgspec

from engine.ports import SinkModule

GROUP = "beforehand.sinks"


def kinds() -> list[str]:
    """Every kind that `load` knows, sorted."""
    return sorted(_ours() | {point.name for point in entry_points(group=GROUP)})


@cache
def load(kind: str) -> SinkModule:
    """The module of a kind. Raises KeyError with the kind where there is none; near names are the caller's business."""
    if kind in _ours():
        return cast(SinkModule, import_module(f"{__name__}.{kind}"))
    for point in entry_points(group=GROUP, name=kind):
        return cast(SinkModule, point.load())
    raise KeyError(kind)


def options_of(kind: str) -> type[msgspec.Struct] | None:
    """The options that a kind declares, or None where there is no such kind."""
    return load(kind).Options if kind in kinds() else None


def _ours() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")}
