"""What Prometheus sees. Every label has a bounded set of values; none of them is ever a customer."""

from __future__ import annotations

from importlib.metadata import version
from platform import python_version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from engine.core.effects import Effects
from engine.model import Mode, Outcome

_DELAYS_S = (0.1, 0.5, 1, 5, 15, 60, 300, 3_600, 21_600, 86_400)


# A second series per counter, telling when it began, is of no use to anybody here.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """One registry per process shell, so that two engines in one test do not share numbers."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.consumed = Counter("beforehand_events_consumed", "Rows read", ["stream"], registry=registry)
        self.counted = Counter(
            "beforehand_events_noted", "What was noted about events on the way", ["what", "stream"], registry=registry
        )
        self.rejected = Counter("beforehand_events_rejected", "Dead letters", ["stream", "reason"], registry=registry)
        self.delay = Histogram(
            "beforehand_event_delay_seconds", "From event time to arrival", buckets=_DELAYS_S, registry=registry
        )
        self.watermark = Gauge(
            "beforehand_watermark_timestamp_seconds", "Event time that all sources have reached", registry=registry
        )
        self.fired = Counter("beforehand_signals_fired", "Signals opened", ["detector", "mode"], registry=registry)
        self.resolved = Counter("beforehand_signals_resolved", "Signals closed", ["detector"], registry=registry)
        self.decisions = Counter(
            "beforehand_decisions",
            "Decisions by outcome and the gate that stopped them",
            ["outcome", "gate"],
            registry=registry,
        )
        self.actions = Counter(
            "beforehand_actions", "What became of actions", ["channel", "outcome"], registry=registry
        )
        self.action_duration = Histogram(
            "beforehand_action_duration_seconds", "One attempt to send", ["channel"], registry=registry
        )
        self.batch = Histogram(
            "beforehand_batch_duration_seconds", "Taking in and storing one batch", registry=registry
        )
        self.entities = Gauge("beforehand_state_entities", "Entities remembered", ["entity"], registry=registry)
        self.oldest = Gauge(
            "beforehand_oldest_row_timestamp_seconds", "Oldest row kept, by table", ["table"], registry=registry
        )
        self.reload_ok = Gauge(
            "beforehand_config_last_reload_successful",
            "1 if the files in force are the files on disk",
            registry=registry,
        )
        self.reload_at = Gauge(
            "beforehand_config_last_reload_success_timestamp_seconds",
            "When the configuration took effect",
            registry=registry,
        )
        self.build = Gauge("beforehand_build_info", "Always 1", ["version", "python"], registry=registry)
        self.build.labels(version("beforehand"), python_version()).set(1)

    def note(self, effects: Effects, counts: dict[tuple[str, str], int]) -> None:
        """Count what one batch led to."""
        for (what, stream), count in [*counts.items(), *effects.counts.items()]:
            self.counted.labels(what, stream).inc(count)
        for letter in effects.dead_letters:
            self.rejected.labels(letter.stream, letter.reason).inc()
        for signal in effects.signals:
            if signal.state == "firing":
                self.fired.labels(signal.detector, Mode(signal.mode).value).inc()
            else:
                self.resolved.labels(signal.detector).inc()
        for decision in effects.decisions:
            self.decisions.labels(Outcome(decision.outcome).value, decision.gate).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)
