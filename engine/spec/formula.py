"""The escape hatch: short arithmetic over measures of the same detector, `formula: "failed / calls"`.

It is spelled like Python and read by Python's parser, but never run by Python: the few shapes that are allowed are
turned into closures, and everything else is refused. No powers, calls, attributes, texts or comparisons.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec

from engine.model import Scalar

FORMULA = "formula"
MOST_CHARS = 200
MOST_NODES = 64
# Beyond this, whole numbers and floats no longer agree; nothing that is counted gets there.
MOST = 1e15

Number: TypeAlias = int | float
Values: TypeAlias = Sequence[Scalar]
Run: TypeAlias = Callable[[Values], "Number | None"]
_OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class FormulaError(ValueError):
    """The text is not a formula; says why."""


class Formula(msgspec.Struct, frozen=True):
    """A sound formula. `names` are the measures it reads, in the order in which `evaluate` takes their values."""

    source: str
    names: tuple[str, ...]

    def evaluate(self, values: Values) -> Number | None:
        """The result, or None where a value is missing or no number, or the result is none that can be compared."""
        return _compiled(self.source)(values)


def parse(source: str) -> Formula:
    """Read a formula. Raises FormulaError with a sentence for its author."""
    return Formula(source, _names(_tree(source)))


def _tree(source: str) -> ast.expr:
    if len(source) > MOST_CHARS:
        raise FormulaError(f"a formula has at most {MOST_CHARS} characters")
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError(f"'{source}' is not arithmetic - write it like (failed + late) / calls") from None
    if sum(isinstance(node, ast.expr) for node in ast.walk(tree)) > MOST_NODES:
        raise FormulaError("this formula is too long to follow - split it")
    return tree


def _names(tree: ast.expr) -> tuple[str, ...]:
    found: dict[str, None] = {}
    _collect(tree, found)
    if not found:
        raise FormulaError("a formula reads at least one measure of this detector")
    return tuple(found)


def _collect(node: ast.expr, found: dict[str, None]) -> None:
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
            _collect(node.left, found)
            _collect(node.right, found)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            _collect(node.operand, found)
        case ast.Name():
            found[node.id] = None
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and abs(value) <= MOST:
            return
        case _:
            raise FormulaError(f"'{ast.unparse(node)}' is not allowed - a formula has names, numbers, + - * / and ( )")


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Run:
    tree = _tree(source)
    return _closure(tree, {name: at for at, name in enumerate(_names(tree))})


def _closure(node: ast.expr, slots: Mapping[str, int]) -> Run:
    match node:
        case ast.BinOp():
            return _binary(_OPERATORS[type(node.op)], _closure(node.left, slots), _closure(node.right, slots))
        case ast.UnaryOp(op=ast.USub()):
            return _negated(_closure(node.operand, slots))
        case ast.UnaryOp():
            return _closure(node.operand, slots)
        case ast.Name():
            return _value(slots[node.id])
        case ast.Constant(value=int() | float() as constant):
            return lambda values: constant
    raise AssertionError(node)


def _value(slot: int) -> Run:
    def run(values: Values) -> Number | None:
        value = values[slot]
        return _bounded(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    return run


def _negated(operand: Run) -> Run:
    def run(values: Values) -> Number | None:
        value = operand(values)
        return None if value is None else -value

    return run


def _binary(apply: Callable[[Number, Number], Number], left: Run, right: Run) -> Run:
    def run(values: Values) -> Number | None:
        a, b = left(values), right(values)
        if a is None or b is None or (b == 0 and apply is operator.truediv):
            return None
        return _bounded(apply(a, b))

    return run


def _bounded(value: Number) -> Number | None:
    # Written so that NaN and the infinities fail it too.
    return value if abs(value) <= MOST else None
