"""Teaches learners from kept answers: those that were added, and those whose code has changed.

Each answer is first told, by what the learners knew when it was asked, and learned with the day with which it was
learned then: so they are held against answers as if they had been there all the time. What comes of it does not depend
on how much of it is done at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby, islice

from engine.core.examples import IN_FORCE_AFTER_MS, Snapshot
from engine.core.kept import Lesson, Shelf
from engine.core.models.classifiers import Classifier, chance_at, classifier, stamp_of
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
        self._steps = self._work()

    def go_on(self, steps: int) -> int:
        """Do so many steps of it, each of which learns one answer. Returns how many were left to do."""
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
        spec, teaching = self._spec, self._teaching
        lessons = list(self._shelf.of(spec.id))
        asked = sorted(lessons, key=lambda lesson: lesson.asked_at)
        told = 0
        for at, day in groupby(lessons, key=lambda lesson: lesson.learned_at):
            begun = told
            while told < len(asked) and asked[told].asked_at < at + IN_FORCE_AFTER_MS:
                told += 1
            self._tell(asked[begun:told])
            for lesson in day:
                absorb(teaching, self._learners, lesson.values, happened=lesson.happened)
                yield
            teaching.version, teaching.at = teaching.version + 1, at

    def _tell(self, asked: list[Lesson]) -> None:
        """Questions that were asked while what has been learned by now was in force."""
        spec, teaching = self._spec, self._teaching
        if not asked or not teaching.examples:
            return
        snapshot = snapshot_of(spec, teaching, self._learners, teaching.at)
        if not snapshot.is_enough(spec.needs):
            return
        for lesson in asked:
            lead_ms = lesson.came_at - lesson.asked_at if lesson.happened else 0
            chances = self._chances(snapshot, lesson)
            judge(teaching, spec, lesson.values, chances, happened=lesson.happened, lead_ms=lead_ms)

    def _chances(self, snapshot: Snapshot, lesson: Lesson) -> Mapping[str, float]:
        return {name: chance_at(snapshot.log_odds(name, lesson.values)) for name in self._names}


def rebuilds(specs: Mapping[str, ModelSpec], models: Mapping[str, Teaching], shelf: Shelf) -> dict[str, Rebuild]:
    """Those that are wanted, by the ids of their models."""
    found = {}
    for name, spec in specs.items():
        teaching = models.get(name, Teaching())
        lacking = tuple(each for each in spec.learners if teaching.lacks(each))
        if lacking and shelf.count(name):
            found[name] = Rebuild(spec, lacking, shelf)
    return found
