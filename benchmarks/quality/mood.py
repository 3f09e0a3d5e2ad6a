"""Whether a mood that turns from warm to terse is seen, and one that was never warm is left alone.

The log names no customers, so accounts are made up: each writes real messages, drawn by their judged mood and their
length from the second half of the log. They go the whole way of the product: texts into a stream that scores and
measures them (by a model learned from the first half, or by VADER), and the detector of docs/unusual.md as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from texts import LOG, Judged, judged

from engine.model import DAY_MS, HOUR_MS
from engine.shells.backtest import Backtest
from engine.shells.learning import learn_text
from engine.shells.wiring import load_configuration, plan_of

PAGE = Path(__file__).parents[2] / "docs" / "unusual.md"
MODEL = "moods.json"
MONDAY_MS = 1_767_571_200_000
ACCOUNTS, DAYS, TURN, A_DAY = 60, 90, 45, 2
SHORT = 70
PROJECT = """
project: moods
entities: {account: account}
streams:
  messages:
    family: sentiment
    from: messages.jsonl
    events: [message.scored]
    text: {field: body, length_into: length%s}
"""


class Way(NamedTuple):
    """How somebody writes: shares of positive and of neutral messages, only short ones, hours until an answer."""

    warm: float
    neutral: float
    is_short: bool
    hours: float


WARM = Way(warm=0.6, neutral=0.35, is_short=False, hours=2.0)
TERSE = Way(warm=0.1, neutral=0.4, is_short=True, hours=6.0)
# What each kind of account is at first, and from the day of the turn on.
KINDS = {
    "turns": (WARM, TERSE),
    "turns_with_same_answers": (WARM, TERSE._replace(hours=2.0)),
    "terse_by_nature": (TERSE, TERSE),
    "warm": (WARM, WARM),
    "shorter_but_warm": (WARM, WARM._replace(is_short=True)),
    "slower_but_warm": (WARM, WARM._replace(hours=6.0)),
    "one_bad_week": (WARM, TERSE),
}
BAD_WEEK = "one_bad_week", 7


def messages(log: Sequence[Judged], random: Random) -> Iterator[dict[str, object]]:
    """Of all accounts, in order of time."""
    pools = {(mood, short): [text for _, text, score in log if score == mood and (not short or len(text) < SHORT)]
             for mood in (-1, 0, 1) for short in (False, True)}  # fmt: skip
    found = []
    for kind, (before, after) in KINDS.items():
        ends = TURN + BAD_WEEK[1] if kind == BAD_WEEK[0] else DAYS
        for number in range(ACCOUNTS):
            for part in range(DAYS * A_DAY):
                day = part // A_DAY
                way = after if TURN <= day < ends else before
                drawn = random.random()
                mood = 1 if drawn < way.warm else 0 if drawn < way.warm + way.neutral else -1
                at = MONDAY_MS + part * DAY_MS // A_DAY + random.randrange(8 * HOUR_MS)
                hours = way.hours * random.lognormvariate(0, 0.6)
                found.append((at, f"{kind}-{number}", random.choice(pools[mood, way.is_short]), round(hours, 2)))
    for place, (at, who, body, hours) in enumerate(sorted(found)):
        yield {"id": f"m{place}", "event": "message.scored", "at": at, "account": who, "body": body,
               "answered_after_h": hours}  # fmt: skip


def detector() -> str:
    """As it stands on the page."""
    (found,) = re.findall(
        r"^```yaml\n(detector: from-warm-to-terse\n.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return str(found)


def fired(folder: Path, log: Sequence[Judged], *, model: str) -> dict[str, dict[str, list[int]]]:
    """By kind and account, the days on which it fired."""
    config = folder / "config"
    (config / "beforehand.yml").write_text(PROJECT % model)
    (config / "detectors").mkdir(exist_ok=True)
    (config / "detectors" / "mood.yml").write_text(detector())
    run = Backtest(plan_of(load_configuration(config)), folder)
    run.run()
    found: dict[str, dict[str, list[int]]] = {kind: {} for kind in KINDS}
    for signal in run.signals:
        if signal.state == "firing":
            kind = signal.key.rpartition("-")[0]
            found[kind].setdefault(signal.key, []).append((signal.at - MONDAY_MS) // DAY_MS)
    return found


def measure(data: Path, note: Callable[[str, float], None]) -> None:
    """Of each kind the share for whom it fired: from the turn on, and at all where nothing turned."""
    log = judged(data / LOG)
    first, rest = log[: len(log) // 2], log[len(log) // 2 :]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config").mkdir()
        rows = "".join(json.dumps({"body": text, "score": score}) + "\n" for _, text, score in first)
        (folder / "judged.jsonl").write_text(rows)
        learn_text(folder / "judged.jsonl", ["body"], "score", folder / "config" / MODEL)
        written = "".join(json.dumps(message) + "\n" for message in messages(rest, Random(5)))
        (folder / "messages.jsonl").write_text(written)
        for scorer, model in (("own_model", f", model: {MODEL}"), ("vader", "")):
            for kind, of in fired(folder, rest, model=model).items():
                early = sum(any(day < TURN for day in days) for days in of.values())
                late = [min(day for day in days if day >= TURN) - TURN for days in of.values() if max(days) >= TURN]
                note(f"mood_{scorer}_{kind}_before", round(early / ACCOUNTS, 3))
                note(f"mood_{scorer}_{kind}_after", round(len(late) / ACCOUNTS, 3))
                note(f"mood_{scorer}_{kind}_days", median(late) if late else 0)
