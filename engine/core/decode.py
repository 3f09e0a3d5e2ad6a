"""From raw bytes to one JSON object, and from values to ids; or a refusal with a reason code.

One parser decides everywhere, so that an event is taken or refused alike from a file, over HTTP and from Kafka.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NoReturn

import orjson

from engine.model import Json

RAW_KEPT = 65_536
ID_CHARS = 256
_SAFE_INT = 1 << 53
_LIST_OPENS = ord("[")  # as a number, which `in` finds seven times faster than the same byte as bytes


class Reason(StrEnum):
    """Why input could not be taken. docs/bad-input.md says of each what to do."""

    BAD_JSON = "bad_json"
    BAD_NUMBER = "bad_number"
    BAD_ENCODING = "bad_encoding"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    NULL_VALUE = "null_value"
    NOT_AN_OBJECT = "not_an_object"
    DUPLICATE_KEY = "duplicate_key"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    UNLISTED_VALUE = "unlisted_value"
    BAD_ID = "bad_id"
    BAD_TIME = "bad_time"
    FAR_FUTURE = "far_future"
    FAR_PAST = "far_past"
    FUTURE_SCHEMA = "future_schema"
    NO_ENTITY = "no_entity"
    BAD_CSV = "bad_csv"
    BAD_GZIP = "bad_gzip"
    UNKNOWN_STREAM = "unknown_stream"
    ID_CONFLICT = "id_conflict"
    KEY_LIMIT = "key_limit"
    LATE = "late"
    RECORD_TOO_LARGE = "record_too_large"
    POISON = "poison"
    CRASH_LOOP = "crash_loop"


class Refused(Exception):
    """Input that becomes a dead letter: a reason code and a sentence for the person who looks into it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


def json_decoder(size: int, depth: int, *, strict: bool = False) -> Callable[[bytes], dict[str, Json]]:
    """A function from bytes to the JSON object in them, of at most `size` bytes and `depth` levels, or Refused.

    Of a repeated key the last value counts; with `strict` it is refused.
    """

    def decode(raw: bytes) -> dict[str, Json]:
        if len(raw) > size:
            raise Refused(Reason.TOO_LARGE, f"{len(raw)} bytes, more than the {size} of `event_bytes`")
        try:
            value = loads(raw)
        except orjson.JSONDecodeError as error:
            _refuse_text(raw, str(error))
        if type(value) is not dict:
            _refuse_value(value)
        # Looking for brackets is far cheaper than walking the value, and enough for nearly every event.
        if (_LIST_OPENS in raw or raw.rfind(b"{") > 0) and _brackets(raw) > depth and _levels(value, depth) > depth:
            raise Refused(Reason.TOO_DEEP, f"nested deeper than {depth} levels")
        if strict:
            _refuse_repeated_keys(raw)
        return value

    loads = orjson.loads
    return decode


def id_text(value: Json, field: str) -> str:
    """An id as text, "" where there is none. Texts stay as they are, whole numbers up to 2^53 are written out."""
    if value is None or value == "":
        return ""
    if type(value) is int and -_SAFE_INT <= value <= _SAFE_INT:
        return str(value)
    if type(value) is not str:
        raise Refused(Reason.BAD_ID, f"{field!r} is {shown(value)}: an id is a text, or a whole number up to 2^53")
    if len(value) > ID_CHARS:
        raise Refused(Reason.BAD_ID, f"{field!r} has {len(value)} characters: an id has at most {ID_CHARS}")
    return value


def compound(parts: Sequence[str]) -> str:
    """Several ids as one, "" if one of them is absent. Two different rows of ids never give the same text."""
    if not all(parts):
        return ""
    if len(parts) == 1:
        return parts[0]
    return "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in parts)


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC), in which an accented letter has one spelling only."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def shown(value: object) -> str:
    """A value for a message, cut to what fits in one line."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _brackets(raw: bytes) -> int:
    return raw.count(b"{") + raw.count(b"[")


def _refuse_repeated_keys(raw: bytes) -> None:
    """Refuse an object, at any level, that names a key twice. `raw` is known to be sound JSON."""
    json.loads(raw, object_pairs_hook=_unrepeated, parse_int=str)


def _refuse_value(value: Json) -> NoReturn:
    if value is None:
        raise Refused(Reason.NULL_VALUE, "the value is null")
    raise Refused(Reason.NOT_AN_OBJECT, f"expected a JSON object, got {shown(value)}")


def _refuse_text(raw: bytes, parser_says: str) -> NoReturn:
    if not raw.strip():
        raise Refused(Reason.NULL_VALUE, "the value is empty")
    if "depth limit" in parser_says or "ecursion" in parser_says:
        raise Refused(Reason.TOO_DEEP, "nested deeper than 1024 levels")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Refused(Reason.BAD_ENCODING, "starts with a byte order mark: write plain UTF-8")
    if b"\x00" in raw or not _is_utf8(raw):
        raise Refused(Reason.BAD_ENCODING, "not UTF-8")
    if "surrogate" in parser_says:
        raise Refused(Reason.BAD_ENCODING, "half of a surrogate pair stands alone")
    _refuse_numbers(raw)
    raise Refused(Reason.BAD_JSON, parser_says)


def _refuse_numbers(raw: bytes) -> None:
    """Tell a number that JSON or a double cannot hold from text that is no JSON at all."""
    try:
        json.loads(raw, parse_constant=_no_number, parse_float=_finite, parse_int=_short)
    except (ValueError, RecursionError):
        return


def _no_number(text: str) -> NoReturn:
    raise Refused(Reason.BAD_NUMBER, f"{text} is not a JSON number")


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _no_number(text[:40])


def _short(text: str) -> int:
    return 0 if len(text) < 400 else _no_number(f"a whole number of {len(text)} digits")


def _unrepeated(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise Refused(Reason.DUPLICATE_KEY, f"the key {shown(name)} occurs twice")
        names.add(name)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _levels(value: dict[str, Json], enough: int) -> int:
    """How many levels of objects and lists a value has, counted no further than just past `enough`."""
    level = 0
    containers: list[dict[str, Json] | list[Json]] = [value]
    while containers and level <= enough:
        level += 1
        inner = [child for outer in containers for child in (outer.values() if isinstance(outer, dict) else outer)]
        containers = [child for child in inner if isinstance(child, dict | list)]
    return level
