"""What travels between those who ask about a chance and the one who learns: answered questions, and snapshots.

A question is asked of an entity at a moment. What comes of it within the horizon is its answer, and question and answer
together are an example. The owner of a model learns from examples and gives snapshots away.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec
from xxhash import xxh3_64_intdigest

from engine.core.judged import Judged
from engine.core.models.classifiers import Frozen, chance_at, log_odds_of, pushes_of
from engine.model import HOUR_MS, Scalar

# Each entity's questions are scored by the newest snapshot that is at least so old, so that it has reached everybody.
IN_FORCE_AFTER_MS = HOUR_MS
SNAPSHOTS_KEPT = 3
# On CDNOW, where customers grow older than any that was learned from: with 1, AUC 0.773 over all and 0.820 at the end;
# with 2, 0.769 and 0.824; without a bound 0.747 and 0.824, as the first snapshots then say absurd things.
BEYOND = 2.0

# Was anything done that may have changed the answer? A held-out one would have been treated, and was not.
Treatment = Literal["", "treated", "held_out"]
Number = float | None


class UnsignedSnapshot(Exception):
    """A snapshot that was not signed with our key, or was changed since."""


class Example(msgspec.Struct, frozen=True, array_like=True):
    """An answered question. `known_at` is when it was looked at after its horizon had ended, `came_at` when the event
    came (0 = it did not).

    `who` is a digest of the entity, which gives the order and no name. `chances` are those given when it was asked by
    the learners with the marks `told_by`, from the snapshot `version`; none where there was no snapshot.

    For a model of peers it is a value of one of a `segment` in the `period` of that number.
    """

    model: str
    known_at: int
    who: int
    asked_at: int
    values: tuple[Number, ...]
    came_at: int = 0
    treatment: Treatment = ""
    chances: tuple[float, ...] = ()
    version: int = 0
    segment: str = ""
    period: int = 0
    told_by: tuple[int, ...] = ()

    @property
    def happened(self) -> bool:
        return self.came_at > 0

    @property
    def order(self) -> tuple[int, int, int]:
        """In which examples are learned, whatever way they came."""
        return self.known_at, self.who, self.asked_at


class Among(msgspec.Struct, frozen=True, array_like=True):
    """What is usual in one segment: (number of the period, middle, spread, of how many) for each, the oldest first.

    Whose number is above `up_to` need not tell their value, as those of enough others are heard; 0 = all tell it.
    """

    periods: tuple[tuple[int, float, float, int], ...]
    up_to: int = 0

    def of_period(self, period: int) -> tuple[float, float, int]:
        """(middle, spread, of how many); 0 where nothing is known of it."""
        return next((each[1:] for each in self.periods if each[0] == period), (0.0, 0.0, 0))


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """What a model had learned at a moment, enough to tell chances. `model` is the digest of what is asked and from
    which measures, so one that was made for others never fits. `means` are those of the numbers. `lows` and `highs` are
    the ends of what was learned from, by measure: what lies more than `BEYOND` times further out is taken for that. A
    model of peers has its `segments` by their names instead. `judged` says how good each learner was on the day before.
    """

    model: str
    version: int
    at: int
    examples: int
    yes: int
    means: list[float]
    learned: dict[str, Frozen]
    lows: list[Number] = []
    highs: list[Number] = []
    format: int = 1
    segments: dict[str, Among] = {}
    judged: Mapping[str, Judged] = {}

    def is_enough(self, needs: int) -> bool:
        return is_enough(self.examples, self.yes, needs)

    def log_odds(self, learner: str, values: Sequence[Number]) -> float | None:
        """None where what it has given away says nothing."""
        return log_odds_of(learner, self.learned[learner], self._seen(values))

    def chances(self, learners: Sequence[str], values: Sequence[Number]) -> dict[str, float]:
        """What each of them says. One that was added since, or that has nothing to say yet, is not among them."""
        known = {name: self.log_odds(name, values) for name in learners if name in self.learned}
        return {name: chance_at(odds) for name, odds in known.items() if odds is not None}

    def pushes(self, learner: str, values: Sequence[Number]) -> list[float]:
        """By how much each measure moves the log odds away from those of somebody average."""
        return pushes_of(learner, self.learned[learner], self._seen(values), self.means, PER_MEASURE)

    def _seen(self, values: Sequence[Number]) -> list[float]:
        bounds = zip(values, self.lows, self.highs, strict=True)
        return numbers_of([bounded(value, low, high) for value, low, high in bounds])


def is_enough(examples: int, yes: int, needs: int) -> bool:
    """Are there `needs` answers, and a tenth of that of the rarer one?"""
    return examples >= needs and min(yes, examples - yes) >= max(1, needs // 10)


class Models:
    """The models in force in one partition, and the examples that its entities have given since they were taken.

    `hears` is told of each new snapshot.
    """

    def __init__(self) -> None:
        self._snapshots: dict[str, list[Snapshot]] = {}
        self.examples: list[Example] = []
        self.hears: Callable[[Snapshot], None] | None = None

    def put(self, snapshot: Snapshot) -> None:
        """The newest first; the same one again changes nothing."""
        kept = self._snapshots.setdefault(snapshot.model, [])
        if not kept or snapshot.version > kept[0].version:
            kept.insert(0, snapshot)
            del kept[SNAPSHOTS_KEPT:]
            if self.hears is not None:
                self.hears(snapshot)

    def in_force(self, model: str, at: int) -> Snapshot | None:
        kept = self._snapshots.get(model, ())
        return next((each for each in kept if each.at + IN_FORCE_AFTER_MS <= at), None)

    def take(self) -> list[Example]:
        """The examples, leaving none behind."""
        taken, self.examples = self.examples, []
        return taken

    def all(self) -> Iterator[Snapshot]:
        """Oldest first, so that putting them one after the other gives the same."""
        for kept in self._snapshots.values():
            yield from reversed(kept)


def who_of(kind: str, key: str) -> int:
    """The number of an entity in its examples: the same for ever, and no name."""
    return xxh3_64_intdigest(f"{kind}:{key}".encode())


# ---- numbers

# A measure is three numbers: how much, how much of it squared so that what is best lies in the middle or what is much
# counts less, and whether it is unknown.
PER_MEASURE = 3


def numbers_in(values: Sequence[Scalar]) -> list[Number]:
    """What can be calculated with; yes and no are 1 and 0, a text is as unknown as what is missing."""
    return [float(value) if isinstance(value, int | float) and math.isfinite(value) else None for value in values]


def bounded(value: Number, low: Number, high: Number) -> Number:
    """The nearest that is not far beyond either end; an end that is None is not known."""
    if value is None or low is None or high is None:
        return value
    least = low / BEYOND if low > 0 else low * BEYOND
    most = high * BEYOND if high > 0 else high / BEYOND
    return min(max(value, least), most)


def numbers_of(values: Sequence[Number]) -> list[float]:
    """What a model sees of measures: the constant 1, and of each one its logarithm, the square and if it is unknown."""
    found = [1.0]
    for value in values:
        size = 0.0 if value is None else math.copysign(math.log1p(abs(value)), value)
        found += [size, size * size / 4, 1.0 if value is None else 0.0]
    return found


# ---- signed


def sealed(snapshot: Snapshot, key: bytes) -> bytes:
    """As bytes, with a signature in front. Without a key it only tells whether anything was changed by accident."""
    body = msgspec.msgpack.encode(snapshot, order="deterministic")
    return _signature(body, key) + body


def unsealed(content: bytes, key: bytes) -> Snapshot:
    """Raises UnsignedSnapshot."""
    signature, body = content[:32], content[32:]
    if not hmac.compare_digest(signature, _signature(body, key)):
        raise UnsignedSnapshot("its signature is not ours")
    return msgspec.msgpack.decode(body, type=Snapshot)


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256") if key else hashlib.sha256(body).digest()
