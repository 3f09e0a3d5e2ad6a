"""What the owner of a model knows of it, and how an answer becomes a part of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from engine.core.crowds import Crowd, forget_who
from engine.core.examples import PER_MEASURE, Number, Snapshot, numbers_of
from engine.core.judged import Judged
from engine.core.kept import Shelf
from engine.core.models.classifiers import Classifier, stamp_of, within_a_record
from engine.core.models.track import Track, noted, ranked
from engine.model import DAY_MS, HOUR_MS
from engine.ports import Slot

# Of what is learned; where it differs, a stored state cannot be gone on from, and the model is taught anew.
FORMAT = 1
# An answer that became known so long before a day's end has come by then, whichever way time was told.
SURE_AFTER_MS = HOUR_MS


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A model that is asked for. `name` is that of the first measure that asks, as `detector.measure`; `learner` the
    one whose word counts there, `learners` all that learn beside one another. `speakers` are those whose word counts
    in some detector, `needs` is the least that any of them wants.

    A model of peers has no learners: it only knows what is usual in each segment for its one input, which is a count
    with `of_counts`.
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
    speakers: tuple[str, ...] = ()

    @property
    def numbers(self) -> int:
        """How many numbers its learners see."""
        return 1 + PER_MEASURE * len(self.inputs)


class Teaching(msgspec.Struct, array_like=True):
    """What the owner of a model knows. `left_out` counts the answers of those who were treated. `tracks` say how good
    each learner has been, `rules` how well each measure ranks by itself. Of a model of peers, `crowds` are the newest
    values by segment, `refused` counts those of segments for which there was no room.

    `stamps` are the versions of code that `learned` is from. `rebuilt` are the learners that were taught from kept
    answers, each with how many, and `kept` is how many are kept now. `judged` says how good each learner was on
    the newest day.
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
    stamps: dict[str, str] = {}
    rebuilt: dict[str, int] = {}
    kept: int = 0
    judged: dict[str, Judged] = {}

    def lacks(self, learner: str) -> bool:
        """Is there nothing of this learner that the present code can go on from?"""
        return self.format != FORMAT or learner not in self.learned or self.stamps.get(learner) != stamp_of(learner)

    def drop(self, learner: str) -> None:
        """Forget all that is of one learner."""
        for known in (self.learned, self.tracks, self.stamps, self.rebuilt, self.judged):
            known.pop(learner, None)


class LearnState(msgspec.Struct, array_like=True):
    """`until`: when it learns next, 0 = it has not seen any time yet. `models` by their ids."""

    until: int = 0
    models: dict[str, Teaching] = {}

    def forget(self, who: int) -> int:
        """Drop what is known of one by themselves: what peers had. Returns how many values that were."""
        return sum(forget_who(teaching.crowds.values(), who) for teaching in self.models.values())


def forget_one(state: LearnState, shelf: Shelf, who: int) -> int:
    """Drop all that is known of one by themselves. Returns how many values and kept answers that were."""
    gone = state.forget(who) + shelf.forget(who)
    for name, teaching in state.models.items():
        teaching.kept = shelf.count(name)
    return gone


def judge(
    teaching: Teaching,
    spec: ModelSpec,
    values: Sequence[Number],
    chances: Mapping[str, float],
    *,
    happened: bool,
    lead_ms: int,
) -> None:
    """Hold an answer against what each learner said, if any said something, and against each measure by itself."""
    if not chances:
        return
    for name, chance in chances.items():
        noted(teaching.tracks.setdefault(name, Track()), chance, happened=happened, lead_ms=lead_ms)
    seen = numbers_of(values)
    for place, measure in enumerate(spec.inputs):
        # All answers count, as they do for the learners: whose measure is not known is ranked among the average.
        at = 1 + PER_MEASURE * place
        number = seen[at] if values[place] is not None else teaching.means[at]
        ranked(teaching.rules.setdefault(measure, Track()), number, happened=happened)


def absorb(teaching: Teaching, learners: Mapping[str, Classifier], values: Sequence[Number], *, happened: bool) -> None:
    """Teach all learners what came of these values."""
    seen = numbers_of(values)
    for learner in learners.values():
        learner.learn(seen, happened=happened)
    teaching.examples += 1
    teaching.yes += happened
    weight = 1.0 / teaching.examples
    old = teaching.means or seen
    teaching.means = [mean + (number - mean) * weight for mean, number in zip(old, seen, strict=True)]
    teaching.lows = _ends(min, teaching.lows, values)
    teaching.highs = _ends(max, teaching.highs, values)


def snapshot_of(spec: ModelSpec, teaching: Teaching, learners: Mapping[str, Classifier], at: int) -> Snapshot:
    """What is given away of it."""
    known = teaching.version, at, teaching.examples, teaching.yes
    frozen = {name: learner.frozen() for name, learner in learners.items()}
    learned = within_a_record(frozen, spec.speakers or (spec.learner,))
    ends = list(teaching.lows), list(teaching.highs)
    return Snapshot(spec.id, *known, teaching.means, learned, *ends, judged=teaching.judged)


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
