"""How good the models are that have learned so far: for a person, for a program, and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import msgspec

from engine.core.crowds import among
from engine.core.examples import is_enough
from engine.core.models.classifiers import trouble_of
from engine.core.models.track import Track, best_measure, quality_of
from engine.core.moments import spoken_length, spoken_number
from engine.core.plan import Plan
from engine.core.teaching import LearnState, ModelSpec, Teaching
from engine.model import DAY_MS, Scalar
from engine.shells.times import iso, moment

SEGMENTS_SHOWN = 20


class LearnerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one learner said before the answers were known, held against `judged` of them. `rebuilt` is of how many kept
    answers it was taught when it was added, or its code was another. At `full_at` answers it had become too large to be
    kept, and stands still (0 = it does not); `missed` answers it could not take.

    `calibration` is how far its chances were from what came, on average. `top_share` is the share of yes among the
    tenth with the highest chances; `lift` that over the share among all, `lift_over_rule` over that of the best measure
    alone. `lead_ms` is how long before it happened a yes among that tenth was foreseen, on average.
    """

    learner: str
    counts: bool
    auc: float | None
    log_loss: float
    calibration: float
    top_share: float
    lift: float
    lift_over_rule: float
    lead_ms: int
    judged: int = 0
    rebuilt: int = 0
    full_at: int = 0
    missed: int = 0


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One model. `examples` and `yes` were learned from, `kept` of them are kept, `treated` left out. `judged` were
    held against what was said. The trivial rule is the one measure that alone ranks best, `rule`.
    `day_log_loss` is of the learner that counts, on the newest day; None where it had said nothing.
    """

    model: str
    version: int
    at: str
    at_ms: int
    examples: int
    yes: int
    treated: int
    held_out: int
    needs: int
    is_ready: bool
    judged: int
    share: float
    rule: str
    rule_auc: float
    learners: tuple[LearnerReport, ...]
    day_log_loss: float | None = None
    kept: int = 0


class SegmentReport(msgspec.Struct, frozen=True, kw_only=True):
    """One segment in the newest period that is known of most: how many are heard, the middle of what they had, and the
    spread. `is_enough`: are there as many others as are needed? `segment` is [] for all of the kind.
    """

    segment: tuple[Scalar, ...]
    heard: int
    usual: float
    spread: float
    is_enough: bool


class PeersReport(msgspec.Struct, frozen=True, kw_only=True):
    """One model of what is usual among peers. `refused` are values of segments for which there was no room."""

    model: str
    version: int
    at: str
    at_ms: int
    values: int
    refused: int
    needs: int
    segments: tuple[SegmentReport, ...]


AnyReport: TypeAlias = ModelReport | PeersReport


def reports(plan: Plan, state: LearnState) -> list[AnyReport]:
    """Every model that is asked for, in order of their names."""
    known = [(spec, state.models.get(name, Teaching())) for name, spec in plan.models.items()]
    found = [_of_peers(*each) if each[0].is_of_peers else _report(*each) for each in known]
    return sorted(found, key=lambda report: report.model)


def _of_peers(spec: ModelSpec, teaching: Teaching) -> PeersReport:
    return PeersReport(
        model=spec.name,
        version=teaching.version,
        at=iso(teaching.at) if teaching.at else "",
        at_ms=teaching.at,
        values=teaching.examples,
        refused=teaching.refused,
        needs=spec.needs,
        segments=tuple(_segments(spec, teaching)),
    )


def _segments(spec: ModelSpec, teaching: Teaching) -> Iterator[SegmentReport]:
    """In order of their names."""
    for name, crowd in sorted(teaching.crowds.items()):
        periods = among(crowd, of_counts=spec.of_counts).periods
        if periods:
            # The newest one may be over only in the east.
            _period, usual, spread, heard = max(periods, key=lambda each: (each[3], each[0]))
            yield SegmentReport(
                segment=msgspec.json.decode(name, type=tuple[Scalar, ...]),
                heard=heard,
                usual=usual,
                spread=spread,
                is_enough=heard > spec.needs,
            )


def _report(spec: ModelSpec, teaching: Teaching) -> ModelReport:
    newest = teaching.judged.get(spec.learner)
    rule, rule_auc, rule_share = best_measure(teaching.rules)
    first = quality_of(teaching.tracks.get(spec.learner, Track()))
    return ModelReport(
        model=spec.name,
        version=teaching.version,
        at=iso(teaching.at) if teaching.at else "",
        at_ms=teaching.at,
        examples=teaching.examples,
        yes=teaching.yes,
        treated=teaching.left_out,
        held_out=teaching.held_out,
        needs=spec.needs,
        is_ready=is_enough(teaching.examples, teaching.yes, spec.needs),
        judged=first.answers,
        share=first.share,
        rule=rule,
        rule_auc=rule_auc,
        day_log_loss=newest.log_loss if newest else None,
        learners=tuple(_learners(spec, teaching, rule_share)),
        kept=teaching.kept,
    )


def _learners(spec: ModelSpec, teaching: Teaching, rule_share: float) -> Iterator[LearnerReport]:
    """Those whose word counts first."""
    for name in sorted(spec.learners, key=lambda name: (name != spec.learner, name not in spec.speakers)):
        quality = quality_of(teaching.tracks.get(name, Track()))
        full_at, missed = trouble_of(name, teaching.learned.get(name, []))
        yield LearnerReport(
            learner=name,
            counts=name in spec.speakers,
            auc=quality.auc,
            log_loss=quality.log_loss,
            calibration=quality.calibration,
            top_share=quality.precision,
            lift=quality.precision / quality.share if quality.share else 0.0,
            lift_over_rule=quality.precision / rule_share if rule_share else 0.0,
            lead_ms=quality.lead_ms,
            judged=quality.answers,
            rebuilt=teaching.rebuilt.get(name, 0),
            full_at=full_at,
            missed=missed,
        )


def as_text(found: Sequence[AnyReport]) -> str:
    nothing = "no detector asks for a chance, or for what is usual among peers"
    return "\n\n".join("\n".join(_lines(report)) for report in found) or nothing


def _lines(report: AnyReport) -> Iterator[str]:
    yield report.model
    if not report.version:
        yield "  it has not learned anything yet"
    elif isinstance(report, PeersReport):
        yield from _lines_of_peers(report)
    else:
        yield from _lines_of_chances(report)


def _lines_of_peers(report: PeersReport) -> Iterator[str]:
    yield f"  version {report.version} of {moment(report.at)}, from {report.values:,} values"
    if report.refused:
        yield f"  {report.refused:,} were left out: there are more segments than are kept"
    few = sum(not segment.is_enough for segment in report.segments)
    if few:
        where = f"{few:,} of {len(report.segments):,} segments"
        yield f"  still learning in {where}: it needs {report.needs:,} others in each"
    yield f"  {'segment':<32}  {'heard':>5}  {'usual':>8}  give or take"
    for segment in sorted(report.segments, key=lambda each: -each.heard)[:SEGMENTS_SHOWN]:
        name = ", ".join(str(part) for part in segment.segment) or "all"
        yield f"  {name:<32}  {segment.heard:>5,}  {spoken_number(segment.usual):>8}  {spoken_number(segment.spread)}"
    if len(report.segments) > SEGMENTS_SHOWN:
        yield f"  and {len(report.segments) - SEGMENTS_SHOWN:,} smaller ones, with --json"


def _lines_of_chances(report: ModelReport) -> Iterator[str]:
    yield (
        f"  version {report.version} of {moment(report.at)}, learned from {report.examples:,} answers, "
        f"{report.yes:,} of them yes"
    )
    if report.treated or report.held_out:
        yield f"  {report.treated:,} were left out, as something was done; {report.held_out:,} were held out and taught"
    if report.kept:
        yield f"  the newest {report.kept:,} are kept, to teach other learners from"
    if not report.is_ready:
        rarer = min(report.yes, report.examples - report.yes)
        yield (
            f"  still learning: it needs {report.needs:,} answers and has {report.examples:,}; "
            f"of the rarer kind {max(1, report.needs // 10):,}, and has {rarer:,}"
        )
    if report.judged:
        yield from _judged(report)
    for each in report.learners:
        if each.full_at:
            yield f"    {each.learner} stands still since {each.full_at:,} answers: it is larger than can be kept"
        if each.missed:
            yield f"    {each.learner} could not take {each.missed:,} answers"


def _judged(report: ModelReport) -> Iterator[str]:
    yield f"  held against {report.judged:,} answers, {report.share:.1%} of them yes:"
    wide = max(22, *(len(each.learner) + 2 for each in report.learners))
    yield f"    {'':<{wide}}  {'AUC':>5}  {'log loss':>8}  {'off by':>6}  {'top tenth':>9}  {'lift':>5}  foreseen"
    for each in report.learners:
        name = each.learner + (" *" if each.counts else "")
        if not each.judged:
            yield f"    {name:<{wide}}  {'-':>5}  nothing that it said has been answered yet"
            continue
        auc = "-" if each.auc is None else f"{each.auc:.3f}"
        lead = spoken_length(round(each.lead_ms / DAY_MS) * DAY_MS) if each.lead_ms >= DAY_MS else "less than a day"
        yield (
            f"    {name:<{wide}}  {auc:>5}  {each.log_loss:>8.3f}  {each.calibration:>6.1%}  {each.top_share:>9.1%}  "
            f"{each.lift:>5.2f}  {lead} before"
        )
    if report.rule:
        yield f"    {report.rule + ' alone':<{wide}}  {report.rule_auc:>5.3f}"
    for each in report.learners:
        if each.rebuilt:
            yield f"    {each.learner} was rebuilt from {each.rebuilt:,} answers, and held against {each.judged:,}"
