"""Reads a mapping into a struct by the struct's own annotations, the same that documentation and schema come from.

A field is written `Annotated[int, As.DURATION, "how long"]`; `RAW` hands its node through unread. A field that cannot
be read is reported and holds a blank, so that reading goes on and finds the rest; nothing with an error ever takes
effect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from functools import lru_cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from engine.model import Scalar
from engine.ports import As, Step
from engine.spec import filters, learners, values
from engine.spec.filters import StepDocument, Times
from engine.spec.nodes import ListNode, MappingNode, Node, ScalarNode
from engine.spec.report import LATER, listed, near
from engine.spec.values import Scope, Span


class Special(Enum):
    """Marks that only the language's own documents need."""

    RAW = "raw"


RAW = Special.RAW
T = TypeVar("T", bound=msgspec.Struct)
_BLANK: Mapping[As, object] = {
    **dict.fromkeys((As.NUMBER, As.COUNT, As.DURATION, As.SHARE), 0),
    **dict.fromkeys((As.EVENTS, As.WHERE, As.STEPS, As.TEXTS, As.FIELDS, As.LEARNERS, As.MEASURES), ()),
    As.FLAG: False,
    As.MAPPING: MappingProxyType({}),
}


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a struct, as an author sees it. `key` is its name in YAML, `doc` its sentence.

    With `choices` it is one of a few words; with `kind` it is a mapping of its own.
    """

    field: str
    key: str
    doc: str = ""
    required: bool = False
    default: Any = None  # Any: the defaults of other people's structs
    mark: As | Special = As.TEXT
    choices: tuple[Scalar, ...] = ()
    kind: type[msgspec.Struct] | None = None
    span: Span = Span()
    type: Any = None  # Any: a type expression


class Written(Generic[T]):
    """What was read: the struct, where each given field stands, and whether all of it was sound."""

    def __init__(self, value: T, nodes: Mapping[str, Node], *, sound: bool) -> None:
        self.value = value
        self.nodes = nodes
        self.sound = sound


@lru_cache(maxsize=256)
def options_of(kind: type[msgspec.Struct]) -> tuple[Option, ...]:
    """The fields of a struct with their marks, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(_option(info, hints[info.name]) for info in msgspec.structs.fields(kind))


def _option(info: msgspec.structs.FieldInfo, hint: Any) -> Option:
    metadata = getattr(hint, "__metadata__", ())
    bare = _present(hint.__origin__ if metadata else hint)
    struct = bare if isinstance(bare, type) and issubclass(bare, msgspec.Struct) else None
    return Option(
        field=info.name,
        key=info.encode_name,
        doc=next((mark for mark in metadata if type(mark) is str), ""),
        required=info.required,
        default=None if info.required else _default(info),
        mark=next((mark for mark in metadata if isinstance(mark, As | Special)), _natural(bare)),
        choices=_choices(bare),
        kind=struct,
        span=next((mark for mark in metadata if isinstance(mark, Span)), Span()),
        type=bare,
    )


def _present(hint: Any) -> Any:
    if get_origin(hint) not in (Union, UnionType):
        return hint
    parts = [part for part in get_args(hint) if part is not NoneType]
    return parts[0] if len(parts) == 1 else hint


def _default(info: msgspec.structs.FieldInfo) -> object:
    return info.default if info.default is not msgspec.NODEFAULT else info.default_factory()


def _natural(bare: Any) -> As:
    plain = {bool: As.FLAG, int: As.NUMBER, float: As.NUMBER, str: As.TEXT}
    return plain.get(bare) or (As.TEXTS if get_origin(bare) is tuple else As.TEXT)


def _choices(bare: Any) -> tuple[Scalar, ...]:
    if get_origin(bare) is Literal:
        return get_args(bare)
    return tuple(member.value for member in bare) if isinstance(bare, type) and issubclass(bare, Enum) else ()


