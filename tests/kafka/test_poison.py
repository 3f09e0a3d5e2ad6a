"""Which record has the blame when a batch fails, also where one lets go of others that were held back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from engine.shells.attempts import DEATHS_MOST
from engine.shells.kafka.poison import Held, Poisoned
from tests.kafka.memory_link import Record

MARK = Record(9, b"mark")


class Death(BaseException):
    """Nothing catches it, as nothing catches a signal."""


def same(record: Any) -> str:
    return "" if record.key is None else record.value.decode()


class Life:
    """One process with a batch: each mark takes what was held, as detect does. `taken` is what it got through."""

    def __init__(self, folder: Path, held: Sequence[bytes], fails: Callable[[bytes], None]) -> None:
        self.taken: list[bytes] = []
        self._held = [Held(at, b"customer:c1", value, 0) for at, value in enumerate(held)]
        self._fails = fails
        self._poisoned = Poisoned(folder, "events/0", same)

    def run(self, *records: Any) -> list[tuple[str, int]]:
        letters = self._poisoned.keep_trying(records, self._step, lambda: None, self.taken.clear)
        return [(letter.reason, letter.position) for letter in letters]

    def _step(self, records: Sequence[Any]) -> None:
        for record in records:
            if record is not MARK:
                self._take(record.value)
                continue
            for held in self._held:
                if self._poisoned.is_careful:
                    self._poisoned.take_held(held, partial(self._take, held.value))
                else:
                    self._take(held.value)

    def _take(self, value: bytes) -> None:
        self._fails(value)
        self.taken.append(value)


def raises(value: bytes) -> None:
    if value == b"bad":
        raise ValueError("a fault")


def dies(value: bytes) -> None:
    if value == b"bad":
        raise Death


def lives(make: Callable[[], Life], *records: Any) -> tuple[Life, list[tuple[str, int]], int]:
    """Start anew until one comes through. That one, its dead letters, and how many died."""
    for deaths in range(20):
        life = make()
        try:
            return life, life.run(*records), deaths
        except Death:
            continue
    raise AssertionError("it goes on dying")


def test_what_was_held_back_and_raises_is_set_aside_and_not_what_lets_go_of_it(tmp_path: Path) -> None:
    life = Life(tmp_path, [b"a", b"bad", b"c"], raises)
    assert life.run(MARK) == [("poison", 1)]
    assert life.taken == [b"a", b"c"]


def test_what_was_held_back_and_kills_is_set_aside_after_three_deaths(tmp_path: Path) -> None:
    life, letters, deaths = lives(lambda: Life(tmp_path, [b"a", b"bad", b"c"], dies), MARK)
    assert letters == [("crash_loop", 1)]
    assert deaths == 1 + DEATHS_MOST, "once without care"
    assert life.taken == [b"a", b"c"]


def test_deaths_on_a_record_that_was_written_again_are_deaths_on_the_same(tmp_path: Path) -> None:
    records = [Record(at, value, b"customer:c1") for at, value in enumerate([b"bad", b"a", b"bad"])]
    life, letters, deaths = lives(lambda: Life(tmp_path, [], dies), *records)
    assert letters == [("crash_loop", 0), ("crash_loop", 2)]
    assert deaths == 1 + DEATHS_MOST
    assert life.taken == [b"a"]


def test_a_batch_that_was_died_on_is_known_before_it_is_taken(tmp_path: Path) -> None:
    record = Record(4, b"bad", b"customer:c1")
    assert not Poisoned(tmp_path, "events/0").has_died_on([record])
    assert Poisoned(tmp_path, "events/0").has_died_on([record])
    assert not Poisoned(tmp_path, "events/0").has_died_on([MARK])
