"""Why did this fire, or why not? What is known of one entity and one detector, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from engine.core.chain import Chain
from engine.core.episodes import FIRING, PENDING
from engine.core.incidents import is_verdict
from engine.core.moments import spoken_length
from engine.core.plan import Judge, Plan
from engine.core.state import Entity
from engine.errors import OperatorError
from engine.model import RESULTS, Decision, Outcome, Reading, Signal
from engine.shells.histories import History
from engine.shells.incidents import member_line, roll_lines
from engine.shells.times import iso, moment
from engine.spec.departures import WHY
from engine.spec.filters import ORDERED
from engine.spec.types import FIRST_STEP

# What was decided for a unit at a moment.
Others: TypeAlias = Callable[[str, int], Iterable[Decision]]
# How a sequence is named in its reading: `a then b`, or `3x a` where it has one step.
_SEQUENCE = re.compile(r" then |^\d+x ")


def explain(history: History, plan: Plan, detector: str, key: str, at: int | None = None) -> str:
    """What `detector` knows of the entity, its signals and decisions (up to `at`). Raises OperatorError."""
    judges = judges_of(plan, detector)
    signals = [s for s in history.signals(detector, key) if at is None or s.at <= at]
    decisions = [d for d in history.decisions(detector, key) if at is None or d.at <= at]
    chain, per = history.chain, judges[0].spec.per
    entity = None if chain is None else chain.entities.get(per, key)
    if chain is not None and entity is None and not signals and not decisions:
        raise OperatorError(f"nothing is known of {per} {key!r}")
    kinds = [*(one.entity for one in signals), *(one.entity for one in decisions)] if entity is None else []
    lines = [f"{detector}, {kinds[0] if kinds else per} {key}", ""]
    if chain is not None and entity is not None and at is None:
        judge = next((each for each in judges if each.is_for is None or each.is_for(entity)), judges[0])
        lines += [*_present(judge, entity, max(chain.now, entity.seen_at)), *roll_lines(plan, judge, entity), ""]
    lines += _past(signals, decisions, at, history.decided_at)
    if chain is not None and at is None:
        lines += _to_come(signals, chain)
    if history.untold:
        lines += ["", *history.untold]
    return "\n".join(lines)


def judges_of(plan: Plan, detector: str) -> list[Judge]:
    """The detector, and what arms of experiments make of it. Raises OperatorError where there is none."""
    judges = [judge for kind in plan.kinds.values() for judge in kind.judges.values()]
    found = [judge for judge in judges if detector in (judge.spec.name, judge.spec.variant_of)]
    if not found:
        known = sorted({judge.spec.variant_of or judge.spec.name for judge in judges})
        raise OperatorError(f"there is no detector {detector!r}; there are: {', '.join(known)}")
    return found


def _present(judge: Judge, entity: Entity, now: int) -> Iterator[str]:
    """How things stand now: each condition, and what the signal waits for."""
    yield f"Now ({moment(iso(now))}):"
    for reading in judge.when.story(entity, now):
        yield "  " + told(reading)
    episode = (entity.episodes or {}).get(judge.index)
    if episode and episode.phase == FIRING:
        yield f"  It has been firing since {moment(iso(episode.since))}."
    elif episode and episode.phase == PENDING:
        yield f"  True since {moment(iso(episode.since))}; fires if it stays so for {spoken_length(judge.spec.for_ms)}."
    elif judge.when.truth(entity, now) is None:
        yield "  It does not fire, because something it needs is not known yet."
    else:
        yield "  It does not fire."
    due = (entity.dues or {}).get(judge.index)
    if due:
        yield f"  Next look without an event: {moment(iso(due))}."


def _past(signals: Sequence[Signal], decisions: Sequence[Decision], at: int | None, others: Others) -> Iterator[str]:
    if not signals and not decisions:
        yield "It has not fired yet." if at is None else f"It had not fired by {moment(iso(at))}."
        return
    parts: list[tuple[int, list[str]]] = []
    for signal in sorted(signals, key=lambda one: (one.at, one.state, is_verdict(one))):
        of_it = [one for one in decisions if one.signal_id == signal.id]
        parts.append((signal.at, list(_signal(signal, of_it, others))))
    opened = {signal.id for signal in signals if signal.state == "firing"}
    for signal_id in dict.fromkeys(one.signal_id for one in decisions if one.signal_id not in opened):
        of_it = [one for one in decisions if one.signal_id == signal_id]
        parts.append((of_it[0].at, list(_decided_alone(of_it, others))))
    for _, lines in sorted(parts, key=lambda part: part[0]):
        yield from lines


def _signal(signal: Signal, decisions: Sequence[Decision], others: Others) -> Iterator[str]:
    passed_on = member_line(signal)
    if passed_on:
        yield passed_on
    elif signal.state == "resolved":
        yield f"{moment(iso(signal.at))}  resolved (began {moment(iso(signal.started_at))})"
    else:
        yield f"{moment(iso(signal.at))}  fired [{signal.severity.value}], detector version {signal.version}"
    if signal.state == "firing":
        yield from _led_there(signal)
        yield from _decided(signal.at, decisions, others)


def _decided_alone(decisions: Sequence[Decision], others: Others) -> Iterator[str]:
    """What was decided on a signal that is not kept any more: what led there stands in the decisions as well."""
    first = decisions[0]
    what = f"decided [{first.severity.value}], detector version {first.versions.get('detector', 'not known')}"
    yield f"{moment(iso(first.at))}  {what}; when it fired is not kept any more"
    yield from _led_there(first)
    yield from _decided(first.at, decisions, others)


def _led_there(one: Signal | Decision) -> Iterator[str]:
    for reading in one.readings:
        yield "  " + told(reading)
    yield f"  events: {', '.join(one.event_ids) or 'none'}"


def _to_come(signals: Sequence[Signal], chain: Chain) -> Iterator[str]:
    """The steps that wait, unless something ends them before."""
    ids = {signal.id for signal in signals}
    for unit in dict.fromkeys(signal.unit for signal in signals):
        for waiting in chain.units.get(unit).candidates:
            if waiting.signal.id in ids and waiting.step != FIRST_STEP:
                due = moment(iso(waiting.due))
                yield f"To come: {waiting.play}, step {waiting.step}, at {due}, unless something ends it before"


def _decided(began: int, decisions: Sequence[Decision], others: Others) -> Iterator[str]:
    """What was decided of each play, in order of time, beside what else was decided for the unit at that moment."""
    for at in sorted({decision.at for decision in decisions}):
        when = "" if at == began else f"{moment(iso(at))}  "
        now = [one for one in decisions if one.at == at]
        for decision in in_turn(now):
            yield f"  {when}{result_of(decision)}"
            yield from priority_lines(decision)
        for other in others(now[0].unit, at):
            if other.signal_id != now[0].signal_id:
                yield f"  with it for {other.unit}: {result_of(other)}"
                yield from priority_lines(other)
    why = next((decision.why for decision in decisions if decision.why), "")
    if why:
        yield f"  {why}"


def in_turn(decisions: Sequence[Decision]) -> list[Decision]:
    """Of one moment: each play by itself, and that it was held before what became of it."""
    plays = list(dict.fromkeys(decision.play for decision in decisions))

    def turn(one: Decision) -> tuple[int, bool, bool]:
        return plays.index(one.play), one.outcome is not Outcome.HELD, one.outcome in RESULTS

    return sorted(decisions, key=turn)


def result_of(decision: Decision) -> str:
    result = f"chosen, action {decision.action_id}"
    if decision.outcome in RESULTS:
        result = f"{decision.outcome.value}: {decision.detail}"
    elif decision.gate:
        result = f"{decision.outcome.value} at {decision.gate}: {decision.detail}"
    tried = ", ".join(f"{arm} of {experiment}" for experiment, arm in decision.variants.items())
    step = f", step {decision.step}," if decision.step else ""
    after = f", after {decision.after}" if decision.after else ""
    return f"{decision.play}{step} for {decision.recipient}{after}: {result}{f' ({tried})' * bool(tried)}"


def priority_lines(decision: Decision) -> Iterator[str]:
    """What it weighed beside others, where it had to compete and its play says anything of it, or others were there."""
    if not decision.runner_up and all(factor == 1 for factor in decision.factors.values()):
        return
    product = " x ".join(f"{name} {factor:g}" for name, factor in decision.factors.items())
    instead = f"; {decision.runner_up} would have gone instead" if decision.runner_up else ""
    yield f"    priority {decision.priority:g} = {product}{instead}"


def told(reading: Reading) -> str:
    """`tickets is 5, at least 5: yes`."""
    is_sequence = _SEQUENCE.search(reading.measure) is not None
    is_time = is_sequence or reading.measure.startswith(("silence since", "wait for"))
    value, limit = (_shown(v, is_time=is_time) for v in (reading.value, reading.limit))
    if is_sequence:
        began = "has not come" if reading.value is None else f"began {value} ago"
        return f"{reading.measure}: {began}, {_compared(reading)} {limit}: {_verdict(reading)}"
    if reading.measure.startswith(WHY):
        return f"{reading.measure.removeprefix(WHY)} is moved by: {value}"
    if not reading.comparator:
        return f"{reading.measure} is {value}"
    row = f" ({reading.in_a_row} periods in a row)" if reading.in_a_row > 1 else ""
    if reading.limit_of:
        limit = f"{reading.limit_of} {_shown_limit(reading, limit)}"
    return f"{reading.measure} is {value}, {_compared(reading)} {limit}{row}: {_verdict(reading)}"


def _shown_limit(reading: Reading, limit: str) -> str:
    """Where a number is wanted, `"40"` is no number, and looks like one."""
    if isinstance(reading.limit, str) and reading.comparator in ORDERED:
        return f"'{limit}', which is a text"
    return "(not known)" if reading.limit is None else limit


def _compared(reading: Reading) -> str:
    return reading.comparator.replace("_", " ")


def _verdict(reading: Reading) -> str:
    return "yes" if reading.met else "no"


def _shown(value: object, *, is_time: bool) -> str:
    if value is None:
        return "not known"
    if is_time and isinstance(value, int):
        return spoken_length(value)
    if isinstance(value, tuple):
        return " or ".join(str(one) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
