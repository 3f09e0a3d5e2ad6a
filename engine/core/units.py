"""Whose limits and arbitration a thing falls under: the account if there is one, else the customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def unit_of(order: Sequence[str], kind: str, key: str, related: Mapping[str, str]) -> str:
    """`account:acme`: the first kind of `order` that the entity is or was seen with, else the entity itself."""
    for wanted in order:
        if wanted == kind:
            return f"{kind}:{key}"
        if wanted in related:
            return f"{wanted}:{related[wanted]}"
    return f"{kind}:{key}"
