"""What the arms of experiments make of plays and detectors, once those are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from engine.spec.detectors import ReadDetector, read_detector
from engine.spec.draws import Arm, Draw, Experiment
from engine.spec.experiments import ArmDocument, ExperimentDocument, UseDocument, judge_name, places_of
from engine.spec.fanout import texts_of
from engine.spec.nodes import Entry, MappingNode, Node, ScalarNode
from engine.spec.plays import ReadPlay, check_use, read_play
from engine.spec.reading import Written, read
from engine.spec.remedy import followers
from engine.spec.report import listed, near, unknown
from engine.spec.types import DetectorSpec, Eligibility, InVariant, PlaySpec
from engine.spec.world import World

PLAY_KEYS = (
    "text", "title", "channel", "fallback", "tier", "desk", "assign", "owner", "expires", "human", "resources", "link",
    "acknowledges", "next_step", "new_date", "value", "lever", "chance", "context",
)  # fmt: skip
DETECTOR_KEYS = ("when", "resolve_when", "for")
NOTHING = "nothing"


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """All documents by name, as they are written and as they were read."""

    play_nodes: Mapping[str, MappingNode]
    detector_nodes: Mapping[str, MappingNode]
    plays: Mapping[str, ReadPlay]
    detectors: Mapping[str, ReadDetector]


def read_experiments(node: Node | None, catalog: Catalog, world: World) -> tuple[Experiment, ...]:
    """The experiments that could be read; what is wrong goes to the world's report."""
    if node is None:
        return ()
    if not isinstance(node, MappingNode) or not node.entries:
        message = "write each experiment with its arms, as in {warmer-words: {arms: {as-now: {}, warmer: {...}}}}"
        world.report.error(node, "wrong-type", message)
        return ()
    reading = _Reading(catalog, world)
    found = [reading.experiment(key, value) for key, value in node]
    return tuple(one for one in found if one is not None)


