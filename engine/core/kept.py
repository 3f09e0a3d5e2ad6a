"""The newest answers that each model has learned from, kept so that another learner can be taught from them.

They lie in blocks of bytes, the oldest first: ten thousand of them weigh about a megabyte so, and ten times as much as
objects. A block is written when it changes, and the oldest one goes as new ones come.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from engine.core.examples import Example, Number

# So many answers lie in one block.
BLOCK = 100


class Lesson(msgspec.Struct, frozen=True, array_like=True):
    """An answer that was learned from: as much of an `Example` as it takes to learn it again.

    `learned_at` is the end of the day with which it was learned, `came_at` when the event came (0 = it did not).
    """

    who: int
    asked_at: int
    learned_at: int
    came_at: int
    values: tuple[Number, ...]

    @property
    def happened(self) -> bool:
        return self.came_at > 0


class Block(msgspec.Struct, frozen=True):
    """Some lessons of one model, `count` of them. Numbers go up."""

    number: int
    count: int
    content: bytes


_LESSONS = msgspec.msgpack.Decoder(list[Lesson])
_COUNTED = msgspec.msgpack.Decoder(list[msgspec.Raw])


class Shelf:
    """All that is kept, at most so many lessons of a model. `changed` are the blocks that differ from what was saved,
    by their names; None = gone.
    """

    def __init__(self, most: int, blocks: Mapping[str, bytes] | None = None, wanted: Collection[str] = ()) -> None:
        """`blocks` as they were saved. Those of models that are not `wanted` go."""
        self.changed: dict[str, bytes | None] = {}
        self._most = most
        self._blocks: dict[str, list[Block]] = {}
        for name, content in (blocks or {}).items():
            model, _, number = name.rpartition(" ")
            if model in wanted:
                block = Block(int(number), len(_COUNTED.decode(content)), content)
                self._blocks.setdefault(model, []).append(block)
            else:
                self.changed[name] = None
        for model, known in self._blocks.items():
            known.sort(key=lambda block: block.number)
            self._trim(model)

    def count(self, model: str) -> int:
        return sum(block.count for block in self._blocks.get(model, ()))

    def of(self, model: str) -> Iterator[Lesson]:
        """The lessons of a model, in the order in which they were learned."""
        for block in self._blocks.get(model, ()):
            yield from _LESSONS.decode(block.content)

    def add(self, model: str, lessons: Sequence[Lesson]) -> None:
        """Keep what was just learned; the oldest go."""
        if not self._most or not lessons:
            return
        blocks = self._blocks.setdefault(model, [])
        number = blocks[-1].number + 1 if blocks else 0
        if blocks and blocks[-1].count < BLOCK:
            last = blocks.pop()
            lessons, number = [*_LESSONS.decode(last.content), *lessons], last.number
        for at in range(0, len(lessons), BLOCK):
            blocks.append(self._written(model, number, lessons[at : at + BLOCK]))
            number += 1
        self._trim(model)

    def forget(self, who: int) -> int:
        """Drop the lessons of somebody. Returns how many there were."""
        gone = 0
        for model, blocks in self._blocks.items():
            for place, block in reversed(list(enumerate(blocks))):
                lessons = _LESSONS.decode(block.content)
                others = [lesson for lesson in lessons if lesson.who != who]
                gone += len(lessons) - len(others)
                if not others:
                    self._drop(model, place)
                elif len(others) < len(lessons):
                    blocks[place] = self._written(model, block.number, others)
        return gone

    def _trim(self, model: str) -> None:
        blocks, excess = self._blocks[model], self.count(model) - self._most
        while excess > 0:
            first = blocks[0]
            if first.count <= excess:
                self._drop(model, 0)
            else:
                blocks[0] = self._written(model, first.number, _LESSONS.decode(first.content)[excess:])
            excess -= first.count

    def _drop(self, model: str, place: int) -> None:
        self.changed[_name(model, self._blocks[model].pop(place).number)] = None

    def _written(self, model: str, number: int, lessons: Sequence[Lesson]) -> Block:
        content = msgspec.msgpack.encode(lessons)
        self.changed[_name(model, number)] = content
        return Block(number, len(lessons), content)


def lesson_of(example: Example, learned_at: int) -> Lesson:
    """What is kept of an answer."""
    return Lesson(example.who, example.asked_at, learned_at, example.came_at, example.values)


def _name(model: str, number: int) -> str:
    return f"{model} {number}"
