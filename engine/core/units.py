"""Whose limits and arbitration a thing falls under: the account if there is one, else the customer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def unit_of(order: Sequence[str], kind: str, key: str, related: Mapping[str, str]) -> str:
    """`account:acme`: the first kind of `order` that the entity is or was seen with, else the entity itself."""
    for wanted in order:
        if wanted == kind:
            return f"{kind}:{key}"
        if wanted in related:
            return f"{wanted}:{related[wanted]}"
    return f"{kind}:{key}"


def is_own_unit(order: Sequence[str], kind: str, kinds: Collection[str]) -> bool:
    """Is an entity of this kind its own unit, whatever of a project's `kinds` it is seen with?"""
    first = next((each for each in order if each == kind or each in kinds), kind)
    return first == kind
