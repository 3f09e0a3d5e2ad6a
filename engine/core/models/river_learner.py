"""A classifier of River as a learner of chances: what it is told, what it says, and how it is kept.

In front of it stands River's own scaler, as its linear models need numbers of ordinary size. What it says is set right
against the answers, as many of them rank well and say chances that do not come true. It learns with its owner; what it
gives away is all that it has learned, as bytes, from which anybody can put it together and ask it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec

from engine.core.models.chance import STEEPEST, Chance, ChanceState
from engine.core.models.river_names import build
from engine.core.models.river_parts import MOST_BYTES, NotKept, Refused
from engine.core.models.river_state import put_together, take_apart
from engine.ports import Slot

# How often it is looked whether it can still be kept, in answers.
LOOKED_EVERY = 500
# What River's classes raise of numbers that they cannot take.
UNABLE = (ArithmeticError, ValueError, LookupError)
# And what they may besides, where they were put together from something that is none of them.
BROKEN = (*UNABLE, TypeError, AttributeError)
# Snapshots in use at a time: of each model the newest three, one for each learner.
READY_MOST = 64


# River's word is taken as it is until answers say otherwise.
AS_IT_IS: ChanceState = (0, [0.0, 1.0], [[1.0, 0.0], [0.0, 1.0]])


class Frozen(msgspec.Struct, array_like=True):
    """What is given away: the two weights that set its word right, and the model as it was taken apart."""

    weights: list[float]
    model: bytes


class Kept(msgspec.Struct, array_like=True):
    """All that is known. `missed` answers it could not take; at `full_at` answers it had become too large (0 = never),
    and since then it stands still as it was before.
    """

    answers: int = 0
    missed: int = 0
    full_at: int = 0
    model: bytes = b""
    set_right: ChanceState | None = None


class RiverLearner:
    """Of that name. State: the fields of `Kept`. What cannot be read any more is begun anew."""

    def __init__(self, name: str, numbers: int, state: Slot | None = None) -> None:
        self._name = name
        self._begin(_kept(state) if state else Kept())

    def _begin(self, kept: Kept) -> None:
        opened = _opened(self._name, kept.model) if kept.model else None
        self._kept = Kept() if kept.model and opened is None else kept
        self._is_kept = bool(self._kept.model)
        self._set_right = Chance(2, self._kept.set_right or AS_IT_IS)
        self._scaler, self._model = opened or fresh(self._name)

    def learn(self, numbers: Sequence[float], *, happened: bool) -> None:
        if self._kept.full_at:
            return
        self._is_kept = False
        features = features_of(numbers)
        odds = _odds(self._scaler, self._model, features)
        if odds is not None and self._kept.answers:
            self._set_right.learn([1.0, odds], happened=happened)
        try:
            self._scaler.learn_one(features)
            self._model.learn_one(self._scaler.transform_one(features), happened)
        except UNABLE:
            self._kept.missed += 1
        self._kept.answers += 1
        if self._kept.answers % LOOKED_EVERY == 0:
            self._keep()

    def _keep(self) -> None:
        """Take it apart, or go back to what it was when that could be kept, and stay so."""
        kept = self._kept
        content = _packed(self._scaler, self._model)
        if content:
            kept.model, kept.set_right, self._is_kept = content, self._set_right.state(), True
        else:
            self._begin(msgspec.structs.replace(kept, full_at=kept.answers))

    def _newest(self) -> Kept:
        """With all that was learned. It is taken apart once, whoever asks for it."""
        if not self._kept.full_at and not self._is_kept:
            self._keep()
        return self._kept

    def state(self) -> Slot:
        return msgspec.to_builtins(self._newest(), builtin_types=(bytes,))  # type: ignore[no-any-return]

    def frozen(self) -> bytes:
        kept = self._newest()
        if not kept.model or kept.set_right is None or not kept.set_right[0]:
            return b""
        return msgspec.msgpack.encode(Frozen(kept.set_right[1], kept.model))


def features_of(numbers: Sequence[float]) -> dict[str, float]:
    """Named by their places, without the constant: River's models have one of their own."""
    return {f"n{place}": number for place, number in enumerate(numbers) if place}


def odds_of(name: str, frozen: bytes, numbers: Sequence[float]) -> float | None:
    """The log odds that it tells, or None where nothing can be read out of it."""
    ready = _ready(name, frozen)
    if ready is None:
        return None
    base, weight, scaler, model = ready
    odds = _odds(scaler, model, features_of(numbers))
    return None if odds is None else base + weight * odds


def trouble_with(state: Slot) -> tuple[int, int]:
    """At how many answers it had become too large to be kept (0 = it is not), and how many it could not take."""
    kept = _kept(state)
    return kept.full_at, kept.missed


def _kept(state: Slot) -> Kept:
    try:
        return msgspec.convert(state, Kept)
    except msgspec.ValidationError:
        return Kept()


def _odds(scaler: Any, model: Any, features: dict[str, float]) -> float | None:
    try:
        chances = model.predict_proba_one(scaler.transform_one(features))
        yes, no = float(chances.get(True, 0.0)), float(chances.get(False, 0.0))
    except BROKEN:
        return None
    if not (math.isfinite(yes) and math.isfinite(no)) or yes + no <= 0.0:
        return None
    least = math.exp(-STEEPEST)
    return math.log(max(yes, least) / max(no, least))


@lru_cache(maxsize=READY_MOST)
def _ready(name: str, frozen: bytes) -> tuple[float, float, Any, Any] | None:
    try:
        found = msgspec.msgpack.decode(frozen, type=Frozen)
    except msgspec.DecodeError:
        return None
    opened = _opened(name, found.model)
    if opened is None or len(found.weights) != 2:
        return None
    return found.weights[0], found.weights[1], *opened


def _opened(name: str, content: bytes) -> tuple[Any, Any] | None:
    """The scaler and the model that were taken apart; None where they are none of that name."""
    try:
        scaler, model = put_together(content)
    except (Refused, TypeError, ValueError):
        return None
    return (scaler, model) if [type(scaler), type(model)] == [type(each) for each in fresh(name)] else None


def fresh(name: str) -> tuple[Any, Any]:
    """River's scaler and a new model of that name behind it. Raises Unfit."""
    return import_module("river.preprocessing").StandardScaler(), build(name)


def _packed(scaler: Any, model: Any) -> bytes:
    """Nothing where it cannot be kept."""
    try:
        content = take_apart([scaler, model])
    except NotKept:
        return b""
    return content if len(content) <= MOST_BYTES else b""
