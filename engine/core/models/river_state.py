"""Takes a model of River apart into numbers, texts and names, and puts it together again, without pickle.

What is taken apart is a flat list of parts that name one another by their places, so that what is shared stays shared
and no depth is too deep. Put together, an object is made empty and given its attributes: no constructor runs, and
nothing that the bytes name is called or imported. What may be a part at all stands in river_parts.py.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import msgspec

from engine.core.models.river_parts import (
    DEEPEST,
    EMPTY,
    FILLED,
    KINDS,
    MAKES,
    METHODS,
    MOST_BYTES,
    Content,
    NotKept,
    Part,
    Refused,
    Value,
    class_of,
    distribution,
    make_gaussian,
    slots_of,
    vector,
)


def take_apart(thing: object) -> bytes:
    """The same bytes for the same content. Raises NotKept."""
    return msgspec.msgpack.encode(_Apart().content(thing))


def put_together(content: bytes) -> Any:
    """What was taken apart. Raises Refused."""
    if len(content) > MOST_BYTES:
        raise Refused(f"it is larger than {MOST_BYTES} bytes")
    try:
        return _Together(msgspec.msgpack.decode(content, type=Content)).whole()
    except (msgspec.DecodeError, TypeError, ValueError, LookupError, OverflowError) as error:
        raise Refused(str(error)) from error


# ---- apart


class _Apart:
    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._shapes: dict[tuple[str, ...], int] = {}
        self._places: dict[int, int] = {}
        self._alive: list[object] = []  # so that no two of them ever have the same id
        self._waiting: deque[tuple[Part, Any]] = deque()

    def content(self, thing: object) -> Content:
        self._value(thing, 0)
        while self._waiting:
            part, held = self._waiting.popleft()
            items = self._of_object(held) if part.kind == "object" else _items(part.kind, held)
            part.items = [self._value(each, 0) for each in items]
        return Content(list(self._shapes), self._parts)

    def _of_object(self, thing: object) -> Iterator[object]:
        attributes = list(_attributes(thing))
        shape = (_name_of(type(thing)), *(name for name, _value in attributes))
        yield self._shapes.setdefault(shape, len(self._shapes))
        yield from (value for _name, value in attributes)

    def _value(self, thing: Any, depth: int) -> Value:
        kind = type(thing)
        if thing is None or kind in (bool, float, str):
            return thing  # type: ignore[no-any-return]
        if kind is int:
            if not -(1 << 63) <= thing < 1 << 64:
                raise NotKept("a number beyond 64 bits")
            return int(thing)
        if id(thing) not in self._places:
            self._add(thing, depth)
        return [self._places[id(thing)]]

    def _add(self, thing: Any, depth: int) -> None:
        if depth > DEEPEST:
            raise NotKept("tuples deep in one another")
        part, held = _part_of(thing)
        self._alive.append(thing)
        if part.kind in FILLED:
            self._waiting.append((part, thing))
        else:
            part.items = [self._value(each, depth + 1) for each in held]
        self._places[id(thing)] = len(self._parts)
        self._parts.append(part)


def _part_of(thing: Any) -> tuple[Part, Sequence[object]]:
    """The part for a thing, and what has to be there before it."""
    kind = type(thing)
    if kind is tuple:
        return Part("tuple"), thing
    if kind is frozenset:
        return Part("frozenset"), _in_order(thing)
    if kind is partial:
        return _prepared(thing)
    if kind is MethodType and thing.__name__ in METHODS and not isinstance(thing.__self__, type):
        return Part("method", thing.__name__), (thing.__self__,)
    if kind is FunctionType and thing is make_gaussian():
        return Part("gaussian"), ()
    if kind is type:
        return Part("makes", _name_in(MAKES, thing)), ()
    if kind is vector():
        return Part("vector"), tuple(_invector(thing))
    return Part(KINDS.get(kind, "object"), _held_in(thing)), ()


def _held_in(thing: Any) -> str:
    """How much a queue may hold, which has to be known before it is filled."""
    if type(thing) is deque and thing.maxlen is not None:
        return str(thing.maxlen)
    return ""


def _invector(thing: Any) -> Iterator[object]:
    _data, factory, mask, _copied = thing.__reduce__()[1]
    if mask is not None:
        raise NotKept("a vector with a mask")
    yield factory
    yield from _pairs(thing.to_dict())


def _prepared(thing: partial[object]) -> tuple[Part, Sequence[object]]:
    if thing.func is defaultdict and len(thing.args) == 1 and not thing.keywords:
        return Part("defaultdict"), thing.args
    if thing.func is copy.deepcopy and len(thing.args) == 1 and not thing.keywords:
        return Part("copies"), thing.args
    raise NotKept(f"a function prepared from '{getattr(thing.func, '__name__', type(thing.func).__name__)}'")


def _items(kind: str, thing: Any) -> Iterator[object]:
    """What a part holds, once it is there."""
    match kind:
        case "set":
            yield from _in_order(thing)
        case "list" | "deque":
            yield from thing
        case "generator":
            _version, state, next_gauss = thing.getstate()
            yield next_gauss
            yield from state
        case "default":
            yield thing.default_factory
            yield from _pairs(thing)
        case _:
            yield from _pairs(thing)


def _pairs(thing: Mapping[Any, object]) -> Iterator[object]:
    for key, value in thing.items():
        yield key
        yield value


def _attributes(thing: Any) -> Iterator[tuple[str, object]]:
    """With their names. A distribution has a generator only to draw from it, which no model does."""
    kind: Any = type(thing)
    slots = [name for name in slots_of(kind) if hasattr(thing, name)]
    for name, value in [*getattr(thing, "__dict__", {}).items(), *((name, getattr(thing, name)) for name in slots)]:
        if type(value) is random.Random:
            if isinstance(thing, distribution()):
                continue
            if getattr(thing, "seed", 0) is None:
                raise NotKept("a generator without a seed")
        yield name, value


def _in_order(thing: Any) -> list[Any]:
    """Of a set, which has none."""
    try:
        return sorted(thing, key=lambda each: (type(each).__name__, each))
    except TypeError as error:
        raise NotKept("a set of things that have no order") from error


def _name_in(known: Mapping[str, object], thing: object) -> str:
    found = next((name for name, each in known.items() if each is thing), "")
    if not found:
        raise NotKept(f"the class '{getattr(thing, '__name__', thing)}' itself")
    return found


def _name_of(kind: type) -> str:
    name = f"{kind.__module__}.{kind.__qualname__}"
    try:
        class_of(name)
    except Refused as error:
        raise NotKept(f"a '{kind.__module__}.{kind.__qualname__}', which cannot be looked into") from error
    return name


# ---- together


class _Together:
    def __init__(self, content: Content) -> None:
        self._parts = parts = content.parts
        self._shapes = content.shapes
        self._classes = [class_of(shape[0]) for shape in content.shapes]
        self._made: list[Any] = [self._empty(part) if part.kind in FILLED else None for part in parts]
        self._depths = [0] * len(parts)

    def _empty(self, part: Part) -> Any:
        if part.kind == "object":
            return object.__new__(self._classes[self._shape_of(part)])
        if part.kind == "deque":
            return deque(maxlen=int(part.name) if part.name else None)
        return EMPTY[part.kind]()  # type: ignore[index]

    def _shape_of(self, part: Part) -> int:
        shape = part.items[0]
        if type(shape) is not int or shape < 0:
            raise Refused("an object without a shape")
        return shape

    def whole(self) -> Any:
        """The first of them, with all that it holds."""
        if not self._parts:
            raise Refused("it holds nothing")
        for place, part in enumerate(self._parts):
            if part.kind not in FILLED:
                self._made[place] = self._make(place, part)
        for place, part in enumerate(self._parts):
            if part.kind in FILLED:
                values = [self._value(each, len(self._parts)) for each in part.items]
                if part.kind == "object":
                    _give(self._made[place], self._shapes[self._shape_of(part)][1:], values[1:])
                else:
                    _fill(part.kind, self._made[place], values)
        return self._made[0]

    def _value(self, value: Value, before: int) -> Any:
        """What has to be there already is looked for `before` a place only."""
        if not isinstance(value, list):
            return value
        (place,) = value
        if not 0 <= place < len(self._parts) or (self._parts[place].kind not in FILLED and place >= before):
            raise Refused("it names a part that is not there")
        return self._made[place]

    def _make(self, place: int, part: Part) -> Any:
        values = [self._value(each, place) for each in part.items]
        inner = [self._depths[each[0]] for each in part.items if isinstance(each, list)]
        self._depths[place] = 1 + max(inner, default=0)
        if self._depths[place] > DEEPEST + 1:
            raise Refused("tuples deep in one another")
        return _made(part, values)


def _made(part: Part, values: list[Any]) -> Any:
    match part.kind:
        case "tuple":
            return tuple(values)
        case "frozenset":
            return frozenset(values)
        case "vector":
            return vector()(dict(_in_pairs(values[1:])), values[0])
        case "makes":
            return MAKES[part.name]
        case "gaussian":
            return make_gaussian()
        case "method":
            return _method(part.name, *values)
        case _:
            (factory,) = values
            return partial(defaultdict if part.kind == "defaultdict" else copy.deepcopy, factory)


def _method(name: str, owner: object) -> MethodType:
    found = next((vars(each)[name] for each in type(owner).__mro__ if name in vars(each)), None)
    if name not in METHODS or type(found) is not FunctionType:
        raise Refused(f"there is no method '{name}'")
    return MethodType(found, owner)


def _fill(kind: str, thing: Any, values: list[Any]) -> None:
    match kind:
        case "list" | "deque":
            thing.extend(values)
        case "set":
            thing.update(values)
        case "generator":
            thing.setstate((3, tuple(values[1:]), values[0]))
        case "default":
            _give_factory(thing, values[0])
            _give_pairs(thing, values[1:])
        case _:
            _give_pairs(thing, values)


def _give_factory(thing: Any, factory: Any) -> None:
    if factory is not None and not callable(factory):
        raise Refused("what makes missing values is no function")
    thing.default_factory = factory


def _give_pairs(thing: Any, values: list[Any]) -> None:
    for key, value in _in_pairs(values):
        thing[key] = value


def _give(thing: Any, names: Sequence[str], values: list[Any]) -> None:
    """Attributes as they are, past whatever setters the class has."""
    kind: Any = type(thing)
    slots = slots_of(kind)
    for name, value in zip(names, values, strict=True):
        if name.startswith("__"):
            raise Refused(f"an attribute cannot be named '{name}'")
        if name in slots:
            object.__setattr__(thing, name, value)
        else:
            vars(thing)[name] = value


def _in_pairs(values: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(values[::2], values[1::2], strict=True)
