"""All that was decided about somebody, and why nothing was: each candidate with its gate, its weight and versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from engine.core.plan import Plan
from engine.errors import OperatorError
from engine.model import Decision
from engine.ports import NEVER
from engine.shells.explain import in_turn, priority_lines, result_of, told
from engine.shells.partition import open_chain
from engine.shells.store import Store
from engine.shells.times import iso, moment


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """A play that is not decided for good yet; `until` is "" where it is decided when its gathering closes."""

    play: str
    detector: str
    since: str
    until: str


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of one entity: decisions in order of time, what waits, and how it stands with each detector now."""

    entity: str
    since: str
    until: str
    decisions: tuple[Decision, ...]
    waiting: tuple[Waits, ...]
    detectors: dict[str, list[str]]


def about(store: Store, plan: Plan, name: str, since: int | None, until: int | None) -> About:
    """Look at `customer:ada` from `since` to `until`. Raises OperatorError if that is nobody the state knows."""
    kind, _colon, key = name.partition(":")
    kinds = sorted(entity.kind for entity in plan.configuration.project.entities)
    if kind not in kinds:
        raise OperatorError(f"there is no kind of entity {kind!r}; there are: {', '.join(kinds)}")
    chain = open_chain(store, plan)
    entity = chain.entities.get(kind, key) if kind in plan.kinds else None
    decisions = tuple(_decisions(store, name, since or 0, NEVER if until is None else until))
    units = sorted({name, *(one.unit for one in decisions)})
    waiting = [(one, chain.units.get(unit)) for unit in units for one in chain.units.get(unit).candidates]
    if entity is None and not decisions and not waiting and not store.unit(name):
        raise OperatorError(f"nothing is known of {kind} {key!r}")
    now = max(chain.now, entity.seen_at) if entity is not None else chain.now
    judges = plan.kinds[kind].judges.values() if entity is not None else ()
    return About(
        entity=name,
        since=iso(since or 0),
        until=iso(until or 0),
        decisions=decisions,
        waiting=tuple(
            Waits(play=one.play, detector=one.signal.detector, since=iso(one.since), until=iso(one.due))
            for one, _unit in waiting
            if name in (one.signal.unit, f"{one.signal.entity}:{one.signal.key}", _customer_of(one.signal.related))
        ),
        detectors={judge.spec.name: [told(one) for one in judge.when.story(entity, now)] for judge in judges if entity},
    )


def _customer_of(related: object) -> str:
    return f"customer:{related['customer']}" if isinstance(related, dict) and "customer" in related else ""


def _decisions(store: Store, name: str, since: int, until: int) -> Iterator[Decision]:
    """Those to somebody, about them, or about their unit."""
    key = name.partition(":")[2]
    query = """SELECT record FROM decisions WHERE at >= ? AND at <= ? AND (unit = ? OR instr(record, ?))
               ORDER BY at, id"""
    for (record,) in store.db.execute(query, (since, until, name, key.encode())):
        decision = msgspec.msgpack.decode(record, type=Decision)
        if name in (decision.unit, decision.recipient, f"{decision.entity}:{decision.key}"):
            yield decision


def as_text(found: About) -> str:
    """For a person."""
    return "\n".join(_lines(found))


def _lines(found: About) -> Iterator[str]:
    span = "".join(f" {word} {moment(at)}" for word, at in (("from", found.since), ("until", found.until)) if at)
    if not found.decisions:
        yield f"Nothing was decided about {found.entity}{span}: no signal that leads to a play has opened."
    for at in sorted({one.at for one in found.decisions}):
        yield moment(iso(at))
        for decision in in_turn([one for one in found.decisions if one.at == at]):
            yield from _decision(decision)
    for each in found.waiting:
        until = f"until {moment(each.until)}" if each.until else "until its gathering closes"
        yield f"{each.play} for {each.detector} has been waiting since {moment(each.since)}, {until}"
    if found.detectors and not found.until:
        yield from ("", "How it stands with each detector now:")
        for name, readings in found.detectors.items():
            yield f"  {name}: {'; '.join(readings)}"


def _decision(decision: Decision) -> Iterator[str]:
    versions: Sequence[str] = [f"{what} {version}" for what, version in decision.versions.items()]
    yield f"  {result_of(decision)}"
    yield from priority_lines(decision)
    yield f"    {decision.detector} for {decision.entity} {decision.key}" + (
        f": {decision.why}" if decision.why else ""
    )
    yield f"    {'; '.join(told(reading) for reading in decision.readings)}"
    yield f"    decided under {', '.join(versions)}"


def as_json(found: About) -> str:
    """For a program."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
