"""`then:` - the plays that a signal calls for, and of several the first that may be done."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

import msgspec

from engine.ports import As
from engine.spec.eligibility import read_eligibility
from engine.spec.fanout import is_for_each
from engine.spec.nodes import ListNode, MappingNode, Node
from engine.spec.reading import RAW, read
from engine.spec.report import unknown
from engine.spec.types import Choice
from engine.spec.world import World

FIRST_OF = "first_of"


class PlayChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `then`."""

    play: Annotated[str, As.TEXT, "the name of a play in playbooks/"]
    only_if: Annotated[Node | None, RAW, "what has to be so for it, besides what the detector and the play ask"] = None
    unless: Annotated[Node | None, RAW, "what must not be so for it"] = None


class FirstOf(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `then` with several plays, of which one is done."""

    first_of: Annotated[Node, RAW, "plays, of which the first that may be done is"]


class ReadChoices(msgspec.Struct, frozen=True, kw_only=True):
    """The entries that could be read: each play with the node that names it, and the plays of each entry."""

    plays: Mapping[str, Node] = {}
    entries: tuple[tuple[str, ...], ...] = ()
    asked: Mapping[str, Choice] = {}

    @property
    def first_of(self) -> tuple[tuple[str, ...], ...]:
        return tuple(entry for entry in self.entries if len(entry) > 1)


def read_choices(node: Node | None, world: World) -> ReadChoices:
    """All entries about the entity itself; whether the plays go together is seen once all of them are read."""
    if node is None:
        return ReadChoices()
    if not isinstance(node, ListNode) or not node.items:
        world.report.error(node, "wrong-type", "write the plays as a list, as in [{play: call-the-champion}]")
        return ReadChoices()
    reading = _Reading(world)
    entries = tuple(tuple(reading.entry(item)) for item in node.items)
    return ReadChoices(plays=reading.plays, entries=tuple(filter(None, entries)), asked=reading.asked)


class _Reading:
    """Collects the plays, each of which may be named once."""

    def __init__(self, world: World) -> None:
        self.plays: dict[str, Node] = {}
        self.asked: dict[str, Choice] = {}
        self._world = world

    def entry(self, item: Node) -> Iterator[str]:
        """The plays of one entry."""
        if is_for_each(item):
            return
        if isinstance(item, MappingNode) and item.get(FIRST_OF) is not None:
            yield from self._first_of(item)
        else:
            yield from self._play(item)

    def _first_of(self, item: MappingNode) -> Iterator[str]:
        written = read(item, FirstOf, self._world.scope)
        several = written.value.first_of if written else None
        if not isinstance(several, ListNode) or len(several.items) < 2:
            message = "write at least two plays, as in [{play: call, only_if: {account.plan: gold}}, {play: offer}]"
            self._world.report.error(several or item, "wrong-type", message)
            return
        for each in several.items:
            yield from self._play(each)

    def _play(self, item: Node) -> Iterator[str]:
        world = self._world
        written = read(item, PlayChoice, world.scope)
        if written is None or not written.value.play:
            return
        name, place = written.value.play, written.nodes["play"]
        if name not in world.plays:
            world.report.error(place, "unknown-play", unknown("play", name, world.plays))
        elif name in self.plays:
            world.report.error(place, "same-play", f"'{name}' is chosen already")
        else:
            self.plays[name] = place
            only_if = read_eligibility(written.value.only_if, world)
            unless = read_eligibility(written.value.unless, world)
            if only_if or unless:
                self.asked[name] = Choice(only_if=only_if, unless=unless)
            yield name


def judge_first_of(entry: tuple[str, ...], then: ReadChoices, asking: Collection[str], world: World) -> None:
    """Report plays that would never have their turn. `asking` are those that ask for something themselves."""
    always = next((name for name in entry[:-1] if name not in then.asked and name not in asking), None)
    if always is not None:
        message = f"nothing after '{always}' would ever be done - say with 'only_if' or 'unless' when it is to be"
        world.report.error(then.plays[always], "no-effect", message)
