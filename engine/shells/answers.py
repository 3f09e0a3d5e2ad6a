"""What models hold of one entity by itself: the answers about it that they learn from, in words that people read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from engine.core.examples import Example, Number
from engine.core.kept import Lesson, Shelf
from engine.core.plan import Plan
from engine.shells.times import iso


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A question of a model with its answer: the measures when it was asked, and when what it asked about came, "" if
    it did not. `learned` is the end of the day with which it was learned, "" if it waits.
    """

    model: str
    asked: str
    measures: dict[str, Number]
    came: str
    learned: str


def answers_about(plan: Plan, who: Collection[int], waiting: Iterable[Example], shelf: Shelf) -> Iterator[Answer]:
    """Those about the entities with these numbers, that were learned first."""
    for model in plan.models:
        for lesson in shelf.of(model):
            if lesson.who in who:
                yield _answer(plan, model, lesson, iso(lesson.learned_at))
    for example in waiting:
        if example.who in who and example.model in plan.models:
            yield _answer(plan, example.model, example, "")


def _answer(plan: Plan, model: str, found: Lesson | Example, learned: str) -> Answer:
    spec = plan.models[model]
    return Answer(
        model=spec.name,
        asked=iso(found.asked_at),
        measures=dict(zip(spec.inputs, found.values, strict=False)),
        came=iso(found.came_at) if found.came_at else "",
        learned=learned,
    )
