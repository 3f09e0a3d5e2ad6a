"""The learn step: answered questions in, snapshots of models out. One owner learns for all entities of a kind.

At the end of each day of event time it learns what was answered an hour before, in order of (when, who, asked), so the
way in which the answers came does not matter. An answer that comes later than its day is learned with the next. Each
answer is first held against the chance that was given when it was asked: that is how good the model was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from engine.core.crowds import Crowd, among, forget_who, gather
from engine.core.examples import PER_MEASURE, Example, Models, Number, Snapshot, numbers_of
from engine.core.judged import Day
from engine.core.models.classifiers import classifier
from engine.core.models.track import Track, noted, ranked
from engine.model import DAY_MS, HOUR_MS
from engine.ports import NEVER, Slot

# Of what is learned; where it differs, a stored state cannot be gone on from, and the model begins anew.
FORMAT = 1
# An answer that became known so long before a day's end has come by then, whichever way time was told.
SURE_AFTER_MS = HOUR_MS


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is asked for. `name` is that of the first measure that asks, as `detector.measure`; `learner` the
    one whose word counts there, `learners` all that learn beside one another, in the order in which they are asked.

    A model of peers has neither: it only knows what is usual in each segment for its one input, which is a count with
    `of_counts`.
    """

    id: str
    name: str
    learner: str
    learners: tuple[str, ...]
    inputs: tuple[str, ...]
    needs: int
    within_ms: int
    is_of_peers: bool = False
    of_counts: bool = False


class Teaching(msgspec.Struct, array_like=True):
    """What the owner of a model knows. `left_out` counts the answers of those who were treated. `tracks` say how good
    each learner has been, `rules` how well each measure ranks by itself. Of a model of peers, `crowds` are the newest
    values by segment, `refused` counts those of segments for which there was no room.
    """

    format: int = FORMAT
    version: int = 0
    examples: int = 0
    yes: int = 0
    left_out: int = 0
    held_out: int = 0
    means: list[float] = []
    learned: dict[str, Slot] = {}
    tracks: dict[str, Track] = {}
    rules: dict[str, Track] = {}
    at: int = 0
    lows: list[Number] = []
    highs: list[Number] = []
    crowds: dict[str, Crowd] = {}
    refused: int = 0


class LearnState(msgspec.Struct, array_like=True):
    """`until`: when it learns next, 0 = it has not seen any time yet. `models` by their ids."""

    until: int = 0
    models: dict[str, Teaching] = {}

    def forget(self, who: int) -> int:
        """Drop what is known of one by themselves: what peers had. Returns how many values that were."""
        return sum(forget_who(teaching.crowds.values(), who) for teaching in self.models.values())


class Learn:
    """The owner of all models. What it gives away it puts into `models`, and names in `given`.

    `waiting` are the examples that were not learned yet, `fresh` those of them that came since it was last saved. Since
    then, some were learned if `has_learned`, and the state is another if `has_changed`.
    """

    def __init__(self, specs: Mapping[str, ModelSpec], models: Models, state: LearnState | None = None) -> None:
        self._specs = specs
        self._models = models
        self.state = state or LearnState()
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

    def forget(self, who: int) -> list[Example]:
        """Drop the answers of somebody that were not learned yet, and their values. Returns the answers."""
        gone = [example for example in self.waiting.values() if example.who == who]
        for example in gone:
            del self.waiting[example.model, example.who, example.asked_at]
        self.fresh = [example for example in self.fresh if example.who != who]
        self.has_changed = bool(self.state.forget(who)) or self.has_changed
        return gone

    def saved(self) -> None:
        """All that is here is kept somewhere."""
        self.fresh, self.given, self.has_learned, self.has_changed = [], [], False, False

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
        if not due:
            return
        self.has_learned = True
        for example in due:
            del self.waiting[example.model, example.who, example.asked_at]
        for name, spec in self._specs.items():
            answers = [each for each in due if each.model == name and len(each.values) == len(spec.inputs)]
            if answers:
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
        numbers = 1 + PER_MEASURE * len(spec.inputs)
        learners = {name: classifier(name, numbers, teaching.learned.get(name)) for name in spec.learners}
        before, day = teaching.examples, Day(spec.learners)
        for example in answers:
            if example.treatment == "treated":
                teaching.left_out += 1
                continue
            teaching.held_out += example.treatment == "held_out"
            _judge(teaching, spec, example)
            day.take(example.chances, happened=example.happened)
            seen = numbers_of(example.values)
            for learner in learners.values():
                learner.learn(seen, happened=example.happened)
            teaching.examples += 1
            teaching.yes += example.happened
            weight = 1.0 / teaching.examples
            old = teaching.means or seen
            teaching.means = [mean + (number - mean) * weight for mean, number in zip(old, seen, strict=True)]
            teaching.lows = _ends(min, teaching.lows, example.values)
            teaching.highs = _ends(max, teaching.highs, example.values)
        if teaching.examples > before:
            teaching.version, teaching.at = teaching.version + 1, until
            teaching.learned = {name: learner.state() for name, learner in learners.items()}
            known = teaching.version, until, teaching.examples, teaching.yes
            learned = {name: learner.frozen() for name, learner in learners.items()}
            ends = list(teaching.lows), list(teaching.highs)
            judged = day.judged(teaching.tracks)
            self._give(Snapshot(spec.id, *known, teaching.means, learned, *ends, judged=judged))

    def _teaching(self, spec: ModelSpec) -> Teaching:
        known = self.state.models.get(spec.id)
        if known is None or known.format != FORMAT:
            # Versions go on, so that an older snapshot is never taken for a newer one.
            known = self.state.models[spec.id] = Teaching(version=known.version if known else 0)
        return known

    def _give(self, snapshot: Snapshot) -> None:
        self._models.put(snapshot)
        self.given.append(snapshot)


def _judge(teaching: Teaching, spec: ModelSpec, example: Example) -> None:
    """Hold the answer against what was said, and against what each measure says by itself."""
    if not example.chances:
        return
    lead_ms = example.came_at - example.asked_at if example.happened else 0
    for name, chance in zip(spec.learners, example.chances, strict=True):
        track = teaching.tracks.setdefault(name, Track())
        noted(track, chance, happened=example.happened, lead_ms=lead_ms)
    seen = numbers_of(example.values)
    for place, measure in enumerate(spec.inputs):
        if example.values[place] is not None:
            rule = teaching.rules.setdefault(measure, Track())
            ranked(rule, seen[1 + PER_MEASURE * place], happened=example.happened)


def _ends(further: Callable[[float, float], float], ends: list[Number], values: Sequence[Number]) -> list[Number]:
    """The ends of what has been seen, with these values."""
    pairs = zip(ends or values, values, strict=True)
    return [
        further(end, value) if end is not None and value is not None else end if value is None else value
        for end, value in pairs
    ]


def day_after(at: int) -> int:
    """The end of the day, in UTC."""
    return (at // DAY_MS + 1) * DAY_MS
