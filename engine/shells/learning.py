"""`models learn-text`: from texts that people have judged to a file of weights that scores others."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from engine.core.models.text import TextChance
from engine.core.scoring import text_of
from engine.errors import OperatorError
from engine.model import Json
from engine.shells.whole import write_whole
from engine.spec.texts import LARGEST_WEIGHT, written

# With fewer of either kind, what it says would be chance.
LEAST_OF_A_KIND = 20
DIGITS = 6


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `right` of `asked` texts with a mood were guessed before they were learned, `always` would be
    right by always giving the commoner answer; `left_out` rows had no text or no score.
    """

    texts: int
    left_out: int
    asked: int
    right: int
    always: int


def learn_text(source: Path, fields: Sequence[str], score: str, to: Path) -> Learned:
    """Learn from the rows of a file in their order, and write the weights. Raises OperatorError."""
    model, texts, left_out, good, bad, right = TextChance(), 0, 0, 0, 0, 0
    for number, row in _rows(source):
        text, judged = text_of(row, fields), _judged(row.get(score), source, number)
        if judged is None or not text:
            left_out += 1
            continue
        texts += 1
        right += judged != 0 and (model.log_odds(text) > 0) == (judged > 0)
        good, bad = good + (judged > 0), bad + (judged < 0)
        _learn(model, text, judged)
    if min(good, bad) < LEAST_OF_A_KIND:
        told = f"{good} texts with a score above 0 and {bad} below it"
        raise OperatorError(f"{source} has {told} - it takes {LEAST_OF_A_KIND} of each to learn anything")
    write_whole(to, written(_weights(model), texts))
    return Learned(texts=texts, left_out=left_out, asked=good + bad, right=right, always=max(good, bad))


def as_text(found: Learned, to: Path) -> str:
    lines = [f"learned from {found.texts:,} texts, {found.left_out:,} rows without a text or a score were left out"]
    said, always = found.right / found.asked, found.always / found.asked
    lines.append(
        f"asked before each was learned, it was right about {said:.0%} of those that are not neutral; "
        f"always the same answer would be right about {always:.0%}"
    )
    if said <= always:
        lines.append("that is no better than guessing: it needs more texts, or they do not show what was judged")
    return "\n".join([*lines, f"written to {to}"])


def _learn(model: TextChance, text: str, judged: float) -> None:
    """A neutral text speaks as much for one as for the other."""
    for meant in (False, True) if judged == 0 else (judged > 0,):
        model.learn(text, meant=meant)


def _weights(model: TextChance) -> dict[int, float]:
    _answers, places = model.state()
    rounded = {place: round(weight, DIGITS) for place, (weight, _corrected) in places.items()}
    return {place: max(-LARGEST_WEIGHT, min(LARGEST_WEIGHT, weight)) for place, weight in rounded.items() if weight}


def _rows(source: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """(line, row) of a file of JSON lines, or of a CSV with a header."""
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            if source.suffix == ".csv":
                reader = csv.DictReader(file)
                yield from ((reader.line_num, dict(row)) for row in reader)
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, msgspec.json.decode(line, type=dict[str, Json])
    except (msgspec.DecodeError, UnicodeDecodeError, csv.Error) as error:
        raise OperatorError(f"{source} cannot be read as rows: {error}") from error


def _judged(value: Json, source: Path, line: int) -> float | None:
    if value is None or value == "":
        return None
    try:
        judged = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        judged = math.nan
    if isinstance(value, bool) or not -1 <= judged <= 1:
        raise OperatorError(f"{source}:{line}: {value!r} is no score - it goes from -1, furious, to 1, delighted")
    return judged
