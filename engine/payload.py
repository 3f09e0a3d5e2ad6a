"""What leaves the house: an action as one JSON document, the same through every channel that carries JSON.

The envelope is a CloudEvents 1.0 event in structured form. Text that people will read is rid of control and
bidirectional characters; names and ids keep theirs, but never reach a terminal or an editor unescaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import orjson

from engine.model import Action, Json

TYPE = "beforehand.action"

# Controls, line separators, bidirectional marks and lone surrogates: what can forge a line or turn text around.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_ON_ONE_LINE = re.compile(f"[\t\n{_HIDDEN.pattern[1:]}")
_FOR_PEOPLE = ("owner", "title", "text", "why", "readings")


def payload(action: Action) -> dict[str, Json]:
    """The document of an action. Holds no secret, and nothing that differs between two attempts."""
    return {
        "specversion": "1.0",
        "id": action.id,
        "type": TYPE,
        "source": f"/beforehand/plays/{_sound(action.play)}",
        "subject": _sound(action.recipient),
        "time": iso(action.at),
        "datacontenttype": "application/json",
        "data": _data(action),
    }


def encoded(action: Action) -> bytes:
    """`payload` as JSON on one line, with every character escaped that could disturb a terminal or an editor."""
    text = orjson.dumps(payload(action)).decode()
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def cleaned(text: str) -> str:
    """Text without control and bidirectional characters; line breaks and tabs stay."""
    return _HIDDEN.sub("", text)


def escaped(text: str) -> str:
    """Text on one line, with what `cleaned` would remove, line breaks and tabs written visibly (`\\u202e`)."""
    return _NOT_ON_ONE_LINE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def iso(at: int) -> str:
    """Milliseconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _data(action: Action) -> dict[str, Json]:
    fields: dict[str, Json] = msgspec.to_builtins(action)
    del fields["id"], fields["at"], fields["zones"]
    fields["class"] = fields.pop("purpose")
    fields["expires_at"] = iso(action.expires_at) if action.expires_at else None
    return {name: _mapped(value, cleaned if name in _FOR_PEOPLE else _sound) for name, value in fields.items()}


def _mapped(value: Json, change: Callable[[str], str]) -> Json:
    match value:
        case str():
            return change(value)
        case list() | tuple():
            return [_mapped(item, change) for item in value]
        case dict():
            return {key: _mapped(item, change) for key, item in value.items()}
        case _:
            return value


def _sound(text: str) -> str:
    """Text that can be written as UTF-8: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
