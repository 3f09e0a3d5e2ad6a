"""The typed form of experiments: who takes part, and what each arm changes.

Built only by the parser, as everything in `types`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.spec.types import DetectorSpec, PlaySpec


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """Of 10,000 places, the first `places` take part; arms are (name, parts), in the order of their names.

    `contact` is the attribute with the address by which customers without an account are told apart, "" = by their id.
    """

    salt: str
    places: int
    arms: tuple[tuple[str, int], ...]
    contact: str = ""


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """What is other than usual: plays and detectors by the name that they replace, and plays that are left out."""

    plays: Mapping[str, PlaySpec] = {}
    detectors: Mapping[str, DetectorSpec] = {}
    nothing: tuple[str, ...] = ()


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """One of them. `detectors` and `plays` are those that its arms change or that ask for one of them."""

    name: str
    draw: Draw
    arms: Mapping[str, Arm]
    plays: frozenset[str]
    detectors: frozenset[str]
