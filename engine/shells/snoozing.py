"""`snooze`: edits the file of snoozes, which is part of the configuration, and says what is in force.

A running process takes the file like any change of its configuration. Nothing that was in force is ever taken out of
it, only brought to an end, so that a replay comes to the same decisions.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.core.moments import spoken_length
from engine.errors import OperatorError
from engine.model import SECOND_MS
from engine.shells.times import iso, moment
from engine.shells.whole import write_whole
from engine.spec.files import SNOOZES
from engine.spec.judged import kinds_of
from engine.spec.nodes import MappingNode
from engine.spec.policies import SnoozeSpec
from engine.spec.report import Report
from engine.spec.snoozes import ReadSnooze, read_snoozes
from engine.spec.types import Configuration
from engine.spec.world import World
from engine.spec.yaml import read_documents

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.|-]*(:[A-Za-z0-9][A-Za-z0-9_.|-]*)?")
_BETWEEN = "---\n"
_LINE_BETWEEN = re.compile(r"^---[ \t]*\n", re.MULTILINE)


def add(configuration: Configuration, snooze: SnoozeSpec, *, dry_run: bool) -> str:
    """Write it behind those that are there. Returns what it says. Raises OperatorError where it could not hold."""
    with _alone(Path(configuration.folder)) as path:
        text = _text_of(path)
        head = f"{text.rstrip()}\n{_BETWEEN}" if text.strip() else ""
        fresh = head + _document(snooze)
        found = _read(fresh, configuration)
        if not dry_run:
            write_whole(path, fresh.encode())
    return _told(found[-1].spec, snooze.from_ms)


def lift(configuration: Configuration, what: str, now: int, *, dry_run: bool) -> list[str]:
    """End now what is snoozed under that name, and take out what has not begun. Returns what was lifted."""
    with _alone(Path(configuration.folder)) as path:
        text = fresh = _text_of(path)
        lifted = [each for each in _read(text, configuration) if each.spec.what == what and each.spec.until_ms > now]
        if not lifted:
            raise OperatorError(f"{what} is not snoozed; `beforehand snooze --list` says what is")
        for each in reversed(lifted):
            has_begun = each.spec.from_ms < now
            fresh = _ended(fresh, each, now) if has_begun else _without(fresh, each.until.place.line)
        if not dry_run:
            write_whole(path, fresh.encode())
    return [_told(each.spec, now) for each in lifted]


def listed(configuration: Configuration, now: int) -> list[str]:
    """What is in force or to come, in the order of its end."""
    there = sorted(configuration.project.policies.snoozes, key=lambda one: (one.until_ms, one.what))
    return [_told(one, now) for one in there if one.until_ms > now]


def _told(one: SnoozeSpec, now: int) -> str:
    """`play:offer until 2026-03-04 09:00:00 (2d): prices are being changed`."""
    since = f"from {moment(iso(one.from_ms))} " if one.from_ms > now else ""
    left = spoken_length(one.until_ms - max(now, one.from_ms))
    return f"{one.what} {since}until {moment(iso(one.until_ms))} ({left}): {one.because}"


# ---- the file


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The file's path, while no other command may change it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder / SNOOZES
    finally:
        os.close(handle)


def _text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _read(text: str, configuration: Configuration) -> list[ReadSnooze]:
    """What the text says. Raises OperatorError if something in it could not take effect."""
    report = Report()
    nodes = read_documents(SNOOZES, text.encode(), report)
    world = World(
        report=report,
        plugins={},
        entities=dict.fromkeys(kinds_of(configuration), ()),
        plays={play.name: play.place for play in configuration.plays.values()},
        detectors={spec.name: spec.place for spec in configuration.detectors},
    )
    found = list(read_snoozes([node for node in nodes if isinstance(node, MappingNode)], world))
    if report.problems:
        raise OperatorError("; ".join(problem.message for problem in report.problems))
    return found


def _document(one: SnoozeSpec) -> str:
    what = one.what if _PLAIN.fullmatch(one.what) else json.dumps(one.what, ensure_ascii=False)
    because = json.dumps(one.because, ensure_ascii=False)
    return f"snooze: {what}\nfrom: {_written(one.from_ms)}\nuntil: {_written(one.until_ms)}\nbecause: {because}\n"


def _written(at: int) -> str:
    """A moment to the second, as whole seconds are all that snoozes are made of here."""
    return iso(at // SECOND_MS * SECOND_MS).replace(".000Z", "Z")


def _ended(text: str, snooze: ReadSnooze, now: int) -> str:
    """The text with another end in its place; all else stays as it is, comments too."""
    lines, until = text.splitlines(keepends=True), snooze.until
    line, begins = lines[until.place.line - 1], until.place.column - 1
    ends = begins + len(until.text) + 2 * until.quoted
    quote = line[begins] if until.quoted else ""
    lines[until.place.line - 1] = f"{line[:begins]}{quote}{_written(now)}{quote}{line[ends:]}"
    return "".join(lines)


def _without(text: str, line: int) -> str:
    """The text without the document that this line is part of."""
    documents, last = _LINE_BETWEEN.split(text), 0
    for place, document in enumerate(documents):
        last += document.count("\n") + 1
        if line < last:
            return _BETWEEN.join(documents[:place] + documents[place + 1 :])
    raise AssertionError(f"there is no line {line}")
