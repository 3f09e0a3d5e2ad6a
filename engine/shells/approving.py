"""Approving or declining a fan-out that waits for a person: what waits, and the event that says what was decided.

The event goes where the project's own events come from, so that it is taken in its place among them, and a replay
takes it again: into the stream's file here, into its topic on Kafka.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import orjson

from engine.core.digest import digest
from engine.core.fanout import ASK, ASKED
from engine.core.members import incident_in
from engine.core.plan import Plan
from engine.errors import OperatorError
from engine.model import Json, Signal
from engine.shells.partition import open_chain
from engine.shells.store import Store
from engine.shells.times import iso, moment
from engine.spec.fanout import carries_verdicts
from engine.spec.members import APPROVED, DECLINED
from engine.spec.types import ProjectSpec, StreamSpec

_SEPARATOR = "|"


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that a person was asked about. `is_waiting`: nobody has answered yet. `since` in event time."""

    incident: str
    play: str
    group: str
    key: str
    members: int
    since: int
    is_waiting: bool = True

    def __str__(self) -> str:
        since = moment(iso(self.since))
        return f"{self.incident}  {self.play} for {self.members:,} members of {self.group} {self.key}, since {since}"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of it, as of `at` in event time."""

    is_approved: bool
    by: str
    because: str
    at: int


def pending(store: Store, plan: Plan) -> tuple[list[Pending], int]:
    """What a state folder holds of open incidents, and the event time it has come to."""
    chain, found = open_chain(store, plan), list[Pending]()
    for kind, each in sorted(plan.kinds.items()):
        guarded = [clause for clause in each.clauses if clause.guard.above]
        for key in sorted(store.entity_keys(kind)) if guarded else ():
            group = chain.entities.get(kind, key)
            for clause in guarded:
                slot = None if group is None else group.slots[clause.roll_at]
                incident = None if slot is None else incident_in(slot)
                if incident is not None and incident.verdict:
                    found.append(
                        Pending(
                            incident=incident.id,
                            play=clause.spec.play,
                            group=kind,
                            key=key,
                            members=incident.members,
                            since=incident.since,
                            is_waiting=incident.verdict == ASKED,
                        )
                    )
    return found, chain.now


def pending_of(signals: Iterable[Signal]) -> list[Pending]:
    """The same out of the signals that asked, of which the last of each counts."""
    found: dict[str, Pending] = {}
    for signal in signals:
        member = signal.member
        if member is not None and member.step == ASK:
            found[signal.id] = Pending(
                incident=member.incident,
                play=member.play,
                group=signal.entity,
                key=signal.key,
                members=member.members,
                since=signal.started_at,
                is_waiting=signal.state == "firing",
            )
    return list(found.values())


def chosen(incident: str, known: Sequence[Pending]) -> Pending:
    """The one meant, by its id or the beginning of that. Raises OperatorError."""
    found = {each.incident: each for each in known if each.incident.startswith(incident)}
    if len(found) == 1:
        return next(iter(found.values()))
    what = "several incidents begin" if found else "no incident that anybody was asked about begins"
    raise OperatorError(f"{what} with {incident!r}; `beforehand approve` lists what waits")


def stream_of(project: ProjectSpec) -> StreamSpec:
    """The stream that brings approvals. Raises OperatorError."""
    found = carries_verdicts(project)
    if found is None:
        raise OperatorError(f"no stream of the project lists {APPROVED} and {DECLINED} among its events")
    return found


def event_of(project: ProjectSpec, about: Pending, verdict: Verdict) -> bytes:
    """The event, as a line of JSON without its end. Raises OperatorError."""
    fields = next(spec.fields for spec in project.entities if spec.kind == about.group)
    parts = about.key.split(_SEPARATOR) if len(fields) > 1 else [about.key]
    if len(parts) != len(fields):
        raise OperatorError(f"{about.key!r} is not an id made of {', '.join(fields)}; write the event yourself")
    name = APPROVED if verdict.is_approved else DECLINED
    event: dict[str, Json] = {"id": digest(about.incident, about.play, name, str(verdict.at)), "event": name}
    event |= {"at": iso(verdict.at), **dict(zip(fields, parts, strict=True)), "incident": about.incident}
    return orjson.dumps({**event, "by": verdict.by, "because": verdict.because})


def append(stream: StreamSpec, data: Path, event: bytes) -> Path:
    """Write it behind the file that the stream reads. Raises OperatorError where that is no file one can add to."""
    if not stream.source or stream.source == "-" or stream.source.endswith(".gz"):
        where = f"reads {stream.source!r}" if stream.source else "reads no file"
        raise OperatorError(f"stream {stream.name!r} {where}; hand it this event yourself: {event.decode()}")
    path = data / stream.source.replace("*", "approve")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            event = event if file.read(1) == b"\n" else b"\n" + event
        file.write(event + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return path
