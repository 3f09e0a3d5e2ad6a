"""The two kinds of fault that a caller may meet: the author's (fixable in a file) and an operator's.

Anything else is a bug and crashes with its key and position.
"""

from __future__ import annotations

import msgspec


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something wrong in a file, at a place, with a hint. Lines and columns start at 1; 0 = the whole file."""

    path: str
    line: int
    column: int
    code: str
    message: str
    severity: str = "error"

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        return f"{place}: {self.severity}[{self.code}]: {self.message}"


class SpecError(Exception):
    """A configuration that cannot take effect. Carries every problem found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class OperatorError(Exception):
    """Something the person who runs the engine must change: a locked data folder, a missing file, a full disk."""


def in_brief(wrong: SpecError | OperatorError) -> str:
    """One line for a log: the first of several problems, and how many there are."""
    if isinstance(wrong, OperatorError):
        return str(wrong)
    return f"{wrong.problems[0]} ({len(wrong.problems)} in all)"
