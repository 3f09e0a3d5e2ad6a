"""How well texts without a score are scored: by the library's words, and by a model learned from judged texts.

Both as `text` of a stream uses them. The model learns from the first half of the log, and both score the second.
"""

from __future__ import annotations

import csv
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from measures import auc

from engine.core.scoring import scorer_of
from engine.shells.learning import learn_text
from engine.spec.scoring import TextSpec
from engine.spec.texts import weights_in

LOG = "Tweets.csv.gz"
SCORES = {"negative": -1, "neutral": 0, "positive": 1}
MODEL = "moods.json"
FEW = 500
# at_s, text, what people judged
Judged = tuple[float, str, int]


def judged(path: Path) -> list[Judged]:
    """In order of time; the second of two with one id is left out."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = {int(row["tweet_id"]): row for row in reversed(list(csv.DictReader(lines)))}
    found = []
    for number, row in rows.items():
        at = datetime.strptime(row["tweet_created"], "%m/%d/%Y %H:%M").replace(tzinfo=UTC)
        found.append((at.timestamp(), number, row["text"], SCORES[row["airline_sentiment"]]))
    return [(at_s, text, score) for at_s, _, text, score in sorted(found)]


def learned_from(log: Sequence[Judged]) -> TextSpec:
    """By the very command, from a file and into a file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "judged.jsonl"
        source.write_text("".join(json.dumps({"body": text, "score": score}) + "\n" for _, text, score in log))
        learn_text(source, ["body"], "score", Path(folder) / MODEL)
        found = weights_in(Path(folder), MODEL)
    return TextSpec(fields=("body",), into="score", weights=found.weights)


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    log = judged(data / LOG)
    first, rest = log[: len(log) // 2], log[len(log) // 2 :]
    negative, positive = [score < 0 for _, _, score in rest], [score > 0 for _, _, score in rest]
    note("texts_scored", len(rest))
    for name, spec in (("vader", TextSpec(fields=("body",), into="score")), ("own_model", learned_from(first))):
        score = scorer_of(spec)
        began = time.process_time()
        scores = [score(text) for _, text, _ in rest]
        note(f"texts_{name}_us_per_text", round((time.process_time() - began) / len(rest) * 1e6))
        note(f"texts_{name}_auc_negative", round(auc([-one for one in scores], negative), 4))
        note(f"texts_{name}_auc_positive", round(auc(scores, positive), 4))
    few = scorer_of(learned_from(first[:FEW]))
    note(f"texts_own_model_of_{FEW}_auc_negative", round(auc([-few(text) for _, text, _ in rest], negative), 4))
