"""A folder of YAML to one sound configuration, or to everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec.structs import replace

from engine.errors import Problem, SpecError
from engine.model import Json
from engine.ports import Plugins
from engine.spec import capacity, files
from engine.spec.arms import Catalog, read_experiments
from engine.spec.choices import judge_first_of
from engine.spec.detectors import ReadDetector, read_detector
from engine.spec.digest import digest, version_of
from engine.spec.eligibility import report_cycles, waits_for
from engine.spec.fanout import MEMBER_NAMES, check_fan_out, texts_of
from engine.spec.handoff import check_answers
from engine.spec.judged import check_judged, for_detectors, with_models
from engine.spec.nodes import MappingNode, ScalarNode, text_of
from engine.spec.play_parts import check_human
from engine.spec.plays import ReadPlay, check_use, read_play
from engine.spec.project import SinkOptions, event_types, read_project
from engine.spec.remedy import check_remedies, followers
from engine.spec.report import Report, unknown
from engine.spec.review import check_reviews
from engine.spec.snoozes import read_snoozes
from engine.spec.types import Configuration, DetectorSpec, Place, PlaySpec, ProjectSpec
from engine.spec.world import World

# Of a file with such a problem, a part or all was not read.
_UNREADABLE = frozenset(("yaml", "encoding", "too-large", "too-deep", "too-many-nodes"))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def load(folder: Path, plugins: Plugins, sink_options: SinkOptions, sink_kinds: Collection[str] = ()) -> Configuration:
    """The configuration in a folder. Raises SpecError with every problem if there is an error among them.

    `sink_options` gives the options of a kind of sink, None if there is no such kind; `sink_kinds` are the names to
    suggest then.
    """
    configuration, problems = load_all(folder, plugins, sink_options, sink_kinds)
    if configuration is None:
        raise SpecError(problems)
    return configuration


def load_all(
    folder: Path, plugins: Plugins, sink_options: SinkOptions, sink_kinds: Collection[str] = ()
) -> tuple[Configuration | None, list[Problem]]:
    """The configuration, or None if there is an error, beside all problems and warnings in order of place."""
    report = Report()
    node = files.project_document(folder, report)
    project = read_project(node, sink_options, sink_kinds, report) if node else ProjectSpec()
    plays = files.documents_in(folder, files.PLAYS, report)
    detectors = files.documents_in(folder, files.DETECTORS, report)
    world = with_models(_world(project, plugins, report, plays, detectors), detectors)
    read_plays = [read_play(play, world) for play in plays]
    read_detectors = [read_detector(detector, for_detectors(world)) for detector in detectors]
    _check_texts(read_detectors, read_plays, world)
    sound = {play.name: play.spec for play in read_plays if play.spec}
    check_remedies(sound, report)
    check_judged(read_detectors, _by_name(detectors, "detector"), sound, world)
    _check_audiences(read_detectors, read_plays, world)
    _check_tags(project, node, read_plays, world)
    _check_inhibits(project, node, world)
    capacity.check_plays(read_plays, node.get("capacity") if node else None, world)
    check_answers(project, node, {play.name: play for play in read_plays}, world)
    check_human(node.get("human") if node else None, world)
    catalog = Catalog(
        play_nodes=_by_name(plays, "play"),
        detector_nodes=_by_name(detectors, "detector"),
        plays={play.name: play for play in read_plays},
        detectors={detector.name: detector for detector in read_detectors},
    )
    experiments = read_experiments(node.get("experiments") if node else None, catalog, world)
    _check_cycles(read_detectors, world)
    shares = {play.name: (play.spec.review_places, play.spec.place) for play in read_plays if play.spec}
    check_reviews(project.policies.review, node.get("review") if node else None, shares, report)
    snoozes = files.snooze_documents(folder, report)
    project = _with_snoozes(project, snoozes, world)
    _check_fan_out(read_detectors, read_plays, project, node, world)
    problems = sorted(set(_less_what_follows(report.problems)))
    if report.errors or node is None:
        return None, problems
    found = _configuration(folder, (node, *snoozes), project, read_detectors, read_plays)
    return replace(found, experiments=experiments), problems


def _less_what_follows(problems: list[Problem]) -> list[Problem]:
    """While a file cannot be read, nobody knows what it holds: that a play or detector is missing is not said."""
    if any(problem.code in _UNREADABLE for problem in problems):
        return [problem for problem in problems if problem.code not in ("unknown-play", "unknown-detector")]
    return problems


def _world(
    project: ProjectSpec,
    plugins: Plugins,
    report: Report,
    plays: list[MappingNode],
    detectors: list[MappingNode],
) -> World:
    return World(
        report=report,
        plugins=plugins,
        entities={entity.kind: (*entity.fields, *entity.also_known_as) for entity in project.entities},
        events=event_types(project.streams),
        channels=frozenset(project.channels),
        plays=_names(plays, "play", report),
        detectors=_names(detectors, "detector", report),
        capacity=project.policies.capacity,
        project=project,
    )


def _by_name(documents: list[MappingNode], key: str) -> dict[str, MappingNode]:
    return {text_of(document.get(key)): document for document in documents}


def _names(documents: list[MappingNode], key: str, report: Report) -> dict[str, Place]:
    """Where each name stands, also of documents that turn out unsound."""
    names: dict[str, Place] = {}
    for document in documents:
        node = document.get(key)
        name = text_of(node)
        if not isinstance(node, ScalarNode) or not name:
            continue
        if first := names.get(name):
            message = f"{key} '{name}' is already defined at {first.path}:{first.line}:{first.column}"
            report.error(node, f"duplicate-{key}", message)
        elif not _NAME.fullmatch(name):
            message = f"'{name}' is no name for a {key} - use letters, digits and -, as in call-the-champion"
            report.error(node, "bad-name", message)
        names.setdefault(name, node.place)
    return names


def _check_texts(detectors: list[ReadDetector], plays: list[ReadPlay], world: World) -> None:
    by_name, sound = {play.name: play for play in plays}, {play.name: play.spec for play in plays if play.spec}
    for detector in detectors:
        for clause in detector.for_each:
            for name, known in texts_of(clause).items():
                if play := by_name.get(name):
                    check_use(play, detector.name, detector.measures | known, world)
        chosen = dict.fromkeys(after for first in detector.plays for after in followers(first, sound))
        instead = [play.spec.when_full for name in chosen if (play := by_name.get(name)) and play.spec]
        for name in dict.fromkeys((*chosen, *instead)):
            if play := by_name.get(name):
                check_use(play, detector.name, detector.measures, world)


def _check_tags(project: ProjectSpec, node: MappingNode | None, plays: list[ReadPlay], world: World) -> None:
    """A rule about plays that do not exist would never take effect."""
    known = {tag for play in plays for tag in play.tags}
    where = node.get("limits") if node else None
    for tag in sorted({tag for limit in project.policies.limits for tag in limit.tags} - known):
        world.report.error(where or Place(), "unknown-tag", unknown("tag", tag, known))


def _check_inhibits(project: ProjectSpec, node: MappingNode | None, world: World) -> None:
    """Its rules may only name detectors and plays that there are."""
    where = (node.get("inhibits") if node else None) or Place()
    for rule in project.policies.inhibits:
        if rule.firing not in world.detectors:
            world.report.error(where, "unknown-detector", unknown("detector", rule.firing, world.detectors))
        for play in rule.mutes:
            if play not in world.plays:
                world.report.error(where, "unknown-play", unknown("play", play, world.plays))


def _check_audiences(detectors: list[ReadDetector], plays: list[ReadPlay], world: World) -> None:
    """A signal says one thing to each audience, so that nobody hears the same twice."""
    audiences = {play.name: play.to for play in plays}
    asking = {play.name for play in plays if play.spec is None or play.spec.only_if or play.spec.unless}
    for detector in detectors:
        told: dict[str, str] = {}
        for entry in detector.then.entries:
            before = dict(told)
            judge_first_of(entry, detector.then, asking, world)
            for name in entry:
                to = audiences.get(name, "")
                if to in before:
                    message = f"'{name}' goes to the {to} like '{before[to]}' - a signal has one play for each audience"
                    world.report.error(detector.plays[name], "same-audience", message)
                elif to:
                    told[to] = name


def _check_cycles(detectors: list[ReadDetector], world: World) -> None:
    waits = {detector.spec.name: waits_for(detector.spec) for detector in detectors if detector.spec}
    report_cycles(waits, world.detectors, world.report)


def _with_snoozes(project: ProjectSpec, documents: list[MappingNode], world: World) -> ProjectSpec:
    snoozes = tuple(each.spec for each in read_snoozes(documents, world))
    return replace(project, policies=replace(project.policies, snoozes=snoozes)) if snoozes else project


def _check_fan_out(
    detectors: list[ReadDetector],
    plays: list[ReadPlay],
    project: ProjectSpec,
    node: MappingNode | None,
    world: World,
) -> None:
    sound = {play.name: play.spec for play in plays if play.spec}
    where = node.get("fan_out") if node else None
    check_fan_out([detector.spec for detector in detectors if detector.spec], sound, project, where, world)
    by_name = {play.name: play for play in plays}
    asking = by_name.get(project.policies.fan_out.ask)
    for detector in detectors if asking else ():
        if asking and any(not clause.ask for clause in detector.for_each):
            check_use(asking, detector.name, detector.measures | {*MEMBER_NAMES}, world)


def _configuration(
    folder: Path,
    nodes: tuple[MappingNode, ...],
    project: ProjectSpec,
    detectors: list[ReadDetector],
    plays: list[ReadPlay],
) -> Configuration:
    sound = tuple(detector.spec for detector in detectors if detector.spec)
    chosen = {play.spec.name: play.spec for play in plays if play.spec}
    return Configuration(
        project=project,
        detectors=sound,
        plays=chosen,
        version=_version(nodes, sound, chosen, _scorers(project)),
        folder=str(folder),
    )


def _scorers(project: ProjectSpec) -> dict[str, Json]:
    """What scores the texts of which stream."""
    return {stream.name: stream.text.version for stream in project.streams if stream.text}


def _version(
    nodes: tuple[MappingNode, ...],
    detectors: tuple[DetectorSpec, ...],
    plays: Mapping[str, PlaySpec],
    scorers: Mapping[str, Json],
) -> str:
    """Of the project file, what is snoozed, the detectors and the plays, and of what scores texts."""
    node, *snoozes = nodes
    parts: dict[str, Json] = {
        "project": version_of(node),
        "detectors": {detector.name: detector.version for detector in detectors},
        "plays": {name: play.version for name, play in plays.items()},
    }
    if scorers:
        parts["scorers"] = dict(scorers)
    if snoozes:
        parts["snoozes"] = [version_of(each) for each in snoozes]
    return digest(parts)
