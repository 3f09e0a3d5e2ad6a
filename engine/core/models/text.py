"""How likely a short text means something, its mood for one: learned from texts that somebody has judged.

A text is taken apart into words, pairs of words, what follows a negation, and runs of four letters, which see through
spelling. Each part has a weight in one of 65,536 places, found by digest, so the state never grows. Learning is a
logistic regression in which a part seen often is corrected less.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TypeAlias

import xxhash

PLACES = 1 << 16
STEP = 0.3
FIRST_DOUBT = 1e-3  # of a part's squared corrections before there were any: the first correction is a bold one
STEEPEST = 30.0
LETTERS = 4
NEGATED = 3  # words after a negation that are told apart from the same words without it
MOST_WORDS = 400  # what comes after so many words is not read

LINK = re.compile(r"https?://\S+|www\.\S+")
MENTION = re.compile(r"@\w+")
TYPESET = "\u2019"  # the apostrophe that telephones write
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|!+|\?+|[^\w\s]")
NEGATIONS = re.compile(r"not?|never|nothing|without|cannot|(do|ca|wo|did)nt|[a-z]+n't")

TextState: TypeAlias = tuple[int, dict[int, tuple[float, float]]]


class TextChance:
    """One question asked of many texts. The state is two floats for each place in use, of 65,536 at most."""

    __slots__ = ("_answers", "_places")

    def __init__(self, state: TextState = (0, {})) -> None:
        self._answers, places = state
        self._places = dict(places)

    def state(self) -> TextState:
        return self._answers, dict(self._places)

    @property
    def answers(self) -> int:
        """How many judged texts it has learned from."""
        return self._answers

    def log_odds(self, text: str) -> float:
        """0 stands for even odds, and for a text of which nothing is known."""
        return self._log_odds(places_of(text))

    def predict(self, text: str) -> float:
        """A probability above 0 and below 1."""
        return _chance(self.log_odds(text))

    def learn(self, text: str, *, meant: bool) -> None:
        places = places_of(text)
        share = _share(places)
        off = (_chance(self._log_odds(places)) - (1.0 if meant else 0.0)) * share
        for place in places:
            weight, corrected = self._places.get(place, (0.0, FIRST_DOUBT))
            corrected += off * off
            self._places[place] = (weight - STEP * off / math.sqrt(corrected), corrected)
        self._answers += 1

    def _log_odds(self, places: list[int]) -> float:
        known = self._places
        return math.fsum(known[place][0] for place in places if place in known) * _share(places)


def places_of(text: str) -> list[int]:
    """Where the weights of a text's parts are, each once, in the order in which they first occur."""
    return list(dict.fromkeys(xxhash.xxh32_intdigest(part.encode()) % PLACES for part in _parts(text)))


def _share(places: list[int]) -> float:
    """A long text is not more certain for its length alone."""
    return 1.0 / math.sqrt(len(places))


def _chance(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-STEEPEST, min(STEEPEST, log_odds))))


def _parts(text: str) -> Iterator[str]:
    words = [
        _plain(word)
        for word in WORD.findall(MENTION.sub(" ", LINK.sub(" www ", text.lower().replace(TYPESET, "'"))))[:MOST_WORDS]
    ]
    yield "always"
    yield f"length {min(len(words) // 5, 6)}"
    negated = 0
    for number, word in enumerate(words):
        yield word
        if negated:
            yield f"not {word}"
            negated -= 1
        if NEGATIONS.fullmatch(word):
            negated = NEGATED
        if number:
            yield f"{words[number - 1]} {word}"
    line = f" {' '.join(words)} "
    for start in range(len(line) - LETTERS + 1):
        yield f"#{line[start : start + LETTERS]}"


def _plain(word: str) -> str:
    """How many digits a number has and whether there is more than one mark is kept, not which number."""
    if word.isdigit():
        return "0" * min(len(word), 3)
    return f"{word[0]}+" if word[0] in "!?" and len(word) > 1 else word
