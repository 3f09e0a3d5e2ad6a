"""Teaches learners from kept answers: those that were added, and those whose code has changed.

Each answer is first told, by what the learners knew when it was asked, and learned with the day with which it was
learned then: so they are held against answers as if they had been there all the time. What comes of it does not depend
on how much of it is done at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import groupby, islice

from engine.core.examples import IN_FORCE_AFTER_MS, Snapshot, is_enough
from engine.core.kept import Lesson, Shelf
from engine.core.models.classifiers import Classifier, classifier, stamp_of
from engine.core.teaching import ModelSpec, Teaching, absorb, judge, snapshot_of


class Rebuild:
    """Of some learners of one model, from what the shelf has of it."""

    def __init__(self, spec: ModelSpec, learners: tuple[str, ...], shelf: Shelf) -> None:
        self._spec, self._names, self._shelf = spec, learners, shelf
        self.begin_anew()

    def begin_anew(self) -> None:
        """What is kept is not what it was."""
        self._teaching = Teaching()
        self._learners: dict[str, Classifier] = {name: classifier(name, self._spec.numbers) for name in self._names}
        # Of the day before, made when somebody asks for it.
        self._snapshot: Snapshot | None = None
        self._steps = self._work()

    def go_on(self, steps: int) -> int:
        """Do so many steps of it, each of which learns one answer. Returns how many there were left to do."""
        return sum(1 for _ in islice(self._steps, steps))

    def finish(self, teaching: Teaching) -> None:
        """Do what is left of it, and put what was learned into the teaching of the model."""
        for _ in self._steps:
            pass
        made = self._teaching
        if not teaching.examples:
            teaching.examples, teaching.yes, teaching.rules = made.examples, made.yes, made.rules
            teaching.means, teaching.lows, teaching.highs = made.means, made.lows, made.highs
        for name, learner in self._learners.items():
            teaching.drop(name)
            teaching.learned[name], teaching.stamps[name] = learner.state(), stamp_of(name)
            if made.examples:
                teaching.rebuilt[name] = made.examples
            if name in made.tracks:
                teaching.tracks[name] = made.tracks[name]

    def _work(self) -> Iterator[None]:
        """One step for each lesson."""
        spec, teaching = self._spec, self._teaching
        lessons = list(self._shelf.of(spec.id))
        asked = deque(sorted(range(len(lessons)), key=lambda number: lessons[number].asked_at))
        said: dict[int, Mapping[str, float]] = {}
        for at, day in groupby(enumerate(lessons), key=lambda each: each[1].learned_at):
            # What was asked before this day was in force was told from the days before.
            while asked and lessons[asked[0]].asked_at < at + IN_FORCE_AFTER_MS:
                number = asked.popleft()
                said[number] = self._chances(lessons[number])
            for number, lesson in day:
                lead_ms = lesson.came_at - lesson.asked_at if lesson.happened else 0
                chances = said.pop(number, {})
                judge(teaching, spec, lesson.values, chances, happened=lesson.happened, lead_ms=lead_ms)
                absorb(teaching, self._learners, lesson.values, happened=lesson.happened)
                yield
            teaching.at, self._snapshot = at, None

    def _chances(self, lesson: Lesson) -> Mapping[str, float]:
        """What the learners say by now, if they know enough."""
        spec, teaching = self._spec, self._teaching
        if not is_enough(teaching.examples, teaching.yes, spec.needs):
            return {}
        self._snapshot = self._snapshot or snapshot_of(spec, teaching, self._learners, teaching.at)
        return self._snapshot.chances(self._names, lesson.values)


def rebuilds(specs: Mapping[str, ModelSpec], models: Mapping[str, Teaching], shelf: Shelf) -> dict[str, Rebuild]:
    """Those that are wanted, by the ids of their models."""
    found = {}
    for name, spec in specs.items():
        teaching = models.get(name, Teaching())
        lacking = tuple(each for each in spec.learners if teaching.lacks(each))
        if lacking and shelf.count(name):
            found[name] = Rebuild(spec, lacking, shelf)
    return found
