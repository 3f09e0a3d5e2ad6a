"""Takes a model of River apart into numbers, texts and names, and puts it together again, without pickle.

What is taken apart is a flat list of parts that name one another by their places, so that what is shared stays shared
and no depth is too deep. Put together, an object is made empty and given its attributes: no constructor runs, and
nothing that the bytes name is called or imported. Only classes of River are made, and only of the packages below; the
few things besides that River's models hold (generators, factories of missing values) are a closed list.
"""

from __future__ import annotations

import copy
import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from types import FunctionType, MethodType
from typing import Any, Literal, TypeAlias, get_args

import msgspec

# More than this is not kept: it has to fit into one record of Kafka, beside others.
MOST_BYTES = 256 * 1024
# Of tuples in one another.
DEEPEST = 20
# The packages of River whose classes may be parts of a model. None of them reads a file or asks a network.
PACKAGES = frozenset(
    (
        "base", "covariance", "drift", "dummy", "ensemble", "forest", "linear_model", "metrics", "multiclass",
        "naive_bayes", "neighbors", "optim", "preprocessing", "proba", "rules", "stats", "tree", "utils",
    )
)  # fmt: skip
MAKES: Mapping[str, Callable[..., object]] = {
    "float": float,
    "int": int,
    "dict": dict,
    "list": list,
    "set": set,
    "Counter": Counter,
}
# Methods that a model keeps as an attribute.
METHODS = frozenset(("_calc_tau_1", "_calc_tau_2", "_test_increase", "_test_decrease", "_test_both"))

# A place among the parts is a list of one number.
Value: TypeAlias = bool | int | float | str | list[int] | None
Filled: TypeAlias = Literal["object", "dict", "ordered", "counter", "default", "list", "set", "deque", "generator"]
Whole: TypeAlias = Literal["tuple", "frozenset", "vector", "makes", "gaussian", "defaultdict", "copies", "method"]
FILLED: frozenset[str] = frozenset(get_args(Filled))
EMPTY: Mapping[Filled, type] = {
    "dict": dict,
    "ordered": OrderedDict,
    "counter": Counter,
    "default": defaultdict,
    "list": list,
    "set": set,
    "deque": deque,
    "generator": random.Random,
}
KINDS: Mapping[type, Filled] = {kind: name for name, kind in EMPTY.items()}


class NotKept(Exception):
    """A model cannot be taken apart. The text says what it holds."""


class Refused(Exception):
    """These bytes are not a model that was taken apart here."""


class Part(msgspec.Struct, array_like=True):
    """One of the parts. `name` is that of an object's class, of a method or a factory, or how much a queue may hold.

    Of what has names or keys, `items` holds each before its value.
    """

    kind: Filled | Whole
    name: str = ""
    items: list[Value] = []


def take_apart(thing: object) -> bytes:
    """The same bytes for the same content. Raises NotKept."""
    return msgspec.msgpack.encode(_Apart().parts(thing))


def put_together(content: bytes) -> Any:
    """What was taken apart. Raises Refused."""
    if len(content) > MOST_BYTES:
        raise Refused(f"it is larger than {MOST_BYTES} bytes")
    try:
        parts = msgspec.msgpack.decode(content, type=list[Part])
        return _Together(parts).whole()
    except (msgspec.DecodeError, TypeError, ValueError, LookupError, OverflowError) as error:
        raise Refused(str(error)) from error


# ---- apart


class _Apart:
    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._places: dict[int, int] = {}
        self._alive: list[object] = []  # so that no two of them ever have the same id
        self._waiting: deque[tuple[Part, Any]] = deque()

    def parts(self, thing: object) -> list[Part]:
        self._value(thing, 0)
        while self._waiting:
            part, held = self._waiting.popleft()
            part.items = [self._value(each, 0) for each in _items(part.kind, held)]
        return self._parts

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
    if kind is FunctionType and thing is _make_gaussian():
        return Part("gaussian"), ()
    if kind is type:
        return Part("makes", _name_in(MAKES, thing)), ()
    if kind is _vector():
        return Part("vector"), tuple(_in_vector(thing))
    return Part(KINDS.get(kind, "object"), _held_in(thing)), ()


