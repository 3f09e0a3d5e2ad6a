"""What the product itself says about recorded events: a project in YAML, its own readers and its own engine, as in a
backtest. What `chance_of` asked, and what became of it, is only listened to on the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from engine.core.chain import Chain
from engine.core.examples import Example
from engine.core.learning import Learn
from engine.core.route import Router
from engine.model import DeadLetter
from engine.shells.modelling import ModelReport, reports
from engine.shells.sources import read_all
from engine.shells.wiring import load_configuration, plan_of

PROJECTS = Path(__file__).parent / "words"
ROWS = 2_000


class Listening(Learn):
    """Learns as always, and remembers the answers in the order in which they came."""

    heard: list[Example]

    def take(self, examples: Iterable[Example]) -> None:
        given = list(examples)
        self.heard += given
        super().take(given)


def answers(project: str, data: Path, *, may_refuse: bool = False) -> dict[str, tuple[list[Example], ModelReport]]:
    """All answered questions of a project in `words`, over the files in that folder; each with the chances that were
    said when it was asked. And what `beforehand models` says in the end. By the name, as in `detector.measure`.
    With `may_refuse`, rows that are no events, such as those of nobody, are left out.
    """
    plan = plan_of(load_configuration(PROJECTS / project))
    chain = Chain(plan, is_trial=True)
    chain.learn = learn = Listening(plan.models, chain.stalls.models)
    learn.heard = []
    spec = plan.configuration.project
    router = Router(spec, plan.watched)
    rows = read_all(spec, data, router)
    letters: list[DeadLetter] = []
    while batch := list(islice(rows, ROWS)):
        chain.take_all(router.route_all(batch, letters))
        chain.drain()
    chain.take_all(router.end(None))
    chain.drain()
    assert may_refuse or not letters, letters[0]
    told = {report.model: report for report in reports(plan, learn.state) if isinstance(report, ModelReport)}
    return {
        model.name: ([each for each in learn.heard if each.model == model.id], told[model.name])
        for model in plan.models.values()
    }
