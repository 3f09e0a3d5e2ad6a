"""Compiles measures of measures: where what they have learned lies among an entity's slots, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from engine.core.asking import OF_THE_ENTITY, Asking
from engine.core.compiled import Measure
from engine.core.learned import Memory, by_period, by_step, joined, learned_of, told_by, usual_of
from engine.core.meanings import COUNTED, departure_of, meaning_of, sampling_of
from engine.core.peering import Peers, peers_of
from engine.core.teaching import ModelSpec
from engine.ports import Joining, LearnedKind, Learner, Plugins, Slot, Tracker
from engine.spec.departures import PEERS, USUAL, WHY
from engine.spec.types import DetectorSpec, MeasureSpec
from engine.spec.usual import LENGTHS_MS


class Memories:
    """Of one kind of entity. What they keep goes among its `trackers`, the models that they ask into `models`.

    `lateness_ms` is how long the slowest timer waits.
    """

    def __init__(
        self, kind: str, plugins: Plugins, trackers: list[Tracker], models: dict[str, ModelSpec], lateness_ms: int
    ) -> None:
        self._kind = kind
        self._plugins = plugins
        self._trackers = trackers
        self._models = models
        self._lateness_ms = lateness_ms

    def learned(self, measure: MeasureSpec, spec: DetectorSpec, found: Mapping[str, Measure]) -> dict[str, Measure]:
        """The measure by its name, over those `found` before; with a chance, also what moved it most."""
        kind: LearnedKind = self._plugins[measure.word]  # type: ignore[assignment]
        sampling = sampling_of(measure, spec)
        learner = kind.learner(measure.word, measure.options, sampling)
        parts = [found[name] for name in measure.inputs]
        inputs = [meaning_of(name, spec) for name in measure.inputs]
        at, memory = self._memory(learner, inputs, measure.step_ms)
        asking = asking_of(memory)
        clock = by_period(parts, sampling.period)
        if measure.step_ms:
            clock = by_step(parts, measure.step_ms, is_patient=asking is None)
        made = {measure.name: learned_of(measure.name, at, memory, parts, clock)}
        if isinstance(learner, Joining) and learner is not memory.learner:
            # Of several that learn the same from the same, each tells what is its own.
            made[measure.name] = joined(made[measure.name], learner, memory, clock)
        if asking is not None and isinstance(learner, Asking):
            read = [event for part in parts for event in part.events]
            asking.bind(self._kind, f"{inputs} each {measure.step_ms}", read)
            known = self._models.get(asking.model)
            self._models[asking.model] = _model_of(asking, known or _named(asking, measure, spec))
            say = partial(learner.why, names=(*measure.inputs, *OF_THE_ENTITY))
            made[WHY + measure.name] = told_by(WHY + measure.name, made[measure.name], say, memory, clock)
        return made

    def usual(self, name: str, spec: DetectorSpec, found: Mapping[str, Measure], in_a_row: int) -> Measure:
        """What is usual for a measure, with a verdict on each of the last periods."""
        watched = next(measure for measure in spec.watch if measure.name == name)
        learner = departure_of(spec.usual, watched.period, watched.word, in_a_row)
        at, memory = self._memory(learner, [meaning_of(name, spec)], 0)
        return usual_of(USUAL + name, at, memory, found[name], watched.period)

    def peers(self, name: str, spec: DetectorSpec, found: Mapping[str, Measure], in_a_row: int) -> Measure:
        """What is usual among the entity's peers for a measure, with a verdict on each of the last periods."""
        watched = next(measure for measure in spec.watch if measure.name == name)
        learner = Peers(
            same=spec.peers.same,
            needs=spec.peers.needs,
            period_ms=LENGTHS_MS[watched.period],
            kept=in_a_row,
            lateness_ms=self._lateness_ms,
        )
        meaning = meaning_of(name, spec)
        learner.bind(self._kind, str(meaning))
        at, memory = self._memory(learner, [meaning], 0)
        model = ModelSpec(
            id=learner.model,
            name=f"{spec.name}.{PEERS}{name}",
            learner="",
            learners=(),
            inputs=(name,),
            needs=spec.peers.needs,
            within_ms=0,
            is_of_peers=True,
            of_counts=watched.word in COUNTED,
        )
        self._models.setdefault(learner.model, model)
        return peers_of(PEERS + name, at, memory, found[name], watched.period)

    def _memory(self, learner: Learner, inputs: Sequence[object], step_ms: int) -> tuple[int, Memory]:
        """Where what a learner has learned lies: what learns the same from the same is kept once."""
        identity = f"{learner.identity} of {inputs} each {step_ms}"
        known = next((at for at, tracker in enumerate(self._trackers) if tracker.identity == identity), -1)
        if known < 0:
            self._trackers.append(Memory(identity, learner))
            known = len(self._trackers) - 1
        memory = self._trackers[known]
        assert isinstance(memory, Memory), identity
        return known, memory


def asking_of(tracker: Tracker) -> Asking | None:
    """What asks for a chance, if this remembers for it."""
    return tracker.learner if isinstance(tracker, Memory) and isinstance(tracker.learner, Asking) else None


def version_of(tracker: Tracker) -> Callable[[Slot], str] | None:
    """What tells, from the tracker's slot, by which version of a model it spoke last; None where it asks none."""
    learner = tracker.learner if isinstance(tracker, Memory) else None
    if not isinstance(learner, Asking | Peers):
        return None
    version = learner.version
    return lambda slot: version(slot[1])


def _named(asking: Asking, measure: MeasureSpec, spec: DetectorSpec) -> ModelSpec:
    """A model, by the first measure that asks it."""
    return ModelSpec(
        id=asking.model,
        name=f"{spec.name}.{measure.name}",
        learner=asking.learner,
        learners=asking.learners,
        inputs=(*measure.inputs, *OF_THE_ENTITY),
        needs=asking.needs,
        within_ms=asking.within_ms,
    )


def _model_of(asking: Asking, known: ModelSpec) -> ModelSpec:
    """The model with all that is asked of it by now."""
    asked = {"learners": asking.learners, "speakers": asking.speakers, "needs": asking.least}
    return msgspec.structs.replace(known, **asked)
