"""Liquid for the few sentences a person reads: `why`, `title` and `text`.

Rendering is pure and bounded: the same values give the same text, whenever and wherever. There is no way to the
clock, to files or to other templates, and a text that would grow out of hand ends early.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import lru_cache, wraps
from io import StringIO
from typing import Any

import msgspec
from liquid import BoundTemplate, Environment, Mode
from liquid.context import RenderContext
from liquid.exceptions import FilterArgumentError, LiquidError, StopRender
from liquid.undefined import Undefined

from engine.model import Json
from engine.spec.report import near

MOST_CHARS = 4_000
MOST_SOURCE = 20_000
MOST_ROUNDS = 200
MOST_KEPT = 16_384
MOST_NUMBER = 1e15

# What a sentence needs. Left out: what reads files (include, render), and what multiplies without a bound.
# fmt: off
TAGS = frozenset(
    (
        "#", "assign", "break", "capture", "case", "comment", "content", "continue", "cycle", "echo", "for",
        "if", "illegal", "output", "unless",
    )
)
FILTERS = frozenset(
    (
        "abs", "append", "at_least", "at_most", "capitalize", "ceil", "compact", "date", "default",
        "divided_by", "downcase", "escape", "first", "floor", "join", "last", "lstrip", "map", "minus",
        "modulo", "newline_to_br", "plus", "prepend", "replace", "reverse", "round", "rstrip", "size", "slice",
        "sort", "strip", "sum", "times", "truncate", "truncatewords", "uniq", "upcase", "url_encode", "where",
    )
)
# fmt: on
_CLOCK = re.compile(r"""["'](now|today)["']\s*\|\s*date""")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds up to here, milliseconds beyond: no event is older than 1973 in the one or younger than 5138 in the other.
_SECONDS_MOST = 10**11

_missing: ContextVar[dict[str, None]] = ContextVar("missing")


class TextError(ValueError):
    """The source is not Liquid that may be used here. `index` is where in the source, -1 if that is not known."""

    def __init__(self, message: str, index: int = -1) -> None:
        super().__init__(message)
        self.index = index


class Variable(msgspec.Struct, frozen=True):
    """One use of a name: its dotted path, and where in the source."""

    path: str
    index: int

    @property
    def root(self) -> str:
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


class Text:
    """A compiled text. `uses` are the names it takes from outside, in order of appearance."""

    def __init__(self, source: str, template: BoundTemplate, uses: tuple[Variable, ...]) -> None:
        self.source = source
        self.uses = uses
        self._template = template
        self._roots = tuple(dict.fromkeys(use.root for use in uses))
        self._is_plain = "{{" not in source and "{%" not in source

    @property
    def variables(self) -> tuple[str, ...]:
        """The dotted paths it reads, each once."""
        return tuple(dict.fromkeys(use.path for use in self.uses))

    def render(self, values: Mapping[str, Json], limit: int = MOST_CHARS) -> tuple[str, tuple[str, ...]]:
        """The text, and the names it wanted to show that were missing or null. Never raises."""
        if self._is_plain:
            return self.source[:limit], ()
        page = _Page(limit)
        known = _known({root: values[root] for root in self._roots if root in values})
        names: dict[str, None] = {}
        token = _missing.set(names)
        try:
            self._template.render_with_context(RenderContext(self._template, globals=known), page)
        except (LiquidError, StopRender, ArithmeticError, ValueError, TypeError, AttributeError):
            pass  # What was written so far stays: a message cut short is of more use than a step that fails.
        finally:
            _missing.reset(token)
        return page.getvalue(), tuple(names)


@lru_cache(maxsize=4096)
def compile_text(source: str) -> Text:
    """Compile, or raise TextError with a sentence for the author."""
    if len(source) > MOST_SOURCE:
        raise TextError(f"a text has at most {MOST_SOURCE} characters")
    if clock := _CLOCK.search(source):
        hint = "a text cannot read the clock - use {{ at | date: '%d %B' }}, the time of the signal"
        raise TextError(hint, clock.start())
    try:
        _STRICT.from_string(source)
        template = _LAX.from_string(source)
        analysis = template.analyze()
    except LiquidError as error:
        raise TextError(f"not a text: {_said(error)}", _index(error)) from None
    for name, spans in analysis.filters.items():
        if name not in FILTERS:
            raise TextError(f"unknown filter '{name}'{near(name, FILTERS)}", spans[0].index)
    found = [Variable(str(variable), variable.span.index) for uses in analysis.globals.values() for variable in uses]
    return Text(source, template, tuple(sorted(found, key=lambda use: (use.index, use.path))))


def _said(error: LiquidError) -> str:
    return str(error.args[0] if error.args else error).splitlines()[0]


def _index(error: LiquidError) -> int:
    return error.token.start_index if error.token else -1


def _known(value: Mapping[str, Json]) -> dict[str, object]:
    """Without nulls, which a text misses as much as names that are not there."""
    return {
        name: _known(inner) if isinstance(inner, dict) else inner for name, inner in value.items() if inner is not None
    }


# ---- bounds


class _Page(StringIO):
    """Takes so many characters and then ends the rendering."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.left = limit

    def write(self, written: str) -> int:
        super().write(written[: self.left])
        self.left -= len(written)
        if self.left <= 0:
            raise StopRender
        return len(written)


class _Missing(Undefined):
    """An empty text that remembers being asked for."""

    def __str__(self) -> str:
        hint = (self.hint or self.name).removesuffix(" is undefined").strip("'\"")
        _missing.get()[hint] = None
        return ""


def _guarded(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:  # Any: filters take what a template gives
    """A filter that refuses to take in or give out more than a sentence can need."""

    @wraps(apply)
    def guarded(value: Any, *args: Any, **kwargs: Any) -> Any:
        sizes = [_size(given) for given in (value, *args)]
        grown = sizes[0] * (max(sizes[1:], default=0) + 1) if name in ("replace", "join") else max(sizes)
        result = None if grown > MOST_KEPT else apply(value, *args, **kwargs)
        if grown > MOST_KEPT or _size(result) > MOST_KEPT:
            raise FilterArgumentError(f"'{name}' would make more than a text can hold", token=None)
        return result

    return guarded


def _size(value: object) -> int:
    """How much of a text a value would take; a number out of bounds takes more than there is."""
    if isinstance(value, str | list | tuple | range):
        return len(value)
    if isinstance(value, int | float) and not abs(value) <= MOST_NUMBER:
        return MOST_KEPT + 1
    return 0


def _date(value: object, form: object = "") -> str:
    """`{{ at | date: "%d %B" }}`: ISO texts keep their own offset, numbers are since 1970 in UTC."""
    moment = _moment(value)
    if isinstance(form, Undefined) or not form or moment is None:
        return str(value)
    return moment.strftime(str(form).replace("%s", str(int((moment - _EPOCH).total_seconds()))))


def _moment(value: object) -> datetime | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value if abs(value) < _SECONDS_MOST else value / 1000
        return _EPOCH + timedelta(seconds=seconds)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Bounded(Environment):
    loop_iteration_limit = MOST_ROUNDS
    local_namespace_limit = MOST_KEPT
    output_stream_limit = MOST_KEPT
    block_nesting_limit = 10


def _environment(tolerance: Mode) -> Environment:
    environment = _Bounded(tolerance=tolerance, undefined=_Missing)
    environment.filters["date"] = _date
    environment.tags = {name: tag for name, tag in environment.tags.items() if name in TAGS}
    environment.filters = {
        name: _guarded(name, apply) for name, apply in environment.filters.items() if name in FILTERS
    }
    return environment


# Every fault is told to the author beforehand; at run time a faulty part stays out and the rest is shown.
_STRICT = _environment(Mode.STRICT)
_LAX = _environment(Mode.LAX)
