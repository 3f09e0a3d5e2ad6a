"""A kind of measure or condition in each file. `engine/ports.py` says what such a file must offer."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

from engine.ports import AnyKind, Plugins


def load() -> Plugins:
    """Every kind by its word: those of this folder, and those other distributions offer as `beforehand.detectors`.

    A word that is taken already keeps its first owner, so that nothing installed later can change what it means.
    """
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    offered = sorted(entry_points(group="beforehand.detectors"), key=lambda point: point.name)
    modules += [point.load() for point in offered]
    kinds: dict[str, AnyKind] = {}
    for module in modules:
        for kind in module.KINDS:
            for word in kind.words:
                kinds.setdefault(word, kind)
    return kinds
