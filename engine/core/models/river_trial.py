"""Tries a learner of River out before anything depends on it: can it learn, tell chances, and be kept?

Some of River's classes are written in a compiled language and show nothing of what they have learned, some draw at
random and cannot be given a seed, some grow without end. Which those are changes from version to version, so nothing is
listed: each is built, taught, taken apart and put together, and held against itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from engine.core.models.river_learner import features_of, fresh
from engine.core.models.river_names import Unfit
from engine.core.models.river_parts import MOST_BYTES, NotKept, Refused
from engine.core.models.river_state import put_together, take_apart

ANSWERS = 400
# After so many it is taken apart, and one that was put together goes on beside it.
LOOKS = (1, 2, 50, 300)
ASKED = 10
# Whatever a constructor or a method of River says to values that it was not made for.
RAISED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

Numbers = dict[str, float]


@lru_cache(maxsize=256)
def why_not(name: str) -> str:
    """Why a learner of that name cannot be used, as the end of a sentence; "" where it can."""
    try:
        _try(name)
    except Unfit as unfit:
        return str(unfit)
    except NotKept as reason:
        return f"it cannot be kept, as it holds {reason}"
    except Refused as reason:
        return f"it cannot be kept: {reason}"
    except RAISED as error:
        said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return f"on a trial with numbers of both signs, River said {said}"
    return ""


def _try(name: str) -> None:
    one, other = [*fresh(name)], [*fresh(name)]
    for count, (numbers, happened) in enumerate(answers(), 1):
        _teach(one, numbers, happened=happened)
        _teach(other, numbers, happened=happened)
        if count in LOOKS:
            other = _put_together(one, other, count)
    _put_together(one, other, ANSWERS)


def _teach(pair: list[Any], numbers: Numbers, *, happened: bool) -> None:
    scaler, model = pair
    scaler.learn_one(numbers)
    model.predict_proba_one(scaler.transform_one(numbers))
    model.learn_one(scaler.transform_one(numbers), happened)


def _put_together(one: list[Any], other: list[Any], count: int) -> list[Any]:
    """One that was taken apart and put together, once it is sure that it is the same, as is the other."""
    content = take_apart(one)
    if len(content) > MOST_BYTES:
        size = f"{len(content) / 1024:,.0f} kB after {count} answers"
        raise Unfit(f"it takes {size}, and {MOST_BYTES // 1024} kB is the most - give it fewer or smaller parts")
    if take_apart(other) != content:
        raise Unfit("the same answers do not teach it the same")
    found: list[Any] = put_together(content)
    if _told(found) != _told(one) or take_apart(found) != content or take_apart(one) != content:
        raise Unfit("it cannot be kept: put together again it is another")
    return found


def _told(pair: list[Any]) -> list[float]:
    """What it tells of the first few. No number is what it may say before it has learned, but not for ever."""
    scaler, model = pair
    chances = [model.predict_proba_one(scaler.transform_one(numbers)) for numbers, _ in _first()]
    found = [float(each.get(True, 0.0)) for each in chances]
    if not all(math.isfinite(chance) and 0.0 <= chance <= 1.0 for chance in found):
        raise Unfit("what it tells are no chances")
    return found


def _first() -> list[tuple[Numbers, bool]]:
    return [each for each, _count in zip(answers(), range(ASKED), strict=False)]


def answers() -> Iterator[tuple[Numbers, bool]]:
    """Of two measures that count, as a model sees them; about one in four is yes. The same each time."""
    for count in range(ANSWERS):
        much, little, luck = (_scattered(count * factor) for factor in (12.9898, 78.233, 39.425))
        numbers = [1.0, 3 * much, 9 * much * much / 4, 0.0, 3 * little, 9 * little * little / 4, 0.0]
        yield features_of(numbers), luck < 1 / (1 + math.exp(2 - 6 * much + 6 * little))


def _scattered(number: float) -> float:
    """Between 0 and 1, without a generator."""
    found = math.sin(number) * 43_758.5453
    return found - math.floor(found)
