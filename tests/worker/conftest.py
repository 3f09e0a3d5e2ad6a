"""A broker for workers, as tests/kafka has it, and worlds on it that are cleared away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.spec.types import KafkaSpec
from tests.kafka.conftest import kafka, kafka_servers, new_broker, pytest_runtest_setup
from tests.worker.world import World

__all__ = ["kafka", "kafka_servers", "new_broker", "pytest_runtest_setup"]

NewWorld = Callable[..., World]


@pytest.fixture
def new_world(tmp_path: Path) -> Iterator[NewWorld]:
    """Makes worlds; takes what World takes after its folder. Their processes end with the test."""
    with ExitStack() as stack:

        def make(kafka: KafkaSpec, **options: object) -> World:
            folder = tmp_path / f"world-{len(list(tmp_path.glob('world-*')))}"
            return stack.enter_context(World(folder, kafka, **options))  # type: ignore[arg-type]

        yield make