class _Reading:
    def __init__(self, catalog: Catalog, world: World) -> None:
        self._catalog = catalog
        self._world = world
        self._taken: dict[str, str] = {}

    def experiment(self, key: ScalarNode, node: Node) -> Experiment | None:
        world, before = self._world, self._world.report.errors
        judge_name(key, "an experiment", world.report)
        written = read(node, ExperimentDocument, world.scope)
        if written is None or "arms" not in written.nodes:
            return None
        arms_node = written.nodes["arms"]
        if not isinstance(arms_node, MappingNode) or len(arms_node.entries) < 2:
            message = "an experiment compares at least two arms, as in {as-now: {}, warmer: {...}}"
            world.report.error(arms_node, "wrong-type", message)
            return None
        read_arms = {name.text: self._arm(key.text, name, value) for name, value in arms_node}
        arms = {name: arm for name, (_parts, arm) in read_arms.items()}
        if world.report.errors == before:
            self._judge(key, written, arms)
        draw = Draw(
            salt=written.value.salt or key.text,
            places=places_of(written, world.scope),
            arms=tuple(sorted((name, parts) for name, (parts, _arm) in read_arms.items())),
            contact=written.value.contact,
        )
        if world.report.errors > before:
            return None
        return Experiment(
            name=key.text,
            draw=draw,
            arms=arms,
            plays=frozenset(self._asking_plays(key.text)) | {name for arm in arms.values() for name in _played(arm)},
            detectors=frozenset(self._asking_detectors(key.text)) | {n for arm in arms.values() for n in arm.detectors},
        )

    def _judge(self, key: ScalarNode, written: Written[ExperimentDocument], arms: Mapping[str, Arm]) -> None:
        changing = {name for arm in arms.values() for name in arm.detectors}
        if written.value.contact and changing:
            message = "detectors know no addresses - take 'contact' away, or leave the detectors as they are"
            self._world.report.error(written.nodes["contact"], "no-effect", message)
        changed = changing | {name for arm in arms.values() for name in _played(arm)}
        asked = [*self._asking_plays(key.text), *self._asking_detectors(key.text)]
        if not changed and not asked and arms and self._all_are_sound():
            message = f"no arm changes anything, and nothing asks for 'variant: {{{key.text}: ...}}'"
            self._world.report.error(key, "no-effect", message)
        for name in sorted(changed):
            other = self._taken.setdefault(name, key.text)
            if other != key.text:
                message = f"'{other}' changes '{name}' already - one experiment at a time, or nobody knows what worked"
                self._world.report.error(key, "two-experiments", message)

    def _all_are_sound(self) -> bool:
        """Whether every play and detector could be read; of one that was not, nobody knows what it asks for."""
        return all(play.spec for play in self._catalog.plays.values()) and all(
            detector.spec for detector in self._catalog.detectors.values()
        )

    def _asking_plays(self, experiment: str) -> Iterator[str]:
        specs = {name: play.spec for name, play in self._catalog.plays.items()}
        for name, spec in specs.items():
            if spec is not None and _asks((spec.only_if, spec.unless), experiment):
                yield name

    def _asking_detectors(self, experiment: str) -> Iterator[str]:
        specs = {name: detector.spec for name, detector in self._catalog.detectors.items()}
        for name, spec in specs.items():
            if spec is None:
                continue
            choices = [part for choice in spec.choices.values() for part in (choice.only_if, choice.unless)]
            choices += [part for clause in spec.for_each for part in (clause.only_if, clause.unless)]
            if _asks((spec.only_if, spec.unless, *choices), experiment):
                yield name

    # ---- an arm

    def _arm(self, experiment: str, key: ScalarNode, node: Node) -> tuple[int, Arm]:
        """Its parts, and what it changes."""
        judge_name(key, "an arm", self._world.report)
        written = read(node, ArmDocument, self._world.scope)
        if written is None:
            return 1, Arm()
        played = dict(self._plays(written.value.plays))
        nothing = tuple(name for name, play in played.items() if play is None)
        detectors = dict(self._detectors(written.value.detectors, f"{experiment}.{key.text}"))
        plays = {name: play for name, play in played.items() if play is not None}
        return written.value.parts, Arm(plays=plays, detectors=detectors, nothing=nothing)

    def _plays(self, node: Node | None) -> Iterator[tuple[str, PlaySpec | None]]:
        """(name, the play in its place, None = nothing)."""
        for key, value, usual in self._changed(node, "play", self._catalog.plays):
            spec = usual.spec
            if spec is None:
                continue  # what is wrong with it is told at its own place
            if isinstance(value, ScalarNode):
                if self._may_be_left_out(value, spec):
                    yield key.text, None
                continue
            other = self._used(value, spec) if value.get("use") is not None else self._play(key, value)
            if other is not None:
                yield key.text, other

    def _changed(
        self, node: Node | None, what: str, known: Mapping[str, ReadPlay]
    ) -> Iterator[tuple[ScalarNode, ScalarNode | MappingNode, ReadPlay]]:
        if node is None:
            return
        if not isinstance(node, MappingNode) or not node.entries:
            message = f"write each {what} with what is other than usual, as in {{apologise: {{tier: 3}}}}"
            self._world.report.error(node, "wrong-type", message)
            return
        for key, value in node:
            if key.text not in known:
                self._world.report.error(key, f"unknown-{what}", unknown(what, key.text, known))
            elif isinstance(value, ScalarNode) or (isinstance(value, MappingNode) and value.entries):
                yield key, value, known[key.text]
            else:
                self._world.report.error(value, "wrong-type", "write keys of the play and values, or the word nothing")

    def _may_be_left_out(self, node: ScalarNode, play: PlaySpec) -> bool:
        report = self._world.report
        if node.text != NOTHING:
            hint = near(node.text, (NOTHING,)) or " - write keys of the play and values, or the word nothing"
            report.error(node, "bad-choice", f"'{node.text}' is not possible here{hint}")
            return False
        owed = "critical" if play.purpose == "critical" else "owed" if play.mandatory else ""
        if owed:
            report.error(node, "bad-arm", f"'{play.name}' is {owed}, so everybody gets it - change it, or take it away")
            return False
        if play.to != "customer":
            report.error(node, "bad-arm", f"'{play.name}' is no message to a customer - only those are left out")
            return False
        return True

    def _used(self, node: MappingNode, usual: PlaySpec) -> PlaySpec | None:
        """Another play of the same kind."""
        written = read(node, UseDocument, self._world.scope)
        if written is None or not written.sound:
            return None
        name, report = written.value.use, self._world.report
        other = self._catalog.plays.get(name)
        if other is None:
            report.error(written.nodes["use"], "unknown-play", unknown("play", name, self._catalog.plays))
        elif other.spec and _kind_of(other.spec) != _kind_of(usual):
            message = f"'{name}' and '{usual.name}' have to be alike in 'to', 'class' and 'mandatory'"
            report.error(written.nodes["use"], "bad-arm", message)
        elif other.spec and name == usual.name:
            report.error(written.nodes["use"], "no-effect", f"that is '{name}' as usual - leave it out")
        else:
            self._check_texts(other, usual.name)
            return other.spec
        return None

    def _play(self, key: ScalarNode, value: MappingNode) -> PlaySpec | None:
        merged = self._merged(self._catalog.play_nodes[key.text], value, PLAY_KEYS, "play")
        changed = read_play(merged, self._world)
        self._check_texts(changed, key.text)
        return changed.spec

    def _check_texts(self, play: ReadPlay, usual: str) -> None:
        """Whoever chooses the usual play has to have what the texts of the other name."""
        sound = {each.name: each.spec for each in self._catalog.plays.values() if each.spec}
        for detector in self._catalog.detectors.values():
            if any(usual in followers(first, sound) for first in detector.plays):
                check_use(play, detector.name, detector.measures, self._world)
            for clause in detector.for_each:
                if (names := texts_of(clause).get(usual)) is not None:
                    check_use(play, detector.name, detector.measures | names, self._world)

    def _detectors(self, node: Node | None, arm: str) -> Iterator[tuple[str, DetectorSpec]]:
        if node is None:
            return
        known = self._catalog.detectors
        if not isinstance(node, MappingNode) or not node.entries:
            message = "write each detector with what is other than usual, as in {late: {for: 2h}}"
            self._world.report.error(node, "wrong-type", message)
            return
        for key, value in node:
            if key.text not in known:
                self._world.report.error(key, "unknown-detector", unknown("detector", key.text, known))
            elif not isinstance(value, MappingNode) or not value.entries:
                self._world.report.error(value, "wrong-type", f"write one of {listed(DETECTOR_KEYS)} and its value")
            elif known[key.text].spec is not None:
                merged = self._merged(self._catalog.detector_nodes[key.text], value, DETECTOR_KEYS, "detector")
                spec = read_detector(merged, self._world).spec
                if spec is not None:
                    name = f"{key.text}@{arm}"
                    yield key.text, msgspec.structs.replace(spec, name=name, variant_of=key.text, tests=())

    def _merged(self, usual: MappingNode, changes: MappingNode, keys: Iterable[str], what: str) -> MappingNode:
        """The document with the changes in place of what it says itself."""
        for key, _value in changes:
            if key.text not in keys:
                hint = near(key.text, keys) or f" - it may change {listed([*keys])}"
                self._world.report.error(key, "bad-arm", f"an arm cannot change '{key.text}' of a {what}{hint}")
        kept = tuple(entry for entry in usual if changes.get(entry.key.text) is None)
        new = tuple(Entry(key, value) for key, value in changes if key.text in keys)
        return MappingNode(usual.place, kept + new)


def _played(arm: Arm) -> tuple[str, ...]:
    return (*arm.plays, *arm.nothing)


def _kind_of(play: PlaySpec) -> tuple[str, str, bool]:
    return play.to, play.purpose, play.mandatory


def _asks(parts: Iterable[Eligibility], experiment: str) -> bool:
    return any(isinstance(test, InVariant) and test.experiment == experiment for part in parts for test in part)
