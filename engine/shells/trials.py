"""Runs the tests inside detector files: rows of events on a virtual clock, through the very steps that run live."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import orjson

from engine.core.chain import Chain
from engine.core.experiments import settled
from engine.core.plan import compile_plan
from engine.core.route import Router, Row
from engine.model import DAY_MS, DeadLetter, Decision, Json, Mode, Outcome, Signal, Tick
from engine.ports import Plugins
from engine.spec.judged import MODEL, hears_models
from engine.spec.policies import ConsentSpec, Policies
from engine.spec.trials import DetectorTest, TestExpect, TestGiven
from engine.spec.types import Configuration, DetectorSpec, EntitySpec, Place, ProjectSpec, StreamSpec

EVENTS = "given"
PROFILES = "with"
VARIANT = "variant"
# The type of a profile event that does not name one.
PROFILE_EVENT = "profile.updated"
PERSON = "customer"
ACCOUNTS = ("account",)


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


def decided_in(
    configuration: Configuration, plugins: Plugins, detector: DetectorSpec, test: DetectorTest
) -> tuple[Sequence[Signal], Sequence[Decision]]:
    """What comes of a test that need not be written down anywhere."""
    run = _Run(configuration, plugins, detector, test)
    list(run.failures())
    return run.signals, run.decisions


class _Run:
    """One test: its detector alone, or with `rules` all of them as they run."""

    def __init__(
        self, configuration: Configuration, plugins: Plugins, detector: DetectorSpec, test: DetectorTest
    ) -> None:
        self._test = test
        self._detector = detector.name
        # A detector that is tried out in shadow still has to do what its tests say.
        live = msgspec.structs.replace(detector, mode=Mode.LIVE)
        cast = configuration.detectors if test.rules else (live,)
        project = _stage(configuration.project, cast, test)
        self._project = configuration.project
        self._scoring = _scoring(configuration.project)
        tried = settled(configuration, _arms(test))
        plan = compile_plan(msgspec.structs.replace(tried, detectors=cast, project=project), plugins)
        self._chain = Chain(plan, is_trial=True)
        self._router = Router(project, plan.watched)
        self._profiled = consent_events(project.policies.consent)
        self.signals: list[Signal] = []
        self.decisions: list[Decision] = []
        self._refused: list[DeadLetter] = []

    def failures(self) -> Iterator[str]:
        rows = sorted(_rows(self._test, self._project, self._profiled, self._scoring), key=lambda row: row[0])
        end = max([at for at, _stream, _fields in rows] + [e.at for e in self._test.expect])
        fed = 0
        for expected in sorted(self._test.expect, key=lambda e: end if e.at < 0 else e.at):
            until = end if expected.at < 0 else expected.at
            fed = self._feed_until(rows, fed, until)
            self._chain.take(Tick(until))
            self._collect()
            yield from _unmet(expected, until, self.signals, self._concerning(expected), self._test.start)
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
        self.signals += [signal for signal in effects.signals if signal.detector == self._detector]
        self.decisions += effects.decisions

    def _concerning(self, expected: TestExpect) -> list[Decision]:
        """Those about the play that a line names, whichever detector asked for it, else those of the detector."""
        if expected.play:
            return [decision for decision in self.decisions if decision.play == expected.play]
        return [decision for decision in self.decisions if decision.detector == self._detector]


def _arms(test: DetectorTest) -> dict[str, str]:
    """The arms that a test puts everybody in, by experiment; nobody is in any other."""
    named = [(name.partition("."), arm) for name, arm in test.profile.items()]
    return {experiment: str(arm) for (word, _dot, experiment), arm in named if word == VARIANT}


def _stage(project: ProjectSpec, cast: tuple[DetectorSpec, ...], test: DetectorTest) -> ProjectSpec:
    """The project with plain entities and two streams without lateness: the rows given, and the profiles.

    Its rules for deciding are left out where the test does not ask for them: what a detector does must not depend on
    how often somebody may be written to. What people do with a message stays, as it ends the courses of plays.
    """
    said = consent_events(project.policies.consent) if test.rules else ()
    described = {name.split(".")[0] for name in test.profile if "." in name} - {VARIANT}
    described |= {PERSON} if said else set()
    told = {(event, _described_by(project, given, event)) for given in test.given for event in given.events}
    described |= {kind for _event, kind in told if kind}
    beside = {*said, *(event for event, kind in told if kind)}
    events = tuple(dict.fromkeys(event for given in test.given for event in given.events if event not in beside))
    watched = tuple(event for spec in cast for event in spec.events)
    given = StreamSpec(name=EVENTS, events=events + watched, lateness_ms=0)
    scoring = [
        StreamSpec(name=_given_to(spec), events=spec.events, lateness_ms=0, text=spec.text)
        for spec in project.streams
        if spec.text
    ]
    profiles = [
        StreamSpec(
            name=f"{PROFILES}:{kind}",
            family="profile",
            describes=kind,
            lateness_ms=0,
            events=("profile", *said, *sorted({event for event, whose in told if whose == kind})),
        )
        for kind in sorted(described) or [cast[0].per]
    ]
    streams = (given, *scoring, *profiles)
    entities = _plain_entities(project.entities)
    if hears_models(project, cast):
        entities = (*entities, EntitySpec(kind=MODEL, fields=(MODEL,)))
    staged = msgspec.structs.replace(project, entities=entities, streams=streams)
    if test.rules:
        return staged
    return msgspec.structs.replace(staged, wait_ms=0, policies=Policies(reactions=project.policies.reactions))


def _described_by(project: ProjectSpec, given: TestGiven, event: str) -> str:
    """Whose profile a row tells: of the first stream with such profiles whose entity it names; "" if it is none."""
    for stream in project.streams:
        if event in (stream.events or (PROFILE_EVENT,)) and stream.describes in given.fields:
            return stream.describes
    return ""


def consent_events(spec: ConsentSpec | None) -> tuple[str, ...]:
    """What somebody says about being written to comes with the profiles."""
    if spec is None:
        return ()
    return (*spec.given, *spec.withdrawn, *((spec.stop.event,) if spec.stop else ()))


def _plain_entities(entities: tuple[EntitySpec, ...]) -> tuple[EntitySpec, ...]:
    """The same kinds, with their ids written under the kind's own name, as tests do: `{account: acme}`."""
    kinds = {entity.fields[0]: entity.kind for entity in entities if len(entity.fields) == 1}
    return tuple(
        EntitySpec(kind=e.kind, fields=tuple(kinds.get(f, f) for f in e.fields) if len(e.fields) > 1 else (e.kind,))
        for e in entities
    )


