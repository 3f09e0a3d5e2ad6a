"""How a stream's texts are scored, as the engine takes it; `texts` reads it from the project file."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class TextSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`fields` are read as one text, `into` gets its score, `length_into` its length ("" = nothing does). `weights` by
    place, None for the library's own scorer.

    `version` tells what scores from everything else that could.
    """

    fields: tuple[str, ...]
    into: str
    weights: Mapping[int, float] | None = None
    version: str = ""
    length_into: str = ""
