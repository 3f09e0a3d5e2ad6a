"""Collects everything that is wrong, with its place, so that an author sees all of it at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from engine.errors import Problem
from engine.spec.nodes import Node
from engine.spec.types import Place

# Words that the language keeps for what is coming, so that nobody builds on another meaning of them.
LATER = frozenset(
    (
        "date",
        "score",
        "fired",
    )
)


class Report:
    """The problems found so far. Warnings are among them; `errors` counts the rest."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    @property
    def errors(self) -> int:
        return sum(problem.severity == "error" for problem in self.problems)

    def error(self, where: Node | Place, code: str, message: str) -> None:
        self._add(where, code, message, "error")

    def warning(self, where: Node | Place, code: str, message: str) -> None:
        self._add(where, code, message, "warning")

    def later(self, where: Node | Place, word: str) -> None:
        self.error(where, "later", f"'{word}' is not available yet - it comes in a later version")

    def _add(self, where: Node | Place, code: str, message: str, severity: str) -> None:
        place = where if isinstance(where, Place) else where.place
        self.problems.append(Problem(place.path, place.line, place.column, code, message, severity))


def near(word: str, known: Iterable[str]) -> str:
    """` - did you mean 'x'?` if something known is spelled much like it, else nothing."""
    found = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f" - did you mean '{found[0]}'?" if found else ""


def unknown(what: str, word: str, known: Collection[str], whose: str = "") -> str:
    """The sentence for a name that does not exist, with the nearest one or else all that do."""
    hint = near(word, known)
    if not hint:
        hint = f" - known here: {listed(known)}" if known else " - there is none defined"
    return f"unknown {what} '{word}'{whose}{hint}"


def listed(words: Collection[str]) -> str:
    return ", ".join(sorted(words))


def either(words: Iterable[object]) -> str:
    """`a, b or c`."""
    *first, last = [str(word) for word in words]
    return f"{', '.join(first)} or {last}" if first else last
