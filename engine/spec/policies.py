"""The typed form of the project's rules for deciding: whom it may write to, how often and when.

Built only by the parser, as everything in `types`. Durations are int milliseconds.
"""

from __future__ import annotations

import msgspec


class LimitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """At most so many messages in any span of that length, for each recipient or for the unit as a whole.

    Empty `classes`, `channels` and `tags` mean every one; of several tags, one is enough. `reserve` of them are kept
    for the class service.
    """

    at_most: int
    over_ms: int
    per: str = "customer"
    classes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    reserve: int = 0


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """All of them. Without any, nothing is remembered of what was sent."""

    limits: tuple[LimitSpec, ...] = ()