def _held_in(thing: Any) -> str:
    """What is to be known of a thing before it is filled."""
    kind = type(thing)
    if kind is deque:
        return "" if thing.maxlen is None else str(thing.maxlen)
    return "" if kind in KINDS else _name_of(kind)


def _in_vector(thing: Any) -> Iterator[object]:
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
        case "object":
            yield from _attributes(thing)
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


def _attributes(thing: Any) -> Iterator[object]:
    """The name and value of each. A distribution has a generator only to draw from it, which no model does."""
    kind: Any = type(thing)
    slots = [name for name in _slots_of(kind) if hasattr(thing, name)]
    for name, value in [*getattr(thing, "__dict__", {}).items(), *((name, getattr(thing, name)) for name in slots)]:
        if type(value) is random.Random:
            if isinstance(thing, _distribution()):
                continue
            if getattr(thing, "seed", 0) is None:
                raise NotKept("a generator without a seed")
        yield name
        yield value


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
        _class_of(name)
    except Refused as error:
        raise NotKept(f"a '{kind.__module__}.{kind.__qualname__}'") from error
    return name


# ---- together


class _Together:
    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        self._made: list[Any] = [_empty(part) if part.kind in FILLED else None for part in parts]
        self._depths = [0] * len(parts)

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


def _empty(part: Part) -> Any:
    if part.kind == "object":
        return object.__new__(_class_of(part.name))
    if part.kind == "deque":
        return deque(maxlen=int(part.name) if part.name else None)
    return EMPTY[part.kind]()  # type: ignore[index]


def _made(part: Part, values: list[Any]) -> Any:
    match part.kind:
        case "tuple":
            return tuple(values)
        case "frozenset":
            return frozenset(values)
        case "vector":
            return _vector()(dict(_in_pairs(values[1:])), values[0])
        case "makes":
            return MAKES[part.name]
        case "gaussian":
            return _make_gaussian()
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
        case "object":
            _give(thing, values)
        case "list" | "deque":
            thing.extend(values)
        case "set":
            thing.update(values)
        case "generator":
            thing.setstate((3, tuple(values[1:]), values[0]))
        case "default":
            thing.default_factory = values[0]
            dict.update(thing, _in_pairs(values[1:]))
        case _:
            # Not as a counter would, which adds up.
            dict.update(thing, _in_pairs(values))


def _give(thing: Any, values: list[Any]) -> None:
    """Attributes as they are, past whatever setters the class has."""
    kind: Any = type(thing)
    slots = _slots_of(kind)
    for name, value in _in_pairs(values):
        if not isinstance(name, str) or name.startswith("__"):
            raise Refused(f"an attribute cannot be named {name!r}")
        if name in slots:
            object.__setattr__(thing, name, value)
        else:
            vars(thing)[name] = value


def _in_pairs(values: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(values[::2], values[1::2], strict=True)


# ---- what River has


def _class_of(name: str) -> type:
    """A class of River that may be a part, among what is imported. Raises Refused."""
    module, _dot, word = name.rpartition(".")
    first, *others = module.split(".")
    found = vars(_loaded(module)).get(word) if first == "river" and others and others[0] in PACKAGES else None
    if not isinstance(found, type) or f"{found.__module__}.{found.__qualname__}" != name:
        raise Refused(f"'{name}' is no part of a model")
    return found


def _loaded(module: str) -> object:
    _river("api")
    found = sys.modules.get(module)
    if found is None:
        raise Refused(f"'{module}' is no part of a model")
    return found


@cache
def _slots_of(kind: Any) -> tuple[str, ...]:
    found = [vars(each).get("__slots__", ()) for each in kind.__mro__]
    names = [name for each in found for name in ((each,) if isinstance(each, str) else each)]
    return tuple(name for name in names if not name.startswith("__"))


@cache
def _river(module: str) -> Any:
    """River takes seconds to import, so it is only where it is used."""
    return import_module(f"river.{module}")


def _vector() -> Any:
    return _river("utils").VectorDict


def _distribution() -> Any:
    return _river("proba.base").Distribution


def _make_gaussian() -> Any:
    return _river("naive_bayes").GaussianNB._make_gaussian  # noqa: SLF001  what it makes of a missing one
