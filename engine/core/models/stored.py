"""The state of a model as it lies in an entity's record: lists all through, as it is when it is read again."""

from __future__ import annotations

from typing import Any


def stored(state: tuple[Any, ...] | list[Any]) -> list[Any]:
    """Lists for tuples. A list without tuples is taken as it is."""
    if isinstance(state, list) and not (state and isinstance(state[0], tuple)):
        return state
    return [stored(part) if isinstance(part, list | tuple) else part for part in state]
