"""Every learner that can be chosen: it learns, its chances come true, and what it gives away says what it would say."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import msgspec
import pytest

from engine.core.examples import Snapshot, UnsignedSnapshot, sealed, unsealed
from engine.core.models.classifiers import CLASSIFIERS, Classifier, chance_at, classifier, parts_of
from engine.core.models.track import Track, best_measure, noted, quality_of, ranked

every_learner = pytest.mark.parametrize("name", sorted(CLASSIFIERS))


def answers(count: int, seed: int, base: float = -3.0) -> list[tuple[list[float], bool]]:
    """With two numbers that count and one that does not; about one in ten is yes."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        numbers = [1.0, *(chance.gauss(0, 1) for _ in range(3))]
        odds = base + 1.5 * numbers[1] - numbers[2]
        found.append((numbers, chance.random() < 1 / (1 + math.exp(-odds))))
    return found


def taught(name: str, count: int = 6_000) -> Classifier:
    made = classifier(name, 4)
    for numbers, happened in answers(count, 2):
        made.learn(numbers, happened=happened)
    return made


def said(name: str, frozen: Sequence[float], numbers: Sequence[float]) -> float:
    return chance_at(math.fsum(parts_of(name, frozen, numbers)))


def held_against(name: str) -> Track:
    frozen, track = taught(name).frozen(), Track()
    for numbers, happened in answers(8_000, 9):
        noted(track, said(name, frozen, numbers), happened=happened)
    return track


def test_what_is_said_comes_true_as_often_as_it_is_said_by_tenths() -> None:
    track = held_against("logistic_regression")
    told = [(chances / count, yes / count, count) for count, chances, yes in track.tenths if count >= 100]
    assert len(told) >= 5
    for chance, share, count in told:
        assert abs(chance - share) < 0.03 + 2.5 * math.sqrt(share * (1 - share) / count)
    assert quality_of(track).calibration < 0.01


@every_learner
def test_it_ranks_well_and_is_right_on_the_whole(name: str) -> None:
    quality = quality_of(held_against(name))
    assert (quality.auc or 0) > 0.83
    assert quality.calibration < 0.03


@every_learner
def test_a_learner_goes_on_after_it_was_stored(name: str) -> None:
    straight, broken = classifier(name, 4), classifier(name, 4)
    for numbers, happened in answers(200, 3):
        straight.learn(numbers, happened=happened)
        stored = msgspec.msgpack.encode(broken.state())
        broken = classifier(name, 4, msgspec.msgpack.decode(stored))
        broken.learn(numbers, happened=happened)
    assert broken.state() == straight.state()
    assert broken.frozen() == straight.frozen()


@every_learner
def test_a_learner_that_knows_nothing_says_even_odds(name: str) -> None:
    assert said(name, classifier(name, 4).frozen(), [1.0, 5.0, 5.0, 5.0]) == pytest.approx(0.5)


# ---- how good it was


def test_the_area_under_the_curve_is_that_of_all_pairs() -> None:
    track, chance = Track(), random.Random(4)
    told = [(round(chance.uniform(0.05, 0.95), 2), chance.random() < 0.3) for _ in range(300)]
    for each, happened in told:
        noted(track, each, happened=happened)
    yes = [each for each, happened in told if happened]
    no = [each for each, happened in told if not happened]
    pairs = [(one > other) + (one == other) / 2 for one in yes for other in no]
    assert quality_of(track).auc == pytest.approx(sum(pairs) / len(pairs), abs=0.005)
    losses = [-math.log(each if happened else 1 - each) for each, happened in told]
    assert quality_of(track).log_loss == pytest.approx(sum(losses) / len(losses))


def test_the_top_tenth_and_how_early_it_knew() -> None:
    track = Track()
    for number in range(100):
        noted(track, 0.9 if number < 10 else 0.1, happened=number < 8, lead_ms=number * 10)
    quality = quality_of(track)
    assert quality.precision == pytest.approx(0.8)
    assert quality.lead_ms == sum(number * 10 for number in range(8)) // 8


def test_the_trivial_rule_is_the_best_measure_whichever_way_it_points() -> None:
    silent, busy = Track(), Track()
    for number in range(200):
        ranked(silent, -float(number % 20), happened=number % 20 < 4)
        ranked(busy, -float(number % 20), happened=number % 20 >= 17)
    name, auc, precision = best_measure({"neither": Track(), "silent": silent, "busy": busy})
    assert (name, auc) == ("silent", 1.0)
    assert precision == 1.0
    assert best_measure({"busy": busy})[1] == 1.0


def test_nothing_is_said_of_what_was_never_judged() -> None:
    quality = quality_of(Track())
    assert quality.auc is None
    assert quality.answers == 0
    assert best_measure({}) == ("", 0.5, 0.0)


# ---- snapshots

LEARNED = {"logistic_regression": [0.5, -1.0, 0.0, 0.0]}
SNAPSHOT = Snapshot("m", 3, 5, 20, 4, [1.0, 2.0, 1.0, 0.0], LEARNED, [0.0], [math.expm1(4.0)])


def test_a_snapshot_is_taken_only_with_our_signature() -> None:
    key = b"k" * 16
    content = sealed(SNAPSHOT, key)
    assert unsealed(content, key) == SNAPSHOT
    for wrong in (content[:-1] + b"\x00", sealed(SNAPSHOT, b"q" * 16), sealed(SNAPSHOT, b""), b""):
        with pytest.raises(UnsignedSnapshot):
            unsealed(wrong, key)


def test_what_moves_a_chance_is_told_against_somebody_average() -> None:
    assert SNAPSHOT.pushes("logistic_regression", [math.expm1(2.0)]) == [0.0]
    assert SNAPSHOT.pushes("logistic_regression", [0.0]) == [2.0]
    assert SNAPSHOT.pushes("logistic_regression", [None]) == [2.0]


def test_what_lies_beyond_all_that_was_learned_from_is_taken_for_its_end() -> None:
    assert SNAPSHOT.log_odds("logistic_regression", [1e9]) == SNAPSHOT.log_odds(
        "logistic_regression", [math.expm1(4.0)]
    )
    assert SNAPSHOT.log_odds("logistic_regression", [-5.0]) == SNAPSHOT.log_odds("logistic_regression", [0.0])
    never = msgspec.structs.replace(SNAPSHOT, lows=[None], highs=[None])
    assert never.log_odds("logistic_regression", [math.expm1(6.0)]) == pytest.approx(-5.5)


def test_enough_means_enough_of_the_rarer_kind_too() -> None:
    assert SNAPSHOT.is_enough(20)
    assert not SNAPSHOT.is_enough(21)
    assert not SNAPSHOT.is_enough(50)
    few = msgspec.structs.replace(SNAPSHOT, examples=1_000, yes=19)
    assert not few.is_enough(200)
    assert msgspec.structs.replace(few, yes=20).is_enough(200)
