"""The configuration compiled once: event type -> trackers to feed -> detectors to judge, per kind of entity.

Equal measures are kept once, whichever detectors use them. An event costs by the detectors that concern it, not by
those that exist.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from engine.core.asking import Asking
from engine.core.compiled import Compiled, Measure, formula_of, is_of_limits, measure_of, told_of
from engine.core.conditions import compile_condition
from engine.core.digest import digest
from engine.core.experiments import IsFor, detectors_of, only_for
from engine.core.glance import Asked, Glance, compile_glance
from engine.core.heard import heard_types
from engine.core.lateness import lateness_of
from engine.core.meanings import held_against, most_in_a_row
from engine.core.members import Clause, clause_of, drawers_of
from engine.core.memories import Memories, asking_of, version_of
from engine.core.route import Watched
from engine.core.sliding import Add
from engine.core.state import Layout, Wanted
from engine.core.teaching import ModelSpec
from engine.core.treating import Treats, treats_of
from engine.ports import Condition, ConditionKind, MeasureKind, Plugins, Slot, Tracker
from engine.spec.departures import PEERS, USUAL
from engine.spec.formula import FORMULA
from engine.spec.happened import ANY_EVENT
from engine.spec.judged import MODEL, hears_models
from engine.spec.members import APPROVED, DECLINED, guard_of
from engine.spec.profile import PROFILE, reads_profile
from engine.spec.types import (
    AllOf,
    AnyOf,
    Compare,
    ConditionSpec,
    Configuration,
    DetectorSpec,
    Kept,
    MeasureSpec,
)


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """One detector, compiled. `lateness_ms` is how long its timers wait for stragglers of the streams it reads.

    `is_for` says for which entities it is, None = for all. `asks` are the chances among its measures by their trackers,
    `treats` what it does that may change them, `versions` tell the versions of its models by their trackers.
    `is_steady`: while its condition holds, events in order of time never make it necessary to look earlier.
    """

    index: int
    spec: DetectorSpec
    when: Compiled
    resolve_when: Compiled | None
    lateness_ms: int
    measures: tuple[Measure, ...]
    at: tuple[int, ...]
    is_steady: bool
    is_for: IsFor | None = None
    asks: Mapping[int, Asking] = {}
    treats: Treats | None = None
    versions: Mapping[int, Callable[[Slot], str]] = {}


class Ops(msgspec.Struct, frozen=True):
    """What one event type means to an entity of one kind: slots to feed, detectors to judge afterwards.

    `plain` detectors need a look only where their condition holds, which `glance` says, or an episode is open; `timed`
    ones always. `clauses` are those whose members such an event may tell of; with `judges_fan_out`, it is what a person
    said of one.
    """

    adds: tuple[tuple[int, Add], ...] = ()
    plain: tuple[Judge, ...] = ()
    timed: tuple[Judge, ...] = ()
    glance: Glance[Judge] = compile_glance((), ())
    clauses: tuple[Clause, ...] = ()
    judges_fan_out: bool = False

    @property
    def asked(self) -> list[Asked[Judge]]:
        """The conditions of the plain detectors, as a glance asks them."""
        return [Asked(judge.when.quick, judge) for judge in self.plain]


class KindPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything watched about one kind of entity. `armed` are the detectors that need a timer from first sight on,
    `clauses` those of its detectors that concern each of its members, `of_profiles` what a profile may make true.
    """

    kind: str
    trackers: tuple[Tracker, ...]
    judges: Mapping[int, Judge]
    armed: tuple[Judge, ...]
    by_event: Mapping[str, Ops]
    otherwise: Ops
    wanted: Wanted
    clauses: tuple[Clause, ...] = ()
    of_profiles: tuple[Judge, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`kinds` by entity kind. `detectors` are the names by index. `all_events` are the kinds that want every event.

    `heard` are the event types that deciding wants, besides profiles. `models` are those that are asked, by their ids;
    `judged` are those of them of which detectors want to hear how good they are. No row brings that.
    """

    configuration: Configuration
    kinds: Mapping[str, KindPlan]
    detectors: tuple[str, ...]
    all_events: frozenset[str]
    by_event: Mapping[str, tuple[str, ...]]
    streams_of: Mapping[str, tuple[str, ...]]
    heard: frozenset[str] = frozenset()
    models: Mapping[str, ModelSpec] = {}
    judged: Mapping[str, ModelSpec] = {}

    @property
    def watched(self) -> Watched:
        """What a router has to know of it."""
        profiled = frozenset(kind for kind, plan in self.kinds.items() if plan.of_profiles)
        return Watched(self.all_events, self.by_event, self.heard, profiled)


def compile_plan(configuration: Configuration, plugins: Plugins) -> Plan:
    """Raises nothing for a configuration that the parser has accepted."""
    by_kind: dict[str, list[tuple[int, DetectorSpec]]] = defaultdict(list)
    detectors = detectors_of(configuration)
    for index, (spec, _is_for) in enumerate(detectors):
        by_kind[spec.per].append((index, spec))
    guards = {index: is_for for index, (_spec, is_for) in enumerate(detectors)}
    models: dict[str, ModelSpec] = {}
    compilers = {kind: _KindCompiler(kind, configuration, plugins, guards, models) for kind in by_kind}
    kinds = {kind: compilers[kind].compile(each) for kind, each in by_kind.items()}
    kinds |= {kind: made for group in [*kinds.values()] for kind, made in _drawer_kinds(group).items()}
    is_told = hears_models(configuration.project, configuration.detectors)
    fed = {kind: plan for kind, plan in kinds.items() if not (is_told and kind == MODEL)}
    asked = {name: models[name] for name in sorted(models)}
    return Plan(
        configuration=configuration,
        kinds=kinds,
        detectors=tuple(spec.name for spec, _is_for in detectors),
        all_events=frozenset(kind for kind, plan in fed.items() if plan.armed or ANY_EVENT in plan.by_event),
        by_event=_kinds_by_event(fed),
        streams_of=_streams_by_event(configuration),
        heard=heard_types(configuration),
        models=asked,
        judged={name: model for name, model in asked.items() if is_told and not model.is_of_peers},
    )


def _kinds_by_event(kinds: Mapping[str, KindPlan]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for kind in sorted(kinds):
        for event in kinds[kind].by_event:
            found[event].append(kind)
    return {event: tuple(names) for event, names in found.items()}


def _drawer_kinds(group: KindPlan) -> dict[str, KindPlan]:
    """The kinds of entities as which its members are kept. No event is for them."""
    found: dict[str, list[Tracker]] = defaultdict(list)
    for clause in group.clauses:
        found[clause.drawers].append(clause.drawer)
    return {
        kind: KindPlan(
            kind=kind,
            trackers=tuple(trackers),
            judges={},
            armed=(),
            by_event={},
            otherwise=Ops(),
            wanted=Wanted(_layout(kind, trackers), tuple(trackers), {}),
        )
        for kind, trackers in found.items()
    }


def _layout(kind: str, trackers: Sequence[Tracker]) -> Layout:
    pairs = tuple((tracker.identity, tracker.columns) for tracker in trackers)
    return Layout(digest(kind, str(pairs)), pairs)


def _streams_by_event(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for stream in configuration.project.streams:
        for event in stream.events:
            found[event].append(stream.name)
    return {event: tuple(names) for event, names in found.items()}


class _KindCompiler:
    """Collects the trackers of one kind of entity while its detectors are compiled."""

    def __init__(
        self,
        kind: str,
        configuration: Configuration,
        plugins: Plugins,
        guards: Mapping[int, IsFor | None],
        models: dict[str, ModelSpec],
    ) -> None:
        """`models` is where those that it finds asked are put."""
        self._kind = kind
        self._guards = guards
        self._configuration = configuration
        self._plugins = plugins
        self._trackers: list[Tracker] = []
        self._measures: dict[tuple[str, Any], Measure] = {}
        self._kept: dict[tuple[str, object], tuple[int, Condition]] = {}
        self._in_a_row = 1
        slowest = max([0, *(stream.lateness_ms for stream in configuration.project.streams)])
        self._memories = Memories(kind, plugins, self._trackers, models, slowest)

    def compile(self, specs: list[tuple[int, DetectorSpec]]) -> KindPlan:
        self._build_measures([spec for _index, spec in specs])
        self._in_a_row = max([1, *(most_in_a_row(spec) for _index, spec in specs)])
        judges = [self._judge(index, spec) for index, spec in specs]
        clauses = self._clauses(specs)
        by_event = self._operations(judges, clauses)
        trackers = tuple(self._trackers)
        detectors = {judge.spec.name: judge.index for judge in judges}
        return KindPlan(
            kind=self._kind,
            trackers=trackers,
            judges={judge.index: judge for judge in judges},
            armed=tuple(judge for judge in judges if judge.when.timed),
            by_event=by_event,
            otherwise=by_event.get(ANY_EVENT, Ops()),
            wanted=Wanted(_layout(self._kind, trackers), trackers, detectors),
            clauses=clauses,
            of_profiles=tuple(judge for judge in judges if reads_profile(judge.spec)),
        )

    def _clauses(self, specs: list[tuple[int, DetectorSpec]]) -> tuple[Clause, ...]:
        """Each `for_each`, with its roll among the trackers."""
        found: list[Clause] = []
        policies = self._configuration.project.policies
        for index, spec in specs:
            for each in spec.for_each:
                kind = drawers_of(self._kind, each.kind)
                places = len(self._trackers), sum(clause.drawers == kind for clause in found)
                clause = clause_of(index, spec.name, self._kind, each, guard_of(each, policies.fan_out), places)
                self._trackers.append(clause.roll)
                found.append(clause)
        return tuple(found)

    def _build_measures(self, specs: list[DetectorSpec]) -> None:
        """Uses with the same share key go to one tracker; each use finds its reader under (word, options)."""
        shared: dict[tuple[object, ...], dict[tuple[str, Any], int]] = defaultdict(dict)
        for spec in specs:
            for measure in spec.watch:
                if measure.inputs or measure.word == PROFILE:
                    continue
                kind = self._measure_kind(measure)
                uses = shared[(type(kind).__qualname__, *kind.share_key(measure.word, measure.options))]
                use = (measure.word, measure.options)
                uses[use] = max(uses.get(use, 0), _periods_needed(spec, measure.name))
        for uses in shared.values():
            self._share(uses)

    def _share(self, uses: dict[tuple[str, Any], int]) -> None:
        word = next(iter(uses))[0]
        kind: MeasureKind = self._plugins[word]  # type: ignore[assignment]
        ordered = [(word, options, periods) for (word, options), periods in uses.items()]
        tracker, readers = kind.build(ordered)
        self._trackers.append(tracker)
        for (word, options, _periods), reader in zip(ordered, readers, strict=True):
            self._measures[(word, options)] = measure_of("", len(self._trackers) - 1, tracker, reader)

    def _measure_kind(self, measure: MeasureSpec) -> MeasureKind:
        return self._plugins[measure.word]  # type: ignore[return-value]

    def _judge(self, index: int, spec: DetectorSpec) -> Judge:
        measures = self._measures_of(spec)
        when = compile_condition(spec.when, measures, self._kept_condition)
        resolve = compile_condition(spec.resolve_when, measures, self._kept_condition) if spec.resolve_when else None
        at = dict.fromkeys(when.at + (resolve.at if resolve else ()))
        at.update(dict.fromkeys(i for measure in measures.values() for i in measure.at))
        events = tuple(event for i in at for event in self._trackers[i].events)
        asks = {i: each for i in at if (each := asking_of(self._trackers[i])) is not None}
        treats = treats_of(spec, self._configuration) if asks else None
        if treats:
            for asking in asks.values():
                asking.treating[index] = treats
        return Judge(
            index=index,
            spec=spec,
            when=only_for(when, self._guards[index]),
            resolve_when=resolve,
            lateness_ms=lateness_of(self._configuration.project, spec, events),
            measures=tuple(measures.values()),
            at=tuple(at),
            is_steady=resolve is None and is_of_limits(when.quick),
            is_for=self._guards[index],
            asks=asks,
            treats=treats,
            versions={i: told for i in at if (told := version_of(self._trackers[i])) is not None},
        )

    def _measures_of(self, spec: DetectorSpec) -> dict[str, Measure]:
        """Those of events and profiles first, then formulas over them, then what learns from either, and formulas over
        that; and what is usual for any of them.
        """
        found = {measure.name: self._plain(measure) for measure in spec.watch if not measure.inputs}
        self._add_formulas(spec, found)
        for measure in spec.watch:
            if measure.inputs and measure.word != FORMULA:
                learned = self._memories.learned(measure, spec, found)
                found |= {name: each for name, each in learned.items() if name not in found}
        self._add_formulas(spec, found)
        for name in held_against("usual", spec):
            found[USUAL + name] = self._memories.usual(name, spec, found, self._in_a_row)
        for name in held_against("peers", spec):
            found[PEERS + name] = self._memories.peers(name, spec, found, self._in_a_row)
        return found

    def _plain(self, measure: MeasureSpec) -> Measure:
        if measure.word == PROFILE:
            return told_of(measure.name, measure.options.field)
        shared = self._measures[(measure.word, measure.options)]
        return msgspec.structs.replace(shared, name=measure.name, period=measure.period)

    def _add_formulas(self, spec: DetectorSpec, found: dict[str, Measure]) -> None:
        """Those whose parts are all there by now."""
        for measure in spec.watch:
            if measure.word == FORMULA and measure.name not in found and found.keys() >= set(measure.inputs):
                parts = [found[name] for name in measure.inputs]
                made = formula_of(measure.name, parts, measure.options.evaluate)
                found[measure.name] = msgspec.structs.replace(made, period=measure.period)

    def _kept_condition(self, spec: Kept) -> tuple[int, Condition]:
        known = self._kept.get((spec.word, spec.options))
        if known is None:
            kind: ConditionKind = self._plugins[spec.word]  # type: ignore[assignment]
            condition = kind.build(spec.word, spec.options)
            self._trackers.append(condition)
            known = self._kept[(spec.word, spec.options)] = (len(self._trackers) - 1, condition)
        return known

    def _operations(self, judges: list[Judge], clauses: tuple[Clause, ...]) -> dict[str, Ops]:
        events = {event for tracker in self._trackers for event in tracker.events}
        events.update(event for clause in clauses for event in clause.spec.events)
        if any(clause.guard.above for clause in clauses):
            events.update((APPROVED, DECLINED))
        return {event: self._ops(event, judges, clauses) for event in sorted(events)}

    def _ops(self, event: str, judges: list[Judge], clauses: tuple[Clause, ...]) -> Ops:
        """Trackers that want every event are fed by each; their detectors are judged with the others."""
        fed = [at for at, t in enumerate(self._trackers) if event in t.events or ANY_EVENT in t.events]
        concerned = [judge for judge in judges if not set(judge.at).isdisjoint(fed)]
        ops = Ops(
            adds=tuple((at, self._trackers[at].add) for at in fed),
            plain=tuple(judge for judge in concerned if not judge.when.timed),
            timed=tuple(judge for judge in concerned if judge.when.timed),
            clauses=tuple(clause for clause in clauses if event in clause.spec.events),
            judges_fan_out=event in (APPROVED, DECLINED) and any(clause.guard.above for clause in clauses),
        )
        return msgspec.structs.replace(ops, glance=compile_glance(ops.asked, self._trackers))


def _periods_needed(spec: DetectorSpec, measure: str) -> int:
    """How many closed periods the detector's conditions look back on."""
    conditions = [spec.when] + ([spec.resolve_when] if spec.resolve_when else [])
    return max((_periods_in(condition, measure, spec) for condition in conditions), default=1)


def _periods_in(condition: ConditionSpec, measure: str, spec: DetectorSpec) -> int:
    if isinstance(condition, AllOf | AnyOf):
        return max((_periods_in(part, measure, spec) for part in condition.parts), default=1)
    if isinstance(condition, Compare):
        named = (*_named(condition.measure, spec), *_named(condition.limit_of, spec))
        return max(1, condition.in_a_row) if measure in named else 1
    return 1


def _named(measure: str, spec: DetectorSpec) -> tuple[str, ...]:
    """The measure itself, or those that a formula of this name reads."""
    for watched in spec.watch:
        if watched.name == measure and watched.word == FORMULA:
            return tuple(watched.options.names)
    return (measure,)
