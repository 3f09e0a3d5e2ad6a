"""What `explain` and `backtest` say of groups: how many members there are, and what an incident came to for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from engine.core.fanout import ASK, ASKED
from engine.core.members import Clause, Incident, incident_in
from engine.core.plan import Judge, Plan
from engine.core.state import Entity
from engine.model import Signal
from engine.shells.times import iso, moment


class FanOutReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a backtest says of one play for each member of a group: at `most` so many in one incident."""

    play: str
    incidents: int
    most: int
    addressed: int
    asked: int


def fan_outs(signals: Iterable[Signal]) -> tuple[FanOutReport, ...]:
    """One detector's, by play, out of all its signals."""
    plays: dict[str, list[Signal]] = {}
    for signal in signals:
        if signal.member is not None and signal.state == "firing":
            plays.setdefault(signal.member.play, []).append(signal)
    return tuple(_report(play, of) for play, of in sorted(plays.items()))


def _report(play: str, signals: list[Signal]) -> FanOutReport:
    members = [signal.member for signal in signals if signal.member is not None]
    return FanOutReport(
        play=play,
        incidents=len({member.incident for member in members}),
        most=max(member.members for member in members),
        addressed=len({member.of for member in members if member.step == "first"}),
        asked=sum(member.step == ASK for member in members),
    )


def fan_out_lines(reports: Iterable[FanOutReport]) -> Iterator[str]:
    for one in reports:
        often = "once" if one.asked == 1 else f"{one.asked:,} times"
        asked = f"; a person asked first, {often}" if one.asked else ""
        times = "1 incident" if one.incidents == 1 else f"{one.incidents:,} incidents"
        yield f"  {one.play}: {one.addressed:,} members in {times}, {one.most:,} in one at most{asked}"


# ---- explain


def roll_lines(plan: Plan, judge: Judge, group: Entity) -> Iterator[str]:
    """What is known of a group's members as a whole, for each play that goes to them."""
    for clause in plan.kinds[group.kind].clauses:
        slot = group.slots[clause.roll_at] if clause.judge == judge.index else None
        if slot is None:
            continue
        beyond = f"; {slot[2]:,} more are beyond at_most_members" if slot[2] else ""
        yield f"  {clause.spec.play} for each {clause.spec.kind}: {slot[0]:,} members are known{beyond}"
        incident = incident_in(slot)
        if incident is not None:
            yield f"    incident {incident.id}: passed on to {incident.members:,}{_verdict(clause, incident)}"


def _verdict(clause: Clause, incident: Incident) -> str:
    if incident.verdict == ASKED:
        return f", more than {clause.guard.above:,}; waits until somebody approves"
    by, because = incident.by and f" by {incident.by}", incident.because and f": {incident.because}"
    return f", {incident.verdict}{by}{because}" if incident.verdict else ""


def member_line(signal: Signal) -> str:
    """What a signal that was passed on says of itself; "" for a group's or an entity's own."""
    member = signal.member
    if member is None:
        return ""
    if member.step == ASK:
        closed = "answered or over" if signal.state == "resolved" else f"asks about {member.members:,} members"
        return f"{moment(iso(signal.at))}  {closed}, incident {member.incident}"
    of = f"{member.group} {signal.related.get(member.group, '')}, incident {member.incident}"
    if signal.state == "resolved":
        return f"{moment(iso(signal.at))}  over for {of}"
    facts = "".join(f", {name} {value}" for name, value in member.facts.items())
    return f"{moment(iso(signal.at))}  {member.step}, passed on from {of}{facts}"
