"""The house rules that a linter does not know, over everything that ships.

A rule that hurts gets an entry in a list here, with its reason, never a comment that switches it off.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES = 50
FILE_LINES = 400

# Loops that must outlive whatever one round of them meets. Everything else says which errors it expects.
OUTERMOST_LOOPS: dict[str, str] = {
    "engine/shells/partition.py": "a row that breaks the engine is set aside, and the others are taken",
    "engine/shells/kafka/poison.py": "a record that breaks the engine is set aside, and the others are taken",
    "engine/shells/kafka/seam.py": "an exception that reached Faust would acknowledge what was not taken",
    "engine/shells/kafka/owned.py": "a partition that cannot be opened ends the process, not a task that nobody awaits",
}

# What reads a clock. The core and the detectors learn the time from events and ticks alone.
CLOCKS = re.compile(r"\b(datetime\.(now|utcnow|today)|date\.today|time\.(time|time_ns|monotonic|perf_counter))\s*\(")
TIMELESS = ("engine/core/", "engine/spec/", "engine/model.py", "engine/ports.py", "detectors/")

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


SOURCES = sorted(path for folder in ("engine", "detectors", "sinks") for path in (ROOT / folder).rglob("*.py"))
every_source = pytest.mark.parametrize("path", SOURCES, ids=name_of)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without the docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def catches_everything(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        one is None or (isinstance(one, ast.Name) and one.id in {"Exception", "BaseException"}) for one in caught
    )


@every_source
def test_functions_fit_on_a_screen(path: Path) -> None:
    long = [
        (function.name, body_lines(function)) for function in functions(path) if body_lines(function) > FUNCTION_LINES
    ]
    assert not long, f"split these, or find what they have in common: {long}"


@every_source
def test_files_can_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES


@every_source
def test_errors_are_caught_by_name(path: Path) -> None:
    handlers = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]
    too_wide = [handler.lineno for handler in handlers if catches_everything(handler)]
    assert not too_wide or name_of(path) in OUTERMOST_LOOPS, f"lines {too_wide} catch everything"


@every_source
def test_nothing_is_left_unfinished(path: Path) -> None:
    left = [line for line in path.read_text().splitlines() if UNFINISHED.search(line)]
    assert not left, f"finish it, or open an issue and name it in the docs: {left}"


@pytest.mark.parametrize("path", [path for path in SOURCES if name_of(path).startswith(TIMELESS)], ids=name_of)
def test_the_core_reads_no_clock(path: Path) -> None:
    read = [line for line in path.read_text().splitlines() if CLOCKS.search(line)]
    assert not read, f"time comes in as event times and ticks: {read}"


@every_source
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "a module starts with the idea, in a sentence or two"


def test_exceptions_from_the_rules_are_still_needed() -> None:
    gone = [name for name in OUTERMOST_LOOPS if not (ROOT / name).exists()]
    assert not gone, f"strike these from the list: {gone}"
