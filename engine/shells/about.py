"""All that was decided about somebody, and why nothing was: each candidate with its gate, its weight and versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from engine.core.chain import Chain
from engine.core.plan import Plan
from engine.core.unit_state import UnitState
from engine.errors import OperatorError
from engine.model import Decision
from engine.ports import NEVER
from engine.shells.explain import in_turn, priority_lines, result_of, told
from engine.shells.histories import History
from engine.shells.times import iso, moment
from engine.spec.judged import kinds_of


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """A play that is not decided for good yet; `until` is "" where it is decided when its gathering closes."""

    play: str
    detector: str
    since: str
    until: str


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of one entity: decisions in order of time, what waits, and how it stands with each detector now.

    `untold` says in sentences what of this is not known where it was looked for.
    """

    entity: str
    since: str
    until: str
    decisions: tuple[Decision, ...]
    waiting: tuple[Waits, ...]
    detectors: dict[str, list[str]]
    untold: tuple[str, ...] = ()


def about(history: History, plan: Plan, name: str, since: int | None, until: int | None) -> About:
    """Look at `customer:ada` from `since` to `until`. Raises OperatorError if that is nobody the state knows."""
    kind, key = entity_of(plan, name)
    decisions = tuple(history.decided_about(name, since or 0, NEVER if until is None else until))
    found = About(
        entity=name,
        since=iso(since or 0),
        until=iso(until or 0),
        decisions=decisions,
        waiting=(),
        detectors={},
        untold=tuple(history.untold),
    )
    return found if history.chain is None else _as_it_stands(found, history.chain, plan, kind, key)


def entity_of(plan: Plan, name: str) -> tuple[str, str]:
    """`customer:ada` in two. Raises OperatorError for a kind that the project does not have."""
    kind, _colon, key = name.partition(":")
    kinds = sorted(kinds_of(plan.configuration))
    if kind not in kinds:
        raise OperatorError(f"there is no kind of entity {kind!r}; there are: {', '.join(kinds)}")
    return kind, key


def _as_it_stands(found: About, chain: Chain, plan: Plan, kind: str, key: str) -> About:
    """With what waits and how it stands now. Raises OperatorError if nobody of that name is known."""
    name = found.entity
    entity = chain.entities.get(kind, key) if kind in plan.kinds else None
    units = sorted({name, *(one.unit for one in found.decisions)})
    waiting = [one for unit in units for one in chain.units.get(unit).candidates]
    if entity is None and not found.decisions and not waiting and chain.units.get(name) == UnitState():
        raise OperatorError(f"nothing is known of {kind} {key!r}")
    now = max(chain.now, entity.seen_at) if entity is not None else chain.now
    judges = plan.kinds[kind].judges.values() if entity is not None else ()
    return msgspec.structs.replace(
        found,
        waiting=tuple(
            Waits(play=one.play, detector=one.signal.detector, since=iso(one.since), until=iso(one.due))
            for one in waiting
            if name in (one.signal.unit, f"{one.signal.entity}:{one.signal.key}", _customer_of(one.signal.related))
        ),
        detectors={judge.spec.name: [told(one) for one in judge.when.story(entity, now)] for judge in judges if entity},
    )


def _customer_of(related: object) -> str:
    return f"customer:{related['customer']}" if isinstance(related, dict) and "customer" in related else ""


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
    if found.untold:
        yield from ("", *found.untold)


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
