"""Every word for a measure that learns from others, in every shape its options allow, must pass every check below.

A new kind is checked by being there; nothing has to be added here.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from engine.core.asking import Asking
from engine.core.state import Entity, Stalls
from engine.model import HOUR_MS, Scalar
from engine.ports import As, Learner, OfPeriods, Sampling, Slot
from tests.detectors import test_every_detector as every

WORDS = [word for word in every.WORDS if word not in every.OF_EVENTS]
# More than the longest time in which any of them says nothing.
SAMPLES = 500
MOST_BYTES = 13_000


def learners_of(word: str) -> Iterator[Learner]:
    """Each combination of options, for sliding windows and for each period that the kind has nothing against."""
    for case in every.shapes_of(word):
        kind: Any = case.kind
        for period in ("", "1h", "1d"):
            options = fitting(case.options, period)
            if not (isinstance(kind, OfPeriods) and kind.period_problems(word, options, period)):
                yield kind.learner(word, options, Sampling(period=period, overlap=0 if period else 11))


def fitting(options: Any, period: str) -> Any:
    """With durations that are whole periods."""
    marks = every.marks_of(type(options))
    lengths = {"1h": HOUR_MS, "1d": 24 * HOUR_MS}
    whole = {name: 2 * lengths[period] for name, mark in marks.items() if mark[0] is As.DURATION and period in lengths}
    return msgspec.structs.replace(options, **whole)


class Someone:
    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.known = Entity("customer", "ada", 1, Stalls())
        self.known.zone = "Europe/Berlin"
        self.slot: Slot = learner.fresh()
        self.taken = 0

    def take(self, *values: Scalar) -> Scalar:
        self.taken += 1
        self.learner.take(self.slot, every.MONDAY + self.taken * HOUR_MS, values, self.known)
        return self.learner.value(self.slot)


def some_values(seed: int = 1) -> list[float]:
    """Ordinary, then of a higher level, with what is far off in between."""
    chance = random.Random(seed)
    values = [chance.gauss(50 if number < SAMPLES // 2 else 80, 5) for number in range(SAMPLES)]
    values[100], values[400] = 1e12, -3.0
    return values


# ---- the checks


def check_it_says_nothing_at_first(learner: Learner) -> None:
    someone = Someone(learner)
    assert learner.value(someone.slot) is None
    assert someone.take(5) is None


def check_it_says_something_in_the_end(learner: Learner) -> None:
    if isinstance(learner, Asking):
        return  # one entity alone learns nothing of a chance; tests/laws/test_chances.py has a crowd
    someone = Someone(learner)
    assert isinstance([someone.take(value) for value in some_values()][-1], int | float)


def check_the_same_samples_give_the_same(learner: Learner) -> None:
    one, other = Someone(learner), Someone(learner)
    for value in some_values():
        assert one.take(value) == other.take(value)
    assert one.slot == other.slot


def check_its_memory_survives_the_disk(learner: Learner) -> None:
    straight, broken = Someone(learner), Someone(learner)
    for value in some_values():
        assert straight.take(value) == broken.take(value)
        broken.slot = msgspec.msgpack.decode(msgspec.msgpack.encode(broken.slot))
        assert broken.slot == straight.slot


def check_one_memory_knows_nothing_of_another(learner: Learner) -> None:
    other = Someone(learner)
    untouched = copy.deepcopy(other.slot)
    someone = Someone(learner)
    for value in some_values():
        someone.take(value)
    assert other.slot == untouched


def check_the_unknown_and_the_absurd_do_no_harm(learner: Learner) -> None:
    someone = Someone(learner)
    values = some_values()
    for number, odd in enumerate([None, True, "", "ten", -0.0, 0, 1e308, -1e308, 2**63, math.inf, None] * 3):
        values[10 * number + 5 : 10 * number + 6] = [odd]  # type: ignore[list-item]
    said = [someone.take(value) for value in values]
    assert all(value is None or (isinstance(value, int | float) and math.isfinite(value)) for value in said)


def check_its_memory_is_bounded(learner: Learner) -> None:
    someone = Someone(learner)
    sizes = []
    for value in [*some_values(), *some_values(2), *some_values(3)]:
        someone.take(value)
        sizes.append(len(msgspec.msgpack.encode(someone.slot)))
    assert max(sizes) <= MOST_BYTES


def check_it_holds_nothing_that_changes(learner: Learner) -> None:
    before = {name: repr(value) for name, value in vars(learner).items()}
    someone = Someone(learner)
    for value in some_values():
        someone.take(value)
    assert {name: repr(value) for name, value in vars(learner).items()} == before
    assert "object at 0x" not in learner.identity, "an identity must outlive the process"


CHECKS = [check for name, check in list(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("word", WORDS)
def test_every_learner(word: str, check: Callable[[Learner], None]) -> None:
    for learner in learners_of(word):
        check(learner)


@pytest.mark.parametrize("word", WORDS)
def test_other_options_are_another_memory(word: str) -> None:
    """What was learned under other options would be taken for what was not learned at all."""
    assert len({learner.identity for learner in learners_of(word)}) > 1
