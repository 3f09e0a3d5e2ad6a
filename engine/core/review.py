"""A sample of decisions goes to a person who says whether they were good, and what they say is counted per play.

Which ones follows from the decision's id, so that a replay takes the same.
"""

from __future__ import annotations

from typing import TypeAlias

from engine.core.digest import digest
from engine.core.unit_state import Candidate, UnitState
from engine.model import Action, Decision, Event
from engine.spec.policies import ReviewSpec

REVIEW_STEP = "review"
ASKED, OTHER = "asked", "other"
PLACES = 10_000
# A unit's decisions that wait for a verdict; of more, the oldest are not waited for any longer.
MOST_WAITING = 100
# What is switched off says nothing to anybody, and a kill switch is not there to be reviewed.
_SILENT = frozenset({"paused", "snoozed"})
# (play, `asked` or the verdict).
Counted: TypeAlias = tuple[str, str]


def is_sampled(candidate: Candidate, decision: Decision) -> bool:
    """Is a person to look at this decision?"""
    spec = candidate.project.policies.review
    if spec is None or decision.gate in _SILENT or (decision.gate and not spec.stopped):
        return False
    places = spec.places if candidate.play.review_places < 0 else candidate.play.review_places
    return bool(places) and int(digest("review", decision.id), 16) % PLACES < places


def to_review(spec: ReviewSpec, candidate: Candidate, decision: Decision, would: Action) -> Action:
    """What the desk gets: what was decided, and what was or would have been said. `would` is that message."""
    candidate.unit.reviews[decision.id] = decision.play
    for oldest in list(candidate.unit.reviews)[:-MOST_WAITING]:
        del candidate.unit.reviews[oldest]
    became = f"{decision.outcome.value} at {decision.gate}: {decision.detail}" if decision.gate else "sent"
    said = "\n".join(part for part in (would.title, would.text) if part)
    return Action(
        id=digest(REVIEW_STEP, decision.id),
        signal_id=decision.signal_id,
        decision_id=decision.id,
        play=decision.play,
        detector=decision.detector,
        channel=spec.channel,
        unit=decision.unit,
        recipient=f"owner:{spec.desk}",
        step=REVIEW_STEP,
        at=decision.at,
        expires_at=0,
        tier=3,
        purpose="service",
        owner=candidate.play.owner,
        title=f"Review: {decision.play} for {decision.recipient}",
        text=f"{decision.play} on {would.channel} to {decision.recipient}, {became}.\n\n{said}",
        why=decision.why,
        severity=decision.severity,
        event_ids=decision.event_ids,
        readings=decision.readings,
        about=f"{decision.entity}:{decision.key}",
    )


def verdict_of(spec: ReviewSpec, unit: UnitState, event: Event) -> Counted | None:
    """The play and what was said of it; None where no such decision waits for a verdict, as when it comes again."""
    named = {event.attributes.get("decision"), event.attributes.get("action")}
    found = next((one for one in unit.reviews if not named.isdisjoint({one, digest(REVIEW_STEP, one)})), None)
    if found is None:
        return None
    said = event.attributes.get("verdict")
    return unit.reviews.pop(found), said if isinstance(said, str) and said in spec.verdicts else OTHER
