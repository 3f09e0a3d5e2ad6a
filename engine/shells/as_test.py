"""`explain --as-test`: the test that a real firing makes, in the language of `tests:`, with the events it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import msgspec

from engine.core.fanout import ASK
from engine.core.matching import read_path
from engine.core.plan import Plan
from engine.core.route import Router, Watched
from engine.core.unit_state import UnitState
from engine.errors import OperatorError
from engine.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Event, Json, Routed, Signal
from engine.ports import Plugins
from engine.shells.partition import open_chain
from engine.shells.sources import read_all
from engine.shells.store import Store
from engine.shells.times import iso, moment
from engine.shells.trials import decided_in
from engine.spec.judged import JUDGED, MODEL, makes_models
from engine.spec.profile import PROFILE
from engine.spec.trials import DetectorTest, TestExpect, TestGiven
from engine.spec.types import AttributeTest, DetectorSpec, ProjectSpec, StreamSpec

MOST_EVENTS = 500
# Times are told to the minute where the detector fires then as well, else to the second, else exactly.
GRAINS = (MINUTE_MS, SECOND_MS, 1)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*")
_UNITS = (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS), ("ms", 1))


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the events are: the files of the project's streams below `data`, or one file with events."""

    data: Path
    events: Path | None = None


def as_test(store: Store, plan: Plan, plugins: Plugins, detector: str, key: str, at: int | None, origin: Origin) -> str:
    """The last firing (up to `at`) as YAML to paste below `tests:`. Raises OperatorError where that cannot be made."""
    spec = next((one for one in plan.configuration.detectors if one.name == detector), None)
    if spec is None:
        raise OperatorError(f"there is no detector {detector!r}; there are: {', '.join(sorted(plan.detectors))}")
    if spec.per == MODEL and makes_models(plan.configuration.project):
        raise OperatorError(f"{detector} hears of models, which is in no file; write rows of {JUDGED} for its test")
    opened = [s for s in store.signals(detector, key) if s.state == "firing" and (at is None or s.at <= at)]
    fired = [s for s in opened if not _asks(s)]
    if not fired:
        raise OperatorError(f"{detector} has not fired for {spec.per} {key!r}; there is nothing to make a test of")
    signal = fired[-1]
    _refuse_member(signal)
    events = _events(plan.configuration.project, spec, signal, origin)
    known = _known(spec, signal, open_chain(store, plan).units.get(signal.unit))
    for chosen, grain in product(_growing(events, signal), GRAINS):
        test = _test(plan.configuration.project, spec, signal, chosen, known, grain)
        signals, decisions = decided_in(plan.configuration, plugins, spec, test)
        for one in signals:
            if one.state == "firing" and one.key == key and abs(one.at - signal.at) < max(grain, 2):
                gates = {each.play: each.gate for each in decisions if each.signal_id == one.id}
                return "\n".join(_yaml(spec, test, one, gates))
    raise OperatorError(f"its last {min(len(events), MOST_EVENTS)} events do not make {detector} fire by themselves")


def _asks(signal: Signal) -> bool:
    """Whether it only asks a person about a group's members, and so is no firing of the group."""
    return signal.member is not None and signal.member.step == ASK


def _refuse_member(signal: Signal) -> None:
    """What was passed on to a member fired for the group, by the events of everybody in it."""
    if signal.member is not None:
        group = signal.related[signal.member.group]
        raise OperatorError(
            f"{signal.detector} fired for {signal.member.group} {group!r}, and was passed on to {signal.key!r}; "
            f"make the test of the group: beforehand explain {signal.detector} {group} --as-test"
        )


# ---- the events that led there


def _events(project: ProjectSpec, spec: DetectorSpec, signal: Signal, origin: Origin) -> list[Event]:
    """All that the detector reads of that entity, up to the firing, in order of time."""
    data = origin.data
    if origin.events is not None:
        stream = StreamSpec(name="events", source=origin.events.name, sort=True)
        project, data = msgspec.structs.replace(project, streams=(stream,)), origin.events.parent
    router = Router(project, Watched(frozenset({spec.per})))
    found: dict[str, Event] = {}
    for row in read_all(project, data, router):
        for record in router.route(row):
            if isinstance(record, Routed) and (record.entity, record.key) == (signal.entity, signal.key):
                event = record.event
                if event.at <= signal.at and (event.event in spec.events or "*" in spec.events):
                    found.setdefault(event.id, event)
    if not found:
        where = origin.events or f"{data}/"
        raise OperatorError(f"no events of {signal.entity} {signal.key!r} in {where}; name a file with --events")
    return sorted(found.values(), key=lambda event: event.at)


