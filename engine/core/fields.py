"""Values out of raw rows: by (dotted) name, as a constant, translated, coerced as declared. Nothing else is coerced."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeAlias

from engine.core.decode import Reason, Refused, shown
from engine.model import Json
from engine.spec.types import ValueFrom

Getter: TypeAlias = Callable[[dict[str, Json]], Json]

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LONGEST_NUMBER = 400


def field_getter(name: str) -> Getter:
    """The value of a field, None where it is absent. `a.b` is the key "a.b" if there is one, else b inside a."""
    if "." not in name:
        return lambda fields: fields.get(name)
    steps = name.split(".")

    def read(fields: dict[str, Json]) -> Json:
        if name in fields:
            return fields[name]
        value: Json = fields
        for step in steps:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    return read


def value_getter(spec: ValueFrom) -> Getter:
    """The value a map describes: found or constant, then translated by `values`, then coerced by `as`."""
    if not spec.field:
        return lambda _: spec.constant
    raw = field_getter(spec.field)
    coerce = _COERCIONS[spec.as_]

    def read(fields: dict[str, Json]) -> Json:
        value = raw(fields)
        if value is None:
            return None
        if spec.values or spec.only_listed:
            value = _translated(value, spec)
        return coerce(value, spec.field)

    return read


def _translated(value: Json, spec: ValueFrom) -> Json:
    text = value if isinstance(value, str) else _as_text(value, spec.field)
    if text in spec.values:
        return spec.values[text]
    if spec.only_listed:
        raise Refused(Reason.UNLISTED_VALUE, f"{spec.field!r} is {shown(value)}, which `values` does not list")
    return value


def _as_is(value: Json, field: str) -> Json:
    return value


def _as_text(value: Json, field: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise Refused(Reason.WRONG_TYPE, f"{field!r} is {shown(value)}: expected a text")


def _as_number(value: Json, field: str) -> Json:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if value == "":
        return None
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        raise Refused(Reason.WRONG_TYPE, f"{field!r} is {shown(value)}: expected a number")
    number = float(value)
    if len(value) > _LONGEST_NUMBER or not math.isfinite(number):
        raise Refused(Reason.BAD_NUMBER, f"{field!r} is {shown(value)}: larger than a number can be")
    return number


def _as_whole(value: Json, field: str) -> Json:
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit() and len(value) <= _LONGEST_NUMBER:
        return int(value)
    number = _as_number(value, field)
    if isinstance(number, float) and not number.is_integer():
        raise Refused(Reason.WRONG_TYPE, f"{field!r} is {shown(value)}: expected a whole number")
    return int(number) if isinstance(number, float) else number


def _as_flag(value: Json, field: str) -> Json:
    if isinstance(value, bool) or value == "":
        return value if value != "" else None
    flag = _FLAGS.get(_as_text(value, field).strip().lower())
    if flag is None:
        raise Refused(Reason.WRONG_TYPE, f"{field!r} is {shown(value)}: expected true or false")
    return flag


_COERCIONS: dict[str, Callable[[Json, str], Json]] = {
    "": _as_is,
    "text": _as_text,
    "number": _as_number,
    "whole": _as_whole,
    "flag": _as_flag,
}
