"""One reader per way of writing a value: durations, periods, events, attribute filters, steps, references.

Each takes a node and gives the typed value, or reports what is wrong and gives None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS, Scalar
from engine.ports import As
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode
from engine.spec.report import Report, either, near, unknown
from engine.spec.types import Place

PERIODS = ("1h", "2h", "3h", "4h", "6h", "8h", "12h", "1d", "1w", "1mo")
UNITS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": WEEK_MS}
DURATION_PATTERN = r"[0-9]{1,9}(ms|s|m|h|d|w)"
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d|w)")
_EVENT = re.compile(r"[^\s*,;:{}\[\]]+")
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_SECRET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*")


NOWHERE = Place()


class Span(msgspec.Struct, frozen=True):
    """How short and how long a duration may be. Stands among an option's marks where the common bounds do not fit."""

    least_ms: int = 1
    most_ms: int = 400 * DAY_MS


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a value is read against. `events` are the event types that exist; empty = not known, so any will do."""

    report: Report
    events: frozenset[str] = frozenset()
    span: Span = Span()


Read = Callable[[Node, Scope], "object | None"]


def text(node: Node, scope: Scope) -> str | None:
    """A text that says something. What YAML reads as a number or a flag has to be quoted."""
    if not isinstance(node, ScalarNode):
        scope.report.error(node, "wrong-type", f"a text belongs here, not a {shape(node)}")
        return None
    if not isinstance(node.value, str):
        read_as = f"'{node.text}' is read as a {shape(node)} here - put it in quotes"
        scope.report.error(node, "wrong-type", read_as if node.text else "a text is missing")
        return None
    if not node.value.strip():
        scope.report.error(node, "wrong-type", "a text is missing")
        return None
    return node.value


def number(node: Node, scope: Scope) -> int | float | None:
    if isinstance(node, ScalarNode) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    scope.report.error(node, "wrong-type", f"{shown(node)} is not a number")
    return None


def share(node: Node, scope: Scope) -> float | None:
    """`80%` or 0.8."""
    written = _PERCENT.fullmatch(text_written(node))
    value = float(written[1]) / 100 if written else node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1:
        return round(float(value), 12)
    scope.report.error(node, "bad-share", f"{shown(node)} is not a part of a whole - write one between 0% and 100%")
    return None


def count(node: Node, scope: Scope) -> int | None:
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    scope.report.error(node, "wrong-type", f"{shown(node)} is not a whole number of at least 1")
    return None


def flag(node: Node, scope: Scope) -> bool | None:
    if isinstance(node, ScalarNode) and isinstance(node.value, bool):
        return node.value
    scope.report.error(node, "wrong-type", f"{shown(node)} is neither true nor false")
    return None


def duration(node: Node, scope: Scope) -> int | None:
    """Milliseconds, within the bounds of the option."""
    found = milliseconds(text_written(node))
    if found is None:
        scope.report.error(node, "bad-duration", f"{shown(node)} is not a duration - write 90s, 15m, 6h or 2d")
        return None
    if found < scope.span.least_ms:
        scope.report.error(node, "bad-duration", f"{shown(node)} is too short - it has to be more than nothing")
        return None
    if found > scope.span.most_ms:
        most = scope.span.most_ms // DAY_MS
        scope.report.error(node, "bad-duration", f"{shown(node)} is too long - {most}d is the most")
        return None
    return found


def milliseconds(written: str) -> int | None:
    found = _DURATION.fullmatch(written)
    return int(found[1]) * UNITS[found[2]] if found else None


def period(node: Node, scope: Scope) -> str | None:
    written = text_written(node)
    if written in PERIODS:
        return written
    scope.report.error(node, "bad-period", f"{shown(node)} is not a calendar period - write {either(PERIODS)}")
    return None


def events(node: Node, scope: Scope) -> tuple[str, ...] | None:
    """One event type or several; each has to exist where the project lists its events."""
    items = node.items if isinstance(node, ListNode) else (node,)
    found = [_event(item, scope) for item in items]
    if not found:
        scope.report.error(node, "wrong-type", "name at least one event type")
        return None
    return None if None in found else tuple(dict.fromkeys(name for name in found if name))


def _event(node: Node, scope: Scope) -> str | None:
    name = text(node, scope)
    if name is None or name == "*":
        return name
    if not _EVENT.fullmatch(name):
        scope.report.error(node, "bad-event", f"'{name}' is not an event type - write one like ticket.opened")
        return None
    if scope.events and name not in scope.events:
        scope.report.error(node, "unknown-event", unknown("event", name, scope.events))
        return None
    return name


def field(node: Node, scope: Scope) -> str | None:
    name = text(node, scope)
    if name is None or not re.search(r"\s|^\.|\.$|\.\.", name):
        return name
    scope.report.error(node, "bad-field", f"'{name}' is not an attribute - write one like amount or order.amount")
    return None


def fields(node: Node, scope: Scope) -> tuple[str, ...] | None:
    """One attribute or several."""
    items = node.items if isinstance(node, ListNode) else (node,)
    found = [field(item, scope) for item in items]
    if not found:
        scope.report.error(node, "wrong-type", "name at least one attribute")
        return None
    return None if None in found else tuple(dict.fromkeys(name for name in found if name))


def secret(node: Node, scope: Scope) -> str | None:
    """The reference. A value in its place is not repeated in the message."""
    written = text(node, scope)
    if written is None or _SECRET.fullmatch(written):
        return written
    scope.report.error(
        node, "bad-secret", "secrets stay out of these files - write env:NAME or file:PATH, and put it there"
    )
    return None


def url(node: Node, scope: Scope) -> str | None:
    written = text(node, scope)
    if written is None or _is_url(written):
        return written
    scope.report.error(node, "bad-url", f"'{written}' is not a web address - write one like https://desk.example.com")
    return None


def _is_url(written: str) -> bool:
    try:
        parts = urlsplit(written)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", written)


def path(node: Node, scope: Scope) -> str | None:
    """A path below the data folder."""
    written = text(node, scope)
    if written is None:
        return None
    if written.startswith(("/", "~", "\\")) or ".." in re.split(r"[/\\]", written) or "\0" in written:
        scope.report.error(node, "bad-path", f"'{written}' leads out of the data folder - name a file below it")
        return None
    return written


def texts(node: Node, scope: Scope) -> tuple[str, ...] | None:
    items = node.items if isinstance(node, ListNode) else (node,)
    found = [text(item, scope) for item in items]
    if not found:
        scope.report.error(node, "wrong-type", "name at least one")
        return None
    return None if None in found else tuple(word for word in found if word)


def mapping(node: Node, scope: Scope) -> dict[str, str] | None:
    if not isinstance(node, MappingNode):
        scope.report.error(node, "wrong-type", f"write pairs like name: value here, not a {shape(node)}")
        return None
    found = {entry.key.text: text(entry.value, scope) for entry in node}
    return None if None in found.values() else {name: word for name, word in found.items() if word}


def choice(node: Node, scope: Scope, choices: tuple[Scalar, ...]) -> Scalar:
    """One of a few words (or numbers)."""
    if isinstance(node, ScalarNode) and node.value in choices and not isinstance(node.value, bool):
        return node.value
    hint = near(text_written(node), [str(word) for word in choices]) or f" - write {either(choices)}"
    scope.report.error(node, "bad-choice", f"{shown(node)} is not possible here{hint}")
    return None


def text_written(node: Node) -> str:
    return node.text if isinstance(node, ScalarNode) else ""


def shown(node: Node) -> str:
    """The value as it was written, for a message."""
    if not isinstance(node, ScalarNode):
        return f"a {shape(node)}"
    return f"'{node.text}'" if node.text else "an empty value"


def shape(node: Node) -> str:
    match node:
        case ListNode():
            return "list"
        case MappingNode():
            return "mapping"
        case ScalarNode(value=bool()):
            return "flag"
        case ScalarNode(value=int() | float()):
            return "number"
        case ScalarNode():
            return "text"


SIMPLE: Mapping[As, Read] = {
    As.TEXT: text,
    As.NUMBER: number,
    As.SHARE: share,
    As.COUNT: count,
    As.FLAG: flag,
    As.DURATION: duration,
    As.PERIOD: period,
    As.EVENTS: events,
    As.FIELD: field,
    As.FIELDS: fields,
    As.SECRET: secret,
    As.URL: url,
    As.PATH: path,
    As.TEXTS: texts,
    As.MAPPING: mapping,
    As.MEASURES: texts,  # whether there are such measures is seen once all are read
}
