"""The broker that tests share, and brokers of their own for tests that kill, pause or restart them.

The shared one is started by the first test that asks for it, also under `pytest -n`, and ends with the run. With
KAFKA_BOOTSTRAP_SERVERS set it is the one there, in which tests only make topics and groups with names of their own.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from engine.spec.types import KafkaSpec
from tests.kafka import broker
from tests.kafka.broker import Broker

# Taken out of the environment, as else it would come before the address of every other broker that tests start.
GIVEN = os.environ.pop("KAFKA_BOOTSTRAP_SERVERS", "")
IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def need(version: str = broker.VERSION) -> None:
    """Skip the test where no broker can be started; in CI, fail it."""
    if lacking := broker.missing(version):
        (pytest.fail if IN_CI else pytest.skip)(f"{lacking}: {broker.HOW}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Asked here and not in the fixtures, so that the summary has one line for all who could not run."""
    asked = set(getattr(item, "fixturenames", ()))
    needs_its_own = "new_broker" in asked or "kafka_servers" not in asked
    if item.get_closest_marker("kafka") and (needs_its_own or not GIVEN):
        need()


@pytest.fixture(scope="session")
def kafka_servers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the shared broker."""
    if GIVEN:
        return GIVEN
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return Broker(tmp_path_factory.mktemp("kafka") / "broker").start().servers
    # The processes of one run have their folders side by side, and the one that leads the run as their parent.
    folder = tmp_path_factory.getbasetemp().parent
    with (folder / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        address = folder / "kafka.address"
        if not address.exists():
            started = Broker(folder / "kafka", lives_with=os.getppid()).start()
            address.write_text(started.servers)
        return address.read_text()


@pytest.fixture
def kafka(kafka_servers: str) -> KafkaSpec:
    """The shared broker, with a prefix and a group that no other test has."""
    name = f"t{uuid4().hex[:10]}"
    return KafkaSpec(servers=tuple(kafka_servers.split(",")), prefix=f"{name}.", group=name)


NewBroker = Callable[..., Broker]


@pytest.fixture
def new_broker(tmp_path: Path) -> Iterator[NewBroker]:
    """Starts a broker for this test alone; takes what Broker takes."""
    started: list[Broker] = []

    def start(version: str = broker.VERSION, **options: object) -> Broker:
        need(version)
        found = Broker(tmp_path / f"broker-{len(started)}", version=version, **options)  # type: ignore[arg-type]
        started.append(found)
        return found.start()

    yield start
    for each in started:
        if each.process is not None:
            each.kill()
