"""Prints one line per action, for a person or, with `json: true`, for the next program in a pipe.

Use it to try things out, in demos, and where a supervisor collects what a program prints.
It cannot tell whether anybody read the line, and it does not recognise a repeated action: one that was being printed
when the process died is reported as unknown and not printed again.

```yaml
sinks:
  console: {kind: stdout, json: true}
```
"""

from __future__ import annotations

import sys
from typing import Annotated, TextIO

import msgspec

from engine.model import Action
from engine.payload import encoded, escaped, iso
from engine.ports import As, Delivered, Retry, SinkContext, Unknown, Verdict


class Options(msgspec.Struct, frozen=True, kw_only=True):
    json: Annotated[bool, As.FLAG, "print the whole action as one line of JSON instead of a readable line"] = False


class Sink:
    idempotent = False
    idempotent_for_ms = 0

    def __init__(self, options: Options, context: SinkContext, stream: TextIO | None = None) -> None:
        """`stream` is where lines go; without it, whatever is standard output at the time of sending."""
        self._json = options.json
        self._name = context.name
        self._stream = stream

    async def open(self) -> None:
        """Nothing to get ready."""

    async def send(self, action: Action) -> Verdict:
        stream = self._stream or sys.stdout
        if stream.closed:
            return Retry("standard output is closed")
        try:
            stream.write((encoded(action).decode() if self._json else readable(action)) + "\n")
            stream.flush()
        except (OSError, UnicodeEncodeError) as error:
            return Unknown(f"standard output failed: {error.__class__.__name__}")
        return Delivered()

    async def close(self) -> None:
        """Nothing to let go of."""


def readable(action: Action) -> str:
    """An action on one line, safe to show on a terminal."""
    words = f"{iso(action.at)} {action.severity.upper()} {action.play} -> {action.recipient} ({action.channel})"
    said = " | ".join(part for part in (action.title, action.text) if part)
    return escaped(f"{words}: {said}")
