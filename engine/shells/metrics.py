"""What Prometheus sees. Every label has a bounded set of values; none of them is ever a customer.

`Metrics` is what every shell counts, `WorkerMetrics` what only a worker on Kafka has: partitions, lag, restores.
docs/metrics.md tells each of them; the dashboard and the alerts in deploy/ are held against this file by a test.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from platform import python_version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from engine.core.effects import Effects
from engine.core.snooze import in_force
from engine.model import Action, Decision, Mode, Outcome, Signal
from engine.shells.model_metrics import ModelMetrics
from engine.spec.policies import SnoozeSpec

_DELAYS_S = (0.1, 0.5, 1, 5, 15, 60, 300, 3_600, 21_600, 86_400)
# From milliseconds, which is what a decision takes, to the day that late events bring with them.
_LATENCIES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 86_400)
# How long a person takes, nights and weekends included.
_ANSWERS_S = (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 172_800, 345_600)
_BATCHES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_RESTORES_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800)


# A second series per counter, telling when it began, is of no use to anybody here.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """One registry per process shell, so that two engines in one test do not share numbers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._add_input()
        self._add_decisions()
        self._add_sending()
        self._add_state()
        self._add_configuration()
        self.models = ModelMetrics(self.registry)

    def _add_input(self) -> None:
        made = self.registry
        self.consumed = Counter("beforehand_events_consumed", "Rows read", ["stream"], registry=made)
        self.counted = Counter(
            "beforehand_events_noted", "What was noted about events on the way", ["what", "stream"], registry=made
        )
        self.rejected = Counter("beforehand_events_rejected", "Dead letters", ["stream", "reason"], registry=made)
        self.delay = Histogram(
            "beforehand_event_delay_seconds", "From event time to arrival", buckets=_DELAYS_S, registry=made
        )
        self.watermark = Gauge(
            "beforehand_watermark_timestamp_seconds", "Event time that all sources have reached", registry=made
        )
        self.batch = Histogram("beforehand_batch_duration_seconds", "Taking in and storing one batch", registry=made)

    def _add_decisions(self) -> None:
        made = self.registry
        self.fired = Counter("beforehand_signals_fired", "Signals opened", ["detector", "mode"], registry=made)
        self.resolved = Counter("beforehand_signals_resolved", "Signals closed", ["detector"], registry=made)
        self.members = Counter(
            "beforehand_members_addressed",
            "Signals of groups passed on to members, by the step of the incident",
            ["detector", "step"],
            registry=made,
        )
        self.decisions = Counter(
            "beforehand_decisions",
            "Decisions by outcome and the gate that stopped them",
            ["outcome", "gate"],
            registry=made,
        )
        self.variants = Counter(
            "beforehand_experiment_decisions",
            "Decisions in experiments, by arm",
            ["experiment", "arm", "outcome"],
            registry=made,
        )
        self.reviews = Counter(
            "beforehand_reviews",
            "Decisions that went to a person, and verdicts",
            ["play", "what"],
            registry=made,
        )
        self.snoozes = Gauge("beforehand_snoozes", "Snoozes in force, by what they hold back", ["what"], registry=made)
        self.decision_latency = Histogram(
            "beforehand_event_to_decision_seconds",
            "From the time a decision stands for to the moment it was made",
            ["detector"],
            buckets=_LATENCIES_S,
            registry=made,
        )

        self.goals = Counter("beforehand_goals_reached", "Goals reached after a play", ["play"], registry=made)
        self.time_to_human = Histogram(
            "beforehand_time_to_human_seconds",
            "From a hand-off, or another action for a colleague, until a person took it up",
            ["play"],
            buckets=_ANSWERS_S,
            registry=made,
        )

    def _add_sending(self) -> None:
        made = self.registry
        self.actions = Counter("beforehand_actions", "What became of actions", ["channel", "outcome"], registry=made)
        self.receipts = Counter(
            "beforehand_receipts", "What came back of actions and was decided on", ["outcome"], registry=made
        )
        self.action_duration = Histogram(
            "beforehand_action_duration_seconds", "One attempt to send", ["channel"], registry=made
        )
        self.sending_latency = Histogram(
            "beforehand_decision_to_sent_seconds",
            "From the time an action stands for to the moment its channel took it",
            ["detector"],
            buckets=_LATENCIES_S,
            registry=made,
        )
        self.sink_paused = Gauge(
            "beforehand_sink_paused",
            "1 while a sink is not sent to, because it refused our key",
            ["sink"],
            registry=made,
        )

    def _add_state(self) -> None:
        made = self.registry
        self.entities = Gauge("beforehand_state_entities", "Entities remembered", ["entity"], registry=made)
        self.oldest = Gauge(
            "beforehand_oldest_row_timestamp_seconds", "Oldest row kept, by table", ["table"], registry=made
        )

    def _add_configuration(self) -> None:
        made = self.registry
        self.reload_ok = Gauge(
            "beforehand_config_last_reload_successful", "1 if the files in force are the files on disk", registry=made
        )
        self.reload_at = Gauge(
            "beforehand_config_last_reload_success_timestamp_seconds",
            "When the configuration took effect",
            registry=made,
        )
        self.build = Gauge("beforehand_build_info", "Always 1", ["version", "python"], registry=made)
        self.build.labels(version("beforehand"), python_version()).set(1)

    def note_snoozes(self, snoozes: Sequence[SnoozeSpec], now_ms: int) -> None:
        """How many are in force by now."""
        for what, count in in_force(snoozes, now_ms).items():
            self.snoozes.labels(what).set(count)

    def note(self, effects: Effects, counts: Mapping[tuple[str, str], int], now_ms: int = 0) -> None:
        """Count what one batch led to. `now_ms` is the wall clock; 0 for recorded events, whose age means nothing."""
        for (what, stream), count in [*counts.items(), *effects.counts.items()]:
            self.counted.labels(what, stream).inc(count)
        for (play, what), count in effects.reviews.items():
            self.reviews.labels(play, what).inc(count)
        for outcome, count in effects.returned.items():
            self.receipts.labels(outcome).inc(count)
        for letter in effects.dead_letters:
            self.rejected.labels(letter.stream, letter.reason).inc()
        for signal in effects.signals:
            self._note_signal(signal)
        for decision in effects.decisions:
            self._note_decision(decision, now_ms)

    def _note_decision(self, decision: Decision, now_ms: int) -> None:
        outcome = Outcome(decision.outcome)
        self.decisions.labels(outcome.value, decision.gate).inc()
        for experiment, arm in decision.variants.items():
            self.variants.labels(experiment, arm, outcome.value).inc()
        if outcome is Outcome.ANSWERED:
            self.time_to_human.labels(decision.play).observe(decision.took_ms / 1000)
        elif outcome is Outcome.WORKED and decision.action_id:
            self.goals.labels(decision.play).inc()
        elif now_ms:
            self.decision_latency.labels(decision.detector).observe(_seconds(decision.at, now_ms))

    def _note_signal(self, signal: Signal) -> None:
        if signal.member is not None:
            self.members.labels(signal.detector, _step(signal.state, signal.member.step)).inc()
        elif signal.state == "firing":
            self.fired.labels(signal.detector, Mode(signal.mode).value).inc()
        else:
            self.resolved.labels(signal.detector).inc()

    def arrived(self, at_ms: int, now_ms: int) -> None:
        """Note how old an event was when it came; one of a batch is enough, each would cost more than it tells."""
        self.delay.observe(_seconds(at_ms, now_ms))

    def sent(self, action: Action, now_ms: int) -> None:
        """An action's channel took it just now."""
        self.sending_latency.labels(action.detector).observe(_seconds(action.at, now_ms))

    def text(self) -> bytes:
        return generate_latest(self.registry)


