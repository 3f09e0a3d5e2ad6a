"""How many messages tell of the same thing as the newest one: three tickets on one issue, without a reason code.

Use it where nobody sorts tickets by hand. It compares the letters of words, so it sees "the invoice is wrong" in "wrong
invoices again". It knows nothing of meaning: "my parcel is lost" and "where are my shoes" are two things to it, and so
are two languages. Of each message a few digests are kept and never the text; at most the 64 newest of an entity are
remembered, and those before them are forgotten early.

    watch:
      same: {alike: ticket.opened, field: [subject, body], over: 30d}
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, TypeAlias

import msgspec
import xxhash

from engine.core.matching import compile_where, read_path
from engine.core.sketch import TAKEN_APART, is_alike, is_word, plain, sketch_of
from engine.model import Event, Scalar
from engine.ports import NEVER, As, FieldTest, Known, OptionProblem, Reader, Slot, Tracker
from engine.spec.conditions import MOST

REMEMBERED = MOST["alike"]
# Chosen on the first third of a public log of complaints; see benchmarks/quality.
USUAL_LIKENESS = 0.17


class Options(msgspec.Struct, frozen=True, kw_only=True):
    event: Annotated[tuple[str, ...], As.EVENTS, "the event type, or a list of them"]
    field: Annotated[tuple[str, ...], As.FIELDS, "the attribute that holds the text, or a list of them"]
    over: Annotated[int, As.DURATION, "the length of a sliding window"]
    where: Annotated[tuple[FieldTest, ...], As.WHERE, "only events whose attributes match"] = ()
    likeness: Annotated[float, As.NUMBER, "how much two messages have in common at least, from 0 to 1"] = USUAL_LIKENESS
    leave_out: Annotated[tuple[str, ...], As.TEXTS, "words that say nothing here, such as your own name"] = ()


Use: TypeAlias = tuple[str, Options, int]


class Messages:
    """Slot: [time, [[at, digest of the event's id, sketch], ...]], the newest in order of time.

    The same events give the same slot in whichever order they come: what is kept are the newest of all of them.
    """

    columns: tuple[str, ...] = ()

    def __init__(self, identity: str, options: Options) -> None:
        self.events = options.event
        self.identity = identity
        self._over = options.over
        self._fields = options.field
        self._where = compile_where(options.where)
        self._left_out = frozenset(plain(word) for word in options.leave_out)

    def empty(self, known: Known) -> Slot:
        return [known.seen_at, []]

    def add(self, slot: Slot, event: Event, known: Known) -> bool | None:
        if self._where is not None and not self._where(event.attributes):
            return None
        self.advance(slot, event.at)
        if event.at <= slot[0] - self._over:
            return False
        texts = [text for field in self._fields if isinstance(text := read_path(event.attributes, field), str)]
        sketch = sketch_of(texts, self._left_out)
        if not sketch:
            return None
        kept, fresh = slot[1], [event.at, xxhash.xxh3_64_intdigest(event.id.encode()), sketch]
        if len(kept) >= REMEMBERED and fresh < kept[0]:
            return False
        insort(kept, fresh)
        del kept[:-REMEMBERED]
        return True

    def advance(self, slot: Slot, now: int) -> None:
        """Let time reach `now`, and forget what has left the window."""
        if now <= slot[0]:
            return
        slot[0] = now
        kept = slot[1]
        while kept and kept[0][0] <= now - self._over:
            del kept[0]

    def group(self, slot: Slot, least: float, now: int) -> int:
        """How many belong to the newest one: like it, or like one that belongs to it."""
        self.advance(slot, now)
        if not slot[1]:
            return 0
        *others, newest = [frozenset(sketch) for _at, _id, sketch in slot[1]]
        reached, count = [newest], 1
        while reached:
            one, left = reached.pop(), []
            for other in others:
                if is_alike(one, other, least):
                    reached.append(other)
                    count += 1
                else:
                    left.append(other)
            others = left
        return count

    def turn(self, slot: Slot, now: int, known: Known) -> int:
        self.advance(slot, now)
        if not slot[1]:
            return NEVER
        leaves: int = slot[1][0][0] + self._over
        return leaves

    def begin(self, slot: Slot, now: int) -> None:
        """Nothing before now was seen, and fewer are no signal."""

    def adopt(self, slot: Slot, columns: tuple[str, ...], known: Known) -> Slot:
        return slot


class Alike:
    words = ("alike",)
    options = Options

    def problems(self, word: str, options: Options) -> Sequence[OptionProblem]:
        if not 0 < options.likeness <= 1:
            told = f"{options.likeness:g} is not above 0 and at most 1, as in likeness: {USUAL_LIKENESS}"
            return [OptionProblem("likeness", "bad-likeness", told)]
        return [
            OptionProblem("leave_out", "bad-word", f"'{word}' is no single word of letters, or is left out anyway")
            for word in options.leave_out
            if not is_word(word)
        ]

    def share_key(self, word: str, options: Options) -> tuple[object, ...]:
        """Uses that differ in nothing but the likeness read one memory."""
        words = tuple(sorted({plain(word) for word in options.leave_out}))
        return (word, TAKEN_APART, options.event, options.field, options.where, options.over, words)

    def build(self, uses: Sequence[Use]) -> tuple[Tracker, list[Reader]]:
        word, options, _periods = uses[0]
        kept = Messages(str(self.share_key(word, options)), options)
        return kept, [Reader(value=_value(kept, use.likeness)) for _word, use, _periods in uses]


def _value(kept: Messages, least: float) -> Callable[[Slot, int, Known], Scalar]:
    return partial(_count, kept, least)


def _count(kept: Messages, least: float, slot: Slot, now: int, known: Known) -> Scalar:
    return kept.group(slot, least, now)


KINDS = (Alike(),)
