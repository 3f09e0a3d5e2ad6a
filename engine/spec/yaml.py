"""YAML 1.2 text to nodes, or to problems with their places.

Only what a configuration needs is accepted: no tags, no anchors, no aliases, no merge keys, no duplicate keys, and
keys that mean the same to every reader. The scalars are the core schema's, so `22:00` and `no` are texts and dates
stay as written. Nothing is ever constructed but nodes, and the work is bounded before it is done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from engine.model import Scalar
from engine.spec.nodes import Entry, ListNode, MappingNode, Node, ScalarNode
from engine.spec.report import Report
from engine.spec.types import Place

MOST_BYTES = 1_048_576
MOST_NODES = 10_000
MOST_DEPTH = 20

# YAML 1.1 reads these as true or false, so a key spelled like that means two things to two readers.
MANGLED = frozenset(("on", "off", "yes", "no", "y", "n", "true", "false", "null", "~", ""))
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# A leading zero or plus is kept as text: it is a phone number, a postcode or an id far more often than a number.
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")


class _Refused(Exception):
    """What stands there ends the reading of this file."""

    def __init__(self, place: Place, code: str, message: str) -> None:
        super().__init__(message)
        self.place, self.code, self.message = place, code, message


def read_documents(path: str, raw: bytes, report: Report) -> list[Node]:
    """The documents of a file, empty ones left out. What cannot be read is reported and ends that file."""
    if len(raw) > MOST_BYTES:
        report.error(Place(path), "too-large", f"the file is over {MOST_BYTES >> 20} MiB - split it")
        return []
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        report.error(Place(path, line, column), "encoding", "this is not UTF-8 text - save the file as UTF-8")
        return []
    return _compose(path, text, report)


def _compose(path: str, text: str, report: Report) -> list[Node]:
    builder = _Builder(path, text, report)
    documents: list[Node] = []
    try:
        for document in builder.documents():
            documents.append(document)  # noqa: PERF402  what came before a fault is kept
    except _Refused as refused:
        report.error(refused.place, refused.code, refused.message)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
        report.error(place, "yaml", _said(error))
    except YAMLError as error:
        report.error(_place_in(path, text, getattr(error, "position", None)), "yaml", "a character that no text needs")
    return [found for found in documents if not (isinstance(found, ScalarNode) and found.value is None)]


def _said(error: MarkedYAMLError) -> str:
    said = str(error.problem)
    if "'\\t'" in said:
        return "a tab cannot indent YAML - use spaces"
    if "mapping values are not allowed" in said:
        return "a second ': ' on this line - put the text in quotes, or the key on a line of its own"
    return f"this is not YAML: {said}{f' {error.context}' if error.context else ''}"


def _place_in(path: str, text: str, position: int | None) -> Place:
    if position is None:
        return Place(path)
    return Place(path, text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))


class _Builder:
    """Turns the parser's events into nodes. It recurses only as deep as `MOST_DEPTH`."""

    def __init__(self, path: str, text: str, report: Report) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.report = report
        self.nodes = 0
        self.events: Iterator[Event] = iter(YAML(typ="safe", pure=True).parse(text))

    def documents(self) -> Iterator[Node]:
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                yield self._node(next(self.events), 0)

    def _node(self, event: Event, depth: int) -> Node:
        self._judge(event, depth)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, SequenceStartEvent):
            return ListNode(self._place(event), tuple(self._items(depth)))
        assert isinstance(event, MappingStartEvent), event
        return self._mapping(self._place(event), depth)

    def _judge(self, event: Event, depth: int) -> None:
        self.nodes += 1
        place = self._place(event)
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise _Refused(place, "alias", "anchors (&) and aliases (*) are not read here - write it out")
        if getattr(event, "tag", None):
            raise _Refused(place, "tag", f"tags like '{_tag(event)}' are not read here - remove it")
        if self.nodes > MOST_NODES:
            raise _Refused(place, "too-many-nodes", f"over {MOST_NODES} values in one file - split it")
        if depth > MOST_DEPTH:
            raise _Refused(place, "too-deep", f"nested more than {MOST_DEPTH} levels deep")

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self.events), SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _mapping(self, place: Place, depth: int) -> MappingNode:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self._node(event, depth + 1)
            value = _at(key, self._node(next(self.events), depth + 1))
            if isinstance(key, ScalarNode) and self._is_key(key, entries):
                entries[key.text] = Entry(key, value)
            elif not isinstance(key, ScalarNode):
                self.report.error(key, "bad-key", "a key is a single word - put texts with braces in quotes")
        return MappingNode(place, tuple(entries.values()))

    def _is_key(self, key: ScalarNode, entries: dict[str, Entry]) -> bool:
        if not key.quoted and key.text.lower() in MANGLED:
            shown = key.text or "(empty)"
            self.report.error(key, "mangled-key", f"the key '{shown}' reads as true, false or null - put it in quotes")
            return False
        if key.text == "<<" and not key.quoted:
            self.report.error(key, "alias", "merge keys (<<) are not read here - write it out")
            return False
        if first := entries.get(key.text):
            line = first.key.place.line
            self.report.error(key, "duplicate-key", f"the key '{key.text}' is already given in line {line}")
            return False
        return True

    def _scalar(self, event: Any) -> ScalarNode:  # Any: ruamel's events carry no types
        quoted = event.style is not None
        text: str = event.value
        value = text if quoted else resolve(text)
        return ScalarNode(self._place(event), value, text, quoted=quoted, body=self._body(event))

    def _body(self, event: Any) -> tuple[int, int]:
        start, end = event.start_mark, event.end_mark
        if event.style == "|":
            line = next((n for n in range(start.line + 1, end.line) if self.lines[n].strip()), start.line)
            indent = len(self.lines[line]) - len(self.lines[line].lstrip(" "))
            return (start.line + 2, indent + 1)
        quote = 0 if event.style is None else 1
        as_written = end.line == start.line and end.column - start.column == len(event.value) + 2 * quote
        return (start.line + 1, start.column + 1 + quote) if as_written else (0, 0)

    def _place(self, event: Event) -> Place:
        return Place(self.path, event.start_mark.line + 1, event.start_mark.column + 1)


def _at(key: Node, value: Node) -> Node:
    """An empty value stands where its key does, not where the parser noticed that it is missing."""
    empty = isinstance(value, ScalarNode) and not value.text and not value.quoted
    return msgspec.structs.replace(value, place=key.place) if empty else value


def _tag(event: Event) -> str:
    return str(getattr(event, "tag", "")).replace("tag:yaml.org,2002:", "!!")


def resolve(text: str) -> Scalar:
    """What a plain scalar is under YAML 1.2's core schema, without its odder spellings of numbers."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text
