"""A registry in which every metric of a worker has a sample, made by the calls that the shells make."""

from __future__ import annotations

from msgspec.structs import replace

from engine.core.effects import Effects
from engine.model import Action, DeadLetter, Decision, Membership, Mode, Outcome, Severity, Signal
from engine.shells.metrics import Metrics, WorkerMetrics
from engine.shells.modelling import LearnerReport, ModelReport
from engine.spec.policies import SnoozeSpec

NOW = 1_772_409_600_000


def a_signal(detector: str, state: str = "firing") -> Signal:
    return Signal(
        id=f"s-{detector}",
        detector=detector,
        version="1",
        entity="account",
        key="larch",
        unit="account:larch",
        state="firing" if state == "firing" else "resolved",
        at=NOW,
        started_at=NOW,
        severity=Severity.WATCH,
        mode=Mode.LIVE,
        reason="errors",
        owner="care",
    )


def a_decision(detector: str) -> Decision:
    return Decision(
        id="d1",
        at=NOW,
        unit="account:larch",
        recipient="owner:care",
        signal_id="s1",
        detector=detector,
        entity="account",
        key="larch",
        play="call",
        outcome=Outcome.CHOSEN,
        gate="",
        detail="",
        why="",
        reason="errors",
        severity=Severity.WATCH,
        action_id="a1",
        readings=(),
        event_ids=(),
        versions={},
        variants={"warmer-words": "warm"},
    )


def an_action(detector: str) -> Action:
    return Action(
        id="a1",
        signal_id="s1",
        decision_id="d1",
        play="call",
        detector=detector,
        channel="desk",
        unit="account:larch",
        recipient="owner:care",
        step="",
        at=NOW,
        expires_at=0,
        tier=2,
        purpose="service",
        owner="care",
        title="",
        text="",
        why="",
        severity=Severity.WATCH,
    )


def effects_of(detector: str) -> Effects:
    effects = Effects()
    effects.signals += [a_signal(detector), a_signal(detector, "resolved"), a_signal(detector)]
    member = Membership(incident="i1", of="s2", group="region", play="call")
    effects.signals.append(replace(a_signal(detector), id="s2", member=member))
    effects.decisions.append(a_decision(detector))
    effects.decisions.append(replace(a_decision(detector), outcome=Outcome.WORKED, gate="goal"))
    effects.decisions.append(replace(a_decision(detector), outcome=Outcome.ANSWERED, gate="hand_off", took_ms=90_000))
    effects.dead_letters.append(DeadLetter("bad_json", "", "usage", "raw.usage", 1, b"", 0, ""))
    effects.counts["duplicate", "usage"] += 1
    effects.returned["rejected"] += 1
    effects.reviews["call", "asked"] += 1
    return effects


def a_model() -> ModelReport:
    learner = LearnerReport(
        learner="logistic_regression",
        counts=True,
        auc=0.8,
        log_loss=0.4,
        calibration=0.02,
        top_share=0.3,
        lift=2.0,
        lift_over_rule=1.1,
        lead_ms=86_400_000,
    )
    return ModelReport(
        model="likely-to-cancel.churn",
        version=3,
        at="2026-01-05T00:00:00Z",
        at_ms=NOW,
        examples=300,
        yes=40,
        treated=5,
        held_out=1,
        needs=200,
        is_ready=True,
        judged=100,
        share=0.1,
        rule="logins",
        rule_auc=0.7,
        learners=(learner,),
        day_log_loss=0.38,
    )


def filled() -> Metrics:
    """As after a minute of a worker's life."""
    metrics = Metrics()
    worker = WorkerMetrics(metrics)
    effects = effects_of("gone-silent")
    metrics.note(effects, {("late", "usage"): 2}, NOW + 40)
    metrics.arrived(NOW, NOW + 40)
    metrics.sent(an_action("gone-silent"), NOW + 90)
    metrics.consumed.labels("usage").inc(10)
    metrics.actions.labels("desk", "delivered").inc()
    metrics.action_duration.labels("desk").observe(0.02)
    metrics.batch.observe(0.01)
    metrics.entities.labels("account").set(40)
    metrics.oldest.labels("decisions").set(NOW / 1000)
    metrics.note_snoozes([SnoozeSpec(what="all", until_ms=NOW + 1, because="a test")], NOW)
    metrics.models.note([a_model()])
    metrics.reload_ok.set(1)
    metrics.reload_at.set(NOW / 1000)
    for stage in ("route", "detect", "decide", "dispatch"):
        worker.assigned(stage, 0)
        worker.restoring(stage, 0, 50, 100)
        worker.restored(stage, 0, 100, 0.4)
        worker.batch(stage, 0, 10, 0.02, NOW)
        worker.state_size(stage, 0, 1_000)
    worker.restored_firing(0, {"gone-silent": 3})
    worker.detected(0, effects)
    worker.watermark(0, NOW)
    worker.lag("beforehand.events", 0, 7)
    worker.paused("desk", is_paused=False)
    worker.rebalanced()
    worker.fenced("detect")
    return metrics
