"""What a worker shows of itself, and that Prometheus likes how it is shown."""

from __future__ import annotations

import pytest

from engine.shells.metrics import Metrics, WorkerMetrics
from tests.deploy.filled import NOW, a_decision, an_action, effects_of, filled
from tests.deploy.promtool import promtool


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_prometheus_finds_nothing_to_say_about_a_workers_metrics() -> None:
    assert promtool("check", "metrics", text=filled().text().decode()) == ""


def test_every_metric_of_a_worker_has_a_sample_once_it_has_worked() -> None:
    empty = [family.name for family in filled().registry.collect() if not family.samples]
    assert not empty


def test_a_fresh_worker_shows_nothing_of_partitions_it_does_not_have() -> None:
    metrics = Metrics()
    WorkerMetrics(metrics)
    text = metrics.text().decode()
    assert 'partition="' not in text
    assert "beforehand_signals_firing{" not in text


def test_how_long_a_decision_took_is_counted_from_the_time_it_stands_for() -> None:
    metrics = Metrics()
    effects = effects_of("gone-silent")
    effects.decisions[:] = [a_decision("gone-silent")]
    metrics.note(effects, {}, NOW + 250)
    assert value(metrics, "beforehand_event_to_decision_seconds_sum", detector="gone-silent") == 0.25
    metrics.sent(an_action("gone-silent"), NOW - 5)
    assert value(metrics, "beforehand_decision_to_sent_seconds_sum", detector="gone-silent") == 0


def test_decisions_in_an_experiment_are_counted_by_arm() -> None:
    metrics = Metrics()
    metrics.note(effects_of("gone-silent"), {})
    labels = {"experiment": "warmer-words", "arm": "warm", "outcome": "chosen"}
    assert value(metrics, "beforehand_experiment_decisions_total", **labels) == 1


def test_recorded_events_have_no_latency() -> None:
    metrics = Metrics()
    metrics.note(effects_of("gone-silent"), {})
    assert value(metrics, "beforehand_event_to_decision_seconds_count", detector="gone-silent") is None


def test_open_signals_are_those_of_the_restored_state_and_what_came_since() -> None:
    metrics = Metrics()
    worker = WorkerMetrics(metrics)
    worker.restored_firing(0, {"gone-silent": 3})
    worker.restored_firing(1, {"gone-silent": 2, "card-testing": 1})
    worker.detected(0, effects_of("gone-silent"))  # two open, one closes
    assert value(metrics, "beforehand_signals_firing", detector="gone-silent") == 6
    worker.assigned("detect", 1)
    worker.revoked("detect", 1)
    assert value(metrics, "beforehand_signals_firing", detector="gone-silent") == 4
    assert value(metrics, "beforehand_signals_firing", detector="card-testing") == 0


def test_what_opened_since_the_start_is_not_taken_for_all_that_is_open() -> None:
    metrics = Metrics()
    worker = WorkerMetrics(metrics)
    worker.detected(0, effects_of("gone-silent"))
    assert value(metrics, "beforehand_signals_firing", detector="gone-silent") is None
    worker.restored_firing(0, {"gone-silent": 3, "card-testing": 0})
    worker.detected(0, effects_of("gone-silent"))
    assert worker.open_signals(0) == {"gone-silent": 4}


def test_a_worker_is_as_far_as_its_slowest_partition() -> None:
    metrics = Metrics()
    worker = WorkerMetrics(metrics)
    for partition in (0, 1):
        worker.assigned("detect", partition)
        worker.watermark(partition, NOW - partition * 5_000)
    assert value(metrics, "beforehand_watermark_timestamp_seconds") == NOW / 1000 - 5
    worker.revoked("detect", 1)
    assert value(metrics, "beforehand_watermark_timestamp_seconds") == NOW / 1000


def test_nothing_is_shown_of_a_partition_that_went_to_another_worker() -> None:
    metrics = Metrics()
    worker = WorkerMetrics(metrics)
    worker.assigned("detect", 3)
    worker.restored("detect", 3, 10, 0.1)
    worker.batch("detect", 3, 10, 0.1, NOW)
    worker.state_size("detect", 3, 100)
    worker.watermark(3, NOW)
    worker.lag("beforehand.events", 3, 9)
    assert 'partition="3"' in metrics.text().decode()
    worker.revoked("detect", 3)
    worker.forget_lag("beforehand.events", 3)
    assert 'partition="3"' not in metrics.text().decode()
    assert value(metrics, "beforehand_partitions_assigned", stage="detect") == 0


@pytest.mark.parametrize(("done", "whole", "shown"), [(0, 0, 1), (5, 20, 0.25), (20, 20, 1)])
def test_a_restore_shows_how_far_it_is(done: int, whole: int, shown: float) -> None:
    metrics = Metrics()
    WorkerMetrics(metrics).restoring("detect", 2, done, whole)
    assert value(metrics, "beforehand_restore_progress_ratio", stage="detect", partition="2") == shown
