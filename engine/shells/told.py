"""What each member of a group was told in the demo: how many, one example, and whether it was the right people.

Who is concerned is read from the simulated rows, not from what the engine remembered, so one can be held against the
other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from engine.model import DAY_MS, HOUR_MS, Action, Decision, Outcome, Signal
from engine.shells.company import Company, Story
from engine.shells.times import iso

# A decision names no step for the first message of an incident.
FIRST, ALL_CLEAR = "", "all-clear"
# How long a late scan makes somebody a member: what `over` of the shipped detector says.
MEMBER_FOR_MS = 2 * HOUR_MS


def passed_on(decisions: Iterable[Decision]) -> list[Decision]:
    """Those that reached a member of a group."""
    return [one for one in decisions if one.incident and one.outcome is Outcome.CHOSEN]


def accounts_of(decisions: Iterable[Decision], actions: Iterable[Action]) -> Iterator[str]:
    """For each play that went to members: how many were told and when, and what one of them read."""
    texts = {action.decision_id: action.text for action in actions}
    told: dict[str, list[Decision]] = {}
    for one in passed_on(decisions):
        told.setdefault(one.play, []).append(one)
    for play, each in told.items():
        first, last = each[0], each[-1]
        people = len({one.recipient for one in each})
        until = "" if first.at // 60_000 == last.at // 60_000 else f" to {iso(last.at)[11:16]}"
        yield f"{play}: {people} people, {iso(first.at)[:10]} {iso(first.at)[11:16]}{until}. {first.recipient} reads:"
        yield f"    {texts[first.id]}"


def mistakes(company: Company, signals: Sequence[Signal], decisions: Iterable[Decision]) -> tuple[int, list[str]]:
    """How many were to be told, and a line for everybody who was not, who was told twice, or who had no part in it."""
    reached = passed_on(decisions)
    sent, ends = ([one for one in reached if one.step == step] for step in (FIRST, ALL_CLEAR))
    found, concerned, incidents = list[str](), 0, set[str]()
    for story in company.stories:
        if story.concerns:
            opened, closed = _span(story, signals)
            incidents.add(opened.id if opened else "")
            wanted = _wanted(company, story, opened, closed)
            concerned += len(wanted)
            told = Counter(one.key for one in sent if opened and one.incident == opened.id)
            cleared = Counter(one.key for one in ends if opened and one.incident == opened.id)
            found += [f"not told: {key}" for key in sorted(wanted - told.keys())]
            found += [f"told for nothing: {key}" for key in sorted(told.keys() - wanted)]
            found += [f"told {times} times: {key}" for key, times in sorted(told.items()) if times > 1]
            found += [f"not told once that it is over: {key}" for key in sorted(told) if closed and cleared[key] != 1]
    found += [f"told for nothing: {one.key}" for one in sent if one.incident not in incidents]
    return concerned, found


def _span(story: Story, signals: Iterable[Signal]) -> tuple[Signal | None, Signal | None]:
    """The group's own signal as it opened and as it closed."""
    own = [one for one in signals if one.member is None and (one.detector, one.key) == (story.detector, story.key)]
    opened = next((one for one in own if one.state == "firing"), None)
    closed = next((one for one in own if opened and one.state == "resolved" and one.id == opened.id), None)
    return opened, closed


def _wanted(company: Company, story: Story, opened: Signal | None, closed: Signal | None) -> set[str]:
    """Whom the story names, and who by chance had a late parcel in the same place at that time."""
    if opened is None:
        return set(story.concerns)
    until = closed.at if closed else company.start_ms + company.days * DAY_MS
    return set(story.concerns) | company.late_in(story.key, opened.at - MEMBER_FOR_MS, until)