def _given_to(spec: StreamSpec) -> str:
    return f"{EVENTS}:{spec.name}"


def _scoring(project: ProjectSpec) -> dict[str, str]:
    """For each event type the stream that a test gives it to, under "" for types that no stream lists."""
    found = {"": EVENTS}
    for spec in reversed(project.streams):
        found.update(dict.fromkeys(spec.events or ("",), _given_to(spec) if spec.text else EVENTS))
    return found


def _rows(
    test: DetectorTest, project: ProjectSpec, profiled: Collection[str], scoring: Mapping[str, str]
) -> Iterator[tuple[int, str, dict[str, Json]]]:
    """(time, stream, fields) of everything the test gives: first the profiles, then the events."""
    yield from _profiles(test)
    counter = 0
    for given in test.given:
        for at, event, number in _moments(given, test.start):
            counter += 1
            fields: dict[str, Json] = {"id": f"given-{counter}", "event": event, "at": at}
            whose = PERSON if event in profiled else _described_by(project, given, event)
            stream = f"{PROFILES}:{whose}" if whose else scoring.get(event, scoring[""])
            yield at, stream, fields | {name: _numbered(value, number) for name, value in given.fields.items()}


def _profiles(test: DetectorTest) -> Iterator[tuple[int, str, dict[str, Json]]]:
    attributes: dict[str, dict[str, Json]] = {}
    for name, value in test.profile.items():
        kind, dot, attribute = name.partition(".")
        if dot and kind != VARIANT:
            attributes.setdefault(kind, {})[attribute] = value
    for kind, values in attributes.items():
        for key in _keys_of(kind, test):
            ids: dict[str, Json] = {"id": f"with-{kind}-{key}", "event": "profile", "at": test.start, kind: key}
            beside = _seen_with(kind, key, test) if test.rules else {}
            yield test.start, f"{PROFILES}:{kind}", beside | ids | values


def _seen_with(kind: str, key: str, test: DetectorTest) -> dict[str, Json]:
    """The account of a customer, so that both are of one unit: the ids in the first row that names the entity."""
    rows = (given.fields for given in test.given if given.fields.get(kind) == key)
    first = next(rows, {})
    return {name: value for name, value in first.items() if name in ACCOUNTS and isinstance(value, str)}


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
    fired = [signal for signal in signals if signal.state == "firing" and signal.member is None]
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


def _unmade(expected: TestExpect, decisions: Sequence[Decision]) -> Iterator[str]:
    """What was expected of decisions, as they stood then: of what was held and decided again, the last."""
    concerned = [d for d in decisions if not expected.fired or d.key == expected.fired]
    latest = list({(d.signal_id, d.play): d for d in concerned}.values())
    stopped, outcome = expected.dropped or expected.held, Outcome.HELD if expected.held else Outcome.DROPPED
    if expected.play and expected.sent_to < 0 and not stopped and not any(d.outcome is Outcome.CHOSEN for d in latest):
        yield f"expected the play {expected.play} to be chosen"
    if stopped and not any(d.gate == stopped and d.outcome is outcome for d in latest):
        yield f"expected its decision to be {outcome.value} at {stopped}"
    if expected.runner_up and expected.runner_up not in {d.runner_up for d in latest}:
        yield f"expected {expected.runner_up} to be the runner-up"
    if expected.sent_to >= 0 and (got := _recipients(expected.play, decisions)) != expected.sent_to:
        yield f"expected {expected.play} to be sent to {expected.sent_to}, and {got} got it"
    yield from _unweighed(expected, latest)


def _unweighed(expected: TestExpect, decisions: Sequence[Decision]) -> Iterator[str]:
    if expected.priority and expected.priority not in {d.priority for d in decisions}:
        yield f"expected a priority of {expected.priority:g}, and not {_either(d.priority for d in decisions)}"
    for name, factor in expected.factors.items():
        found = {d.factors.get(name, 0.0) for d in decisions}
        if factor not in found:
            yield f"expected {name} to be {factor:g}, and not {_either(found)}"


def _either(numbers: Iterable[float]) -> str:
    return " or ".join(f"{each:g}" for each in sorted(set(numbers))) or "nothing"


def _recipients(play: str, decisions: Iterable[Decision]) -> int:
    return len({d.recipient for d in decisions if d.play == play and d.outcome is Outcome.CHOSEN})


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
