"""docs/first-steps.md, done to the letter: its files are written, its commands run, its outputs compared.

docs/commands.md shows the same project, so what it shows is compared as well.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.cli.conftest import Beforehand

DOCS = Path(__file__).parents[2] / "docs"
# Prose up to a block, the block's language, and its content.
BLOCK = re.compile(r"(.*?)^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^```text\n\$ beforehand ([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Shown with a mistake in it, which the first steps do not have, and run with its log line.
SHOWN_OTHERWISE = ("check", "test", "run --event-clock", "replay --reason bad_time")
# What needs Kafka or somebody else's state, or tells the time of today, has tests of its own.
NOT_OF_THE_FIRST_STEPS = re.compile(
    r"worker|doctor|lag|simulate|erase|export|init|snooze|approve|models|explain .*--kafka"
)
SAVED_AS = re.compile(r"\bas\s+`([\w/.-]+)`:\s*$")


def test_a_newcomer_gets_through_the_first_steps(tmp_path: Path, beforehand: Beforehand, quickly: Beforehand) -> None:
    said, compared = "", 0
    for prose, language, content in BLOCK.findall((DOCS / "first-steps.md").read_text()):
        if language == "sh":
            commands = [shlex.split(line)[1:] for line in content.splitlines()]
            said = "".join((beforehand if "run" in words else quickly)(*words).stdout for words in commands)
        elif language == "text":
            assert said == content
            compared += 1
        else:
            name = SAVED_AS.search(prose)
            assert name, f"the page does not say where this goes: {content}"
            (tmp_path / name[1]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name[1]).write_text(content)
    assert compared == 5
    for command, shown in SHOWN.findall((DOCS / "commands.md").read_text()):
        if command not in SHOWN_OTHERWISE and not NOT_OF_THE_FIRST_STEPS.match(command):
            assert quickly(*shlex.split(command)).stdout == shown
