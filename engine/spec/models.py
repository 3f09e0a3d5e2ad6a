"""`models:` - how the project keeps what models have learned."""

from __future__ import annotations

from typing import Annotated

import msgspec

from engine.ports import As


class ModelsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How models are kept, as it is written."""

    key: Annotated[str, As.SECRET, "where the key stands that signs their snapshots"] = ""
