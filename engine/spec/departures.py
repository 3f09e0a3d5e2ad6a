"""The typed form of a measure held against what is usual, for the entity itself or among its peers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

# What texts call the usual value of a measure begins like this.
USUAL = "usual_"
# What they call what is usual among its peers.
PEERS = "peers_"
# And what moved a chance most.
WHY, CHANCE = "why_", "chance_of"


def why_names(words: Mapping[str, str]) -> frozenset[str]:
    """What texts may call the reasons of chances, of measures by name with their words."""
    return frozenset(WHY + name for name, word in words.items() if word == CHANCE)


class Departs(msgspec.Struct, frozen=True, kw_only=True):
    """A measure held against what is usual for the entity or among its peers, in each of `in_a_row` closed periods.

    It is above or below it by more than a `share` of it, or by so many `spreads`, whichever is not 0.
    """

    measure: str
    side: Literal["above", "below"]
    share: float = 0
    spreads: float = 0
    in_a_row: int = 1
    against: Literal["usual", "peers"] = "usual"


class UsualSpec(msgspec.Struct, frozen=True, kw_only=True):
    """From how much of the past what is usual is told, from which periods of it, and how many of them it takes.

    Where the length of the measure's periods says it, `looking_back_ms` is 0 and `same` is "".
    """

    looking_back_ms: int = 0
    same: str = ""
    needs: int = 4


class PeersSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Who is alike: those of the same kind whose attributes `same` are the same. `needs` others have to be known."""

    same: tuple[str, ...] = ()
    needs: int = 30
