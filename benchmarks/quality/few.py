"""How much a model can tell from few answers, beside the one measure that ranked best among the same few."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence

from measures import auc

from engine.core.examples import PER_MEASURE, Example, numbers_of
from engine.core.models.classifiers import classifier, parts_of

COUNTS = (50, 100, 200, 500)
DRAWS = 12
TESTED = 3_000
LEARNER = "logistic_regression"


def curve(known: Sequence[Example], tested: Sequence[Example], name: str, note: Callable[[str, float], None]) -> None:
    """So many answers, drawn at random from those that were known, judged on others; the mean of some draws."""
    chance = random.Random(7)
    judged = chance.sample(list(tested), min(TESTED, len(tested)))
    for count in COUNTS:
        drawn = [chance.sample(list(known), count) for _ in range(DRAWS)]
        note(f"few_{name}_{count}_auc", round(statistics.fmean(auc_of_model(few, judged) for few in drawn), 3))
        note(
            f"few_{name}_{count}_auc_best_measure",
            round(statistics.fmean(auc_of_best(few, judged) for few in drawn), 3),
        )


def auc_of_model(few: Sequence[Example], judged: Sequence[Example]) -> float:
    model = classifier(LEARNER, 1 + PER_MEASURE * len(few[0].values))
    for one in few:
        model.learn(numbers_of(one.values), happened=one.happened)
    frozen = model.frozen()
    assert isinstance(frozen, list)
    scores = [sum(parts_of(LEARNER, frozen, numbers_of(one.values))) for one in judged]
    return auc(scores, [one.happened for one in judged])


def auc_of_best(few: Sequence[Example], judged: Sequence[Example]) -> float:
    """Of the measure that ranks the few best, high or low; whose value is unknown is ranked as the average."""
    best, rank = 0.5, list[float]()
    truths = [one.happened for one in few]
    for place in range(len(few[0].values)):
        seen = [one.values[place] for one in few if one.values[place] is not None]
        usual = statistics.fmean(value for value in seen if value is not None) if seen else 0.0
        found = auc(column(few, place, usual), truths) if 0 < sum(truths) < len(truths) else 0.5
        if max(found, 1 - found) >= best:
            best = max(found, 1 - found)
            rank = [value if found >= 0.5 else -value for value in column(judged, place, usual)]
    return auc(rank, [one.happened for one in judged])


def column(some: Sequence[Example], place: int, usual: float) -> list[float]:
    return [usual if (value := one.values[place]) is None else value for one in some]
