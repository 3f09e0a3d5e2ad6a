"""What Prometheus sees of the models: what they have learned, and how good it was on answers that nobody knew yet."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge

from engine.shells.modelling import AnyReport, LearnerReport, ModelReport


class ModelMetrics:
    """The gauges of models, in the registry of the process. A model is `detector.measure`."""

    def __init__(self, made: CollectorRegistry) -> None:
        labels = ["model", "learner"]
        self._version = Gauge("beforehand_model_version", "Snapshots made", ["model"], registry=made)
        self._learned = Gauge(
            "beforehand_model_learned_timestamp_seconds", "Event time it has learned up to", ["model"], registry=made
        )
        self._answers = Gauge(
            "beforehand_model_answers", "Answers known, by what became of them", ["model", "what"], registry=made
        )
        self._kept = Gauge(
            "beforehand_model_kept_answers", "Answers kept to teach other learners from", ["model"], registry=made
        )
        self._auc = Gauge(
            "beforehand_model_auc", "How well chances rank, told before the answer", labels, registry=made
        )
        self._loss = Gauge("beforehand_model_log_loss", "Log loss, told before the answer", labels, registry=made)
        self._off = Gauge(
            "beforehand_model_calibration_error", "How far chances are from what comes", labels, registry=made
        )
        self._lift = Gauge(
            "beforehand_model_lift_over_rule",
            "Share of yes in the top tenth, over that of the best measure alone",
            labels,
            registry=made,
        )
        self._lead = Gauge(
            "beforehand_model_lead_seconds", "How long before a yes of the top tenth is foreseen", labels, registry=made
        )

        self._full = Gauge(
            "beforehand_model_full", "1 if it has grown too large to be kept and stands still", labels, registry=made
        )
        self._day = Gauge(
            "beforehand_model_day_log_loss", "Log loss on the newest day's answers", ["model"], registry=made
        )

    def note(self, reports: Sequence[AnyReport]) -> None:
        """How good the models are by now."""
        for report in reports:
            self._version.labels(report.model).set(report.version)
            if report.at:
                self._learned.labels(report.model).set(report.at_ms / 1000)
            if isinstance(report, ModelReport):
                self._note_answers(report)

    def _note_answers(self, report: ModelReport) -> None:
        answers = {"no": report.examples - report.yes, "yes": report.yes}
        for what, count in {**answers, "treated": report.treated, "held_out": report.held_out}.items():
            self._answers.labels(report.model, what).set(count)
        self._kept.labels(report.model).set(report.kept)
        if report.day_log_loss is not None:
            self._day.labels(report.model).set(report.day_log_loss)
        for each in report.learners:
            self._note_learner(report.model, each)

    def _note_learner(self, model: str, report: LearnerReport) -> None:
        self._full.labels(model, report.learner).set(report.full_at > 0)
        if report.auc is None:
            return
        self._auc.labels(model, report.learner).set(report.auc)
        self._loss.labels(model, report.learner).set(report.log_loss)
        self._off.labels(model, report.learner).set(report.calibration)
        self._lift.labels(model, report.learner).set(report.lift_over_rule)
        self._lead.labels(model, report.learner).set(report.lead_ms / 1000)
