"""The learn step: answered questions in, snapshots of models out. One owner learns for all entities of a kind.

At the end of each day of event time it learns what was answered an hour before, in order of (when, who, asked), so the
way in which the answers came does not matter. An answer that comes later than its day is learned with the next. Each
answer is first held against the chance that was given when it was asked: that is how good the model was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.core.crowds import among, gather
from engine.core.examples import Example, Models, Snapshot
from engine.core.judged import Day
from engine.core.kept import Shelf, lesson_of
from engine.core.models.classifiers import classifier, mark_of, stamp_of
from engine.core.rebuilding import rebuilds
from engine.core.teaching import (
    FORMAT,
    SURE_AFTER_MS,
    LearnState,
    ModelSpec,
    Teaching,
    absorb,
    day_after,
    forget_one,
    judge,
    snapshot_of,
)
from engine.model import DAY_MS
from engine.ports import NEVER


class Learn:
    """The owner of all models. What it gives away it puts into `models`, and names in `given`.

    `waiting` are the examples that were not learned yet, `fresh` those of them that came since it was last saved. Since
    then, some were learned if `has_learned`, and the state is another if `has_changed`. What was learned from lies on
    the `shelf`.
    """

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        models: Models,
        state: LearnState | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._specs = specs
        self._models = models
        self.state = state or LearnState()
        self.shelf = shelf or Shelf(0)
        self._rebuilds = rebuilds(specs, self.state.models, self.shelf)
        self.waiting: dict[tuple[str, int, int], Example] = {}
        self.given: list[Snapshot] = []
        self.fresh: list[Example] = []
        self.has_learned = self.has_changed = False

    @property
    def due(self) -> int:
        """When it has to learn next."""
        return (self.state.until or NEVER) if self._specs else NEVER

    def take(self, examples: Iterable[Example]) -> None:
        """Keep them for later. The same one again changes nothing."""
        for example in examples:
            key = (example.model, example.who, example.asked_at)
            if key not in self.waiting:
                self.waiting[key] = example
                self.fresh.append(example)

    def recall(self, examples: Iterable[Example]) -> None:
        """Those that waited when it was last saved."""
        self.waiting.update({(each.model, each.who, each.asked_at): each for each in examples})

    def forget(self, who: int) -> list[Example]:
        """Drop the answers of somebody, and their values. Returns the answers that were not learned yet."""
        gone = [example for example in self.waiting.values() if example.who == who]
        for example in gone:
            del self.waiting[example.model, example.who, example.asked_at]
        self.fresh = [example for example in self.fresh if example.who != who]
        if forget_one(self.state, self.shelf, who):
            self.has_changed = True
            for rebuild in self._rebuilds.values():
                rebuild.begin_anew()
        return gone

    def prepare(self, steps: int) -> int:
        """Go on with what has to be rebuilt by the day's end, so that little is left to do then. Returns how many steps
        of it were done, fewer when there are no more.
        """
        done = 0
        for rebuild in self._rebuilds.values():
            done += rebuild.go_on(steps - done)
        return done

    def saved(self) -> None:
        """All that is here is kept somewhere."""
        self.fresh, self.given, self.has_learned, self.has_changed = [], [], False, False
        self.shelf.changed.clear()

    def on_tick(self, at: int) -> None:
        """Time has come to `at`: learn, day by day, what was known before each day's end."""
        if not self._specs:
            return
        state = self.state
        self.has_changed = self.has_changed or at >= state.until
        state.until = state.until or day_after(at) - DAY_MS
        while state.until <= at:
            self._learn(state.until)
            state.until = day_after(state.until if self.waiting else at)

    def _learn(self, until: int) -> None:
        known = (each for each in self.waiting.values() if each.known_at < until - SURE_AFTER_MS)
        due = sorted(known, key=lambda each: each.order)
        if not due and not self._rebuilds:
            return
        self.has_learned = True
        for example in due:
            del self.waiting[example.model, example.who, example.asked_at]
        for name, spec in self._specs.items():
            answers = [each for each in due if each.model == name and len(each.values) == len(spec.inputs)]
            if answers or name in self._rebuilds:
                learn = self._gather if spec.is_of_peers else self._teach
                learn(spec, answers, until)

    def _gather(self, spec: ModelSpec, values: Sequence[Example], until: int) -> None:
        teaching = self._teaching(spec)
        teaching.refused += gather(teaching.crowds, values)
        teaching.examples += len(values)
        teaching.version, teaching.at = teaching.version + 1, until
        segments = {name: among(crowd, of_counts=spec.of_counts) for name, crowd in teaching.crowds.items()}
        self._give(Snapshot(spec.id, teaching.version, until, teaching.examples, 0, [], {}, segments=segments))

    def _teach(self, spec: ModelSpec, answers: Sequence[Example], until: int) -> None:
        teaching = self._teaching(spec)
        rebuild = self._rebuilds.pop(spec.id, None)
        if rebuild:
            rebuild.finish(teaching)
        learners = {name: classifier(name, spec.numbers, teaching.learned.get(name)) for name in spec.learners}
        taught = [example for example in answers if example.treatment != "treated"]
        teaching.left_out += len(answers) - len(taught)
        day = Day()
        for example in taught:
            teaching.held_out += example.treatment == "held_out"
            said, lead_ms = _given(spec, example), example.came_at - example.asked_at if example.happened else 0
            judge(teaching, spec, example.values, said, happened=example.happened, lead_ms=lead_ms)
            day.take(said, happened=example.happened)
            absorb(teaching, learners, example.values, happened=example.happened)
        self.shelf.add(spec.id, [lesson_of(example, until) for example in taught])
        teaching.kept = self.shelf.count(spec.id)
        if taught or rebuild:
            teaching.version, teaching.at = teaching.version + 1, until
            teaching.learned = {name: learner.state() for name, learner in learners.items()}
            teaching.stamps = {name: stamp_of(name) for name in spec.learners}
            teaching.judged = day.judged(teaching.tracks)
            self._give(snapshot_of(spec, teaching, learners, until))

    def _teaching(self, spec: ModelSpec) -> Teaching:
        known = self.state.models.get(spec.id)
        if known is None or known.format != FORMAT:
            # Versions go on, so that an older snapshot is never taken for a newer one.
            known = self.state.models[spec.id] = Teaching(version=known.version if known else 0)
        for name in {*known.learned, *known.tracks}:
            if name not in spec.learners or known.lacks(name):
                known.drop(name)
        return known

    def _give(self, snapshot: Snapshot) -> None:
        self._models.put(snapshot)
        self.given.append(snapshot)


def _given(spec: ModelSpec, example: Example) -> dict[str, float]:
    """What was said by those who learn today, when the question was asked."""
    said = dict(zip(example.told_by, example.chances, strict=True))
    marks = {name: mark_of(name) for name in spec.learners}
    return {name: said[mark] for name, mark in marks.items() if mark in said}