def read(node: Node, kind: type[T], scope: Scope, *, word: str = "", apart: Collection[str] = ()) -> Written[T] | None:
    """Read a mapping into `kind`; None if it is no mapping at all.

    With `word`, the first option (`event`, if there is one) is written under that word: `{count: usage.login}`.
    Keys in `apart` belong to the caller.
    """
    if not isinstance(node, MappingNode):
        scope.report.error(node, "wrong-type", f"write keys and values here, not a {values.shape(node)}")
        return None
    before = scope.report.errors
    options = _keyed(kind, word)
    given = {options[entry.key.text].field: entry.value for entry in node if entry.key.text in options}
    for key, _value in node:
        if key.text not in options and key.text not in apart:
            _unknown_key(key, [*options, *apart], scope)
    fields = {option.field: _field(node, key, option, given, scope) for key, option in options.items()}
    return Written(kind(**fields), given, sound=scope.report.errors == before)


def _keyed(kind: type[msgspec.Struct], word: str) -> dict[str, Option]:
    options = options_of(kind)
    if not word:
        return {option.key: option for option in options}
    first = next((option for option in options if option.field == "event"), options[0])
    return {word if option is first else option.key: option for option in options}


def _unknown_key(key: ScalarNode, known: Collection[str], scope: Scope) -> None:
    if key.text in LATER:
        scope.report.later(key, key.text)
        return
    hint = near(key.text, known)
    message = f"unknown key '{key.text}'{hint or ' -'} allowed here: {listed(known)}"
    scope.report.error(key, "unknown-key", message.replace("? allowed", "? Allowed"))


def _field(node: Node, key: str, option: Option, given: Mapping[str, Node], scope: Scope) -> object:
    value = given.get(option.field)
    if value is None:
        if option.required:
            scope.report.error(node, "missing-key", f"missing key '{key}': {option.doc}")
        return blank(option) if option.required else option.default
    found = value_of(value, option, scope)
    return blank(option) if found is None else found


def blank(option: Option) -> object:
    """What stands in for a value that could not be read."""
    if not option.required:
        return option.default
    if option.choices:
        return option.type(option.choices[0]) if isinstance(option.type, type) else option.choices[0]
    return _BLANK.get(option.mark, "") if isinstance(option.mark, As) else ScalarNode(values.NOWHERE, None, "")


def value_of(node: Node, option: Option, scope: Scope) -> object | None:
    """One value by its marks, or None with the problem reported."""
    if option.mark is RAW:
        return node
    if option.choices:
        return _chosen(node, option, scope)
    if option.kind is Times:
        return _times(node, scope)
    if option.kind:
        written = read(node, option.kind, scope)
        return written.value if written else None
    if option.mark is As.WHERE:
        return filters.where(node, scope)
    if option.mark is As.STEPS:
        return _steps(node, scope)
    if option.mark in (As.LEARNER, As.LEARNERS):
        return learners.learner(node, scope) if option.mark is As.LEARNER else learners.learners(node, scope)
    assert isinstance(option.mark, As), option
    return values.SIMPLE[option.mark](node, msgspec.structs.replace(scope, span=option.span))


def _chosen(node: Node, option: Option, scope: Scope) -> object | None:
    found = values.choice(node, scope, option.choices)
    return option.type(found) if found is not None and isinstance(option.type, type) else found


def _times(node: Node, scope: Scope) -> Times | None:
    if isinstance(node, ScalarNode):
        exactly = values.count(node, scope)
        return Times(at_least=exactly, at_most=exactly) if exactly else None
    written = read(node, Times, scope)
    return written.value if written else None


def _steps(node: Node, scope: Scope) -> tuple[Step, ...] | None:
    if not isinstance(node, ListNode) or not node.items:
        scope.report.error(node, "wrong-type", "write the steps as a list, as in [cart.filled, order.placed]")
        return None
    steps = [_step(item, scope) for item in node.items]
    return None if None in steps else tuple(step for step in steps if step)


def _step(node: Node, scope: Scope) -> Step | None:
    if isinstance(node, MappingNode):
        written = read(node, StepDocument, scope)
        return filters.step_of(node, written.value, scope) if written and written.sound else None
    found = values.events(node, scope)
    return Step(events=found) if found else None


def event_types(options: msgspec.Struct) -> tuple[str, ...]:
    """Every event type that these options name, by their marks."""
    found: list[str] = []
    for option in options_of(type(options)):
        value = getattr(options, option.field)
        if option.mark is As.EVENTS:
            found.extend(value)
        elif option.mark is As.STEPS:
            found.extend(event for step in value for event in step.events)
    return tuple(dict.fromkeys(found))
