"""Gives events with a text and no score a score from -1 to 1, and a length if one is wanted, as they are read.

It is the text and the configuration that decide, and nothing else, so a row that is read again, here or in another
process, gets the same score. A text of which nothing is known is scored 0; one that is empty gets none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from msgspec.structs import replace

from engine.core.mapping import EventReader, Origin
from engine.core.matching import read_path
from engine.core.models.text import TextChance
from engine.model import Event, Json
from engine.spec.scoring import TextSpec
from engine.spec.types import StreamSpec

Scorer: TypeAlias = Callable[[str], float]

READ_CHARS = 4_000  # what comes after is not read: the mood of a text shows before
# The library's time grows with the square of the words, and it makes several words of each sign such as a smiley.
LIBRARY_CHARS = 2_000
LIBRARY_SIGNS = 20
DIGITS = 4  # of a score; beyond them processors of different make may differ


def scored(reader: EventReader, spec: StreamSpec) -> EventReader:
    """The same reader, whose events have a score where the stream says so."""
    if spec.text is None:
        return reader
    fields, into, score = spec.text.fields, spec.text.into, scorer_of(spec.text)
    length_into = spec.text.length_into

    def read(row: dict[str, Json], origin: Origin) -> Event | None:
        event = reader.read(row, origin)
        if event is None:
            return None
        known = event.attributes
        wanted = [name for name in (into, length_into) if name and not _is_number(read_path(known, name))]
        text = text_of(known, fields) if wanted else ""
        if not text:
            return event
        found = {name: score(text) if name == into else len(text) for name in wanted}
        return replace(event, attributes={**known, **found})

    return EventReader(reader.when, read)


def text_of(attributes: Mapping[str, Json], fields: Sequence[str]) -> str:
    """The texts of these fields as one, "" where there is none."""
    found = (read_path(attributes, field) for field in fields)
    return "\n".join(text for text in found if isinstance(text, str) and text.strip())[:READ_CHARS]


def scorer_of(spec: TextSpec) -> Scorer:
    return _library() if spec.weights is None else _learned(spec.weights)


def _learned(weights: Mapping[int, float]) -> Scorer:
    model = TextChance((0, {place: (weight, 0.0) for place, weight in weights.items()}))
    return lambda text: round(2.0 * model.predict(text) - 1.0, DIGITS)


@lru_cache(maxsize=1)
def _library() -> Scorer:
    """The words and rules of VADER (Hutto and Gilbert, 2014), for English. `check` has seen that it is installed."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    judge = SentimentIntensityAnalyzer().polarity_scores

    def score(text: str) -> float:
        return round(judge(_with_few_signs(text[:LIBRARY_CHARS]))["compound"], DIGITS)

    return score


def _with_few_signs(text: str) -> str:
    if text.isascii():
        return text
    signs = [place for place, letter in enumerate(text) if unicodedata.category(letter) == "So"]
    return text if len(signs) <= LIBRARY_SIGNS else text[: signs[LIBRARY_SIGNS]]


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
