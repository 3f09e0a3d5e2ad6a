"""Formulas calculate as one expects, and can do nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model import Scalar
from engine.spec.formula import MOST, FormulaError, parse


@pytest.mark.parametrize(
    ("source", "values", "result"),
    [
        ("failed / calls", (1, 4), 0.25),
        ("1 - failed / calls", (1, 4), 0.75),
        ("-(a + b) * 2", (1, 2.5), -7.0),
        ("+a", (3,), 3),
        ("a * a - b", (3, 1), 8),
        ("a / b", (1, 0), None),
        ("a / b", (None, 2), None),
        ("a + b", ("x", 2), None),
        ("a + b", (True, 2), None),
        ("a * b", (1e10, 1e10), None),
        ("a + 1", (float("nan"),), None),
        ("a + 1", (float("inf"),), None),
        ("a + 1", (10**400,), None),
    ],
)
def test_a_formula_calculates(source: str, values: tuple[Scalar, ...], result: float | None) -> None:
    assert parse(source).evaluate(values) == result


def test_names_come_in_order_of_appearance_each_once() -> None:
    assert parse("b / (a + b)").names == ("b", "a")


@pytest.mark.parametrize(
    "source",
    [
        "a ** b", "a // b", "a % b", "a.real", "a()", "a[0]", "[a]", "(a, b)", "{a}", "a if b else 1",
        "a and b", "not a", "~a", "a << 2", "a < b", "lambda: a", "[x for x in a]", "a := 1", "f'{a}'",
        "'x' * a", "b'x'",
        "1j * a", "...", "True + a", "await a", "(yield)", "a; b", "a = 1", "import os", "", "  ", "1 + 1",
        "1e99 * a", "a" * 201,
        "(" * 150, "a" + "+a" * 40, "a\0", "a\nb",
    ],
)  # fmt: skip
def test_everything_else_is_refused(source: str) -> None:
    with pytest.raises(FormulaError):
        parse(source)


@given(st.text("ab1+-*/(). %<=,[]'_", max_size=40), st.lists(st.none() | st.floats() | st.integers(), min_size=4))
def test_whatever_is_accepted_gives_a_number_in_bounds_or_nothing(source: str, values: list[float | None]) -> None:
    try:
        formula = parse(source)
    except FormulaError:
        return
    result = formula.evaluate((values * 20)[: len(formula.names)])
    assert result is None or abs(result) <= MOST
