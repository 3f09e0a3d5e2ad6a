"""Marks what is quick. Tests in the folders below need minutes, data or a second process; all others are `units`."""

from __future__ import annotations

from pathlib import Path

import pytest

NOT_UNITS = frozenset({"faults", "simulation", "real", "kill"})
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder not in NOT_UNITS:
            item.add_marker(pytest.mark.units)
