"""What a YAML file becomes before it gets a meaning: scalars, mappings and lists that know where they stand.

Every reader of the language works on these nodes, so that each complaint can name a line and a column.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import msgspec

from engine.model import Json, Scalar
from engine.spec.types import Place


class ScalarNode(msgspec.Struct, frozen=True):
    """A value. `text` is what was written, `value` what YAML 1.2 makes of it.

    `body` is the line and column at which the text starts when it can be followed letter by letter in the file, else
    (0, 0). In a block of several lines each line starts at the same column.
    """

    place: Place
    value: Scalar
    text: str
    quoted: bool = False
    body: tuple[int, int] = (0, 0)


class Entry(NamedTuple):
    key: ScalarNode
    value: Node


class MappingNode(msgspec.Struct, frozen=True):
    place: Place
    entries: tuple[Entry, ...]

    def get(self, name: str) -> Node | None:
        return next((entry.value for entry in self.entries if entry.key.text == name), None)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)


class ListNode(msgspec.Struct, frozen=True):
    place: Place
    items: tuple[Node, ...]


Node: TypeAlias = ScalarNode | MappingNode | ListNode


def plain(node: Node) -> Json:
    """The value without its places, as JSON would hold it."""
    match node:
        case ScalarNode():
            return node.value
        case ListNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {entry.key.text: plain(entry.value) for entry in node}


def text_of(node: Node | None) -> str:
    """The text of a scalar as it was written; empty for everything else."""
    return node.text if isinstance(node, ScalarNode) else ""
