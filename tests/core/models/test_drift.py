"""Our two tests for a shift find it where River's do, and go on after a restart as if there had been none."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.drift import ADWIN, PageHinkley

from engine.core.models.drift import Adwin, AdwinState, Hinkley, HinkleyState


def shifting(seed: int, count: int = 3_000) -> list[float]:
    """A series between 0 and 1 whose level changes now and then, at once or little by little."""
    chance = random.Random(seed)
    values, level, aim = [], 0.5, 0.5
    for _ in range(count):
        if chance.random() < 0.003:
            aim = chance.uniform(0.1, 0.9)
            level = aim if chance.random() < 0.5 else level
        level += 0.02 * (aim - level)
        values.append(min(1.0, max(0.0, chance.gauss(level, 0.1))))
    return values


def steps(values: Sequence[float], *, chance: float, look_every: int) -> tuple[list[int], list[int]]:
    ours, river = Adwin(chance, look_every), ADWIN(delta=chance, clock=look_every)
    found: tuple[list[int], list[int]] = [], []
    for number, value in enumerate(values):
        river.update(value)
        if ours.take(value):
            found[0].append(number)
        if river.drift_detected:
            found[1].append(number)
    return found


@pytest.mark.parametrize("look_every", [1, 32])
@pytest.mark.parametrize("chance", [0.002, 0.2])
@pytest.mark.parametrize("seed", range(6))
def test_adaptive_windows_shift_where_rivers_do(seed: int, chance: float, look_every: int) -> None:
    ours, river = steps(shifting(seed), chance=chance, look_every=look_every)
    assert ours == river
    assert ours


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0]), max_size=300))
def test_adaptive_windows_agree_with_rivers_on_anything(values: list[float]) -> None:
    ours, river = steps(values, chance=0.3, look_every=1)
    assert ours == river


@pytest.mark.parametrize(("tolerance", "threshold"), [(0.005, 5.0), (0.05, 1.0)])
@pytest.mark.parametrize("seed", range(6))
def test_sums_shift_where_rivers_do(seed: int, tolerance: float, threshold: float) -> None:
    ours, river = Hinkley(tolerance, threshold), PageHinkley(delta=tolerance, threshold=threshold)
    found: tuple[list[int], list[int]] = [], []
    for number, value in enumerate(shifting(seed)):
        river.update(value)
        if ours.take(value):
            found[0].append(number)
        if river.drift_detected:
            found[1].append(number)
    assert found[0] == found[1]
    assert found[0]


@pytest.mark.parametrize("begin", [lambda: Adwin(look_every=1), lambda: Hinkley(0.05, 1.0)], ids=["adwin", "hinkley"])
@pytest.mark.parametrize("to", [0.3, 0.8])
def test_the_levels_before_and_after_are_told(begin: Callable[[], Adwin | Hinkley], to: float) -> None:
    model, chance = begin(), random.Random(4)
    values = [chance.gauss(0.5 if number < 200 else to, 0.05) for number in range(300)]
    shifts = [(number, shift) for number, value in enumerate(values) if (shift := model.take(value))]
    (number, (before, after, since)), *_rest = shifts
    assert 200 < number < 270
    assert before == pytest.approx(0.5, abs=0.05)
    assert after == pytest.approx(to, abs=0.1)
    assert abs(number + 1 - since - 200) < 20


@pytest.mark.parametrize("look_every", [1, 32])
def test_a_steady_series_does_not_shift(look_every: int) -> None:
    chance = random.Random(3)
    values = [min(1.0, max(0.0, chance.gauss(0.5, 0.1))) for _ in range(20_000)]
    model = Adwin(look_every=look_every)
    assert sum(bool(model.take(value)) for value in values) <= 1


def test_a_restart_at_any_value_changes_nothing() -> None:
    straight, broken = Adwin(0.2, 1), Adwin(0.2, 1)
    summed, halted = Hinkley(0.05, 1.0), Hinkley(0.05, 1.0)
    for value in shifting(2, 1_000):
        assert straight.take(value) == broken.take(value)
        assert summed.take(value) == halted.take(value)
        stored = msgspec.msgpack.encode([broken.state(), halted.state()])
        known, added = msgspec.msgpack.decode(stored, type=tuple[AdwinState, HinkleyState])
        broken, halted = Adwin(0.2, 1, known), Hinkley(0.05, 1.0, state=added)
    assert msgspec.msgpack.encode(broken.state()) == msgspec.msgpack.encode(straight.state())
    assert msgspec.msgpack.encode(halted.state()) == msgspec.msgpack.encode(summed.state())


def test_the_state_stays_small() -> None:
    chance = random.Random(3)
    model, most = Adwin(look_every=1), 0
    for number in range(20_000):
        model.take(chance.gauss(0.5, 0.1))
        if number % 100 == 0:
            most = max(most, len(msgspec.msgpack.encode(model.state())))
    assert most <= 700
