"""`peers:` - who is alike, so that `below_peers_by` and `above_peers_by` hold a measure against what is usual there."""

from __future__ import annotations

from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.departures import PeersSpec
from engine.spec.nodes import Node
from engine.spec.reading import read
from engine.spec.types import ConditionSpec
from engine.spec.usual import departures_of
from engine.spec.world import World

BY_PEERS = ("above_peers_by", "below_peers_by")
# What the others had is gathered once a day, so shorter periods would be judged long after they were over.
PERIODS_OF_PEERS = ("1d", "1w", "1mo")
# Nobody is held against more others than are heard at least.
MOST_NEEDED = 200
MOST_ATTRIBUTES = 5


class PeersDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Who is alike, as it is written."""

    same: Annotated[tuple[str, ...], As.FIELDS, "the attributes of its profile that peers have in common"] = ()
    needs: Annotated[int, As.COUNT, "how many others have to be known before anything is said"] = 30


def read_peers(node: Node | None, per: str, conditions: tuple[ConditionSpec, ...], world: World) -> PeersSpec:
    """With the defaults where it is not written, or wrong and reported."""
    written = read(node, PeersDocument, world.scope) if node is not None else None
    if node is None or written is None:
        return PeersSpec()
    document, nodes = written.value, written.nodes
    if document.needs > MOST_NEEDED:
        message = f"{MOST_NEEDED} are the most, as of large segments only some are heard"
        world.report.error(nodes["needs"], "bad-peers", message)
    if "same" in nodes:
        _judge_attributes(document.same, nodes["same"], per, world)
    if not world.report.errors and not any(found.against == "peers" for found in departures_of(conditions)):
        message = "nothing is held against it - write below_peers_by or above_peers_by under 'when'"
        world.report.error(node, "no-effect", message)
    return PeersSpec(same=document.same, needs=document.needs)


def _judge_attributes(same: tuple[str, ...], node: Node, per: str, world: World) -> None:
    """They have to come from the entity's own profile, whose attributes go by their plain names."""
    before = world.report.errors
    if len(same) > MOST_ATTRIBUTES:
        world.report.error(node, "bad-peers", f"{MOST_ATTRIBUTES} attributes are the most - few would have all of them")
    for name in same:
        whose, _dot, path = name.partition(".")
        if path and whose in world.entities:
            hint = f"write '{path}'" if whose == per else f"peers are told by the profile of the {per} itself"
            world.report.error(node, "bad-field", f"'{name}' names the entity as well - {hint}")
    is_described = any(stream.describes == per for stream in world.project.streams)
    if world.report.errors == before and per in world.entities and not is_described:
        message = f"no stream brings a profile of the {per} - add one with 'family: profile' and 'describes: {per}'"
        world.report.error(node, "no-effect", message)
