"""Runs the tests inside detector files: rows of events on a virtual clock, through the very steps that run live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec
import orjson

from engine.core.chain import Chain
from engine.core.experiments import settled
from engine.core.plan import compile_plan
from engine.core.route import Router, Row
from engine.model import DAY_MS, DeadLetter, Decision, Json, Mode, Outcome, Signal, Tick
from engine.ports import Plugins
from engine.spec.policies import Policies
from engine.spec.types import (
    Configuration,
    DetectorSpec,
    DetectorTest,
    EntitySpec,
    Place,
    ProjectSpec,
    StreamSpec,
    TestExpect,
    TestGiven,
)

EVENTS = "given"
PROFILES = "with"
VARIANT = "variant"


class Trial(msgspec.Struct, frozen=True):
    """One test's result. `failures` are sentences, with the place of the expectation first; none = passed."""

    detector: str
    name: str
    failures: tuple[str, ...]


def run_tests(configuration: Configuration, plugins: Plugins) -> list[Trial]:
    """Every test of every detector, in the order of the files."""
    return [
        Trial(detector.name, test.name, tuple(_Run(configuration, plugins, detector, test).failures()))
        for detector in configuration.detectors
        for test in detector.tests
    ]


class _Run:
    """One detector alone, fed by one test."""

    def __init__(
        self, configuration: Configuration, plugins: Plugins, detector: DetectorSpec, test: DetectorTest
    ) -> None:
        self._test = test
        # A detector that is tried out in shadow still has to do what its tests say.
        live = msgspec.structs.replace(detector, mode=Mode.LIVE)
        project = _stage(configuration.project, detector, test)
        tried = settled(configuration, _arms(test))
        alone = msgspec.structs.replace(tried, detectors=(live,), project=project)
        plan = compile_plan(alone, plugins)
        self._chain = Chain(plan)
        self._router = Router(alone.project, plan.watched)
        self._signals: list[Signal] = []
        self._decisions: list[Decision] = []
        self._refused: list[DeadLetter] = []

    def failures(self) -> Iterator[str]:
        rows = sorted(_rows(self._test), key=lambda row: row[0])
        end = max([at for at, _stream, _fields in rows] + [e.at for e in self._test.expect])
        fed = 0
        for expected in sorted(self._test.expect, key=lambda e: end if e.at < 0 else e.at):
            until = end if expected.at < 0 else expected.at
            fed = self._feed_until(rows, fed, until)
            self._chain.take(Tick(until))
            self._collect()
            yield from _unmet(expected, until, self._signals, self._decisions, self._test.start)
        for letter in self._refused:
            yield f"{_where(self._test.place)}: a given row was refused: {letter.detail}"

    def _feed_until(self, rows: list[tuple[int, str, dict[str, Json]]], fed: int, until: int) -> int:
        while fed < len(rows) and rows[fed][0] <= until:
            at, stream, fields = rows[fed]
            self._chain.take(Tick(at - 1))
            for record in self._router.route(Row(stream, "test", fed, orjson.dumps(fields))):
                if isinstance(record, DeadLetter):
                    self._refused.append(record)
                else:
                    self._chain.take(record)
            fed += 1
        return fed

    def _collect(self) -> None:
        effects = self._chain.drain()
        self._signals += effects.signals
        self._decisions += effects.decisions


def _arms(test: DetectorTest) -> dict[str, str]:
    """The arms that a test puts everybody in, by experiment; nobody is in any other."""
    named = [(name.partition("."), arm) for name, arm in test.profile.items()]
    return {experiment: str(arm) for (word, _dot, experiment), arm in named if word == VARIANT}


def _stage(project: ProjectSpec, detector: DetectorSpec, test: DetectorTest) -> ProjectSpec:
    """The project with plain entities and two streams without lateness: the rows given, and the profiles.

    Its rules for deciding are left out: what a detector does must not depend on how often somebody may be written to.
    """
    kinds = {name.split(".")[0] for name in test.profile if "." in name} - {VARIANT}
    described = sorted(kinds) or [detector.per]
    events = tuple(dict.fromkeys(event for given in test.given for event in given.events))
    given = StreamSpec(name=EVENTS, events=events + detector.events, lateness_ms=0)
    profiles = [
        StreamSpec(name=f"{PROFILES}:{kind}", family="profile", describes=kind, lateness_ms=0, events=("profile",))
        for kind in described
    ]
    entities = _plain_entities(project.entities)
    return msgspec.structs.replace(
        project, entities=entities, streams=(given, *profiles), wait_ms=0, policies=Policies()
    )


def _plain_entities(entities: tuple[EntitySpec, ...]) -> tuple[EntitySpec, ...]:
    """The same kinds, with their ids written under the kind's own name, as tests do: `{account: acme}`."""
    kinds = {entity.fields[0]: entity.kind for entity in entities if len(entity.fields) == 1}
    return tuple(
        EntitySpec(kind=e.kind, fields=tuple(kinds.get(f, f) for f in e.fields) if len(e.fields) > 1 else (e.kind,))
        for e in entities
    )


