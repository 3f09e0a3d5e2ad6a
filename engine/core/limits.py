"""How often somebody hears from us: rolling windows over what was chosen, in event time.

What was sent is remembered with the unit, as long as some limit can count it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from engine.core.holdout import held_out_of
from engine.core.moments import spoken_length, spoken_moment
from engine.core.unit_state import Candidate, Sent
from engine.spec.policies import LimitSpec


def obeys_limits(candidate: Candidate) -> bool:
    """Critical plays and those that are owed go out in any case."""
    play = candidate.play
    return play.obeys_limits and not play.mandatory and play.purpose != "critical"


def full_limit(candidate: Candidate) -> str:
    """The sentence of the limit that is used up for longest, "" if there is room in all of them."""
    if not obeys_limits(candidate):
        return ""
    full = [(at, limit) for limit in candidate.project.policies.limits if (at := _room_at(limit, candidate))]
    if not full:
        return ""
    room_at, limit = max(full, key=lambda one: one[0])
    return f"{_spoken(limit, candidate)}; there is room again at {spoken_moment(room_at)}"


def _room_at(limit: LimitSpec, candidate: Candidate) -> int:
    """When the limit lets one more through, 0 if it does now."""
    if not _concerns(limit, candidate.play.purpose, candidate.channel, candidate.play.tags):
        return 0
    counted = sorted(_counted(limit, candidate), key=lambda sent: sent.at)
    if _has_room(limit, candidate, counted):
        return 0
    # The oldest leave the window one after the other.
    leaves = [sent.at + limit.over_ms for sent in counted]
    return next(at for gone, at in enumerate(leaves, 1) if _has_room(limit, candidate, counted[gone:]))


def _counted(limit: LimitSpec, candidate: Candidate) -> Iterator[Sent]:
    """What is in the window, for the held-out with what they would have got.

    What was decided ahead of this moment counts too: else two that meet could both go.
    """
    since, in_shadow = candidate.now - limit.over_ms, bool(held_out_of(candidate) or candidate.left_out_by)
    for sent in candidate.unit.sent:
        is_whose = limit.per != "customer" or sent.recipient == candidate.recipient
        is_there = in_shadow or not sent.is_shadow
        if is_whose and is_there and sent.at > since and _concerns(limit, sent.purpose, sent.channel, sent.tags):
            yield sent


def _has_room(limit: LimitSpec, candidate: Candidate, counted: Sequence[Sent]) -> bool:
    if candidate.play.purpose != "marketing":
        return len(counted) < limit.at_most
    # What others have used of the reserve is not taken from marketing a second time.
    of_others = sum(sent.purpose != "marketing" for sent in counted)
    return len(counted) - min(of_others, limit.reserve) < limit.at_most - limit.reserve


def _concerns(limit: LimitSpec, purpose: str, channel: str, tags: Sequence[str]) -> bool:
    return (
        (not limit.classes or purpose in limit.classes)
        and (not limit.channels or channel in limit.channels)
        and (not limit.tags or not set(limit.tags).isdisjoint(tags))
    )


def _spoken(limit: LimitSpec, candidate: Candidate) -> str:
    """`at most 2 in 7d for customer:ada (marketing)`."""
    kept = limit.reserve if candidate.play.purpose == "marketing" else 0
    whose = candidate.recipient if limit.per == "customer" else candidate.signal.unit
    only = ", ".join((*limit.classes, *limit.channels, *limit.tags))
    reserved = f", of which {kept} kept for service" if kept else ""
    return f"at most {limit.at_most} in {spoken_length(limit.over_ms)} for {whose}{f' ({only})' * bool(only)}{reserved}"


# ---- what was sent


def remember_sent(candidate: Candidate, *, is_shadow: bool) -> None:
    """Count it, and forget what no limit can count any more."""
    limits, unit, play = candidate.project.policies.limits, candidate.unit, candidate.play
    if not limits or not play.counts or play.to != "customer":
        return
    unit.sent.append(
        Sent(candidate.now, candidate.recipient, play.name, play.purpose, candidate.channel, play.tags, is_shadow)
    )
    since = candidate.now - max(limit.over_ms for limit in limits)
    most = max(limit.at_most for limit in limits)
    unit.sent = _newest([sent for sent in unit.sent if sent.at > since], most)


def _newest(sent: Sequence[Sent], most: int) -> list[Sent]:
    """The newest of each play and recipient. As many as the largest limit say no less than all of them would."""
    kept, seen = [], Counter[tuple[str, str, str, bool]]()
    for one in sorted(sent, key=lambda sent: sent.at, reverse=True):
        alike = (one.recipient, one.play, one.channel, one.is_shadow)
        seen[alike] += 1
        if seen[alike] <= most:
            kept.append(one)
    return kept[::-1]
