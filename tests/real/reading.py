"""The raw logs, read with nothing but the standard library, and what a definition needs to be worked out by hand.

Nothing here uses the engine: what it says is what the engine is held against.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

# The data folder that CI has. Where it is not, what needs it is skipped.
DATA = Path(os.environ.get("BEFOREHAND_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data")

HOUR = 3_600_000
DAY = 24 * HOUR
PANES = 60

T = TypeVar("T")


class Look(NamedTuple):
    """At this moment something changed: does what opens a signal hold, and does what closes it?

    `by_event`: an event changed it. What time alone makes true is first looked at with the next event, unless a
    signal is open or waiting already, or the condition is one about time.
    """

    at: int
    opens: bool
    closes: bool
    by_event: bool = True


class Episode(NamedTuple):
    """A signal from opening to closing; closed_at 0 = still open when the log ends."""

    detector: str
    key: str
    opened_at: int
    closed_at: int


def csv_rows(path: Path) -> list[dict[str, str]]:
    with io.TextIOWrapper(gzip.open(path), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def json_rows(path: Path) -> list[dict[str, Any]]:
    """`Any`: what JSON holds."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def local_ms(text: str, zone: str, layout: str = "%Y-%m-%d %H:%M:%S") -> int:
    """A local time in ms since 1970. Of a time that occurs twice, the first."""
    moment = datetime.strptime(text, layout).replace(tzinfo=ZoneInfo(zone))
    return round(moment.timestamp() * 1000)


def by(key: Callable[[T], str], things: Iterable[T]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return groups


def windows(events: list[tuple[int, T]], over: int, end: int) -> Iterator[tuple[int, list[T], bool]]:
    """(moment, what the window holds, by an event?) whenever that changes: at each event, and when a pane leaves.

    Panes are `over` / 60 long and aligned to 1970; the window is the pane of the moment and the 59 before it.
    """
    pane = over // PANES
    held: list[tuple[int, T]] = []
    for event in [*events, None]:
        until = event[0] if event else end + 1
        while held and (leaves := (held[0][0] // pane + PANES) * pane) < until:
            held = [one for one in held if one[0] // pane > leaves // pane - PANES]
            yield leaves, [thing for _at, thing in held], False
        if event:
            held = [one for one in held if one[0] // pane > event[0] // pane - PANES] + [event]
            yield event[0], [thing for _at, thing in held], True


def spans(looks: Iterable[Look], end: int, wait: int = 0) -> Iterator[tuple[int, int]]:
    """(opened, closed or 0): open once it has held for `wait`, until it closes. It opens only once at a time."""
    since: int | None = None
    opened: int | None = None
    for look in [*looks, Look(end + 1, opens=True, closes=False)]:
        if since is not None and opened is None and since + wait < look.at:
            opened = since + wait
        if opened is not None:
            if look.closes and not look.opens:
                yield opened, look.at
                since = opened = None
        elif not look.opens:
            since = None
        elif look.at <= end and (look.by_event or since is not None):
            since = look.at if since is None else since
            opened = look.at if look.at >= since + wait else None
    if opened is not None:
        yield opened, 0


def unanswered(starts: Iterable[int], answers: Iterable[int], within: int, end: int) -> Iterator[tuple[int, int]]:
    """(opened, closed or 0) for each wait longer than `within` that began with a start and ended with an answer."""
    waiting: int | None = None
    turns = sorted([(at, 1) for at in starts] + [(at, 0) for at in answers])
    answered: int | None = None
    for at, is_start in turns:
        if is_start:
            waiting = at if waiting is None and at != answered else waiting
            continue
        if waiting is not None and waiting + within < at:
            yield waiting + within, at
        waiting, answered = None, at
    if waiting is not None and waiting + within <= end:
        yield waiting + within, 0


def followed(events: Iterable[tuple[int, bool, bool]], within: int, end: int) -> Iterator[Look]:
    """Looks at one thing that follows another in time. Events are (at, may be the first, may be what follows)."""
    latest = began = -1  # the latest first thing, and that of the latest match
    for at, is_first, is_next in events:
        if began >= 0 and began + within + 1 < at:
            yield Look(began + within + 1, opens=False, closes=True)
        if is_next and latest >= 0 and at - latest <= within:
            began = latest
        holds = began >= 0 and at - began <= within
        yield Look(at, opens=holds, closes=not holds)
        latest = at if is_first else latest
    if began >= 0 and began + within + 1 <= end:
        yield Look(began + within + 1, opens=False, closes=True)


def cooling(episodes: Iterable[Episode], detector: str, cooldown: int, wait: int = 0) -> int:
    """How many of a detector's signals began while an earlier one of the same entity was still cooling down."""
    until: dict[str, int] = {}
    held_back = 0
    for episode in sorted(episodes, key=lambda one: one.opened_at):
        if episode.detector != detector:
            continue
        began = episode.opened_at - wait
        if began < until.get(episode.key, 0):
            held_back += 1
        else:
            until[episode.key] = began + cooldown
    return held_back
