"""What learns a probability learns it, says how it came to it, and goes on after a restart as if nothing were."""

from __future__ import annotations

import math
import random

import msgspec
import pytest

from engine.core.models.chance import Chance, ChanceState
from engine.core.models.rhythm import DAY_MS, NAMES, Rhythm, RhythmState
from engine.core.models.text import PLACES, TextChance, TextState, places_of

TRUTH = (-1.0, 2.0, 0.0, -0.5)


def answers(count: int, seed: int = 2) -> list[tuple[list[float], bool]]:
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        numbers = [1.0, *(chance.gauss(0, 1) for _ in TRUTH[1:])]
        odds = sum(weight * number for weight, number in zip(TRUTH, numbers, strict=True))
        found.append((numbers, chance.random() < 1 / (1 + math.exp(-odds))))
    return found


def learned(count: int) -> Chance:
    model = Chance(len(TRUTH))
    for numbers, happened in answers(count):
        model.learn(numbers, happened=happened)
    return model


def test_one_pass_finds_what_the_answers_were_made_by() -> None:
    assert learned(4_000).state()[1] == pytest.approx(TRUTH, abs=0.2)


def test_a_chance_of_one_in_five_comes_true_one_time_in_five() -> None:
    model = learned(4_000)
    said = [(model.predict(numbers), happened) for numbers, happened in answers(4_000, seed=9)]
    near = [happened for chance, happened in said if 0.15 < chance < 0.25]
    assert len(near) > 200
    assert sum(near) / len(near) == pytest.approx(0.2, abs=0.06)


def test_the_reasons_add_up_to_the_log_odds() -> None:
    model, (numbers, _) = learned(500), answers(1)[0]
    assert sum(model.reasons(numbers)) == pytest.approx(model.log_odds(numbers))


def test_a_chance_is_never_certain() -> None:
    model = Chance(1)
    for _ in range(20_000):
        model.learn([1.0], happened=True)
    assert 0.99 < model.predict([1.0]) < 1.0
    assert 0.0 < model.predict([-1e9]) < 1e-9


def test_what_is_forgotten_is_bounded_for_ever() -> None:
    model = Chance(2)
    for number in range(30_000):
        # The second number is never seen; its doubt must not grow without end.
        model.learn([1.0, 0.0], happened=number % 2 == 0)
    assert max(map(max, model.state()[2])) <= 1.0


def test_a_chance_goes_on_after_a_restart() -> None:
    straight, broken = Chance(len(TRUTH)), Chance(len(TRUTH))
    for numbers, happened in answers(300):
        straight.learn(numbers, happened=happened)
        broken.learn(numbers, happened=happened)
        stored = msgspec.msgpack.encode(broken.state())
        broken = Chance(len(TRUTH), msgspec.msgpack.decode(stored, type=ChanceState))
    assert broken.state() == straight.state()
    assert straight.answers == 300


def test_a_rhythm_says_how_often_and_how_lately() -> None:
    rhythm = Rhythm()
    for day in (0, 10, 10, 30):
        rhythm.learn(day * DAY_MS, value=20.0, units=2.0)
    said = dict(zip(NAMES, rhythm.numbers(44 * DAY_MS), strict=True))
    assert said["times"] == pytest.approx(math.log(3))
    assert said["since last"] == pytest.approx(math.log1p(2.0))
    assert said["known for"] == pytest.approx(math.log1p(44 / 7))
    assert said["last gap"] == pytest.approx(math.log1p(20) / 4)
    assert said["value per time"] == pytest.approx(math.log1p(80 / 3) / 4)
    faded = sum(2 ** (-(44 - day) / 30) for day in (0, 10, 30))
    assert said["times, half-life 30 d"] == pytest.approx(math.log1p(faded))


def test_a_rhythm_goes_on_after_a_restart_in_few_bytes() -> None:
    straight, broken, chance = Rhythm(), Rhythm(), random.Random(4)
    at_ms = 0
    for _ in range(200):
        at_ms += chance.randrange(0, 20) * DAY_MS
        for each in (straight, broken):
            each.learn(at_ms, value=float(chance.randrange(50)) if each is straight else 0.0)
        broken = Rhythm(straight.state())
        stored = msgspec.msgpack.encode(broken.state())
        assert len(stored) <= 100
        broken = Rhythm(msgspec.msgpack.decode(stored, type=RhythmState))
        assert broken.numbers(at_ms + DAY_MS) == straight.numbers(at_ms + DAY_MS)


def test_what_comes_late_adds_to_the_latest() -> None:
    late, same = Rhythm(), Rhythm()
    for day in (0, 10, 4):
        late.learn(day * DAY_MS, value=5.0)
        same.learn(max(day, 10 if day else 0) * DAY_MS, value=5.0)
    assert late.state() == same.state()


def judged(count: int) -> list[tuple[str, bool]]:
    chance = random.Random(6)
    bad, good = (
        ("lost my bag", "not helpful", "still waiting", "cancelled again"),
        ("thank you", "great crew", "so helpful"),
    )
    found = []
    for number in range(count):
        meant = chance.random() < 0.5
        found.append((f"@air flight {number} {chance.choice(bad if meant else good)} https://t.co/{number}", meant))
    return found


def test_the_mood_of_a_text_is_learned_from_judged_ones() -> None:
    model = TextChance()
    for text, meant in judged(300):
        model.learn(text, meant=meant)
    assert model.predict("they were NOT helpful at all") > 0.5 > model.predict("the crew was great, thank you!")
    assert TextChance().predict("anything") == 0.5


@pytest.mark.parametrize("text", ["", "   ", "🙂", "x" * 100_000, "\x00\ud83d".encode("utf-8", "ignore").decode()])
def test_any_text_has_a_chance(text: str) -> None:
    model = TextChance()
    model.learn(text, meant=True)
    assert 0.5 < model.predict(text) < 1.0
    assert all(0 <= place < PLACES for place in places_of(text))


def test_a_text_model_goes_on_after_a_restart() -> None:
    straight, broken = TextChance(), TextChance()
    for text, meant in judged(60):
        straight.learn(text, meant=meant)
        broken.learn(text, meant=meant)
        broken = TextChance(msgspec.msgpack.decode(msgspec.msgpack.encode(broken.state()), type=TextState))
    assert broken.state() == straight.state()
    assert straight.answers == 60
