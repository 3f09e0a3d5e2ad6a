"""Numbers as a person would write them."""

from __future__ import annotations

import pytest

from engine.core.moments import spoken_number


@pytest.mark.parametrize(
    ("value", "said"),
    [(12_345.6, "12350"), (1e6, "1000000"), (0.30000000004, "0.3"), (-2, "-2"), (1.5e300, "1.5e+300"), (2e-7, "2e-07")],
)
def test_a_number_has_four_digits_that_count(value: float, said: str) -> None:
    assert spoken_number(value) == said