def _growing(events: Sequence[Event], signal: Signal) -> Iterator[Sequence[Event]]:
    """First the evidence alone, then with more and more of what came before it."""
    evidence = set(signal.event_ids)
    named = [event for event in events if event.id in evidence]
    if named:
        yield named
    size = max(1, len(named))
    while size < min(len(events), MOST_EVENTS):
        yield events[-size:]
        size *= 2
    yield events[-MOST_EVENTS:]


def _known(spec: DetectorSpec, signal: Signal, unit: UnitState) -> dict[str, Json]:
    """What the detector asks of profiles, as `with:` has it."""
    asked = {(test.entity, test.test.path) for test in (*spec.only_if, *spec.unless) if isinstance(test, AttributeTest)}
    asked |= {(signal.entity, "time_zone")}
    asked |= {(signal.entity, measure.options.field) for measure in spec.watch if measure.word == PROFILE}
    found: dict[str, Json] = {}
    for kind, path in sorted(asked):
        own = kind == signal.entity
        known = signal.attributes if own else unit.attributes.get(f"{kind}:{signal.related.get(kind, '')}", {})
        if (value := read_path(known, path)) is not None:
            found[f"{kind}.{path}"] = value
            if not own:
                found[kind] = signal.related[kind]
    return found


# ---- the test


def _test(
    project: ProjectSpec,
    spec: DetectorSpec,
    signal: Signal,
    events: Sequence[Event],
    known: Mapping[str, Json],
    grain: int,
) -> DetectorTest:
    """Times are rounded down to `grain` ms, so that they can be read."""
    start = events[0].at // grain * grain
    words = _words(msgspec.to_builtins([spec.watch, spec.when, spec.resolve_when]))
    given = tuple(
        TestGiven(events=(event.event,), fields=_fields(project, event, words), at_ms=event.at // grain * grain - start)
        for event in events
    )
    name = f"fired for {signal.key} on {moment(iso(signal.at))}"
    expect = (TestExpect(at=signal.at + grain, fired=signal.key),)
    return DetectorTest(name=name, start=start, profile=known, given=given, expect=expect)


def _fields(project: ProjectSpec, event: Event, words: set[str]) -> dict[str, Json]:
    """The ids, under the names of their entities, and the attributes that the detector names."""
    kinds = {entity.fields[0]: entity.kind for entity in project.entities if len(entity.fields) == 1}
    fields: dict[str, Json] = {}
    for entity in project.entities:
        key = event.entities.get(entity.kind)
        if key is not None and len(entity.fields) == 1:
            fields[entity.kind] = key
        elif key is not None:
            fields |= dict(zip((kinds.get(one, one) for one in entity.fields), _parts(key), strict=False))
    roots = {word.partition(".")[0] for word in words} | words
    return fields | {name: value for name, value in event.attributes.items() if name in roots and name not in fields}


def _parts(key: str) -> list[str]:
    """Those of a compound id, `c7|k1`."""
    return [part.replace("\\|", "|").replace("\\\\", "\\") for part in re.split(r"(?<!\\)\|", key)]


def _words(value: object) -> set[str]:
    """Every text in what a detector is made of, among them the attributes it reads."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, Mapping):
        return {word for each in value.values() for word in _words(each)}
    if isinstance(value, list | tuple):
        return {word for each in value for word in _words(each)}
    return set()


# ---- as YAML


def _yaml(spec: DetectorSpec, test: DetectorTest, signal: Signal, gates: Mapping[str, str]) -> Iterator[str]:
    yield f"  - name: {_scalar(test.name)}"
    yield f"    start: {_start(test.start)}"
    if test.profile:
        yield f"    with: {_flow(test.profile)}"
    yield "    given:"
    for row in test.given:
        yield f"      - {_flow({'event': row.events[0], 'at': _after(row.at_ms), **row.fields})}"
    yield "    expect:"
    at = _after(signal.at - test.start)
    for play in spec.plays or ("",):
        gate = gates.get(play, "")
        told: dict[str, Json] = {"at": at, "fired": signal.key}
        told |= {"play": play} if play in gates else {}
        yield f"      - {_flow(told | ({'dropped': gate} if gate else {}))}"


def _start(at: int) -> str:
    return iso(at).removesuffix("T00:00:00.000Z").replace(".000Z", "Z")


def _after(length_ms: int) -> str:
    """`4d`, `90m`: in the largest unit that says it exactly, as a test has one unit only."""
    return next(f"{length_ms // size}{unit}" for unit, size in _UNITS if length_ms % size == 0)


def _flow(value: Json | Mapping[str, Json]) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(name)}: {_flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return _scalar(value)


def _scalar(value: Json) -> str:
    """Plain where YAML reads it as the same text, else as JSON, which is YAML too."""
    is_plain = isinstance(value, str) and (_PLAIN.fullmatch(value) or re.fullmatch(r"[0-9]+(ms|[smhd])", value))
    if is_plain and str(value).lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n"):
        return str(value)
    return msgspec.json.encode(value).decode()
