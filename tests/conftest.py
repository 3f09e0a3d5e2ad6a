"""Marks what is quick. Tests in the folders below need minutes, data or a second process, or are about files that are
the same for every Python; all others are `units`.

What asks for a Kafka broker is marked `kafka`, wherever it is, and is no unit either.
"""

from __future__ import annotations

from pathlib import Path

import pytest

NOT_UNITS = frozenset({"faults", "simulation", "real", "kill", "cli", "house", "deploy", "benchmarks"})
BROKERS = frozenset({"kafka_servers", "new_broker"})
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if BROKERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)
        if folder not in NOT_UNITS and not item.get_closest_marker("kafka"):
            item.add_marker(pytest.mark.units)
