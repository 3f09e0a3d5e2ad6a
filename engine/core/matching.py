"""Attribute filters (`where:`, `only_if:`) compiled once into plain closures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from engine.model import Json, Scalar
from engine.ports import Comparator, FieldTest

Predicate: TypeAlias = Callable[[Mapping[str, Json]], bool]


def read_path(attributes: Mapping[str, Json], path: str) -> Json:
    """The value at a dotted path, or None. A key that itself contains the dot wins over the nested one."""
    if path in attributes:
        return attributes[path]
    value: Json = dict(attributes)
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _same(value: Json, wanted: Scalar) -> bool:
    # In Python True == 1; to a reader of YAML they are different things.
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _ordered(value: Json, limit: Scalar) -> bool:
    """Both are numbers, or both are texts: only then is there a larger one."""
    if isinstance(value, bool) or isinstance(limit, bool):
        return False
    if isinstance(value, int | float):
        return isinstance(limit, int | float)
    return isinstance(value, str) and isinstance(limit, str)


def holds(value: Json, comparator: Comparator, limit: Scalar | tuple[Scalar, ...]) -> bool:
    """Does `value comparator limit` hold? A missing value satisfies nothing but `is_not`."""
    wanted = limit if isinstance(limit, tuple) else (limit,)
    if comparator == "is":
        return any(_same(value, one) for one in wanted)
    if comparator == "is_not":
        return not any(_same(value, one) for one in wanted)
    return _exceeds(value, comparator, wanted[0])


def _exceeds(value: Json, comparator: Comparator, limit: Scalar) -> bool:
    if not _ordered(value, limit):
        return False
    if comparator == "above":
        return value > limit  # type: ignore[operator]
    if comparator == "at_least":
        return value >= limit  # type: ignore[operator]
    if comparator == "below":
        return value < limit  # type: ignore[operator]
    return value <= limit  # type: ignore[operator]


def _equals_text(path: str, text: str) -> Predicate:
    return lambda attributes: attributes.get(path) == text


def _one_of_texts(path: str, texts: frozenset[str]) -> Predicate:
    def test(attributes: Mapping[str, Json]) -> bool:
        value = attributes.get(path)
        return isinstance(value, str) and value in texts

    return test


def _general(test: FieldTest) -> Predicate:
    path, comparator, value = test.path, test.comparator, test.value
    return lambda attributes: holds(read_path(attributes, path), comparator, value)


def _compile_one(test: FieldTest) -> Predicate:
    """The two commonest filters, a text on a plain field, skip the general path."""
    if test.comparator == "is" and "." not in test.path:
        wanted = test.value if isinstance(test.value, tuple) else (test.value,)
        texts = frozenset(one for one in wanted if isinstance(one, str))
        if len(texts) == len(wanted) == 1:
            return _equals_text(test.path, next(iter(texts)))
        if len(texts) == len(wanted):
            return _one_of_texts(test.path, texts)
    return _general(test)


def compile_where(tests: tuple[FieldTest, ...]) -> Predicate | None:
    """One predicate for all tests together; None where there is nothing to test."""
    parts = [_compile_one(test) for test in tests]
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    return lambda attributes: all(part(attributes) for part in parts)