class WorkerMetrics:
    """What a worker on Kafka has beside the rest, in the same registry.

    A stage is `route`, `detect`, `decide` or `dispatch`. What belongs to a partition is shown only while it is ours:
    from `assigned` until `revoked`.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._common = metrics
        self._watermarks: dict[int, int] = {}
        self._firing: dict[int, Tally[str]] = {}
        self._add_progress(metrics.registry)
        self._add_state(metrics.registry)

    def _add_progress(self, made: CollectorRegistry) -> None:
        self.owned = Gauge("beforehand_partitions_assigned", "Partitions this worker has now", ["stage"], registry=made)
        self.rebalances = Counter("beforehand_rebalances", "Times that partitions were given out anew", registry=made)
        self.lag_records = Gauge(
            "beforehand_consumer_lag_records", "Records not yet committed", ["topic", "partition"], registry=made
        )
        self.partition_watermark = Gauge(
            "beforehand_partition_watermark_timestamp_seconds",
            "Event time that all sources have reached, by partition",
            ["partition"],
            registry=made,
        )
        self.records = Counter("beforehand_stage_records", "Records taken in", ["stage"], registry=made)
        self.batch_duration = Histogram(
            "beforehand_stage_batch_duration_seconds",
            "One batch, from its records to the broker's word that all it led to is stored",
            ["stage"],
            buckets=_BATCHES_S,
            registry=made,
        )
        self.committed_at = Gauge(
            "beforehand_last_commit_timestamp_seconds",
            "When a batch was last stored",
            ["stage", "partition"],
            registry=made,
        )
        self.fencings = Counter(
            "beforehand_fenced", "Times a partition turned out to be another worker's", ["stage"], registry=made
        )

    def _add_state(self, made: CollectorRegistry) -> None:
        self.firing = Gauge("beforehand_signals_firing", "Signals open now", ["detector"], registry=made)
        self.state_bytes = Gauge(
            "beforehand_state_bytes", "Size of the records remembered", ["stage", "partition"], registry=made
        )
        self.restores = Histogram(
            "beforehand_restore_duration_seconds",
            "Reading a partition's state back",
            ["stage"],
            buckets=_RESTORES_S,
            registry=made,
        )
        self.restored_records = Counter(
            "beforehand_restore_records", "Records read to have state back", ["stage"], registry=made
        )
        self.restore_progress = Gauge(
            "beforehand_restore_progress_ratio",
            "How much of it was read, 0 to 1",
            ["stage", "partition"],
            registry=made,
        )

    # ---- whose partition it is

    def assigned(self, stage: str, partition: int) -> None:
        """A partition of a stage is ours from now on."""
        self.owned.labels(stage).inc()

    def revoked(self, stage: str, partition: int) -> None:
        """It is not ours any more: what was shown of it goes, so that no alert looks at numbers that stand still."""
        self.owned.labels(stage).dec()
        for gauge in (self.committed_at, self.state_bytes, self.restore_progress):
            gauge.remove(stage, partition)
        if stage == "detect":
            self.partition_watermark.remove(partition)
            self._watermarks.pop(partition, None)
            self._show_watermark()
            self._show_firing(self._firing.pop(partition, Tally()))

    def forget_lag(self, topic: str, partition: int) -> None:
        """Show no lag for a partition that another worker reads now."""
        self.lag_records.remove(topic, partition)

    def rebalanced(self) -> None:
        """The group gave out its partitions anew."""
        self.rebalances.inc()

    def fenced(self, stage: str) -> None:
        """A write was refused, or not made, because the partition is another worker's."""
        self.fencings.labels(stage).inc()

    # ---- state read back

    def restoring(self, stage: str, partition: int, done: int, whole: int) -> None:
        """So many of all records to read were read; with none to read, it is done."""
        self.restore_progress.labels(stage, partition).set(done / whole if whole else 1)

    def restored(self, stage: str, partition: int, records: int, seconds: float) -> None:
        """The state of a partition is whole again."""
        self.restores.labels(stage).observe(seconds)
        self.restored_records.labels(stage).inc(records)
        self.restore_progress.labels(stage, partition).set(1)

    def restored_firing(self, partition: int, open_signals: Mapping[str, int]) -> None:
        """How many signals of each detector were open in the state of a detect partition that was read back."""
        before = self._firing.get(partition, Tally())
        self._firing[partition] = Tally(open_signals)
        self._show_firing(before)

    # ---- progress

    def batch(self, stage: str, partition: int, records: int, seconds: float, now_ms: int) -> None:
        """A batch and all it led to was stored. Wall clock in ms."""
        self.records.labels(stage).inc(records)
        self.batch_duration.labels(stage).observe(seconds)
        self.committed_at.labels(stage, partition).set(now_ms / 1000)

    def detected(self, partition: int, effects: Effects) -> None:
        """Follow which signals are open, by what a batch of the detect stage led to.

        Only after `restored_firing`: without knowing how many were open, what opens and closes since says nothing.
        """
        tally = self._firing.get(partition)
        if tally is None:
            return
        own = [signal for signal in effects.signals if signal.member is None]
        for signal in own:
            tally[signal.detector] += 1 if signal.state == "firing" else -1
        self._show_firing({signal.detector: 0 for signal in own})

    def open_signals(self, partition: int) -> Mapping[str, int]:
        """How many signals of each detector are open in a detect partition, to be kept with its state."""
        return {detector: count for detector, count in self._firing.get(partition, Tally[str]()).items() if count}

    def watermark(self, partition: int, at_ms: int) -> None:
        """Event time has reached `at_ms` in a detect partition; the worker's own is that of its slowest."""
        self._watermarks[partition] = at_ms
        self.partition_watermark.labels(partition).set(at_ms / 1000)
        self._show_watermark()

    def lag(self, topic: str, partition: int, records: int) -> None:
        """So many records of a partition that is ours are not committed yet."""
        self.lag_records.labels(topic, partition).set(records)

    def state_size(self, stage: str, partition: int, size: int) -> None:
        """So many bytes are remembered for a partition."""
        self.state_bytes.labels(stage, partition).set(size)

    def paused(self, sink: str, *, is_paused: bool) -> None:
        """A sink is not sent to any more, or again."""
        self._common.sink_paused.labels(sink).set(is_paused)

    def _show_watermark(self) -> None:
        """Of the slowest partition; 0 without any, which no alert takes for a time."""
        self._common.watermark.set(min(self._watermarks.values(), default=0) / 1000)

    def _show_firing(self, changed: Mapping[str, int]) -> None:
        """Show the sums over our partitions, of these detectors and of all that are open."""
        open_now: Tally[str] = Tally(dict.fromkeys(changed, 0))
        for tally in self._firing.values():
            open_now.update(tally)
        for detector, count in open_now.items():
            self.firing.labels(detector).set(count)


def _step(state: str, step: str) -> str:
    """A member's step as a label: of updates it does not matter which one it is."""
    return "resolved" if state == "resolved" else step.partition(":")[0]


def _seconds(at_ms: int, now_ms: int) -> float:
    """Never below zero: an event's own clock may be ahead of ours."""
    return max(now_ms - at_ms, 0) / 1000
