"""What is kept of answers: the newest, in blocks, without those who were erased."""

from __future__ import annotations

import pytest

from engine.core.kept import BLOCK, Lesson, Shelf


def lessons(*numbers: int) -> list[Lesson]:
    return [Lesson(number % 7, number, number + 50, number % 2, (float(number), None)) for number in numbers]


def asked(shelf: Shelf, model: str = "m") -> list[int]:
    return [lesson.asked_at for lesson in shelf.of(model)]


class Disk:
    """What a shell keeps of the changes."""

    def __init__(self) -> None:
        self.blocks: dict[str, bytes] = {}

    def save(self, shelf: Shelf) -> None:
        for name, content in shelf.changed.items():
            if content is None:
                self.blocks.pop(name, None)
            else:
                self.blocks[name] = content
        shelf.changed.clear()


@pytest.mark.parametrize("most", [1, 99, 100, 101, 250])
@pytest.mark.parametrize("day", [1, 30, 100, 333])
def test_the_newest_are_kept_whatever_came_in_a_day(most: int, day: int) -> None:
    shelf, disk = Shelf(most), Disk()
    for begin in range(0, 999, day):
        shelf.add("m", lessons(*range(begin, min(999, begin + day))))
        disk.save(shelf)
    assert asked(shelf) == list(range(999 - most, 999))
    assert shelf.count("m") == most
    assert asked(Shelf(most, disk.blocks, ["m"])) == asked(shelf)
    assert len(disk.blocks) <= most // BLOCK + 2


def test_nothing_is_kept_where_none_are_wanted() -> None:
    shelf = Shelf(0)
    shelf.add("m", lessons(1, 2))
    assert (asked(shelf), shelf.changed) == ([], {})


def test_fewer_are_kept_when_fewer_are_wanted() -> None:
    shelf, disk = Shelf(500), Disk()
    shelf.add("m", lessons(*range(500)))
    disk.save(shelf)
    fewer = Shelf(120, disk.blocks, ["m"])
    disk.save(fewer)
    assert asked(fewer) == asked(Shelf(500, disk.blocks, ["m"])) == list(range(380, 500))


def test_who_is_erased_is_in_no_block() -> None:
    shelf, disk = Shelf(500), Disk()
    shelf.add("m", lessons(*range(250)))
    shelf.add("other", lessons(*([3] * BLOCK)))
    disk.save(shelf)
    assert shelf.forget(3) == len(range(3, 250, 7)) + BLOCK
    disk.save(shelf)
    again = Shelf(500, disk.blocks, ["m", "other"])
    assert asked(again) == [number for number in range(250) if number % 7 != 3]
    assert not any(name.startswith("other") for name in disk.blocks)
    shelf.add("other", lessons(4))
    disk.save(shelf)
    assert asked(Shelf(500, disk.blocks, ["other"]), "other") == [4]


def test_a_model_that_is_not_wanted_any_more_goes() -> None:
    shelf, disk = Shelf(500), Disk()
    shelf.add("m", lessons(1))
    shelf.add("n", lessons(2))
    disk.save(shelf)
    disk.save(Shelf(500, disk.blocks, ["n"]))
    assert list(disk.blocks) == ["n 0"]
