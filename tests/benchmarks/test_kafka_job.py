"""The benchmark compares like with like: however a peer keeps its state, the same events lead to the same actions."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PEERS = Path(__file__).parents[2] / "benchmarks" / "kafka_peers"
EVENTS = 5_000
CUSTOMERS = 40
# So that windows move, and customers come and go.
EVERY_MS = 20_000


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The benchmark's own modules, which import one another as scripts beside each other do."""
    sys.path.insert(0, str(PEERS))
    yield {name: importlib.import_module(name) for name in ("events", "job", "rows")}
    sys.path.remove(str(PEERS))
    for name in ("events", "job", "rows"):
        sys.modules.pop(name)


@pytest.fixture(scope="module")
def values(modules: dict[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What stands on the topic: our own router has made it of raw rows."""
    raws = modules["rows"].raw_rows(EVENTS, CUSTOMERS, EVERY_MS)
    return [value for _, value in modules["events"].routed(tmp_path_factory.mktemp("project"), raws)]


def by_dict(job: ModuleType, values: list[bytes]) -> list[bytes]:
    """Faust's plain agent and `take`, aiokafka and confluent-kafka."""
    customers = job.Customers()
    return [action for value in values if (action := customers.take(value)) is not None]


def by_state_handed_in(job: ModuleType, values: list[bytes]) -> list[bytes]:
    """Bytewax, which keeps the very object."""
    states: dict[str, list[float]] = {}
    actions = []
    for event in map(json.loads, values):
        customer = event["entities"]["customer"]
        states[customer], action = job.step(states.get(customer), event)
        actions.append(action)
    return [action for action in actions if action is not None]


def by_state_as_text(job: ModuleType, values: list[bytes]) -> list[bytes]:
    """Faust's Table and Quix Streams, which write the state down as JSON."""
    states: dict[str, str] = {}
    actions = []
    for event in map(json.loads, values):
        customer = event["entities"]["customer"]
        state, action = job.step(json.loads(states.get(customer, "null")), event)
        states[customer] = json.dumps(state)
        actions.append(action)
    return [action for action in actions if action is not None]


def plainly(job: ModuleType, values: list[bytes]) -> list[bytes]:
    """The job by its definition: every reading kept, and the window looked at anew for each."""
    readings: dict[str, list[tuple[int, float]]] = {}
    standing: set[str] = set()
    actions = []
    for event in map(json.loads, values):
        customer, pane = event["entities"]["customer"], event["at"] // job.PANE_MS
        readings.setdefault(customer, []).append((pane, event["attributes"]["value"]))
        window = [value for at, value in readings[customer] if at > pane - job.PANES]
        mean = sum(window) / len(window)
        if (len(window) >= 5 and (mean > 78 or mean < 22)) or len(window) >= 20_000:
            if customer not in standing:
                actions.append(job.action(customer, event["at"]))
            standing.add(customer)
        else:
            standing.discard(customer)
    return actions


@pytest.mark.parametrize("way", [by_dict, by_state_handed_in, by_state_as_text])
def test_every_way_of_keeping_state_leads_to_the_same_actions(
    way: object, modules: dict[str, ModuleType], values: list[bytes]
) -> None:
    assert callable(way)
    expected = plainly(modules["job"], values)
    assert len(expected) > 10
    assert way(modules["job"], values) == expected


def test_panes_that_time_has_passed_are_emptied(modules: dict[str, ModuleType]) -> None:
    job = modules["job"]
    state = job.fresh(0)
    assert not any(job.take(state, 0, 100) for _ in range(4))
    assert not job.take(state, job.PANES * job.PANE_MS, 100)
    assert job.take(job.fresh(0), 0, 100) is False
    assert [job.take(state, job.PANES * job.PANE_MS, 100) for _ in range(4)] == [False, False, False, True]


def test_events_are_of_the_size_that_is_told(values: list[bytes]) -> None:
    assert 216 <= sum(map(len, values)) / len(values) <= 260