def _rows(test: DetectorTest) -> Iterator[tuple[int, str, dict[str, Json]]]:
    """(time, stream, fields) of everything the test gives: first the profiles, then the events."""
    yield from _profiles(test)
    counter = 0
    for given in test.given:
        for at, event, number in _moments(given, test.start):
            counter += 1
            fields: dict[str, Json] = {"id": f"given-{counter}", "event": event, "at": at}
            yield at, EVENTS, fields | {name: _numbered(value, number) for name, value in given.fields.items()}


def _profiles(test: DetectorTest) -> Iterator[tuple[int, str, dict[str, Json]]]:
    attributes: dict[str, dict[str, Json]] = {}
    for name, value in test.profile.items():
        kind, dot, attribute = name.partition(".")
        if dot and kind != VARIANT:
            attributes.setdefault(kind, {})[attribute] = value
    for kind, values in attributes.items():
        for key in _keys_of(kind, test):
            ids: dict[str, Json] = {"id": f"with-{kind}-{key}", "event": "profile", "at": test.start, kind: key}
            yield test.start, f"{PROFILES}:{kind}", ids | values


def _keys_of(kind: str, test: DetectorTest) -> list[str]:
    """Whose profile it is: the id given beside it, else every one of that kind that the rows name."""
    named = test.profile.get(kind)
    if isinstance(named, str):
        return [named]
    return sorted({str(given.fields[kind]) for given in test.given if kind in given.fields})


def _numbered(value: Json, number: int) -> Json:
    return value.replace("{n}", str(number)) if isinstance(value, str) else value


def _moments(given: TestGiven, start: int) -> Iterator[tuple[int, str, int]]:
    """(time, event type, which one from 1) of a row of `given`."""
    begins = start + given.at_ms
    if given.per_day:
        yield from _daily(given, begins)
        return
    for number in range(given.times):
        yield begins + number * given.every_ms, given.events[number % len(given.events)], number + 1


def _daily(given: TestGiven, begins: int) -> Iterator[tuple[int, str, int]]:
    number = 0
    for day in range(given.lasting_ms // DAY_MS):
        midnight = begins + day * DAY_MS
        weekend = datetime.fromtimestamp(midnight / 1000, UTC).weekday() >= 5
        if given.days == "all" or (given.days == "weekend") == weekend:
            for part in range(given.per_day):
                event = given.events[number % len(given.events)]
                number += 1
                yield midnight + part * (DAY_MS // given.per_day), event, number


# ---- expectations


def _unmet(
    expected: TestExpect, until: int, signals: list[Signal], decisions: list[Decision], start: int
) -> Iterator[str]:
    fired = [signal for signal in signals if signal.state == "firing"]
    place = _where(expected.place)
    seen = _seen(fired, decisions, start)
    for problem in _problems(expected, fired, signals, decisions):
        yield f"{place}: at {_moment(until - start)} {problem}; {seen}"


def _where(place: Place) -> str:
    return f"{place.path}:{place.line}:{place.column}"


def _problems(
    expected: TestExpect, fired: list[Signal], signals: list[Signal], decisions: list[Decision]
) -> Iterator[str]:
    if expected.nothing and fired:
        yield "expected nothing to have fired"
    if expected.fired and not any(signal.key == expected.fired for signal in fired):
        yield f"expected it to have fired for {expected.fired}"
    if expected.resolved and not _is_resolved(expected.resolved, signals):
        yield f"expected it to have resolved for {expected.resolved}"
    if expected.fired_in_total >= 0 and len(fired) != expected.fired_in_total:
        yield f"expected {expected.fired_in_total} signals in total"
    missing = [name for name in expected.because if name not in _story(expected, fired)]
    if missing:
        yield f"expected {', '.join(missing)} to be among the reasons"
    yield from _unmade(expected, decisions)


def _story(expected: TestExpect, fired: Iterable[Signal]) -> set[str]:
    """What was met when the signals concerned opened."""
    concerned = [signal for signal in fired if not expected.fired or signal.key == expected.fired]
    return {reading.measure for signal in concerned for reading in signal.readings if reading.met}


def _unmade(expected: TestExpect, decisions: Iterable[Decision]) -> Iterator[str]:
    concerned = [d for d in decisions if not expected.fired or d.key == expected.fired]
    chosen = [d.play for d in concerned if d.outcome is Outcome.CHOSEN]
    if expected.play and not expected.dropped and expected.play not in chosen:
        yield f"expected the play {expected.play} to be chosen"
    if expected.dropped and expected.dropped not in {d.gate for d in concerned}:
        yield f"expected its decision to be dropped at {expected.dropped}"


def _is_resolved(key: str, signals: Iterable[Signal]) -> bool:
    states: Mapping[str, str] = {signal.id: signal.state for signal in signals if signal.key == key}
    return bool(states) and "firing" not in states.values()


def _seen(fired: list[Signal], decisions: list[Decision], start: int) -> str:
    """What happened instead, so that the author need not run anything else."""
    if not fired:
        return "nothing fired"
    told = ", ".join(f"{s.key} at {_moment(s.at - start)}" for s in fired[:5])
    gates = ", ".join(sorted({f"{d.play} {d.gate or 'chosen'}" for d in decisions}))
    return f"fired so far: {told}" + (f" ({gates})" if gates else "")


def _moment(after_ms: int) -> str:
    """1d 2h 3m 4s, without the parts that are zero."""
    parts = []
    for unit, length in (("d", DAY_MS), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, after_ms = divmod(after_ms, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "the start"
