"""What `beforehand models` says of a model."""

from __future__ import annotations

from engine.shells.modelling import LearnerReport, ModelReport, as_text

UNASKED = LearnerReport(
    learner="naive_bayes",
    counts=False,
    auc=None,
    log_loss=0.0,
    calibration=0.0,
    top_share=0.0,
    lift=0.0,
    lift_over_rule=0.0,
    lead_ms=0,
)


def report(*learners: LearnerReport) -> ModelReport:
    return ModelReport(
        model="likely.churn",
        version=3,
        at="2026-03-02T00:00:00Z",
        at_ms=1,
        examples=900,
        yes=90,
        treated=0,
        held_out=0,
        needs=200,
        is_ready=True,
        judged=100,
        share=0.1,
        rule="",
        rule_auc=0.0,
        learners=learners,
    )


def test_a_learner_without_answers_is_not_shown_as_perfect() -> None:
    *_, line = as_text([report(UNASKED)]).splitlines()
    assert " ".join(line.split()) == "naive_bayes - nothing that it said has been answered yet"
