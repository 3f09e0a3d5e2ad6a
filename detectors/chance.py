"""The chance that something will happen, from measures of the same detector: learned from what came of others.

Use it where many entities go the same way and what became of them is known in the end: who cancelled, who bought again.
It says nothing before enough answers are known, of the rarer kind as well. It knows nothing of what is in no measure,
and cannot tell what caused what.

    watch:
      logins: {count: usage.login, over: 28d}
      mood:   {average: ticket.sentiment, field: score, over: 28d}
      churn:  {chance_of: subscription.cancelled, within: 30d, from: [logins, mood], learner: logistic_regression}
    when: {churn: {at_least: 70%}}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from engine.core.asking import Asking
from engine.core.models.classifiers import CLASSIFIERS, is_of_river
from engine.core.models.river_trial import why_not
from engine.ports import As, FieldTest, OptionProblem, Sampling

MOST_MEASURES = 20


class Options(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    event: Annotated[tuple[str, ...], As.EVENTS, "what may happen: the event type, or a list of them"]
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only events whose attributes match"] = ()
    within: Annotated[int, As.DURATION, "the horizon: how soon it would have to happen"]
    from_: Annotated[tuple[str, ...], As.MEASURES, "the measures that it is told from"]
    learner: Annotated[str, As.LEARNER, "who tells it: logistic_regression, naive_bayes or a class of River"] = (
        "logistic_regression"
    )
    challenger: Annotated[tuple[str, ...], As.LEARNERS, "learners that are only compared, and never acted on"] = ()
    needs: Annotated[int, As.COUNT, "answers before it says anything, a tenth of them of the rarer kind"] = 200
    step: Annotated[int, As.DURATION, "how often it is told anew, where what it is told from slides"] = 0


class Chances:
    words = ("chance_of",)
    options = Options

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        found = [
            OptionProblem(field, *problem)
            for field, names in (("learner", (options.learner,)), ("challenger", options.challenger))
            for name in names
            if (problem := _unfit(name))
        ]
        if options.learner in options.challenger:
            found.append(OptionProblem("challenger", "no-effect", f"'{options.learner}' cannot challenge itself"))
        if len(options.from_) > MOST_MEASURES:
            found.append(
                OptionProblem(
                    "from", "bad-measure", f"{MOST_MEASURES} measures are the most - leave out those that say the least"
                )
            )
        return found

    def percentile(self, word: str, share: float) -> float | None:
        return None

    def learner(self, word: str, options: Options, sampling: Sampling) -> Asking:
        # In an order of their own, so that two that change places go on with what they have learned.
        learners = tuple(sorted({options.learner, *options.challenger}))
        return Asking(options.event, options.where, options.within, learners, options.learner, options.needs)


def _unfit(name: str) -> tuple[str, str] | None:
    if is_of_river(name):
        reason = why_not(name)
        return ("unfit-learner", f"{name.partition('(')[0]} cannot be used here: {reason}") if reason else None
    if name in CLASSIFIERS:
        return None
    known = f"known are {' and '.join(sorted(CLASSIFIERS))}, and River's as {{river: linear_model.LogisticRegression}}"
    return "unknown-learner", f"there is no learner '{name}' - {known}"


KINDS = (Chances(),)
